# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs nodes as the work of a process, one or several, until they have finished or a signal comes.

Signals end nodes in order, errors are said in one line, and a node can be kept alive, see `graph.keeping`.
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

import rclpy
from rclpy.signals import SignalHandlerOptions

from avatar_forcing_ros.graph.keeping import KEEP, keep, leave_on_signals, wait_for_turn
from avatar_forcing_ros.nodes.command_line import DEBUG, asks_for_help, help_text, refuse_strays
from avatar_forcing_ros.nodes.executors import QuietExecutor
from avatar_forcing_ros.nodes.handover import Handover
from avatar_forcing_ros.nodes.managed_node import EXPECTED, ManagedNode, debugged
from avatar_forcing_ros.nodes.ros_logging import forward_logging
from avatar_forcing_ros.session.errors import describe, one_line

_Options = TypeVar("_Options")

_LOOK_S = 0.1
SHOW_ON_S = 0.6
"""When a needed node has finished, the others continue this long, so that a recording does not end on a syllable."""
_SIGNAL_PATIENCE_S = 0.5  # Python handles a signal only when the middleware returns control to the thread


def run(
    node_type: Callable[[], ManagedNode], args: list[str] | None = None, prepare: Callable[[], None] | None = None
) -> int:
    """Run a node as a process until it has finished, or SIGINT or SIGTERM arrives.

    Args:
        node_type: makes the node.
        args: command line; None uses the process's own. With `--keep`, the node runs in a child process, which is
            restarted if it is killed or fails.
        prepare: slow preparation that all such children share.

    Returns:
        Exit status: 0 if the node did its work, 1 if it could not start.
    """
    said = sys.argv if args is None else args
    if asks_for_help(said):
        print(help_text(node_type.__module__))
        return 0
    leave_on_signals()
    wait_for_turn(said)
    if KEEP in said:
        if prepare is not None:
            prepare()
        return keep(lambda: _run(node_type, args))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: sys.exit(0))  # the middleware shuts down on the way
    return _run(node_type, args)


def _run(node_type: Callable[[], ManagedNode], args: list[str] | None) -> int:
    return said_in_one_line(args, lambda: _run_node(node_type()))


def run_with_options(
    module: str,
    usage: str,
    parse: Callable[[Sequence[str]], tuple[_Options, list[str]]],
    play: Callable[[_Options, list[str]], int],
    args: list[str] | None = None,
) -> int:
    """Run a program of several nodes that has options of its own.

    Args:
        module: its __name__.
        usage: its options, for the help.
        parse: words -> options, and the words that are left; raises ValueError if they are wrong.
        play: runs it with both; returns the exit status.
        args: command line without the program; None uses the process's own.

    Returns:
        Exit status: that of `play`, 0 after help, 2 if the options are wrong.
    """
    said = sys.argv[1:] if args is None else args
    if asks_for_help(said):
        print(help_text(module, usage))
        return 0
    try:
        options, rest = parse(said)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return play(options, rest)


def said_in_one_line(args: list[str] | None, play: Callable[[], int]) -> int:
    """Initialise rclpy and call `play`; report an error in one line, with its traceback if `--debug` is given."""
    debug = DEBUG in (sys.argv if args is None else args)
    if debug:
        debugged.set()
    try:
        _init(args)
        forward_logging()
        return play()
    except Exception as error:  # last resort
        if debug:
            traceback.print_exc()
        print(f"error: {describe(error, EXPECTED, debug)}", file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()


def _init(args: list[str] | None) -> None:
    """Initialise rclpy.

    Raises:
        ValueError: the command line contains what neither ROS nor our nodes know, or a parameter file cannot be read.
    """
    given = sys.argv if args is None else args
    refuse_strays(given)
    try:
        # rclpy's signal handlers would invalidate the context at once, while threads are still publishing.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # errors of rclpy's own
        reason = one_line(error).partition(", at /")[0]
        raise ValueError(f"these arguments of ROS cannot be used: {reason}") from error


def run_together(makers: Sequence[Callable[[], ManagedNode]], args: list[str], handover: Handover | None = None) -> int:
    """Run several nodes in this process until one that is needed has finished, or SIGINT or SIGTERM arrives.

    Args:
        makers: make the nodes; they start in this order and end in reverse.
        args: command line.
        handover: passes messages between the nodes; None leaves that to the middleware.

    Returns:
        Exit status: 0 if they did their work, 1 if one of them could not start.
    """
    return said_in_one_line(args, lambda: _run_nodes(makers, handover))


def _run_nodes(makers: Sequence[Callable[[], ManagedNode]], handover: Handover | None) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    status, nodes = 0, []
    try:
        with ExitStack() as spinning:
            for make in makers:
                node = make()
                nodes.append(node)
                node.handover = handover
                if not node.start():
                    return 1
                spinning.callback(spin_apart(node))
            while not stop.wait(_LOOK_S) and not any(node.needed and node.finished.done() for node in nodes):
                pass
            status = max(node.finished.result() for node in nodes if node.finished.done()) if not stop.is_set() else 0
            stop.wait(SHOW_ON_S)
    finally:
        closed = [node.close() for node in reversed(nodes)]
    return status if all(closed) else 1


def spin_apart(node: ManagedNode) -> Callable[[], None]:
    """Spin a node in a thread of its own, because an executor checks all its nodes whenever one has work."""
    executor = QuietExecutor(node.context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, name=f"executor {node.get_name()}", daemon=True)
    thread.start()

    def end() -> None:
        executor.shutdown()
        thread.join()

    return end


def _run_node(node: ManagedNode) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: node.finish())  # a second signal changes nothing
    status = 1
    try:
        status = _spin(node)
    finally:
        status = status if node.close() else 1
    return status


def _spin(node: ManagedNode) -> int:
    if not node.start():
        return 1
    executor = QuietExecutor(node.context)
    executor.add_node(node)
    while not node.finished.done():
        executor.spin_once(timeout_sec=_SIGNAL_PATIENCE_S)
    executor.remove_node(node)
    return node.finished.result()
