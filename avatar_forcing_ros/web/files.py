# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The files of the pages, read once, so that no request can reach any other file."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "pages"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
PAGES = {"/": "/face.html", "/engineer": "/engineer.html"}
"""The file of each page, by address."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Server": "kiosk",
}
"""Headers of every response: pages load nothing from elsewhere, and no other page may frame them."""


@dataclass(frozen=True)
class PageFile:
    """One file: its content type, its bytes, plain and compressed, and the ETag of its version."""

    content_type: str
    plain: bytes
    gzipped: bytes
    etag: str


def read_pages(folder: Path = _FOLDER) -> dict[str, PageFile]:
    """All files by their path in an address, such as /face.js, and all pages by their address."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            data = path.read_bytes()
            etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            name = f"/{path.relative_to(folder).as_posix()}"
            found[name] = PageFile(_TYPES[path.suffix], data, gzip.compress(data, mtime=0), etag)
    return found | {address: found[name] for address, name in PAGES.items()}
