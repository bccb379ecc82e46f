# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Mailbox and worker: the newest wins, an error ends nothing and floods nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from avatar_forcing_ros.session.worker import Faults, Mailbox, Worker


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.details: list[str] = []

    def error(self, message: str) -> None:
        self.lines.append(message)

    def debug(self, message: str) -> None:
        self.details.append(message)


def test_a_full_mailbox_drops_the_oldest_and_counts_it() -> None:
    mailbox: Mailbox[int] = Mailbox(capacity=2)
    for item in range(5):
        mailbox.put(item)

    assert mailbox.dropped == 3
    assert mailbox.take_all() == [3, 4]
    assert mailbox.take_all() == []


def test_items_come_in_order_and_none_after_closing() -> None:
    mailbox: Mailbox[str] = Mailbox(capacity=3)
    mailbox.put("a")
    mailbox.put("b")

    assert (mailbox.take(), mailbox.take()) == ("a", "b")
    mailbox.close()
    assert mailbox.take() is None


def test_a_mailbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Mailbox(capacity=0)


def test_a_waiting_worker_ends_when_it_is_stopped() -> None:
    mailbox: Mailbox[int] = Mailbox()
    worker = Worker("waiting", mailbox.take, Faults(Log()), mailbox.close)
    worker.start()

    worker.stop()

    assert threading.active_count() == len([t for t in threading.enumerate() if t.name != "waiting"])


def test_a_turn_that_raises_is_reported_and_the_next_one_comes() -> None:
    log, mailbox, done = Log(), Mailbox[int](capacity=10), threading.Event()

    def turn() -> None:
        item = mailbox.take()
        if item == 0:
            raise ValueError("zero is\nnot allowed")
        if item == 2:
            done.set()

    faults = Faults(log)
    worker = Worker("divider", turn, faults, mailbox.close)
    for item in (0, 1, 2):
        mailbox.put(item)
    worker.start()
    assert done.wait(10)
    worker.stop()

    assert log.lines == ["divider: zero is not allowed"]
    assert (faults.count, faults.last) == (1, "zero is not allowed")


def test_the_same_error_is_said_the_1st_10th_and_100th_time() -> None:
    log = Log()
    faults = Faults(log)
    for _ in range(150):
        faults.report("camera", ValueError("dark"))

    assert log.lines == ["camera: dark", "camera: dark (10 times)", "camera: dark (100 times)"]
    assert faults.count == 150


def test_errors_that_alternate_or_differ_in_a_number_do_not_flood_the_log() -> None:
    log = Log()
    faults = Faults(log)
    for number in range(50):
        faults.report("camera", ValueError("dark"))
        faults.report("microphone", ValueError(f"expected an even number of bytes, got {number}"))
    faults.report("camera", ValueError("loud"))

    assert [line.split()[0] for line in log.lines] == ["camera:", "microphone:"] * 2 + ["camera:"]
    assert log.lines[0] == "camera: dark" and log.lines[3].endswith("got 9 (10 times)") and faults.count == 101


def test_a_mistake_of_ours_is_one_line_with_the_file_at_work_and_debugging_shows_where() -> None:
    log = Log()
    faults = Faults(log)
    faults.report("node", OSError("no such file"))

    def read(path: Path) -> None:
        raise KeyError(f"left of {path.name}\nor right")

    try:
        read(Path(__file__))
    except KeyError as raised:
        faults.report("node", raised)

    assert log.lines[0] == "node: no such file"
    assert log.lines[1].startswith(f"node: unexpected KeyError at {__file__}: ") and "\n" not in log.lines[1]
    assert "--debug" in log.lines[1]
    assert "Traceback" in log.details[1] and "in read" in log.details[1]
    assert faults.last == log.lines[1].removeprefix("node: ")
