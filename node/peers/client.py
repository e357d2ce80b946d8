"""Calls to other members' nodes over mutual TLS; what goes wrong is said in words.

KanheError
├── UsageError    PEER_UNKNOWN, PEER_NO_ADDRESS     nobody is pinned there, or only calls
├── ProtocolError PEER_CERTIFICATE_*                who listens is not that member now
│                 PEER_REFUSES_US                   it does not take our certificate
│   └── PeerRefusal                                 it answered, with its own code and words
└── OutsideError  PEER_UNREACHABLE, PEER_ANSWER     no answer, or none that can be read
"""

# ruff: noqa: N818 - errors are statements (architecture.md, "Words"), not words ending in Error

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
import msgspec
from cryptography import x509

from node.peers.certificates import IsKeyOf, Network, require_member
from node.peers.contexts import client_context
from node.peers.directory import PEERS_FILE, Peer, read_peers
from node.peers.own import OwnCertificate
from reconcile.model import KanheError, OutsideError, ProtocolError, UsageError, Where

TIMEOUT_S: Final = 5.0
#: A whole answer may take so many times what one step of it may.
WHOLE_TIMEOUTS: Final = 6
MAX_ANSWER_BYTES: Final = 64 << 20
KEEP_ALIVE_S: Final = 60.0
PREFIX: Final = "/peer/v1/"
HELLO: Final = f"{PREFIX}hello"
#: Of a refusal's words, in characters: they are kept in rows, logs and answers.
MAX_WORDS: Final = 500
_CODE: Final = re.compile("[A-Z][A-Z0-9_]{0,39}")
_DONE: Final = 200


class PeerRefusal(ProtocolError):
    """Raised when another node answers with a refusal: its code and words, and who it was."""

    def __init__(self, member: int, code: str, message: str, help_: str) -> None:
        """Take who refused and what it said."""
        super().__init__(code, f"member {member}: {message}", help=help_)
        self.member = member


class _Problem(msgspec.Struct):
    code: str
    detail: str = ""
    help: str = ""


class PeerBook:
    """The pinned peers, read again when the file changes."""

    def __init__(self, home: Path) -> None:
        """Take the home whose peers.toml it is."""
        self._home = home
        self._lock = threading.Lock()
        self._mark: tuple[int, int] | None = None
        self._peers: dict[int, Peer] = {}

    def peers(self) -> dict[int, Peer]:
        """Return the peers by member; raises `UsageError` PEERS_MALFORMED."""
        try:
            facts = (self._home / PEERS_FILE).stat()
            mark = (facts.st_mtime_ns, facts.st_ino)
        except FileNotFoundError:
            mark = (0, 0)
        with self._lock:
            if mark != self._mark:
                self._peers = read_peers(self._home)
                self._mark = mark
            return self._peers

    def peer(self, member: int) -> Peer:
        """Return a member's entry; `UsageError` PEER_UNKNOWN."""
        found = self.peers().get(member)
        if found is None:
            raise UsageError(
                "PEER_UNKNOWN",
                f"no certificate of member {member} is pinned here",
                where=Where(field="peers"),
                help="get it from that member and run `kanhe peer pin`",
            )
        return found


class PeerClient:
    """Calls other nodes; one kept-alive connection pool a member, for any thread."""

    def __init__(
        self,
        book: PeerBook,
        own: OwnCertificate,
        network: Network,
        *,
        is_key_of: IsKeyOf,
        now_s: Callable[[], int],
        timeout_s: float = TIMEOUT_S,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Take whom to call, as whom, who says whose keys these are, and what comes `before`."""
        self._book = book
        self._own = own
        self._network = network
        self._is_key_of = is_key_of
        self._now_s = now_s
        self._timeout_s = timeout_s
        self._before = before
        self._lock = threading.Lock()
        self._clients: dict[int, tuple[tuple[x509.Certificate, ...], httpx.Client]] = {}

    def call(self, member: int, path: str, body: bytes, *, timeout_s: float | None = None) -> bytes:
        """Send `body` to a member's node and return its answer's body.

        Raises the errors drawn above; nothing is tried again here.
        """
        peer = self._book.peer(member)
        if not peer.url:
            raise UsageError(
                "PEER_NO_ADDRESS",
                f"member {member}'s node has no address here",
                help="pin its certificate again with --url https://host:port",
            )
        client = self._client(peer)
        timeout = timeout_s or self._timeout_s
        self._before()
        try:
            status, content = _exchange(client, f"{peer.url}{path}", body, member, timeout)
        except httpx.HTTPError as error:
            raise _failed(member, peer.url, error) from None
        except ssl.SSLError as error:
            raise _tls_error(member, peer.url, str(error)) from None
        if status == _DONE:
            return content
        raise _refusal(member, status, content)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for _, client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, peer: Peer) -> httpx.Client:
        certificates = self._valid(peer)
        with self._lock:
            standing = self._clients.get(peer.member)
            if standing is not None and standing[0] == certificates:
                return standing[1]
            if standing is not None:
                standing[1].close()
            client = httpx.Client(
                verify=client_context(self._own, certificates),
                timeout=self._timeout_s,
                trust_env=False,
                limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S),
            )
            self._clients[peer.member] = (certificates, client)
            return client

    def _valid(self, peer: Peer) -> tuple[x509.Certificate, ...]:
        """Return the pinned certificates that are that member's now, or say why none is."""
        valid, first = [], None
        for certificate in peer.certificates:
            try:
                member = require_member(certificate, self._network, self._is_key_of, self._now_s())
                if member != peer.member:
                    raise ProtocolError(
                        "PEER_CERTIFICATE_FOREIGN",
                        f"the certificate pinned for member {peer.member} is member {member}'s",
                        help="unpin it and ask the right member for its certificate",
                    )
                valid.append(certificate)
            except KanheError as error:
                first = first or error
        if valid:
            return tuple(valid)
        assert first is not None, "an entry holds at least one certificate"
        raise first


def _exchange(
    client: httpx.Client, url: str, body: bytes, member: int, timeout_s: float
) -> tuple[int, bytes]:
    """Send a call and read its answer, in bounded memory and time, whoever answers.

    `timeout_s` is for each step; a node that sends a byte now and then ends with `WHOLE_TIMEOUTS`
    of it. Nothing is unpacked: what nodes send each other is not compressed.
    """
    ends = time.monotonic() + WHOLE_TIMEOUTS * timeout_s
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    request = client.stream("POST", url, content=body, headers=headers, timeout=timeout_s)
    with request as answer:
        parts, size = [], 0
        for part in answer.iter_raw():
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise _unreadable(member, "is too large")
            if time.monotonic() > ends:
                raise httpx.ReadTimeout("its answer does not come to an end")
            parts.append(part)
        return answer.status_code, b"".join(parts)


def _failed(member: int, url: str, error: httpx.HTTPError) -> KanheError:
    said = str(error)
    if "certificate" in said.lower() or "ssl" in said.lower() or "alert" in said.lower():
        return _tls_error(member, url, said)
    return OutsideError(
        "PEER_UNREACHABLE",
        f"member {member}'s node at {url} does not answer: {said or type(error).__name__}",
        help="it is asked again later; if this stays, ask its operator",
    )


def _tls_error(member: int, url: str, said: str) -> ProtocolError:
    lowered = said.lower()
    if "alert" in lowered:
        why = "has expired" if "expired" in lowered else "is not pinned there"
        return ProtocolError(
            "PEER_REFUSES_US",
            f"member {member}'s node at {url} does not take our certificate: it {why}",
            where=Where(field="certificate"),
            help="renew it with `kanhe peer certify` if it ended, and give it to that member",
        )
    why = "it has expired" if "expired" in lowered else "it is another one"
    return ProtocolError(
        "PEER_CERTIFICATE_WRONG",
        f"who listens at {url} does not show a certificate pinned for member {member}: {why}",
        where=Where(field="certificate"),
        help="nothing was sent; check the address, and ask the member for its present certificate",
    )


def _refusal(member: int, status: int, content: bytes) -> KanheError:
    try:
        problem = msgspec.json.decode(content, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _unreadable(member, f"has status {status} and no problem document")
    if _CODE.fullmatch(problem.code) is None:
        return _unreadable(member, f"has status {status} and a code that is none")
    return PeerRefusal(member, problem.code, _words(problem.detail), _words(problem.help))


def _words(text: str) -> str:
    """Return what another node says as this one keeps and prints it: short, on one line."""
    kept = text if len(text) <= MAX_WORDS else f"{text[: MAX_WORDS - 1]}…"
    return "".join(sign if sign.isprintable() else " " for sign in kept)


def _unreadable(member: int, says: str) -> OutsideError:
    return OutsideError(
        "PEER_ANSWER",
        f"the answer of member {member}'s node {says}",
        help="its release may be another; ask its operator",
    )
