"""Log-ins that fail, by where they come from: after some, each next one has to wait longer.

The lock of one person stops guessing that person's password; this stops one place from trying one
password on everybody, and from locking everybody out. It lives in memory: a restart forgets it.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from node.errors import BackPressure

MAX_SOURCES: Final = 10_000
FIRST_PAUSE_MS: Final = 1_000
# One household or data centre has a whole /64 of addresses.
IPV6_PREFIX: Final = 64


@dataclass(slots=True)
class _Source:
    """How often one place failed, when last, and until when it waits."""

    failed: int = 0
    last_ms: int = 0
    wait_until_ms: int = 0


class Sources:
    """Counts failed log-ins by address; safe for several threads."""

    def __init__(self, max_failed: int = 20, max_pause_ms: int = 15 * 60 * 1_000) -> None:
        """`max_failed` are free, then the pause doubles up to `max_pause_ms`, which forgets too."""
        self._max_failed = max_failed
        self._max_pause_ms = max_pause_ms
        self._known: OrderedDict[str, _Source] = OrderedDict()
        self._lock = threading.Lock()

    def require(self, address: str, now_ms: int) -> None:
        """Raise `BackPressure` LOGIN_TOO_OFTEN while an address has to wait."""
        with self._lock:
            source = self._known.get(place_of(address))
            left_ms = 0 if source is None else source.wait_until_ms - now_ms
        if left_ms > 0:
            raise BackPressure(
                "LOGIN_TOO_OFTEN",
                "too many log-ins have failed from where you are",
                retry_after_s=-(-left_ms // 1_000),
                help="wait a while, then try again",
            )

    def failed(self, address: str, now_ms: int) -> None:
        """Count a failed log-in."""
        place = place_of(address)
        with self._lock:
            source = self._known.pop(place, None)
            if source is None or source.last_ms + 2 * self._max_pause_ms <= now_ms:
                source = _Source()
            source.failed += 1
            source.last_ms = now_ms
            over = source.failed - self._max_failed
            if over >= 0:
                pause_ms = min(self._max_pause_ms, FIRST_PAUSE_MS * 2 ** min(over, 32))
                source.wait_until_ms = now_ms + pause_ms
            self._known[place] = source
            while len(self._known) > MAX_SOURCES:
                self._known.popitem(last=False)

    def passed(self, address: str) -> None:
        """Forget an address whose person knew the password."""
        with self._lock:
            self._known.pop(place_of(address), None)


def place_of(address: str) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
    return str(found)
