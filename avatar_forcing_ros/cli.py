"""The `avatar-forcing` command. Each subcommand is a module with `add_arguments(parser)` and `run(args) -> dict`.

The exit status is 0 only when the job was done, 1 when it could not be, 2 when it was not understood. With --json the
last line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Command:
    """A subcommand: the module that does it and what it does in one line."""

    module: str
    help: str


COMMANDS = {
    "render": Command("avatar_forcing_ros.commands.render", "portrait + speech + user -> video, without ROS"),
    "replay": Command("avatar_forcing_ros.commands.replay", "bag in, bag out: the same pictures as live, without ROS"),
    "doctor": Command("avatar_forcing_ros.commands.doctor", "say what works on this machine and what does not"),
    "bench": Command("avatar_forcing_ros.commands.bench", "measure speed and memory on this machine"),
    "parity": Command("avatar_forcing_ros.commands.parity", "hold the network against recorded reference values"),
    "import-weights": Command(
        "avatar_forcing_ros.commands.import_weights", "make a model bundle of the authors' weight files"
    ),
    "prepare": Command("avatar_forcing_ros.commands.prepare", "recordings of pairs of people -> data to train on"),
    "train": Command("avatar_forcing_ros.commands.train", "train the bundled model from nothing"),
    "evaluate": Command("avatar_forcing_ros.commands.evaluate", "say in figures how well a model reacts"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(arguments[0] if arguments else "")
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[args.command].module)
    return _run(module.run, args)


def _parser(wanted: str) -> argparse.ArgumentParser:
    """Parser of all commands; only the wanted one's module is imported, so that help is quick."""
    parser = argparse.ArgumentParser(prog="avatar-forcing", description="A face that listens while it talks.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        subparser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
        if name == wanted:
            importlib.import_module(command.module).add_arguments(subparser)
    return parser


def _run(run: Any, args: argparse.Namespace) -> int:
    """A user's mistake ends in one line, never in a traceback."""
    try:
        result = run(args)
    except (ValueError, OSError) as error:
        print(f"avatar-forcing {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"avatar-forcing {args.command}: interrupted", file=sys.stderr)
        return 130
    ok = result.pop("ok", True)
    if args.json:
        print(json.dumps(result))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
