# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing consent`: writes the sidecar without which a portrait is not shown, or says what is in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from avatar_forcing_ros.files.outputs import typed_path
from avatar_forcing_ros.files.pictures import read_image, sha256_of_pixels
from avatar_forcing_ros.portraits.consent import (
    NEVER,
    Consent,
    command,
    day,
    open_portrait,
    read_consent,
    sha256_of_file,
    sidecar_of,
)

_SAID = ("who", "source", "licence", "consent", "expires")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("picture", type=typed_path, help="picture of a face; its sidecar is PICTURE.yaml")
    parser.add_argument("--who", help="who is shown")
    parser.add_argument("--source", help="where the picture came from")
    parser.add_argument("--licence", help="licence under which the picture may be used")
    parser.add_argument("--consent", help="how consent was given, by whom and for what")
    parser.add_argument("--synthetic", action="store_true", help="the face is artificial, so nobody had to agree")
    parser.add_argument("--expires", help="last day of the consent as YYYY-MM-DD, or never (default with --synthetic)")
    parser.add_argument("--force", action="store_true", help="replace an existing sidecar")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the sidecar, or check the one that is there when nothing is said."""
    path = args.picture.resolve()
    if not args.synthetic and all(getattr(args, name) is None for name in _SAID):
        return _told(open_portrait(path).consent, sidecar_of(path))
    missing = [name for name in _SAID if getattr(args, name) is None]
    if args.synthetic:
        missing = [name for name in missing if name not in ("consent", "expires")]
    if missing:
        raise ValueError(f"{path}: expected {', '.join('--' + name for name in missing)}, too: {command(path)}")
    sidecar = sidecar_of(path)
    if sidecar is not None and not args.force:
        raise ValueError(f"{sidecar}: exists already; --force replaces it")
    consent = Consent(
        **{name: (getattr(args, name) or "").strip() for name in _SAID if name != "expires"},
        synthetic=args.synthetic,
        expires=day(args.expires or NEVER),
        sha256_pixels=sha256_of_pixels(read_image(path)),
        sha256_file=sha256_of_file(path),
    )
    if consent.has_ended():
        raise ValueError(f"--expires must not be in the past, got {consent.last_day}")
    written = path.with_name(f"{path.name}.yaml")
    consent.write(written)
    if sidecar not in (None, written):
        sidecar.unlink()
    return _told(read_consent(written), written)


def _told(consent: Consent | None, sidecar: Path | None) -> dict[str, Any]:
    assert consent is not None
    shown = "nobody: a synthetic face" if consent.synthetic else f"{consent.who}, who agreed: {consent.consent}"
    print(f"{sidecar}\nshows {shown}\nuntil {consent.last_day}")
    return {"sidecar": str(sidecar), **vars(consent), "expires": consent.last_day}
