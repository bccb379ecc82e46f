# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether expressions and looks that are asked for are seen in the pictures: `python bench/directions.py`.

    python bench/directions.py [--photograph FILE]

Both drawn characters and a photograph (by default that of the installed scikit-image) show every named expression, and
a face mesh sees what changes of mouth, brows and lids. An expression is told apart when, in a portrait's pictures, it
looks more like itself in the other portraits than like any other one. Valence and arousal go from -1 to 1 in nine
steps. Looks go over 30 degrees to either side and 15 up and down; head and irises are read back by a regression on
pictures in which only one of them moves. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.directing.expressions import BASIC, EXPRESSIONS, NEUTRAL, face_of_feeling, face_of_name
from avatar_forcing_ros.evaluation.viewer import Viewer, look_errors, nearest_of_others
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.motion.facemesh.arkit import ARKIT_NAMES, to_arkit
from avatar_forcing_ros.motion.facemesh.portrait import load_portrait

STEPS = np.linspace(-1, 1, 9)


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--photograph", type=Path, help="of a face (default: that of scikit-image, if installed)")
    files = {name: resource("models") / f"portraits/{name}.png" for name in ("aria", "milo")}
    photograph = parser.parse_args().photograph or _packaged()
    files |= {"photograph": photograph} if photograph else {}
    viewers = {name: Viewer(load_portrait(read_image(file))) for name, file in files.items()}
    report = {"portraits": list(viewers)} | named(viewers) | felt(viewers) | looks(viewers)
    shapes = to_arkit(face_of_name("happy").added.astype(np.float32))
    report["blend shapes of a happy face"] = {
        n: round(float(v), 2) for n, v in zip(ARKIT_NAMES, shapes, strict=True) if v
    }
    for name, value in report.items():
        print(f"{name}: {value}")
    print(json.dumps(report))


def named(viewers: dict[str, Viewer]) -> dict[str, object]:
    """How many of the named expressions are told apart in each portrait, and which are not."""
    found: dict[str, object] = {}
    changes = {n: [v.change(face_of_name(n).added) for v in viewers.values()] for n in EXPRESSIONS if n != NEUTRAL}
    for what, names in (("the six basic ones", BASIC), ("all", tuple(changes))):
        seen = [np.stack([changes[name][k] for name in names]) for k in range(len(viewers))]
        nearest = nearest_of_others(seen)
        for portrait, row in zip(viewers, nearest, strict=True):
            wrong = [f"{names[k]} as {names[n]}" for k, n in enumerate(row) if k != n]
            found[f"{what} told apart, {portrait}"] = f"{len(names) - len(wrong)} of {len(names)}" + (
                f" ({', '.join(wrong)})" if wrong else ""
            )
    return found


def felt(viewers: dict[str, Viewer]) -> dict[str, object]:
    """What is read back of valence and of arousal, and whether it never falls."""
    found: dict[str, object] = {}
    for name, viewer in viewers.items():
        smiles = [viewer.channels(face_of_feeling(step, 0.0).added)["smile"] for step in STEPS]
        faces = [viewer.channels(face_of_feeling(0.0, step).added) for step in STEPS]
        awake = [f["brow_raise"] - f["blink_left"] - f["blink_right"] + f["jaw_open"] for f in faces]
        for what, curve in (("valence", smiles), ("arousal", awake)):
            found[f"{what}, {name}"] = {
                "read back": [round(value, 2) for value in curve],
                "monotone": bool((np.diff(curve) >= 0).all()),
            }
    return found


def looks(viewers: dict[str, Viewer]) -> dict[str, object]:
    """Degrees by which looks are seen to go elsewhere: median and greatest, of either direction."""
    ways = np.radians([(side, down) for side in (-30, -20, -10, 0, 10, 20, 30) for down in (-15, -8, 0, 8, 15)])
    errors: dict[str, NDArray] = {name: np.abs(look_errors(viewer, ways)).max(1) for name, viewer in viewers.items()}
    return {
        f"look, {name}": {"median": round(float(np.median(each)), 1), "most": round(float(each.max()), 1)}
        for name, each in errors.items()
    }


def _packaged() -> Path | None:
    spec = find_spec("skimage")  # found, not imported: only its photograph is wanted
    return Path(spec.origin).parent / "data/astronaut.png" if spec and spec.origin else None


if __name__ == "__main__":
    main()
