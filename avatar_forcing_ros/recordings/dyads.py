# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The list of recorded pairs of people: which files have whose face and voice, and from when to when.

The list is CSV with a header, YAML (a list of mappings) or JSON lines, according to its file name. One entry is one
recording:

    id        letters, digits, `.`, `_` and `-`; names the clip everywhere
    video_a   the first person's video,  and  video_b  the second's; both start together unless `offset_b` is set
    video     instead of these: one video that shows both side by side, a on the left
    audio_a   the first person's own sound,  and  audio_b  the second's; by default, the sound of each video
    sound     "channels": one sound with a on its first and b on its second channel; "mixed": one sound of both, split
              by whose mouth moves; "own" (the default for two videos): one sound each
    audio     the file of that one sound; by default, that of `video` or `video_a`
    start     seconds from the beginning of the files (default 0), and  end  (default: the end of the shorter file)
    offset_b  seconds by which the clock of b's files is ahead of a's (0)

Paths are relative to the list.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from avatar_forcing_ros.files.documents import OnceEach, repeated
from avatar_forcing_ros.files.inputs import require_file

FIELDS = (
    "id", "video_a", "video_b", "video", "audio_a", "audio_b", "audio", "sound", "start", "end", "offset_b",
)  # fmt: skip
SOUNDS = ("own", "channels", "mixed")
_SHOWN_ERRORS = 10


class DyadListError(ValueError):
    """The list is invalid; the message names the wrong lines."""


@dataclass(frozen=True)
class Person:
    """The files with one person's face and voice.

    Attributes:
        video: video file.
        side: part of the picture: "whole", "left" or "right".
        audio: sound file.
        channel: channel of the sound; None mixes all channels.
        video_offset_s: by how much the clock of the video is ahead of the recording's, in seconds.
        audio_offset_s: the same for the sound.
    """

    video: Path
    side: str
    audio: Path
    channel: int | None = None
    video_offset_s: float = 0.0
    audio_offset_s: float = 0.0


@dataclass(frozen=True)
class Dyad:
    """Two people in one conversation.

    Attributes:
        id: id of the recording.
        line: its line in the list, counted from 1.
        a: first person.
        b: second person.
        is_mixed: whether both have the same sound, which is still to be split.
        start_s: first moment, in seconds.
        end_s: last moment, in seconds; None is the end of the shorter file.
    """

    id: str
    line: int
    a: Person
    b: Person
    is_mixed: bool
    start_s: float
    end_s: float | None

    @property
    def people(self) -> tuple[Person, Person]:
        """Both people, a first."""
        return self.a, self.b

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the recording, each once."""
        return tuple(dict.fromkeys(path for person in self.people for path in (person.video, person.audio)))


@dataclass(frozen=True)
class _Entry:
    """One entry of the list as written."""

    line: int
    values: Mapping[str, Any]


def read_dyads(path: Path) -> list[Dyad]:
    """All recordings of a list.

    Raises:
        DyadListError: the file is not a valid list. The files that it names are not opened.
    """
    require_file(path, "a list of recordings", DyadListError)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DyadListError(f"{path}: expected a list that ends in {', '.join(_READERS)}, got '{path.suffix}'")
    dyads: dict[str, Dyad] = {}
    errors = [error for entry in _entries(path) if (error := _add(dyads, entry, path.parent))]
    if errors:
        more = [f"and {len(errors) - _SHOWN_ERRORS} more"] if len(errors) > _SHOWN_ERRORS else []
        raise DyadListError(f"{path}: " + "; ".join(errors[:_SHOWN_ERRORS] + more))
    if not dyads:
        raise DyadListError(f"{path}: expected at least one recording, got none")
    return list(dyads.values())


def _add(dyads: dict[str, Dyad], entry: _Entry, folder: Path) -> str:
    """Add an entry; returns what is wrong with it, or an empty string."""
    try:
        dyad = _dyad(entry, folder)
    except ValueError as error:
        return f"line {entry.line}: {error}"
    if dyad.id in dyads:
        return f"line {entry.line}: id '{dyad.id}' was already taken by line {dyads[dyad.id].line}"
    dyads[dyad.id] = dyad
    return ""


def _entries(path: Path) -> list[_Entry]:
    try:
        return list(_READERS[path.suffix.lower()](path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError:
        raise DyadListError(f"{path}: expected text in UTF-8: save it so") from None
    except (ValueError, csv.Error, yaml.YAMLError) as error:
        raise DyadListError(f"{path}: {' '.join(str(error).split())}") from None


def _csv_entries(text: str) -> Iterator[_Entry]:
    """Values between commas, or between semicolons or tabs, as spreadsheets of half the world write them."""
    lines = io.StringIO(text, newline=None).readlines()
    between = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.DictReader(lines, restkey="a value without a column", delimiter=between, skipinitialspace=True)
    _refuse_twice([column.strip() for column in reader.fieldnames or ()], "line 1: the column")
    for row in reader:
        told = {key.strip(): value.strip() if isinstance(value, str) else value for key, value in row.items()}
        if values := {key: value for key, value in told.items() if value not in (None, "")}:  # else cells once used
            yield _Entry(reader.line_num, values)


def _refuse_twice(names: Sequence[str], what: str) -> None:
    """Refuse a name that stands there twice: the last one would win in silence.

    Raises:
        ValueError: one does.
    """
    if twice := repeated([name for name in names if name]):
        raise ValueError(f"{what} {twice!r} stands there twice")


def _json_entries(text: str) -> Iterator[_Entry]:
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            try:
                values = json.loads(line, object_pairs_hook=partial(_object, f"line {number}: the key"))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: expected one JSON object, got {line.strip()[:60]!r}") from error
            yield _Entry(number, _mapping(values, number))


def _object(what: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice([key for key, _ in pairs], what)
    return dict(pairs)


def _yaml_entries(text: str) -> Iterator[_Entry]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    values = yaml.load(text, Loader=OnceEach)
    if not isinstance(root, yaml.SequenceNode):
        raise ValueError("expected a YAML list of mappings")
    for node, value in zip(root.value, values, strict=True):
        line = node.start_mark.line + 1
        yield _Entry(line, _mapping(value, line))


def _mapping(values: Any, line: int) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"line {line}: expected a mapping of {', '.join(FIELDS)}, got {type(values).__name__}")
    return values


_READERS = {
    ".csv": _csv_entries,
    ".jsonl": _json_entries,
    ".yaml": _yaml_entries,
    ".yml": _yaml_entries,
}


def _dyad(entry: _Entry, folder: Path) -> Dyad:
    """Check an entry and convert it."""
    values = entry.values
    unknown = sorted(str(key) for key in set(values) - set(FIELDS))
    if unknown:
        raise ValueError(f"unknown field '{unknown[0]}'; known are {', '.join(FIELDS)}")
    start_s = _seconds(values, "start", 0.0)
    end_s = _seconds(values, "end", math.inf)
    if not 0 <= start_s < end_s:
        raise ValueError(f"0 <= start < end must hold, got start {start_s:g} and end {end_s:g}")
    sound = _sound(values)
    a, b = (_person(values, folder, number, sound) for number in (0, 1))
    return Dyad(_id(values), entry.line, a, b, sound == "mixed", start_s, None if math.isinf(end_s) else end_s)


def _id(values: Mapping[str, Any]) -> str:
    name = str(values.get("id", ""))
    if not re.fullmatch(r"[\w-][\w.-]*", name, re.ASCII):
        raise ValueError(f"id must consist of letters, digits, '.', '_' and '-', got '{name}'")
    return name


def _seconds(values: Mapping[str, Any], name: str, default: float) -> float:
    given = values.get(name, default)
    try:
        value = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value) and name in values:
        is_decimal = isinstance(given, str) and re.fullmatch(r"-?\d+,\d+", given)
        hint = ": write a point instead of the comma" if is_decimal else ""
        raise ValueError(f"{name} must be a number of seconds, got '{given}'{hint}")
    return value


def _sound(values: Mapping[str, Any]) -> str:
    """The kind of sound, checked against the other fields."""
    given = {name for name in FIELDS if values.get(name) is not None}
    if given & {"video", "video_a", "video_b"} not in ({"video"}, {"video_a", "video_b"}):
        raise ValueError("expected either video or both video_a and video_b")
    if len(given & {"audio_a", "audio_b"}) == 1:
        raise ValueError("expected audio_a and audio_b together")
    has_own = "video_a" in given or "audio_a" in given
    sound = str(values.get("sound") or "own")
    if sound not in SOUNDS:
        raise ValueError(f"sound must be one of {', '.join(SOUNDS)}, got '{sound}'")
    if sound == "own" and not has_own:
        raise ValueError("one video has one sound: expected sound to be channels or mixed, or audio_a and audio_b")
    if sound == "own" and "audio" in given:
        raise ValueError("audio is one sound of both: expected sound to be channels or mixed")
    if sound != "own" and "audio_a" in given:
        raise ValueError(f"audio_a and audio_b are sounds of their own, got sound '{sound}'")
    return sound


def _person(values: Mapping[str, Any], folder: Path, number: int, sound: str) -> Person:
    letter = "ab"[number]
    video = folder / str(values.get("video") or values[f"video_{letter}"])
    offset_s = _seconds(values, "offset_b", 0.0) if number else 0.0
    side = ("left", "right")[number] if values.get("video") else "whole"
    if sound == "own":
        return Person(video, side, folder / str(values.get(f"audio_{letter}") or video), None, offset_s, offset_s)
    shared = folder / str(values.get("audio") or values.get("video") or values["video_a"])
    return Person(video, side, shared, number if sound == "channels" else None, offset_s)
