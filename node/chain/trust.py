"""Whom a client of web addresses believes."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Sequence

import httpx


@functools.cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def trust_for(urls: Sequence[str]) -> ssl.SSLContext:
    """Return whom a client of these addresses believes: of http:// alone nobody, read from no file.

    Reading the public authorities takes more than the rest of a client; a process reads them once.
    """
    if any(url.startswith("https://") for url in urls):
        return _authorities()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
