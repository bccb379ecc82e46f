# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sends the core's `logging` records to ROS, so that they reach the console in one form."""

from __future__ import annotations

import logging

from rclpy.logging import LoggingSeverity, get_logger

PACKAGE_LOGGER = "avatar_forcing_ros"


class RosLogHandler(logging.Handler):
    """Forwards each record, with its arguments filled in, at the same severity."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        get_logger(record.name).log(self.format(record), severity_of(record.levelno))


def severity_of(level: int) -> LoggingSeverity:
    """The ROS severity of a Python logging level; in between, the lower one."""
    for severity in (LoggingSeverity.FATAL, LoggingSeverity.ERROR, LoggingSeverity.WARN, LoggingSeverity.INFO):
        if level >= int(severity):  # both systems count 10, 20, 30, 40, 50
            return severity
    return LoggingSeverity.DEBUG


def forward_logging() -> None:
    """Forward what this package logs, from the severity on that ROS shows (`--log-level`).

    Calling it twice changes nothing.
    """
    logger = logging.getLogger(PACKAGE_LOGGER)
    logger.setLevel(int(get_logger(PACKAGE_LOGGER).get_effective_level()))  # both systems count alike
    if not any(isinstance(handler, RosLogHandler) for handler in logger.handlers):
        logger.addHandler(RosLogHandler())
        logger.propagate = False  # else a configured root logger says everything twice
