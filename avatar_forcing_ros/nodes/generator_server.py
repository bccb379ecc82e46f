# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs several avatars in one process with one shared model: one GPU serves a hall of kiosks.

    generator_server --namespaces kiosk_1,kiosk_2 --ros-args -p model:=~/models/published

Each namespace has a generator of its own with all topics, services and parameters (`/kiosk_1/generator`), and a node
that reads its user's face (`/kiosk_1/motion_extraction`). If one cannot start, fails or is interrupted, the others are
not affected. ROS arguments apply to all of them; a parameter file can tell them apart by name.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from avatar_forcing_ros.bundle import load_bundle
from avatar_forcing_ros.graph.settings import NAMESPACES
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.nodes.generator_node import GeneratorNode
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode, open_space
from avatar_forcing_ros.nodes.running import run_with_options, said_in_one_line, spin_apart
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.sharing import Admission, NoRoomError, SharedModels

_LOOK_S = 0.2
_log = logging.getLogger(__name__)


@dataclass
class _Kiosk:
    """The nodes of one namespace, spun in threads of their own."""

    namespace: str
    nodes: list[ManagedNode]
    spinning: ExitStack

    def close(self) -> bool:
        """Close the nodes; False if one of them could not finish its work."""
        self.spinning.close()
        closed = [node.close() for node in reversed(self.nodes)]  # a list, so that every node is closed
        return all(closed)

    @property
    def finished(self) -> bool:
        """Whether one of its nodes has finished."""
        return any(node.finished.done() for node in self.nodes)


class GeneratorServer:
    """Runs kiosks on one set of models.

    Args:
        models: opens the models.
        admission: decides how many kiosks fit.
        reads_faces: whether each namespace has a motion extraction node.
        node_arguments: arguments for every node, for tests.

    Attributes:
        kiosks: the running kiosks, by namespace.
    """

    def __init__(
        self,
        models: SharedModels,
        admission: Admission | None = None,
        reads_faces: bool = True,
        **node_arguments: Any,
    ) -> None:
        self._models, self._admission, self._reads_faces = models, admission or Admission(), reads_faces
        self._node_arguments = node_arguments
        self.kiosks: dict[str, _Kiosk] = {}

    def open(self, namespace: str) -> bool:
        """Start the nodes of a namespace; if that fails, log the reason and return False. The others continue."""
        try:
            begun = self._admission.admit(lambda: self._begin(namespace))
        except NoRoomError as error:
            _log.error("%s: %s", namespace, error)
            return False
        except Exception as error:  # whatever it is, the others continue
            _log.error("%s: not started: %s", namespace, one_line(error))
            return False
        if begun is None:
            _log.error("%s: not started, see its node's log; %d others continue", namespace, len(self.kiosks))
            return False
        self.kiosks[namespace] = begun
        return True

    def _begin(self, namespace: str) -> _Kiosk | None:
        makers: list[Callable[..., ManagedNode]] = [partial(GeneratorNode, open_model=self._models.open)]
        makers += [partial(MotionExtractionNode, open_motion_space=self._space)] if self._reads_faces else []
        kiosk = _Kiosk(namespace, [], ExitStack())
        try:
            for make in makers:
                node = make(namespace=f"/{namespace}", **self._node_arguments)
                kiosk.nodes.append(node)
                if not node.start():
                    kiosk.close()
                    return None
            for node in kiosk.nodes:
                kiosk.spinning.callback(spin_apart(node))
        except BaseException:
            kiosk.close()
            raise
        return kiosk

    def _space(self, model: str) -> MotionSpace:
        """The motion space, shared with the generators if they use the same one."""
        return self._models.space_of(model) or open_space(model)

    def tend(self) -> None:
        """Close kiosks that have finished."""
        for namespace in [name for name, kiosk in self.kiosks.items() if kiosk.finished]:
            _log.warning("%s has ended; %d others continue", namespace, len(self.kiosks) - 1)
            self.kiosks.pop(namespace).close()

    def close(self) -> bool:
        """Close all kiosks; False if one of them could not finish its work."""
        kiosks = list(self.kiosks.values())
        self.kiosks.clear()
        closed = [kiosk.close() for kiosk in kiosks]
        return all(closed)


def main(args: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM, or until no kiosk is left."""
    return run_with_options(__name__, f"{NAMESPACES} NAME,NAME,... ", parse, _run, args)


def _run(namespaces: list[str], rest: list[str]) -> int:
    return said_in_one_line([sys.argv[0], *rest], lambda: _serve(namespaces))


def parse(said: Sequence[str]) -> tuple[list[str], list[str]]:
    """The namespaces, and the rest of the command line.

    Raises:
        ValueError: if there are none, or one is given twice.
    """
    rest = list(said)
    if NAMESPACES not in rest[:-1]:
        raise ValueError(f"expected {NAMESPACES} kiosk_1,kiosk_2,..., got {' '.join(said) or 'nothing'}")
    at = rest.index(NAMESPACES)
    namespaces = [name.strip().strip("/") for name in rest[at + 1].split(",")]
    if not all(namespaces) or len(set(namespaces)) < len(namespaces):
        raise ValueError(f"{NAMESPACES} must be different names, separated by commas, got {rest[at + 1]!r}")
    del rest[at : at + 2]
    return namespaces, rest


def _serve(namespaces: list[str]) -> int:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    server = GeneratorServer(SharedModels(len(namespaces), load_bundle))
    try:
        for namespace in namespaces:
            if not stop.is_set():
                server.open(namespace)
        _log.info("%d of %d avatars are live: %s", len(server.kiosks), len(namespaces), ", ".join(server.kiosks))
        while server.kiosks and not stop.wait(_LOOK_S):
            server.tend()
    finally:
        closed = server.close()
    return 0 if stop.is_set() and closed else 1


if __name__ == "__main__":
    raise SystemExit(main())
