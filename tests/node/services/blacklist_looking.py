"""A lookup as a reader and its committee make it, over the town's key: the receipt of a hit."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from eth_utils.crypto import keccak
from sqlalchemy import select

from node.crypto.oprf import modes, threshold
from node.crypto.oprf.modes import Mode
from node.listings import open_listing
from node.outbox import append_intent
from node.screening.consents import (
    Consent,
    Level,
    Purpose,
    Scope,
    SignedConsent,
    evaluation_digest,
    person_commitment,
)
from node.screening.countersigning import countersigned_digest
from node.screening.derivation import Tag
from node.screening.envelope import RECEIPT_TYPE, sign_envelope
from node.screening.identifiers import Identifier
from node.screening.index import (
    bucket_number,
    build_index,
    make_buckets,
    prove_bucket,
)
from node.screening.receipts import Receipt, write_receipt
from node.screening.roots import root_digest
from node.screening.states import DAY_S, ROOT_CHALLENGE_S
from node.screening.verifying import sound_records
from node.tables import EntryTag, IndexCut, IndexRoot, SealedRecord, TicketRange
from reconcile.model import OutsideError
from tests.node.services.blacklist_town import COMMITTEE, HOLDERS, KEY, BlacklistTown, share_key


def ask(town: BlacklistTown, member: int, contract: str, call: str, *args: object) -> None:
    """Let a member make a call of the blacklist's contracts."""
    with town.node(member).database.writing.begin() as session:
        subject = f"{call}/{secrets.token_hex(8)}"
        append_intent(
            session,
            kind=call,
            contract=contract,
            call=call,
            args=args,
            subject=subject,
            lane_key="registry",
        )
    # The first member is the uploader here: it has to see what was bought and recorded.
    town.settle(*sorted({1, member}))


def buy_detail(town: BlacklistTown, member: int, entry: bytes) -> int:
    """Buy one ticket for an entry's evidence and return its number."""
    town.node(member).screening.buy_detail_ticket(entry)
    town.settle(*sorted({1, member}))
    return town.node(member).screening.detail_tickets(entry)[-1]


def buy(town: BlacklistTown, member: int) -> int:
    """Buy one ticket for a lookup and return its number."""
    ask(town, member, "Points", "buyTickets", 0, 1)
    with town.node(member).database.reading() as session:
        newest = select(TicketRange.first).where(TicketRange.member == member)
        bought = session.scalars(newest.order_by(TicketRange.first.desc())).first()
    assert bought, "the member has points for a ticket"
    return bought


def publish(town: BlacklistTown) -> None:
    """Put the root over everybody's tagged entries on the ledger, live; it stands while they do."""
    records: dict[bytes, tuple[bytes, bytes]] = {}
    for node in town.nodes:
        with node.database.reading() as session:
            tagged = select(SealedRecord).join(EntryTag, EntryTag.entry == SealedRecord.entry)
            rows = session.scalars(tagged.where(EntryTag.untagged_block.is_(None)))
            records |= {row.entry: (row.loc, row.record) for row in rows}
    buckets = make_buckets(records.values())
    if not town.published or town.published[-1][1] != buckets:
        ask(town, 1, "Blacklist", "cut", 1)
        with town.node(1).database.reading() as session:
            cut = session.scalars(select(IndexCut).order_by(IndexCut.version.desc())).first()
        assert cut, "a member of the committee cuts"
        index = build_index(buckets, key_epoch=1, version=cut.version, cut_block=cut.block_number)
        place = town.node(1).identity.place
        digest = root_digest(place.blacklist_domain, index.header, 1)
        signed = [town.node(member).keys.approver.sign_digest(digest) for member in (1, 2)]
        root = (cut.version, index.header.leaf_count, index.header.root, signed)
        ask(town, 1, "Blacklist", "publishRoot", *root)
        with town.node(1).database.reading() as session:
            assert session.get(IndexRoot, (cut.version, 1)), "its count is the ledger's"
        # Blocks that were mined at once run ahead of the clock: twice the time is enough.
        town.pass_days(2 * ROOT_CHALLENGE_S / DAY_S)
        town.published.append((index, buckets))


def look(
    town: BlacklistTown,
    reader: int,
    uploader: int,
    entry: bytes,
    *,
    scope: Scope = Scope.HIT | Scope.EVIDENCE,
    record: bool = True,
    forged: str = "",
    authority: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """Look up who stands behind an entry, on the reader's own word; return the signed receipt.

    With an `authority`'s key the consent is of level 2, signed with a certificate that it issued.
    `forged`: the "root" or the "committee" is made up, or it is the "old root".
    """
    publish(town)
    index, buckets = town.published[-2 if forged == "old root" else -1]
    holders, committee = share_key() if forged == "committee" else (HOLDERS, COMMITTEE)
    if forged == "root":
        version, cut_block = index.header.version, index.header.cut_block - 1
        index = build_index(buckets, key_epoch=1, version=version, cut_block=cut_block)
    node, other = town.node(reader), town.node(uploader)
    place = node.identity.place
    ticket = buy(town, reader)
    with other.database.reading() as session:
        person = open_listing(session, other.keys.ring, entry).identifier
        loc = session.get_one(SealedRecord, (entry, 1)).loc
    blinded = modes.blind(Mode.VOPRF, person.prf_input)
    given = _consent(town, reader, person, scope, authority)
    consent = given.consent
    digest = consent.digest(place.lookups_domain)
    if record:
        words = (digest, int(consent.level), consent.valid_to_s, keccak(b"\x09" * 32))
        ask(town, reader, "Lookups", "recordConsent", *words)
    asked = evaluation_digest(
        place.lookups_domain, ticket=ticket, blinded=blinded.element, consent=digest, key_epoch=1
    )
    countersigned = countersigned_digest(
        place.lookups_domain, reader=reader, ticket=ticket, key_epoch=1, request=asked
    )
    signer = node.keys.approver
    proof = prove_bucket(index, buckets[bucket_number(loc, index.header.bits)])
    output = modes.evaluate_directly(Mode.VOPRF, KEY.secret, person.prf_input)
    found, _ = sound_records(proof, Tag(output, 1), person)
    receipt = Receipt(
        place.lookups_domain,
        person.type,
        person.value,
        blinded.blind,
        ticket,
        1,
        given,
        signer.sign_digest(asked),
        (blinded.element,),
        0,
        committee,
        tuple(threshold.evaluate_share(holder, (blinded.element,)) for holder in holders[1:]),
        proof,
        tuple(sorted(record.listing.entry_id for record in found)),
        tuple(town.node(member).keys.approver.sign_digest(countersigned) for member in (2, 3)),
    )
    return sign_envelope(RECEIPT_TYPE, write_receipt(receipt), [signer]).to_json()


def _consent(
    town: BlacklistTown,
    reader: int,
    person: Identifier,
    scope: Scope,
    authority: ec.EllipticCurvePrivateKey | None,
) -> SignedConsent:
    node = town.node(reader)
    now_s = int(town.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    salt = secrets.token_bytes(32)
    consent = Consent(
        reader,
        Purpose.CREDIT,
        scope,
        now_s - 60,
        now_s + DAY_S,
        secrets.token_bytes(32),
        person_commitment(person, salt),
        bytes(32),
        Level.INSTITUTION if authority is None else Level.AUTHORITY,
    )
    digest = consent.digest(node.identity.place.lookups_domain)
    if authority is None:
        return SignedConsent(consent, salt, node.keys.approver.sign_digest(digest))
    own = ec.generate_private_key(ec.SECP256R1())
    der = certificate(authority, own.public_key()).public_bytes(Encoding.DER)
    return SignedConsent(consent, salt, own.sign(digest, ec.ECDSA(SHA256())), der)


_OTHER_USES = (
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_SIGNS = x509.KeyUsage(digital_signature=True, **dict.fromkeys(_OTHER_USES, False))


def certificate(
    key: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    """Return the test authority's certificate for a key, its own too."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(7)
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        .add_extension(_SIGNS, critical=True)
        .sign(key, SHA256())
    )


def revoke(town: BlacklistTown, member: int, receipt_consent: Consent) -> None:
    """Revoke a consent by its secret."""
    place = town.node(member).identity.place
    digest = receipt_consent.digest(place.lookups_domain)
    ask(town, member, "Lookups", "revokeConsent", receipt_consent.reader, digest, b"\x09" * 32)


def digest_of(data: bytes) -> str:
    """Return SHA-256 as hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class Wires:
    """Stands for the network between nodes: calls what the other member's node would answer."""

    def __init__(
        self, town: BlacklistTown, caller: int, away: frozenset[int] = frozenset()
    ) -> None:
        self._town, self._caller, self._away = town, caller, away

    @property
    def client(self) -> Wires:
        """Return who makes the calls."""
        return self

    def call(self, member: int, path: str, body: bytes) -> bytes:
        """Call a member's handler of a word; one that is away does not answer."""
        if member in self._away:
            raise OutsideError("PEER_UNREACHABLE", f"member {member} does not answer")
        handlers = self._town.node(member).screening.handlers()
        return handlers[path.removeprefix("/peer/v1/")](self._caller, body)
