# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`make kiosk`: runs the nodes of `launch/kiosk.launch.py` without `ros2 launch`, until Ctrl-C.

    python -m avatar_forcing_ros.nodes.kiosk

It prints the address as soon as the page can be opened; the face appears there a few seconds later.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace

from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.environment import local_graph, own_domain
from avatar_forcing_ros.graph.processes import NodeFailedError, ProcessGroup
from avatar_forcing_ros.portraits.consent import open_first_portrait
from avatar_forcing_ros.web.access import AccessConfig, listen, tls_context

_LOOK_S = 0.2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the kiosk; the exit status is 0 if Ctrl-C or SIGTERM ended it."""
    args = vars(_parser().parse_args(argv))
    choice = graph.AvatarChoice(args.pop("model"), args.pop("portrait"))
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    try:
        if choice.portrait:
            open_first_portrait(choice.portrait)  # one that cannot be shown is refused at once
        voice_agent = args.pop("voice_agent")
        access = AccessConfig(**args)
        tls_context(access)
        with listen(access) as free:  # an address or port that cannot be used is reported before anything slow starts
            args["port"] = free.getsockname()[1]
        access = replace(access, port=args["port"])
        _run(graph.kiosk(choice, voice_agent, **args), access, stopped)
    except (ValueError, OSError, NodeFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _run(nodes: Sequence[graph.NodeProcess], access: AccessConfig, stopped: threading.Event) -> None:
    domain = own_domain()
    with ProcessGroup(nodes, local_graph(domain) | graph.PROCESS_ENVIRONMENT) as processes:
        print("The kiosk starts ...", file=sys.stderr)
        said = False
        while not stopped.wait(_LOOK_S):
            processes.tend(lambda line: print(line, file=sys.stderr))
            if not said and _answers(access):
                print(f"The kiosk is at {access.url()} (ROS domain {domain}; Ctrl-C ends it)", flush=True)
                said = True


def _answers(access: AccessConfig) -> bool:
    """Whether the web node listens."""
    anywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    try:
        socket.create_connection((anywhere.get(access.host, access.host), access.port), timeout=_LOOK_S).close()
    except OSError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="The avatar in a browser.")
    defaults = AccessConfig()
    parser.add_argument("--portrait", default="", help="picture of the face to animate (default: our own character)")
    parser.add_argument("--model", default="", help="name or folder of a model bundle")
    parser.add_argument(
        "--host", default=defaults.host, help="address to listen on; all but this machine's own need --token"
    )
    parser.add_argument("--port", type=int, default=defaults.port, help=f"port to listen on (default: {defaults.port})")
    parser.add_argument("--token", default="", help="secret that browsers elsewhere need, at least 16 characters")
    parser.add_argument("--certificate", default="", help="PEM file of the TLS certificate")
    parser.add_argument("--key", default="", help="PEM file of its private key")
    parser.add_argument(
        "--voice-agent", default="offline", help="who answers: offline, none, or a parameter file of the voice agent"
    )
    parser.add_argument("--names", default="", help="other names of this machine, such as robot.local")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
