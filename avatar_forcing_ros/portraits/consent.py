# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whose face may be shown: a portrait is a picture file with a sidecar that says who it shows, and that they agreed.

`face.png` has `face.png.yaml` (or `.yml`, `.json`) beside it:

    who: Ada Example
    source: photograph of 2026-11-02 by the press office
    licence: internal use
    consent: signed on 2026-11-03 for the lobby; the form is with the press office
    synthetic: false          # true: nobody is shown, and nobody had to agree
    expires: 2027-11-03       # the last day, or never
    sha256_pixels: 3b0c...    # of the picture as it is read
    sha256_file: 9f5a...      # of its bytes; one of the two has to fit
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from avatar_forcing_ros.files.documents import read_mapping
from avatar_forcing_ros.files.outputs import replacing
from avatar_forcing_ros.files.pictures import PictureLimits, read_image, sha256_of_pixels
from avatar_forcing_ros.files.resources import default_portrait

ENDINGS = (".yaml", ".yml", ".json")
NEVER = "never"
MOST_LETTERS = 1000
_MOST_BYTES = 64_000


class ConsentError(ValueError):
    """A face must not be shown; the message says in one line why, and what to do."""


class ConsentEndedError(ConsentError):
    """The last day of a consent is over.

    Attributes:
        consent: the consent.
        sha256: SHA-256 of the picture's pixels.
    """

    def __init__(self, message: str, consent: Consent, sha256: str) -> None:
        super().__init__(message)
        self.consent, self.sha256 = consent, sha256


@dataclass(frozen=True)
class Consent:
    """What a sidecar says.

    Attributes:
        who: who is shown.
        source: where the picture came from.
        licence: the terms on which it may be used.
        consent: how it was given, by whom and for what; empty only if nobody is shown.
        synthetic: whether the picture shows nobody who exists.
        expires: the last day; None for never.
        sha256_pixels: SHA-256 of the pixels.
        sha256_file: SHA-256 of the file.
    """

    who: str
    source: str
    licence: str
    consent: str = ""
    synthetic: bool = False
    expires: date | None = None
    sha256_pixels: str = ""
    sha256_file: str = ""

    def __post_init__(self) -> None:
        for name in ("who", "source", "licence") + (() if self.synthetic else ("consent",)):
            if not getattr(self, name):
                raise ValueError(f"{name} must be given")
        for name in ("who", "source", "licence", "consent"):
            text = getattr(self, name)
            if len(text) > MOST_LETTERS or not text.isprintable():
                raise ValueError(f"{name} must be one line of at most {MOST_LETTERS} letters")

    @property
    def last_day(self) -> str:
        """When it ends, as written in the sidecar."""
        return NEVER if self.expires is None else self.expires.isoformat()

    def has_ended(self, today: date | None = None) -> bool:
        """Whether the last day is over."""
        return self.expires is not None and (today or date.today()) > self.expires

    def days_left(self, today: date | None = None) -> int | None:
        """Days until it ends; None if it does not end."""
        return None if self.expires is None else (self.expires - (today or date.today())).days

    def write(self, path: Path) -> None:
        """Write the sidecar."""
        values = {**vars(self), "expires": self.expires or NEVER}
        with replacing(path) as part:
            part.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000), encoding="utf-8")


@dataclass(frozen=True)
class Permitted:
    """A portrait that may be shown.

    Attributes:
        path: the file, with links followed.
        sha256: SHA-256 of the pixels.
        consent: what the sidecar says; None if there is none and none was needed.
    """

    path: Path
    sha256: str
    consent: Consent | None


@dataclass(frozen=True)
class PortraitFile(Permitted):
    """The same, with its picture, (H, W, 3) uint8 RGB."""

    image: NDArray[np.uint8]


def open_portrait(
    path: str | Path,
    require_consent: bool = True,
    limits: PictureLimits | None = None,
    folder: str | Path = "",
) -> PortraitFile:
    """Read a picture that may be shown as a portrait.

    Args:
        path: the picture file.
        require_consent: whether there must be a sidecar. If there is one, it counts in any case.
        limits: limits of the picture.
        folder: folder in which the picture must lie, after following `..` and links; empty allows any.

    Raises:
        MediaError: it is not a picture that can be read.
        ConsentError: it lies elsewhere, it has no sidecar, or the consent has ended, belongs to another picture, or is
            incomplete.
    """
    path = _resolved(path)
    if folder and not path.is_relative_to(_resolved(folder)):
        raise ConsentError(f"{path}: expected a picture in {_resolved(folder)}, links and .. followed")
    image = read_image(path, limits)
    sha256, sidecar = sha256_of_pixels(image), sidecar_of(path)
    if sidecar is None:
        if require_consent:
            raise ConsentError(
                f"{path}: no {path.name}.yaml beside it says that this face may be shown. Write it with: "
                f"{command(path)}; or say require_consent:=false"
            )
        return PortraitFile(path, sha256, None, image)
    consent = read_consent(sidecar)
    if not (consent.sha256_pixels == sha256 or consent.sha256_file == sha256_of_file(path)):
        given = consent.sha256_pixels or consent.sha256_file
        raise ConsentError(
            f"{sidecar}: belongs to another picture: expected sha256 {given[:12]}…, got {sha256[:12]}… in {path.name}. "
            f"Ask the person shown, then: {command(path)} --force"
        )
    if consent.has_ended():
        raise ConsentEndedError(
            f"{sidecar}: the consent of {consent.who} ended on {consent.last_day}. "
            f"Ask again, then: {command(path)} --force",
            consent,
            sha256,
        )
    return PortraitFile(path, sha256, consent, image)


def open_first_portrait(
    path: str, require_consent: bool = True, limits: PictureLimits | None = None
) -> tuple[PortraitFile, ConsentEndedError | None]:
    """The portrait that a node starts with, and why it is not the one of its parameters, if it is not.

    If a consent has ended, our own character is shown, as it would be if the node had been running: a kiosk that is
    restarted on the day after must not stay dark.

    Args:
        path: the picture file; empty is our own character.
        require_consent: see `open_portrait`.
        limits: limits of the picture.

    Raises:
        MediaError: see `open_portrait`.
        ConsentError: see `open_portrait`.
    """
    try:
        return open_portrait(path or default_portrait(), require_consent, limits), None
    except ConsentEndedError as ended:
        return open_portrait(default_portrait()), ended


def _resolved(path: str | Path) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, an unknown user, a zero byte
        raise ConsentError(f"{str(path)!r} is no path: {error}") from None


def command(path: Path) -> str:
    """The command line that writes a sidecar."""
    return (
        f"avatar-forcing consent {shlex.quote(str(path))} --who NAME --source WHERE_FROM --licence TERMS "
        "--consent HOW_GIVEN --expires YYYY-MM-DD (--synthetic where nobody is shown)"
    )


def sidecar_of(picture: Path) -> Path | None:
    """The sidecar of a picture, if there is one.

    Raises:
        ConsentError: there are two.
    """
    found = [path for ending in ENDINGS if (path := picture.with_name(picture.name + ending)).exists()]
    if len(found) > 1:
        raise ConsentError(f"{found[0]}: expected one sidecar, got {found[1].name}, too; remove one of them")
    return found[0] if found else None


def read_consent(path: Path) -> Consent:
    """What a sidecar says.

    Raises:
        ConsentError: it cannot be read, lacks a key, or has an unknown one.
    """
    try:
        return _consent(read_mapping(path, _MOST_BYTES))
    except ValueError as error:
        said = str(error)
        raise ConsentError(said if said.startswith(str(path)) else f"{path}: {said}") from None


def _consent(values: Mapping[str, Any]) -> Consent:
    known = {field.name for field in fields(Consent)}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"expected the keys {', '.join(sorted(known))}, got {', '.join(unknown)[:100]!r}")
    if not (values.get("sha256_pixels") or values.get("sha256_file")):
        raise ValueError("sha256_pixels or sha256_file must be given")
    if "expires" not in values:
        raise ValueError("expires must be given: the last day as YYYY-MM-DD, or never")
    checked: dict[str, Any] = {name: values[name] for name in ("synthetic",) if name in values}
    if not isinstance(checked.get("synthetic", False), bool):
        raise ValueError(f"synthetic must be true or false, got {values['synthetic']!r}"[:200])
    for name in known - {"synthetic", "expires"}:
        text = values.get(name, "")
        if not isinstance(text, str):
            raise ValueError(f"{name} must be text, got {text!r}"[:200])
        checked[name] = text.strip()
    return Consent(**checked, expires=day(values["expires"]))


def day(value: object) -> date | None:
    """A day as YAML or a person writes it; None for never.

    Raises:
        ValueError: it is not a day.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if value == NEVER:
        return None
    try:
        return date.fromisoformat(str(value)[:100])
    except ValueError:
        raise ValueError(f"expires must be a day as YYYY-MM-DD, or never, got {str(value)[:50]!r}") from None


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
