# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Links between the Markdown files lead somewhere, on GitHub as on the built pages, and no page is left out of them.

So do the names of files and functions by which the architecture page leads a reader through the code.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted(path for names in ("*.md", "docs/*.md", "models/*/*.md") for path in REPOSITORY.glob(names))


def text_of(page: Path) -> str:
    """Without code, whose brackets are no links and whose comments are no headings."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub forms them."""
    titles = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        name, _, anchor = link.partition("#")
        if re.match(r"<?\w+:", link):
            continue
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One title: two\n[a](#one-title-two) [b](#three) [c](gone.md) [d](https://e.org) [e](page.md#x)\n"
    )
    assert broken_links(page) == ["#three", "gone.md", "page.md#x"]


def unknown_names(text: str) -> list[str]:
    """Files, folders and `Class.function`s in code type that the package does not have."""
    package = REPOSITORY / "avatar_forcing_ros"
    files = {f"/{path.relative_to(package)}": path for path in package.rglob("*") if path.suffix in (".py", ".c")}
    sources = "\n".join(path.read_text(encoding="utf-8") for name, path in files.items() if name.endswith(".py"))
    found = []
    for name in re.findall(r"`([\w./]+)`", text):
        owner, _, function = name.partition(".")
        if name.endswith((".py", ".c", "/")):
            known = (REPOSITORY / name).exists() or any(f"/{name}" in file for file in files)
        elif function and owner[0].isupper():
            known = f"class {owner}" in sources and f"def {function}(" in sources
        else:
            known = True
        if not known:
            found.append(name)
    return found


def test_the_walks_through_the_code_name_what_is_there() -> None:
    page = REPOSITORY / "docs" / "architecture.md"
    assert unknown_names(page.read_text(encoding="utf-8")) == []
    assert unknown_names("`gone.py` `stage_left/` `Session.vanish` `Session.turn` `dials.py`") == [
        "gone.py",
        "stage_left/",
        "Session.vanish",
    ]


def test_every_page_has_its_place_in_the_sidebar() -> None:
    """Sphinx says so too, but only in `make check`."""
    chapters = (REPOSITORY / "tools" / "build_docs.py").read_text(encoding="utf-8")
    pages = [path for path in PAGES if path.name not in ("README.md", "LICENSE.md")]
    assert [page.name for page in pages if f'"{page.relative_to(REPOSITORY).with_suffix("")}"' not in chapters] == []
