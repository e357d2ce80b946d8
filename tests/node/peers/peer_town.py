"""Two members who speak to each other over mutual TLS, for the tests of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from node.crypto.signer import LocalSigner
from node.peers.certificates import Network
from node.peers.client import PeerBook, PeerClient
from node.peers.own import OwnCertificate, certify
from reconcile.model import KanheError, ProtocolError

PHRASE = "a phrase for tests"
NETWORK = Network(1337, b"\x11" * 20)
NOW_S = int(time.time())
DAY_S = 86_400


@dataclass
class Member:
    """A member with its registry key and its home."""

    number: int
    home: Path
    signer: LocalSigner = field(default_factory=LocalSigner.generate)

    def certify(self, now_s: int = NOW_S, network: Network = NETWORK) -> x509.Certificate:
        """Make this member's TLS key and certificate."""
        return certify(
            self.home / "keystore",
            PHRASE,
            member=self.number,
            network=network,
            signer=self.signer,
            now_s=now_s,
        )

    @property
    def own(self) -> OwnCertificate:
        """The files of its certificate."""
        return OwnCertificate(self.home / "keystore", PHRASE)


@dataclass
class Town:
    """A server of member 1 and a caller, member 2; `keys` is what the registry says."""

    server: Member
    caller: Member
    keys: dict[int, set[str]]
    url: str
    stop: threading.Event

    def is_key_of(self, member: int, address: str) -> bool:
        """Answer as the registry."""
        return address in self.keys.get(member, set())

    def client(self, member: Member | None = None) -> PeerClient:
        """A fresh client, so that a new handshake is made."""
        who = member or self.caller
        return PeerClient(
            PeerBook(who.home),
            who.own,
            NETWORK,
            is_key_of=self.is_key_of,
            now_s=lambda: NOW_S,
        )

    def refused(self, member: Member | None = None) -> KanheError:
        """Call and return the refusal."""
        client = self.client(member)
        with pytest.raises(KanheError) as caught:
            client.call(1, "/peer/v1/echo", b"{}")
        client.close()
        return caught.value


def echo(member: int, body: bytes) -> bytes:
    """Answer with who asked and how much."""
    return b'{"member":%d,"bytes":%d}' % (member, len(body))


def refuse(member: int, body: bytes) -> bytes:
    """Refuse in words."""
    raise ProtocolError("NOT_TODAY", f"{len(body)} bytes of {member}", help="come tomorrow")


def rant(_member: int, body: bytes) -> bytes:
    """Refuse by the very code that was sent, in more words than anybody reads, on many lines."""
    raise ProtocolError(body.decode(), "no\x00\n\x1b[2J" * 10_000, help="\u202e" * 10_000)
