# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `avatar-forcing` command. Each subcommand is a module with `add_arguments(parser)` and `run(args) -> dict`.

The exit status is 0 only when the job was done, 1 when it could not be, 2 when it was not understood. With --json the
last line printed is one JSON object; of a job that could not be done there is none, but one line on the standard error.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import math
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from avatar_forcing_ros.session.errors import describe

_TERMINATED = 128 + signal.SIGTERM
_PIPE_CLOSED = 128 + signal.SIGPIPE


@dataclass(frozen=True)
class Command:
    """A subcommand: the module that does it and what it does in one line."""

    module: str
    help: str


COMMANDS = {
    "render": Command(
        "avatar_forcing_ros.commands.render", "make a video from a portrait, speech and a user, without ROS"
    ),
    "consent": Command(
        "avatar_forcing_ros.commands.consent", "record whose face a portrait shows, and that it may be shown"
    ),
    "replay": Command(
        "avatar_forcing_ros.commands.replay", "replay a rosbag through the avatar, bit for bit as live, without ROS"
    ),
    "doctor": Command(
        "avatar_forcing_ros.commands.doctor", "check what works on this machine, and how to fix what does not"
    ),
    "bench": Command("avatar_forcing_ros.commands.bench", "measure speed and memory on this machine"),
    "parity": Command("avatar_forcing_ros.commands.parity", "compare the network with recorded reference values"),
    "import-weights": Command(
        "avatar_forcing_ros.commands.import_weights", "turn the authors' weight files into a model bundle"
    ),
    "prepare": Command("avatar_forcing_ros.commands.prepare", "turn recordings of pairs of people into training data"),
    "train": Command("avatar_forcing_ros.commands.train", "train the bundled model from scratch"),
    "evaluate": Command("avatar_forcing_ros.commands.evaluate", "measure how well a model reacts"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _make_streams_usable()
    name = arguments[0] if arguments else ""
    try:
        parser = _parser(name)
        args = parser.parse_args(arguments)
    except KeyboardInterrupt:
        return _interrupted(name)
    except Exception as error:  # an input that is a pipe is read here, and what a command needs is imported
        debug = "--debug" in arguments
        if debug:
            traceback.print_exc()
        print(f"avatar-forcing {name}: {describe(error, debug=debug)}", file=sys.stderr)
        return 1
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[args.command].module)
    return _run(module.run, args)


def _make_streams_usable() -> None:
    """Output that was closed goes nowhere, and a terminal that only knows ASCII still shows every name."""
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 (until the program ends)
    sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _parser(wanted: str) -> argparse.ArgumentParser:
    """Parser of all commands; only the wanted one's module is imported, so that help is quick."""
    parser = argparse.ArgumentParser(prog="avatar-forcing", description="A face that listens while it talks.")
    version = _version() if wanted == "--version" else ""
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        subparser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name == wanted:
            with _ended_by_interrupt(name):
                module = importlib.import_module(command.module)
            module.add_arguments(subparser)
    return parser


def _version() -> str:
    try:
        return importlib.metadata.version("avatar_forcing_ros")
    except importlib.metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


def _run(run: Any, args: argparse.Namespace) -> int:
    """A mistake ends in one line, the user's and ours; --debug shows a traceback."""
    try:
        with _terminable():
            result = run(args)
            ok = result.pop("ok", True)
            if args.json:
                print(json.dumps(_finite(result)))
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(args.command)
    except _Terminated:
        print(f"avatar-forcing {args.command}: terminated; unfinished output was removed", file=sys.stderr)
        return _TERMINATED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return _PIPE_CLOSED
        if args.debug:
            traceback.print_exc()
        print(f"avatar-forcing {args.command}: {describe(error, debug=args.debug)}", file=sys.stderr)
        return 1
    return 0 if ok else 1


def _finite(value: Any) -> Any:
    """What is printed, with null for what is no number: JSON has no NaN, and many readers refuse it."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _interrupted(command: str) -> int:
    print(f"avatar-forcing {command}: interrupted", file=sys.stderr)
    return 128 + signal.SIGINT


@contextmanager
def _ended_by_interrupt(command: str) -> Iterator[None]:
    """Ctrl-C ends the program at once, for compiled modules swallow KeyboardInterrupt while they are imported."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        os._exit(_interrupted(command))  # nothing has been written yet

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # whoever ignores it, or handles it, goes on doing so
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _nobody_reads() -> bool:
    """Whether who read what is printed has seen enough, as `| head` has; what is left to print goes nowhere then."""
    reader = select.poll()
    try:
        output = sys.stdout.fileno()
    except OSError:  # no file at all
        return False
    reader.register(output, 0)
    if not reader.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


class _Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is an exception in here, so that unfinished files go as they do after any other failure."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() != process:  # a worker that was forked has nothing to tidy
            os._exit(_TERMINATED)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
