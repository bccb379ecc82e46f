# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A block of motion as one recorded GPU program; there is one for each number of conversations drawn together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from avatar_forcing_ros.compute.capture import Program, Recorder
from avatar_forcing_ros.generator.state import GeneratorState
from avatar_forcing_ros.network.conditions import Conditions

Advance = Callable[[GeneratorState, Conditions, Tensor, Tensor | None], Tensor]
"""Draws a block (B, block, M) and moves the state past it, replacing the state's tensors without writing to them; the
arguments are those of `BlockGenerator.generate`."""


@dataclass(frozen=True)
class _Drawn:
    """The output of a program: the motion, and all tensors of the state after it."""

    motion: Tensor
    state: list[Tensor]


@dataclass(frozen=True)
class _Block:
    """A program and the inputs that it reads."""

    state: list[Tensor]
    given: list[Tensor]
    program: Program[_Drawn]


class BlockPrograms:
    """Runs the blocks of one generator on a GPU. Several threads may call it; one block runs at a time.

    Args:
        advance: the function to record; it must not create tensors on the host or depend on values.
        parameter: a parameter of the network, which gives device and type of the conditions.
    """

    def __init__(self, advance: Advance, parameter: Tensor) -> None:
        self._advance, self._parameter = advance, parameter
        self._recorder = Recorder(parameter.device)
        self._blocks: dict[tuple[int, bool], _Block] = {}
        self._lock = threading.Lock()

    def run(self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None) -> Tensor:
        """The next block (B, block, M), on the GPU; the state, which must be there already, moves past it."""
        given = [*vars(conditions).values(), noise, *([] if silent is None else [silent])]
        key = len(noise), silent is None
        with self._lock:
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = self._record(state, conditions, noise, silent)
            stream, current = self._recorder.stream, torch.cuda.current_stream(self._parameter.device)
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                torch._foreach_copy_(block.state, state.tensors())
                for mine, theirs in zip(block.given, given, strict=True):
                    mine.copy_(theirs, non_blocking=True)
                block.program.graph.replay()
                kept = [torch.empty_like(x) for x in block.program.outputs.state]
                torch._foreach_copy_(kept, block.program.outputs.state)
                motion = block.program.outputs.motion.clone()
            current.wait_stream(stream)
            state.assign(kept)
            return motion

    def _record(self, state: GeneratorState, conditions: Conditions, noise: Tensor, silent: Tensor | None) -> _Block:
        device, dtype = self._parameter.device, self._parameter.dtype
        mine = state.snapshot()
        mine.assign([x.clone() for x in state.tensors()])
        heard = conditions.map(lambda x: x.to(device, dtype, copy=True))
        some, still = noise.to(device, copy=True), None if silent is None else silent.to(device, copy=True)

        def job() -> _Drawn:
            moved = mine.snapshot()
            motion = self._advance(moved, heard, some, still)
            return _Drawn(motion, moved.tensors())

        given = [*vars(heard).values(), some, *([] if still is None else [still])]
        torch.cuda.synchronize(device)  # the recorder's stream reads what another stream has copied
        return _Block(mine.tensors(), given, self._recorder.record(job))
