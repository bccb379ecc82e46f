# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Interlaced films, as of camcorders, discs and television: whole pictures from fields.

A picture of two fields shows a face at two moments. While a head shakes, brows are read off by .2 of a raised brow from
such pictures, and by .02 from whole ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.filter import Graph

_FILTER = "bwdif", "mode=send_frame:deint=interlaced"  # FFmpeg's; leaves alone what says that it is progressive


def whole_pictures(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The pictures of a film, one for each that came; those that say they are interlaced, of one field each."""
    graph: Graph | None = None
    made_for: tuple[int, int, str] | None = None
    for frame in frames:
        if graph is None and not frame.interlaced_frame:
            yield frame
            continue
        kind = frame.width, frame.height, frame.format.name
        if graph is None or kind != made_for:
            if graph is not None:
                yield from _rest(graph)
            graph, made_for = _graph(frame), kind
        graph.vpush(frame)
        yield from _made(graph)
    if graph is not None:
        yield from _rest(graph)


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base),
        graph.add(*_FILTER),
        graph.add("buffersink"),
    ).configure()
    return graph


def _made(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame


def _rest(graph: Graph) -> Iterator[av.VideoFrame]:
    graph.vpush(None)
    yield from _made(graph)
