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
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Any

from avatar_forcing_ros.session.errors import describe

_TERMINATED = 128 + signal.SIGTERM
_PIPE_CLOSED = 128 + signal.SIGPIPE


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        module: the module that does it.
        help: what it does, in one line.
        example: a typical call, without `avatar-forcing`.
        page: the page of docs/ about it.
    """

    module: str
    help: str
    example: str = ""
    page: str = ""


COMMANDS = {
    "render": Command(
        "avatar_forcing_ros.commands.render",
        "make a video from a portrait, speech and a user, without ROS",
        "render --portrait face.png --speech answer.wav --user-video me.mp4 --output talk.mp4",
        "quick_start.md",
    ),
    "consent": Command(
        "avatar_forcing_ros.commands.consent",
        "record whose face a portrait shows, and that it may be shown; without options, show what is recorded",
        'consent face.png --who "Ada Example" --source "press office" --licence "internal use" '
        '--consent "signed on 2026-11-03" --expires 2027-11-03',
        "disclosure.md",
    ),
    "replay": Command(
        "avatar_forcing_ros.commands.replay",
        "replay a rosbag through the avatar, bit for bit as live, without ROS",
        "replay talk_bag out_bag",
        "replay.md",
    ),
    "doctor": Command(
        "avatar_forcing_ros.commands.doctor",
        "check what works on this machine, and how to fix what does not",
        "doctor",
        "troubleshooting.md",
    ),
    "bench": Command(
        "avatar_forcing_ros.commands.bench",
        "measure speed and memory on this machine",
        "bench renderer",
        "performance.md",
    ),
    "parity": Command(
        "avatar_forcing_ros.commands.parity",
        "compare the network with recorded reference values",
        "parity seed11.npz",
        "published_network.md",
    ),
    "import-weights": Command(
        "avatar_forcing_ros.commands.import_weights",
        "turn the authors' weight files into a model bundle",
        "import-weights --flow-transformer flow_transformer.pth --motion-autoencoder motion_autoencoder.pth "
        "--wav2vec2 wav2vec2-base-960h --output ~/models/published",
        "published_network.md",
    ),
    "prepare": Command(
        "avatar_forcing_ros.commands.prepare",
        "turn recordings of pairs of people into training data",
        "prepare recordings.csv --output data",
        "training_on_your_videos.md",
    ),
    "train": Command(
        "avatar_forcing_ros.commands.train",
        "train the bundled model from scratch, or a model on your own recordings",
        "train --data data --output my_model",
        "training_on_your_videos.md",
    ),
    "evaluate": Command(
        "avatar_forcing_ros.commands.evaluate",
        "measure how well a model reacts",
        "evaluate my_model --conversations 12",
        "evaluation.md",
    ),
}
_HELP = ("-h", "--help")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Adds to each option its default, and leaves examples as they are."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said = action.help or ""
        tells = isinstance(action.default, (int, float, str, Path)) and not isinstance(action.default, bool)
        tells = tells and action.default not in ("", argparse.SUPPRESS)
        return f"{said} (default: %(default)s)" if tells and "default" not in said else said


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _make_streams_usable()
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    name = arguments[0] if arguments else ""
    if name and not name.startswith("-") and name not in COMMANDS:
        print(f"avatar-forcing: {_unknown(name)}", file=sys.stderr)
        return 2
    try:
        parser = _parser(name, asks_for_help=any(word in arguments for word in _HELP))
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


def _unknown(name: str) -> str:
    near = get_close_matches(name, COMMANDS, 1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"expected a command, got {name!r}; {guess}--help lists all commands"


def _parser(wanted: str, asks_for_help: bool = False) -> argparse.ArgumentParser:
    """Parser of all commands; only the wanted one's module is imported, so that help is quick."""
    parser = argparse.ArgumentParser(
        prog="avatar-forcing",
        description="A face that listens while it talks.",
        epilog="avatar-forcing COMMAND --help explains the options of a command and gives an example.",
    )
    version = _version() if wanted == "--version" else ""
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(
            name, help=command.help, description=command.help, epilog=_epilog(command), formatter_class=_Help
        )
        subparser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name == wanted:
            try:
                with _ended_by_interrupt(name):
                    module = importlib.import_module(command.module)
            except ModuleNotFoundError as error:
                if not asks_for_help:
                    raise
                subparser.epilog = f"To see all options: {describe(error)}\n\n{_epilog(command)}"
            else:
                module.add_arguments(subparser)
    return parser


def _epilog(command: Command) -> str:
    return f"example:\n  avatar-forcing {command.example}\n\nSee docs/{command.page}."


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
        yield  # a caller that ignores or handles it keeps doing so
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _nobody_reads() -> bool:
    """Whether the reader of our output is gone, as with `| head`; the rest of the output is then dropped."""
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
