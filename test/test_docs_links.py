# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Links between the Markdown files lead somewhere, on GitHub as on the built pages, and no page is left out of them."""

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


def test_every_page_has_its_place_in_the_sidebar() -> None:
    """Sphinx says so too, but only in `make check`."""
    chapters = (REPOSITORY / "tools" / "build_docs.py").read_text(encoding="utf-8")
    pages = [path for path in PAGES if path.name not in ("README.md", "LICENSE.md")]
    assert [page.name for page in pages if f'"{page.relative_to(REPOSITORY).with_suffix("")}"' not in chapters] == []
