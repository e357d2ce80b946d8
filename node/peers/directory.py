"""Which members' certificates are pinned here, and where their nodes listen: `peers.toml`.

    [[peer]]
    member = 3
    url = "https://10.0.0.3:8444"
    certificate = '''-----BEGIN CERTIFICATE----- …'''

During a renewal one entry holds the old certificate and the new. Nobody that is not pinned gets as
far as a request, and a pin counts only while the registry says that its signer is the member's.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from node.crypto.files import disk_error, write_private
from node.peers.certificates import read_pem, write_pem
from reconcile.model import KanheError, UsageError, Where

PEERS_FILE: Final = "peers.toml"
LOCK_FILE: Final = "peers.lock"
MAX_PEERS: Final = 1_024
MAX_CERTIFICATES: Final = 4
MAX_FILE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Peer:
    """A member's node: its address (empty for one that only calls) and pinned certificates."""

    member: int
    url: str
    certificates: tuple[x509.Certificate, ...]


def read_peers(home: Path) -> dict[int, Peer]:
    """Return the pinned peers by member; none without a file.

    Raises `UsageError` PEERS_MALFORMED, which says what is wrong with which entry.
    """
    path = home / PEERS_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    if len(data) > MAX_FILE_BYTES:
        raise _malformed(path, "is larger than 8 MiB")
    try:
        body = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _malformed(path, f"does not read: {error}") from None
    items = body.get("peer", [])
    if not isinstance(items, list) or len(items) > MAX_PEERS:
        raise _malformed(path, "holds no list of peers, or too many")
    peers: dict[int, Peer] = {}
    for number, item in enumerate(items, 1):
        peer = _read_peer(path, number, item)
        if peer.member in peers:
            raise _malformed(path, f"names member {peer.member} twice")
        peers[peer.member] = peer
    return peers


def pin(home: Path, peer: Peer) -> None:
    """Write a peer, replacing the member's entry; `OutsideError` DISK_WRITE."""
    with _changing(home):
        _write(home, {**read_peers(home), peer.member: peer})


def unpin(home: Path, member: int) -> None:
    """Forget a member's certificates; `UsageError` PEER_UNKNOWN."""
    require_peer(read_peers(home), member)
    with _changing(home):
        peers = read_peers(home)
        peers.pop(member, None)
        _write(home, peers)


def require_peer(peers: Mapping[int, Peer], member: int) -> Peer:
    """Return a pinned peer; `UsageError` PEER_UNKNOWN."""
    if member not in peers:
        raise UsageError("PEER_UNKNOWN", f"no certificate of member {member} is pinned here")
    return peers[member]


def require_url(text: str) -> str:
    """Return an address of a node; raises `UsageError` PEER_URL_WRONG."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme != "https" or not parts.hostname or port is None or not bare:
        raise UsageError(
            "PEER_URL_WRONG",
            f"{text!r} is no node's address",
            where=Where(field="url"),
            help="write it as https://host:port; without TLS no node speaks to another",
        )
    return text.rstrip("/")


def is_loopback(url: str) -> bool:
    """Say whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _changing(home: Path) -> Iterator[None]:
    """Let one at a time read and write the file: a command and the desk would lose a pin."""
    path = home / LOCK_FILE
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise disk_error(path, error) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_peer(path: Path, number: int, item: object) -> Peer:
    if not isinstance(item, Mapping):
        raise _malformed(path, f"entry {number} is no table")
    member, url, text = item.get("member"), item.get("url", ""), item.get("certificate")
    known = set(item) <= {"member", "url", "certificate"}
    if not isinstance(member, int) or isinstance(member, bool) or not known:
        raise _malformed(path, f"entry {number} needs member, url and certificate, and no more")
    if not isinstance(url, str) or not isinstance(text, str) or member < 1:
        raise _malformed(path, f"entry {number} needs member, url and certificate, and no more")
    try:
        certificates = read_pem(text.encode("ascii", errors="replace"))
        checked = require_url(url) if url else ""
    except KanheError as error:
        raise _malformed(path, f"entry {number}: {error.message}") from None
    if not 1 <= len(certificates) <= MAX_CERTIFICATES:
        raise _malformed(path, f"entry {number} holds {len(certificates)} certificates")
    return Peer(member, checked, certificates)


def _write(home: Path, peers: Mapping[int, Peer]) -> None:
    parts = []
    for member in sorted(peers):
        peer = peers[member]
        texts = "".join(write_pem(item) for item in peer.certificates)
        parts.append(
            f"[[peer]]\nmember = {member}\nurl = \"{peer.url}\"\ncertificate = '''\n{texts}'''\n"
        )
    write_private(home / PEERS_FILE, "\n".join(parts).encode("utf-8"))


def _malformed(path: Path, says: str) -> UsageError:
    return UsageError(
        "PEERS_MALFORMED",
        f"{PEERS_FILE} {says}",
        where=Where(file=str(path)),
        help="mend the entry, or pin the certificate anew with `kanhe peer pin`",
    )
