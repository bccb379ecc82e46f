# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Changes the code a little, again and again, and says which changes no test notices.

    python tools/mutate.py flow/path.py flow/solver.py        # these files
    python tools/mutate.py --sample 60 flow network timeline generator  # 60 changes, spread over the rooms

A change is one operator, comparison, number, boolean or condition, tried in a copy of the package with the tests
of its room (`test/test_<room>_*.py` and those in `ALSO`). `EXPLAINED` lists survivors that change nothing
that anybody could see, with the reason; the exit status is 0 when there are no others.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "avatar_forcing_ros"
ALSO = {
    "timeline": ["test_avatar.py", "test_avatar_barge_in.py", "test_behaviour_senses.py", "test_time_drift.py"],
    "generator": ["test_avatar.py"],
    "network": ["test_generator_blocks.py"],
    "flow": ["test_generator_blocks.py", "test_train_loop.py"],
}
"""Tests of other rooms in which a room's behaviour is fixed as well."""
EXPLAINED: dict[str, str] = {
    "flow/noise_levels.py:generator is None -> generator is not None": "differs only for a generator on a GPU",
    "flow/noise_levels.py:None if generator is None else generator.device -> "
    "generator.device if generator is None else None": "differs only for a generator on a GPU",
    "generator/onnx_export.py:False -> True": "whether the export reports its progress, or folds weights beforehand",
    "generator/torch_engine.py:0 -> 1": "which row of zeros a portrait's own motion is while programs are recorded",
    "network/packed.py:False -> True": "a packed weight that asks for gradients, which nobody computes",
    "network/packed.py:1 -> 2": "how large weights must be for packing to pay; the values are the same either way",
    "network/conditions.py:0 -> 1": "which of three signals the others are compared with",
    "timeline/drift.py:self.average > 0 -> self.average >= 0": "an average of zero has been left alone already",
    "timeline/feature_track.py:256 -> 257": "how many frames more than needed are kept",
    "timeline/feature_track.py:8 -> 9": "how many frames of silence settle every stream, and more do as well",
    "timeline/feature_track.py:0 -> 1": "the next frame before `restart` has said it: all is silence until then",
    "timeline/feature_track.py:n < frame -> n <= frame": "the next frame is not read before it is made anew",
    "timeline/utterance.py:1024 -> 1025": "how many marks of an utterance are kept",
}
"""`file:old -> new` of changes that are allowed to survive, and why."""
ON_A_GPU = ("kernels.py", "fused.py", "captured.py", "block_programs.py")
"""Files whose tests need a card; they are changed only if they are named."""
_SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_PATIENCE_S = 600


@dataclass(frozen=True)
class Mutant:
    """One change: `number` counts the nodes of the file's tree in order."""

    file: Path
    line: int
    number: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """How `EXPLAINED` calls it."""
        return f"{self.file.relative_to(ROOT / PACKAGE)}:{self.before} -> {self.after}"

    def source(self) -> str:
        """The file with the change."""
        tree = ast.parse(self.file.read_text(encoding="utf-8"))
        node = list(ast.walk(tree))[self.number]
        _change(node)
        return ast.unparse(tree)


def mutants(file: Path) -> Iterator[Mutant]:
    """Every change of a file; annotations, texts and error messages stay as they are."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    left_alone = {id(inner) for node in ast.walk(tree) for part in _untouched(node) for inner in ast.walk(part)}
    for number, node in enumerate(ast.walk(tree)):
        changed = copy.deepcopy(node)
        if id(node) not in left_alone and _change(changed):
            yield Mutant(file, node.lineno, number, ast.unparse(node), ast.unparse(changed))


def _untouched(node: ast.AST) -> list[ast.AST]:
    """Parts of a node in which nothing is changed."""
    parts: list[ast.AST | None] = []
    if isinstance(node, (ast.AnnAssign, ast.arg)):
        parts = [node.annotation]
    elif isinstance(node, ast.FunctionDef):
        parts = [node.returns, *node.decorator_list]
    elif isinstance(node, ast.ClassDef):
        parts = [*node.decorator_list]  # a dataclass that nobody changes need not be frozen
    elif isinstance(node, ast.Raise):
        parts = [node]
    elif isinstance(node, ast.keyword) and node.arg in ("strict", "repr"):
        parts = [node.value]  # of a zip whose sides have one length, of a private field
    return [part for part in parts if part is not None]


def _change(node: ast.AST) -> bool:
    """Change a node; False when there is nothing to change about it."""
    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in _SWAPS:
        node.op = _SWAPS[type(node.op)]()
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
        node.ops[0] = _SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        node.value = not node.value
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
    else:
        return False
    return True


def files_of(room: Path) -> list[Path]:
    """Files of a room that are tested without a GPU."""
    return sorted(file for file in room.rglob("*.py") if file.name not in ON_A_GPU)


def tests_of(file: Path) -> list[str]:
    """Test files that fix what a file does."""
    room = file.relative_to(ROOT / PACKAGE).parts[0]
    named = sorted(path.name for path in (ROOT / "test").glob(f"test_{room}_*.py"))
    return [f"test/{name}" for name in (*named, *ALSO.get(room, []))]


def survives(mutant: Mutant) -> bool:
    """Whether all tests pass with a change."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder)
        for name in (PACKAGE, "test", "models", "examples", "config"):
            shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copied)
        (copied / mutant.file.relative_to(ROOT)).write_text(mutant.source(), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow and not ros"]
        try:
            done = subprocess.run(
                [*command, *tests_of(mutant.file)],
                cwd=copied,
                env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
                capture_output=True,
                timeout=_PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return False  # it runs for ever: noticed
    return done.returncode == 0


def main() -> int:
    """Try changes, print survivors, then one line for machines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "places", nargs="*", default=["flow", "network", "timeline", "generator"], help="rooms or files of the package"
    )
    parser.add_argument("--sample", type=int, default=0, help="so many changes, chosen at random; 0 tries all")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--jobs", type=int, default=1, help="tried side by side")
    args = parser.parse_args()
    places = [ROOT / PACKAGE / place for place in args.places]
    files = [file for place in places for file in (files_of(place) if place.is_dir() else [place])]
    found = [mutant for file in files for mutant in mutants(file)]
    if args.sample:
        found = sorted(random.Random(args.seed).sample(found, min(args.sample, len(found))), key=lambda m: m.name)
    survivors, explained = [], 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for mutant, lives in zip(found, pool.map(survives, found), strict=True):
            if lives and mutant.name in EXPLAINED:
                explained += 1
            elif lives:
                survivors.append(mutant)
                print(f"{mutant.file.relative_to(ROOT)}:{mutant.line}: {mutant.before} -> {mutant.after}", flush=True)
    noticed = len(found) - len(survivors) - explained
    print(json.dumps({"mutants": len(found), "noticed": noticed, "explained": explained, "survivors": len(survivors)}))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
