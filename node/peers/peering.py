"""One node among its peers: who is pinned, as whom it calls, whose keys the registry knows.

What a person changes is in the audit log before it is in a file: a pin without its row would let
somebody in whom nobody is known to have let in; a row without its pin is seen, and done again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography import x509

from node.acts import record_act
from node.courtesy import Courtesy
from node.db import Database, translated
from node.identity import Identity
from node.keyholders import holds_key
from node.peers.certificates import Network, certificate_facts, require_member
from node.peers.client import HELLO, TIMEOUT_S, PeerBook, PeerClient
from node.peers.directory import Peer, pin, read_peers, require_peer, require_url, unpin
from node.peers.own import CERTIFICATE_FILE, OwnCertificate, certify
from reconcile.model import OutsideError, UsageError


class _Hello(msgspec.Struct):
    you: str


class Peering:
    """Calls other nodes, and says who calls; `client` is made at its first use."""

    def __init__(
        self,
        home: Path,
        database: Database,
        identity: Identity,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Take the home with its pins, and whose registry this is."""
        self._home = home
        self._database = database
        self._identity = identity
        self._timeout_s = timeout_s
        self._client: PeerClient | None = None
        self.book = PeerBook(home)
        self.courtesy = Courtesy()
        self.network = Network(identity.place.chain_id, identity.place.registry)

    @property
    def own(self) -> OwnCertificate:
        """Return this node's certificate; `UsageError` PASSPHRASE_NEEDED."""
        files = self._identity.keys.require_files()
        return OwnCertificate(files.folder, files.passphrase)

    @property
    def client(self) -> PeerClient:
        """Return the client; what it calls with is checked at the first call to each member."""
        if self._client is None:
            self._client = PeerClient(
                self.book,
                self.own,
                self.network,
                is_key_of=self.is_key_of,
                now_s=self.now_s,
                timeout_s=self._timeout_s,
                before=self._database.reading.let_go,
            )
        return self._client

    def now_s(self) -> int:
        """Return this machine's time, which certificates are held against."""
        return self._identity.clock() // 1000

    def is_key_of(self, member: int, address: str) -> bool:
        """Say whether an address is a key that an active member holds now."""
        with translated(), self._database.reading() as session:
            return holds_key(session, member, address)

    def certify(self, *, renew: bool = False, actor: str = "node") -> x509.Certificate:
        """Make this node's TLS key and certificate.

        Raises `UsageError` TLS_EXISTS unless `renew`, `ProtocolError` NOT_A_MEMBER.
        """
        files = self._identity.keys.require_files()
        if (files.folder / CERTIFICATE_FILE).exists() and not renew:
            raise UsageError(
                "TLS_EXISTS",
                "this node has a TLS key already",
                help="with --renew a new one takes its place; give the new certificate to others",
            )
        with translated(), self._database.reading() as session:
            member = self._identity.require_member(session)
        self._act(actor, "certify", member, renew=str(renew))
        return certify(
            files.folder,
            files.passphrase,
            member=member,
            network=self.network,
            signer=self._identity.keys.approver,
            now_s=self.now_s(),
        )

    def pin(
        self,
        certificate: x509.Certificate,
        *,
        url: str = "",
        keep_old: bool = False,
        actor: str = "node",
    ) -> Peer:
        """Let a member's node in, and note its address; its statement is checked first.

        `keep_old` keeps the certificates that are pinned, for the days of a renewal. Raises the
        errors of `require_member` and `UsageError` PEER_URL_WRONG.
        """
        member = require_member(certificate, self.network, self.is_key_of, self.now_s())
        standing = read_peers(self._home).get(member)
        old = () if standing is None or not keep_old else standing.certificates
        address = require_url(url) if url else ("" if standing is None else standing.url)
        peer = Peer(member, address, tuple(dict.fromkeys((*old, certificate))))
        self._act(actor, "pin", member, certificate=certificate_facts(certificate)["fingerprint"])
        pin(self._home, peer)
        return peer

    def unpin(self, member: int, *, actor: str = "node") -> None:
        """Let a member's node in no longer; `UsageError` PEER_UNKNOWN."""
        require_peer(read_peers(self._home), member)
        self._act(actor, "unpin", member)
        unpin(self._home, member)

    def ping(self, member: int) -> int:
        """Ask a member's node who it takes us for; `OutsideError` PEER_ANSWER and a call's own."""
        data = self.client.call(member, HELLO, b"{}")
        try:
            return int(msgspec.json.decode(data, type=_Hello).you)
        except ValueError:
            raise OutsideError(
                "PEER_ANSWER", f"member {member} does not say who it takes us for"
            ) from None

    def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            self._client.close()

    def _act(self, actor: str, act: str, member: int, **details: str) -> None:
        with translated(), self._database.writing.begin() as session:
            record_act(
                session,
                actor=actor,
                act=f"peer {act}",
                subject=f"member {member}",
                now_ms=self._identity.clock(),
                details=details,
            )
