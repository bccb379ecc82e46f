# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Builds the documentation as a site: the repository's Markdown files, and a reference from the docstrings.

.venv/bin/python tools/build_docs.py            # writes out/docs/html; a broken link or anchor is an error

The Markdown files are written for GitHub and stay as they are. They are copied together with a page for each room of
the package, because Sphinx wants all of its pages in one folder.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "avatar_forcing_ros"
OUTPUT = REPOSITORY / "out" / "docs"

# The order of the sidebar. Every page must stand here once; Sphinx reports one that does not.
CHAPTERS = {
    "Get started": ["docs/quick_start", "docs/robots", "docs/kiosk", "docs/deployment", "docs/troubleshooting"],
    "Talk with it": [
        "docs/dialogue",
        "docs/voice_agent",
        "docs/directions",
        "docs/perception",
        "docs/time",
        "docs/replay",
        "docs/parameters",
    ],
    "Faces and models": ["docs/portraits", "models/facemesh/README", "docs/published_network", "docs/gpu"],
    "Training": ["docs/training_data", "docs/training_on_your_videos", "docs/evaluation"],
    "Responsibility": ["docs/disclosure", "SECURITY"],
    "How it works": ["docs/architecture", "docs/performance", "api/index"],
    "Working on it": ["docs/development", "CONTRIBUTING", "CHANGELOG", "QUALITY_DECLARATION"],
    "Networks of others": ["models/face/README", "models/voice/README"],
}


# Rooms that nobody builds upon: programs, and what they alone use.
UNDOCUMENTED = ("cli", "commands", "evaluation", "graph", "nodes", "recordings", "simulation", "train")


def _contents() -> str:
    lines = []
    for caption, pages in CHAPTERS.items():
        lines += ["", "```{toctree}", ":hidden:", f":caption: {caption}", ":maxdepth: 1", "", *pages, "```"]
    return "\n".join(lines) + "\n"


def gather(source: Path) -> None:
    """Copy the pages, and what they show and link to, to where Sphinx reads them."""
    names = ["*.md", "CHANGELOG.rst", "LICENSE", "models/*/LICENSE", "docs/*.md", "docs/images/*", "models/*/README.md"]
    for path in sorted(path for name in names for path in REPOSITORY.glob(name)):
        copy = source / path.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    readme = source / "README.md"
    readme.rename(source / "index.md")
    with (source / "index.md").open("a", encoding="utf-8") as index:
        index.write(_contents())
    for page in source.rglob("*.md"):
        text = re.sub(r"^!.*shields\.io.*\n", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)  # other servers
        page.write_text(re.sub(r"\]\((\.\./|)README\.md(?=[)#])", r"](\1index.md", text), encoding="utf-8")


def rooms() -> dict[str, str]:
    """Name of each room that others build upon -> its subject, from the table in CONTRIBUTING.md."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.MULTILINE)
    names = {name.removesuffix("/").removesuffix(".py").replace("/", "."): subject.strip() for name, subject in rows}
    return {name: subject for name, subject in names.items() if name not in UNDOCUMENTED}


def modules(room: str, others: set[str]) -> list[str]:
    """The public modules of a room, without those of rooms inside it."""
    name = f"{PACKAGE}.{room}"
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise SystemExit(f"expected every room of CONTRIBUTING.md to be there, got no {name}")
    inside = pkgutil.walk_packages(spec.submodule_search_locations or [], f"{name}.")
    nested = [f"{PACKAGE}.{other}" for other in others if other.startswith(f"{room}.")]
    found = [module.name for module in inside if not module.ispkg]
    return [name] + [
        module
        for module in sorted(found)
        if "._" not in module and not any(module == other or module.startswith(f"{other}.") for other in nested)
    ]


def write_reference(source: Path) -> None:
    """A page for each room, its modules one after the other."""
    folder = source / "api"
    folder.mkdir()
    subjects = rooms()
    for room, subject in subjects.items():
        lines = [f"``{room}``", "=" * (len(room) + 4), "", f"{subject[0].upper()}{subject[1:]}.".replace("`", "``"), ""]
        contents = modules(room, set(subjects))
        for module in contents:
            title = module.removeprefix(f"{PACKAGE}.")
            lines += [f"``{title}``", "-" * (len(title) + 4), ""] if len(contents) > 1 else []
            lines += [f".. automodule:: {module}", "   :members:", ""]
        (folder / f"{room}.rst").write_text("\n".join(lines), encoding="utf-8")
    index = ["API reference", "=============", "", "One page for each room of the package that others build upon.", ""]
    index += [".. toctree::", "   :maxdepth: 1", "", *(f"   {room}" for room in sorted(subjects))]
    (folder / "index.rst").write_text("\n".join(index) + "\n", encoding="utf-8")


def main() -> int:
    """Build the site; the status is Sphinx's."""
    source, html = OUTPUT / "source", OUTPUT / "html"
    shutil.rmtree(OUTPUT, ignore_errors=True)
    source.mkdir(parents=True)
    gather(source)
    write_reference(source)
    strict = ["--fail-on-warning", "--keep-going", "--quiet"]
    arguments = [*strict, "-b", "html", "-c", str(REPOSITORY / "docs"), "-d", str(OUTPUT / "doctrees")]
    status = sphinx([*arguments, str(source), str(html)])
    if status == 0:
        print(f"The pages: {html / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
