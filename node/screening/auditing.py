"""Audit by opening: a sampled evaluation is opened to the regulator, and everything has to agree.

A node logged SHA-256 of B, and the consent's digest or the entry's id. Whoever asked shows the
identifier and the blind: they give B. A consent's person is committed to the identifier under the
salt that is shown; an entry's commitment on the ledger covers it too.

Which evaluations are opened follows from the day's anchored roots and a key of the regulator's
alone: who anchors last chooses its root, but learns nothing from it of what is drawn. The regulator
chooses neither, for one key gives one draw of the same roots, and a proof says that it was used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from node.crypto.eip712 import Domain, Fields
from node.crypto.oprf import group, modes
from node.crypto.oprf.dleq import Proof
from node.crypto.oprf.modes import Blinded, Mode
from node.screening.consents import (
    EVALUATION_FIELDS,
    Level,
    SignedConsent,
    Trust,
    Use,
    check_consent,
    time_of_use,
)
from node.screening.identifiers import Identifier, IdType, read_identifier
from node.screening.listings import commitment_of, unpack_listing
from node.screening.receipts import consent_json, read_consent
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where

#: One evaluation of how many is opened, by default.
ONE_OF: Final = 100
TEST_IDENTIFIER: Final = "AUDIT_TEST_IDENTIFIER"
#: A consent of level 2 whose authority this node does not take; the nodes that evaluated did.
AUTHORITY: Final = "AUDIT_AUTHORITY"
#: What the auditing node's own setting keeps from being read, and says nothing of the member.
UNREAD: Final = frozenset({TEST_IDENTIFIER, AUTHORITY})
#: The regulator's word that an evaluation was opened, under the domain of `Points`.
OPENED_FIELDS: Final[Fields] = (("bytes32", "evaluation"),)


@dataclass(frozen=True, slots=True)
class Logged:
    """One evaluation as a node logged it; `subject` is a consent's digest or an entry's id."""

    reader: int
    ticket: int
    subject: bytes
    blinded: bytes
    key_epoch: int
    level: int
    signature: bytes

    @property
    def key(self) -> bytes:
        """Return what one element is for: the ticket, or the entry in its key epoch."""
        if self.ticket:
            return b"ticket" + self.ticket.to_bytes(8, "big")
        return b"entry" + self.subject + self.key_epoch.to_bytes(4, "big")

    def digest(self, domain: Domain) -> bytes:
        """Return what its reader signed."""
        values = (self.ticket, self.blinded, self.subject, self.key_epoch)
        return domain.digest_of("Evaluation", EVALUATION_FIELDS, values)


def opened_digest(domain: Domain, evaluation: bytes) -> bytes:
    """Return what the regulator signs once an evaluation, named by its digest, was opened."""
    return domain.digest_of("EvaluationOpened", OPENED_FIELDS, (evaluation,))


@dataclass(frozen=True, slots=True)
class Opening:
    """What who asked shows of an evaluation: the person, the blind, and the consent or statement.

    `statement` is a listing's MessagePack, `salt` its commitment's; both empty for a lookup.
    """

    identifier: Identifier
    blind: bytes
    consent: SignedConsent | None = None
    statement: bytes = b""
    salt: bytes = b""

    def __repr__(self) -> str:
        """Show the type, never the person."""
        return f"Opening({self.identifier.type})"


class _Opening(msgspec.Struct, forbid_unknown_fields=True):
    id_type: str
    id_value: str
    blind: str
    consent: dict[str, str] | None
    statement: str
    salt: str


def is_sampled(seed: bytes, key: bytes, one_of: int) -> bool:
    """Say whether an evaluation is opened, one of `one_of` on average."""
    drawn = hashlib.sha256(b"kanhe/audit/1" + seed + key).digest()
    return int.from_bytes(drawn[:8], "big") * one_of < 2**64


@dataclass(frozen=True, slots=True)
class Draw:
    """What drew a day's sample: the regulator's public key, what it makes of the roots, the proof.

    The key is the same for all audits of a regulator; another one would show beside earlier draws.
    """

    key: bytes
    evaluated: bytes
    proof: Proof

    def to_json(self) -> dict[str, str]:
        """Return the draw as a report shows it."""
        return {
            "key": self.key.hex(),
            "evaluated": self.evaluated.hex(),
            "proof": self.proof.encode().hex(),
        }


def read_draw(body: Mapping[str, str]) -> Draw:
    """Read what a report shows; raises PROOF_MALFORMED, OPRF_PROOF_MALFORMED and the like."""
    return Draw(
        as_hex(body.get("key"), "key", 32),
        as_hex(body.get("evaluated"), "evaluated", 32),
        Proof.parse(as_hex(body.get("proof"), "proof", 64)),
    )


def draw(secret: bytes, domain: Domain, day: int, roots: Sequence[bytes]) -> Draw:
    """Draw a day's sample with the key that follows from 32 bytes of the regulator's vault."""
    pair = modes.derive_key_pair(Mode.VOPRF, secret, b"kanhe/audit/draw/1")
    asked = _drawn_from(domain, day, roots)
    (evaluated,), proof = modes.evaluate_verifiably(pair, [asked.element])
    return Draw(pair.public, evaluated, proof)


def seed_of(found: Draw, domain: Domain, day: int, roots: Sequence[bytes]) -> bytes:
    """Return the seed of a day's sample, once the draw is this key's of these roots.

    Raises `ProtocolError` OPRF_PROOF_WRONG, and what a malformed element is refused for.
    """
    asked = _drawn_from(domain, day, roots)
    key = group.element(found.key, "key")
    modes.verify_evaluations(key, [asked.element], [found.evaluated], found.proof)
    return modes.finalize(Mode.VOPRF, asked, found.evaluated)


def _drawn_from(domain: Domain, day: int, roots: Sequence[bytes]) -> Blinded:
    """Return what the key is used on; nothing is hidden, so the blind is one."""
    place = domain.chain_id.to_bytes(32, "big") + domain.contract + day.to_bytes(4, "big")
    over = hashlib.sha256(place + b"".join(sorted(roots))).digest()
    return modes.blind(Mode.VOPRF, b"kanhe/audit/seed/1" + over, scalar=group.ONE)


def write_opening(opening: Opening) -> bytes:
    """Return an opening's bytes; they name the person."""
    consent = None
    if opening.consent is not None:
        consent = {name: str(value) for name, value in consent_json(opening.consent).items()}
    return msgspec.json.encode(
        _Opening(
            str(opening.identifier.type),
            opening.identifier.value,
            opening.blind.hex(),
            consent,
            opening.statement.hex(),
            opening.salt.hex(),
        )
    )


def read_opening(data: bytes) -> Opening:
    """Read an opening, of people who cannot exist too; raises `ProtocolError` AUDIT_MALFORMED."""
    try:
        body = msgspec.json.decode(data, type=_Opening)
        return Opening(
            read_identifier(IdType(body.id_type), body.id_value, allow_test=True),
            as_hex(body.blind, "blind", 32),
            None if body.consent is None else read_consent(body.consent),
            as_hex(body.statement, "statement", most=4_096),
            as_hex(body.salt, "salt", most=32),
        )
    except (msgspec.DecodeError, ValueError, KanheError):
        raise _refuse("AUDIT_MALFORMED", "does not read") from None


def require_real(identifier: Identifier) -> None:
    """Refuse a person who cannot exist: `ProtocolError` AUDIT_TEST_IDENTIFIER.

    Only of what opened: then it is this node's setting that takes none, and says nothing of the
    member. Before that, anybody could show one for whomever it looked up.
    """
    try:
        read_identifier(identifier.type, identifier.value, allow_test=False)
    except KanheError:
        raise ProtocolError(
            TEST_IDENTIFIER,
            "the person who is shown cannot exist, and this node takes no test identifiers",
            where=Where(field="id"),
            help="in a trial: `audit --test-identifiers`, or the setting KANHE_TEST_IDENTIFIERS",
        ) from None


def check_opening(
    logged: Logged, opening: Opening, domain: Domain, trust: Trust, commitment: bytes | None
) -> None:
    """Hold what is opened against what was logged; `commitment` is the entry's on the ledger.

    Raises `ProtocolError` AUDIT_ELEMENT (another person or blind), AUDIT_CONSENT, AUDIT_STATEMENT,
    what `check_consent` refuses, and AUDIT_AUTHORITY where this node does not take the authority.
    """
    blind = group.scalar(opening.blind, "blind")
    element = modes.blind(Mode.VOPRF, opening.identifier.prf_input, scalar=blind).element
    if hashlib.sha256(element).digest() != logged.blinded:
        raise _refuse("AUDIT_ELEMENT", "gives another element than the one that was evaluated")
    if not logged.ticket:
        _check_statement(logged, opening, commitment)
        return
    signed = opening.consent
    if signed is None or signed.consent.digest(domain) != logged.subject:
        raise _refuse("AUDIT_CONSENT", "shows another consent than the one that was named")
    consent = signed.consent
    # When it was used, the nodes held it against the chain's time; here whose it is counts.
    use = Use(
        logged.reader,
        consent.purpose,
        consent.scope,
        time_of_use(signed),
        opening.identifier,
        element,
    )
    try:
        check_consent(signed, use, domain, trust)
    except ProtocolError as error:
        if consent.level is not Level.AUTHORITY or error.code != "CONSENT_CERTIFICATE":
            raise
        # Person and element agree by now.
        raise ProtocolError(
            AUTHORITY,
            f"{error.message}: the authorities of this node judge it, not the member",
            where=Where(field="certificate"),
            help="set KANHE_AUTHORITIES to those that the committee's nodes take",
        ) from None


def _check_statement(logged: Logged, opening: Opening, commitment: bytes | None) -> None:
    listing = unpack_listing(opening.statement)
    if listing.entry_id != logged.subject or listing.id_type != opening.identifier.type:
        raise _refuse("AUDIT_STATEMENT", "shows the statement of another entry")
    if len(opening.salt) != 32 or (  # noqa: PLR2004 - a salt is 32 bytes
        commitment_of(listing, opening.identifier, opening.salt) != commitment
    ):
        raise _refuse("AUDIT_STATEMENT", "is not what the ledger's commitment covers")


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"the opening {says}",
        where=Where(field="opening"),
        help="ask the member to open it rightly; who cannot has evaluated for somebody else",
    )
