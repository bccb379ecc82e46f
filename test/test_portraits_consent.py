# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whose face may be shown: the sidecar of a portrait, the command that writes it, and what it may get wrong."""

from __future__ import annotations

import json
import shlex
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from avatar_forcing_ros import cli
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.portraits.consent import ConsentError, command, open_portrait, read_consent

TOMORROW = date.today() + timedelta(days=1)
SAID = ["--who", "Ada Example", "--source", "my camera", "--licence", "internal", "--consent", "signed, for the lobby"]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def sidecar(picture: Path) -> Path:
    assert cli.main(["consent", str(picture), *SAID, "--expires", TOMORROW.isoformat()]) == 0
    return picture.with_name("a face.png.yaml")


def change(sidecar: Path, **values: object) -> None:
    sidecar.write_text(yaml.safe_dump({**yaml.safe_load(sidecar.read_text()), **values}))


def refusal(picture: Path) -> str:
    with pytest.raises(ConsentError) as caught:
        open_portrait(picture)
    said = str(caught.value)
    assert "\n" not in said and picture.name in said
    return said


def test_one_line_writes_a_sidecar_that_is_accepted(sidecar: Path, picture: Path) -> None:
    chosen = open_portrait(picture)
    assert chosen.path == picture
    assert chosen.consent.who == "Ada Example"
    assert chosen.consent.expires == TOMORROW
    assert not chosen.consent.synthetic


def test_the_refusal_names_the_line_that_helps(picture: Path) -> None:
    said = refusal(picture)
    line = said.partition("Write it with: ")[2].partition("; or say require_consent:=false")[0]
    assert line == command(picture)
    words = shlex.split(line.replace("YYYY-MM-DD", TOMORROW.isoformat()).partition(" (")[0])
    assert words[0] == "avatar-forcing"
    assert cli.main(words[1:]) == 0
    open_portrait(picture)


def test_a_private_try_needs_none_but_one_that_is_there_counts(picture: Path, sidecar: Path) -> None:
    change(sidecar, expires=date(2020, 1, 1))
    with pytest.raises(ConsentError, match="ended on 2020-01-01"):
        open_portrait(picture, require_consent=False)
    sidecar.unlink()
    assert open_portrait(picture, require_consent=False).consent is None


def test_the_last_day_counts_and_the_next_does_not(picture: Path, sidecar: Path) -> None:
    consent = open_portrait(picture).consent
    assert not consent.has_ended(TOMORROW)
    assert consent.has_ended(TOMORROW + timedelta(days=1))
    assert consent.days_left(TOMORROW) == 0


def test_another_picture_is_refused_and_the_same_one_packed_differently_is_not(picture: Path, sidecar: Path) -> None:
    with Image.open(picture) as image:
        pixels = np.array(image)
    Image.fromarray(pixels).save(picture, compress_level=0)
    open_portrait(picture)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(picture)
    assert "belongs to another picture" in refusal(picture)


def test_a_picture_that_decodes_differently_elsewhere_is_known_by_its_bytes(picture: Path, sidecar: Path) -> None:
    change(sidecar, sha256_pixels="0" * 64)
    open_portrait(picture)
    change(sidecar, sha256_file="0" * 64)
    refusal(picture)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"who": ""}, "who must be given"),
        ({"consent": "  "}, "consent must be given"),
        ({"licence": 7}, "licence must be text, got 7"),
        ({"source": "a\nb"}, "source must be one line"),
        ({"who": "x" * 2000}, "who must be one line of at most 1000"),
        ({"synthetic": "yes, surely"}, "synthetic must be true or false"),
        ({"expires": "soon"}, "expires must be a day as YYYY-MM-DD, or never, got 'soon'"),
        ({"expires": None}, "expires must be a day"),
        ({"expiry": "2030-01-01"}, "got 'expiry'"),
        ({"sha256_pixels": "", "sha256_file": ""}, "sha256_pixels or sha256_file must be given"),
    ],
)
def test_what_a_sidecar_does_not_say_or_says_wrongly_is_named(
    values: dict[str, object], said: str, picture: Path, sidecar: Path
) -> None:
    change(sidecar, **values)
    assert said in refusal(picture)


HOSTILE = {
    "empty": b"",
    "words": b"just words",
    "list": b"- a\n- list",
    "another alphabet": b"\xff\xfe\x00",
    "braces": b"{" * 100_000,
    "brackets": b"[" * 50_000,
    "a tag that runs a program": b"who: !!python/object/apply:os.system ['touch /tmp/never']",
    "aliases of aliases": b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nwho: *c",
    "no day": b"expires: 2026-99-99",
    "a number without end": b"who: " + b"9" * 10_000,
    "keys that are no names": b"1: 2",
    "two megabytes": b"# " + b"x" * 2_000_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_sidecar_is_refused_in_one_line(content: bytes, picture: Path, sidecar: Path) -> None:
    sidecar.write_bytes(content)
    assert len(refusal(picture)) < 1200


def test_json_is_read_too_and_two_sidecars_are_one_too_many(picture: Path, sidecar: Path) -> None:
    values = yaml.safe_load(sidecar.read_text())
    (picture.parent / "a face.png.json").write_text(json.dumps({**values, "expires": str(values["expires"])}))
    assert "expected one sidecar" in refusal(picture)
    sidecar.unlink()
    assert open_portrait(picture).consent.expires == TOMORROW


def test_the_command_keeps_its_hands_off_what_is_there_and_asks_for_what_is_missing(
    picture: Path, sidecar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["consent", str(picture), *SAID, "--expires", "never"]) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert cli.main(["consent", str(picture), "--who", "Ada", "--force"]) == 1
    assert "expected --source, --licence, --consent, --expires, too" in capsys.readouterr().err
    assert cli.main(["consent", str(picture), *SAID, "--expires", "2020-02-02", "--force"]) == 1
    assert "must not be in the past" in capsys.readouterr().err
    assert read_consent(sidecar).expires == TOMORROW
    assert cli.main(["consent", str(picture), *SAID, "--expires", "never", "--force"]) == 0
    assert read_consent(sidecar).expires is None


def test_the_command_without_words_checks(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["consent", str(picture)]) == 1
    assert "says that this face may be shown" in capsys.readouterr().err
    options = ["--synthetic", "--who", "Nobody", "--source", "drawn", "--licence", "CC0-1.0"]
    assert cli.main(["consent", str(picture), *options]) == 0
    assert cli.main(["consent", str(picture), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["synthetic"] is True and told["expires"] == "never"


@pytest.mark.parametrize("path", sorted(resource("models", "portraits").glob("*.png")), ids=lambda path: path.stem)
def test_our_own_characters_say_that_they_are_nobody(path: Path) -> None:
    consent = open_portrait(path).consent
    assert consent.synthetic
    assert consent.expires is None
    assert consent.licence == "CC0-1.0"
