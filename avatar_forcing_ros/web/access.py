# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Decides who may open the kiosk's pages, and from where.

Browsers on this machine need no token, but a page of another site must not reach the kiosk through a visitor's browser.
So the Host of a request must be a name of this machine (a foreign name that leads here is DNS rebinding), and a
WebSocket must come from our own page. Browsers on other machines need a token as well.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

SHORTEST_TOKEN = 16
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class AccessConfig:
    """Where pages are served, and to whom.

    Attributes:
        host: address to listen on; any but this machine's own (127.0.0.1, ::1, localhost) needs a token.
        port: port to listen on; 0 uses a free one.
        token: token for browsers on other machines, at least 16 characters: ?token=... in the first address.
        certificate: PEM file of the TLS certificate and its chain; empty serves plain HTTP.
        key: PEM file of its private key; empty if the certificate's file holds it.
        names: other names by which browsers reach this machine, separated by commas, such as robot.local.
    """

    host: str = "127.0.0.1"
    port: int = field(default=8070, metadata={"range": (0, 65_535)})
    token: str = ""
    certificate: str = ""
    key: str = ""
    names: str = ""

    def __post_init__(self) -> None:
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise ValueError(f"token must have at least {SHORTEST_TOKEN} characters, got {len(self.token)}")
        if not self.is_local and not self.token:
            raise ValueError(
                f"host {self.host!r} lets other machines in, which needs a token of at least {SHORTEST_TOKEN} "
                "characters (and certificate, for camera and microphone); 127.0.0.1 needs none"
            )
        if self.key and not self.certificate:
            raise ValueError("key needs a certificate, got none")

    @property
    def is_local(self) -> bool:
        """Whether only this machine is served."""
        return is_loopback(self.host)

    @property
    def scheme(self) -> str:
        """Scheme of the pages' addresses."""
        return "https" if self.certificate else "http"

    def url(self, port: int | None = None) -> str:
        """Address of the face page; `port` is the port in use if a free one was chosen."""
        name = "localhost" if self.is_local else self.host
        if name in ("", "0.0.0.0", "::"):
            name = socket.gethostname()
        return f"{self.scheme}://{f'[{name}]' if ':' in name else name}:{port or self.port}/"


def listen(config: AccessConfig) -> socket.socket:
    """Open a listening socket.

    Raises:
        ValueError: the address or port cannot be used; the message says what to do.
    """
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((config.host, config.port), family=family, backlog=64)
    except OSError as error:
        raise ValueError(
            f"port {config.port} of {config.host} cannot be used: {error.strerror or error}; stop what uses it, or "
            "choose another port"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback name or address."""
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tls_context(config: AccessConfig) -> ssl.SSLContext | None:
    """TLS context with the certificate of a config; None without a certificate.

    Raises:
        ValueError: certificate or key cannot be read, or do not belong together.
    """
    if not config.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = (str(Path(path).expanduser()) if path else None for path in (config.certificate, config.key))
    assert certificate is not None
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"certificate and key must be PEM files that belong together: {error}") from None
    return context


class Gate:
    """Decides on requests by their Host, Origin and token."""

    def __init__(self, config: AccessConfig) -> None:
        self._config = config
        self._names = {name.strip().lower() for name in config.names.split(",") if name.strip()}
        # the cookie does not contain the token itself, so that nobody who reads it can enter the token elsewhere
        self.cookie = hashlib.sha256(f"avatar_forcing_ros:{config.token}".encode()).hexdigest()

    def refuses_host(self, host_header: str | None) -> str:
        """Why a request's Host is refused, or an empty string."""
        host = urlsplit(f"//{host_header or ''}").hostname or ""
        if is_loopback(host) or host in self._names or (host == self._config.host.lower()):
            return ""
        if not self._config.is_local and _is_address(host):
            return ""  # an address cannot be rebound
        return f"the kiosk is not called {host!r}; if it is, say so with the parameter access.names"

    def refuses_origin(self, origin: str | None, host_header: str | None) -> str:
        """Why a WebSocket from a page of this origin is refused, or an empty string."""
        scheme, _, place = (origin or "").lower().partition("://")
        schemes = ("http", "https") if self._config.scheme == "http" else ("https",)  # a proxy may add TLS
        if scheme in schemes and (place == (host_header or "").lower() or place in self._names):
            return ""
        return (
            f"a page of {origin!r} is not ours; if a proxy serves it under that name, let it pass on the Host, or say "
            "the name with the parameter access.names"
        )

    def knows_token(self, given: str) -> bool:
        """Whether a text is the token."""
        return hmac.compare_digest(given.encode(), self._config.token.encode())

    def is_known(self, cookie: str) -> bool:
        """Whether a browser has presented the token before; always true if there is no token."""
        return not self._config.token or hmac.compare_digest(cookie.encode(), self.cookie.encode())


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
