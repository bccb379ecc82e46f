# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sends the core's `logging` records to ROS, so that the console shows all messages in one format."""

from __future__ import annotations

import logging

from rclpy.logging import LoggingSeverity, get_logger

PACKAGE_LOGGER = "avatar_forcing_ros"


class RosLogHandler(logging.Handler):
    """Forwards each record at the same severity, with its arguments filled in."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        get_logger(record.name).log(self.format(record), severity_of(record.levelno))


def severity_of(level: int) -> LoggingSeverity:
    """The ROS severity of a Python logging level; for a level in between, the lower one."""
    for severity in (LoggingSeverity.FATAL, LoggingSeverity.ERROR, LoggingSeverity.WARN, LoggingSeverity.INFO):
        if level >= int(severity):  # both systems count 10, 20, 30, 40, 50
            return severity
    return LoggingSeverity.DEBUG


def forward_logging() -> None:
    """Forward this package's log records from the severity that ROS shows (`--log-level`) upwards.

    Calling it twice changes nothing.
    """
    logger = logging.getLogger(PACKAGE_LOGGER)
    logger.setLevel(int(get_logger(PACKAGE_LOGGER).get_effective_level()))  # both systems use the same numbers
    if not any(isinstance(handler, RosLogHandler) for handler in logger.handlers):
        logger.addHandler(RosLogHandler())
        logger.propagate = False  # else a configured root logger would repeat everything
