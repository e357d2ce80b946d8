"""What a reader asks of a committee node, what the node answers, and what it logs of it.

A request names its key epoch and holds one item a person: ticket, element B, the reader's signature
over (ticket, B, consent, key epoch), and the consent without the salt that opens it. For a listing
the ticket is 0 and the entry's id stands in the consent's place. An answer says which items were
accepted, proves exactly those, countersigns those of tickets, and gives each other one's reason.

The log of a day is a tree (RFC 6962) over its evaluations in order; its root goes on the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from node.crypto.oprf.dleq import Proof
from node.crypto.oprf.threshold import Answer
from node.screening.consents import Purpose, Scope, SignedConsent
from node.screening.receipts import blind_consent_json, read_blind_consent
from reconcile.commitment.fields import as_hex
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import KanheError, ProtocolError, Where

#: One request's work is bounded; a batch of lookups is a hundred.
MAX_ITEMS: Final = 256
MAX_CERTIFICATE: Final = 65_536
#: The ledger counts in 64 bits, rows in 63; nobody has bought so many.
_MAX_TICKET: Final = 2**63 - 1
_MAX32: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """One item: a lookup (`ticket`, `consent`, `purpose`, `scope`) or a listing (`entry`)."""

    blinded: bytes
    signature: bytes
    ticket: int = 0
    consent: SignedConsent | None = None
    purpose: Purpose = Purpose.CREDIT
    scope: Scope = Scope.HIT
    entry: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a node did not evaluate an item of a request."""

    position: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """A node's answer: evaluations with their proof, and what was refused.

    `countersigned`: the node's signature by the position of each accepted item of a ticket.
    """

    answer: Answer
    refused: tuple[Refused, ...]
    countersigned: Mapping[int, bytes] = field(default_factory=dict)


class _Item(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    blinded: str
    signature: str
    ticket: str = "0"
    consent: dict[str, str] | None = None
    purpose: int = int(Purpose.CREDIT)
    scope: int = int(Scope.HIT)
    entry: str | None = None


class _Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    key_epoch: int
    items: list[_Item]
    sharing: int = 0


class _Refused(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    code: str
    message: str


class _Answer(msgspec.Struct, forbid_unknown_fields=True):
    node: int
    accepted: list[int]
    evaluated: list[str]
    proof: str | None
    refused: list[_Refused]
    countersigned: dict[int, str] = {}


def write_request(key_epoch: int, items: Sequence[Asked], *, sharing: int = 0) -> bytes:
    """Return a request's bytes; the consents' salts stay here.

    `sharing` is the one whose public shares the answer will be held against.
    """
    return msgspec.json.encode(_Request(key_epoch, [_packed(item) for item in items], sharing))


def read_request(data: bytes) -> tuple[int, int, list[Asked]]:
    """Return a request's key epoch, sharing and items; raises `ProtocolError` REQUEST_MALFORMED."""
    try:
        body = msgspec.json.decode(data, type=_Request)
        if not 1 <= len(body.items) <= MAX_ITEMS or not 0 < body.key_epoch <= _MAX32:
            raise _malformed(f"holds {len(body.items)} items, 1 to {MAX_ITEMS} are taken")
        return body.key_epoch, body.sharing, [_unpacked(item) for item in body.items]
    except ProtocolError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, KanheError) as error:
        says = error.message if isinstance(error, KanheError) else "does not read"
        raise _malformed(says) from None


def write_answer(found: NodeAnswer) -> bytes:
    """Return an answer's bytes."""
    answer = found.answer
    return msgspec.json.encode(
        _Answer(
            answer.node,
            list(answer.accepted),
            [item.hex() for item in answer.evaluated],
            None if answer.proof is None else answer.proof.encode().hex(),
            [_Refused(item.position, item.code, item.message) for item in found.refused],
            {position: item.hex() for position, item in found.countersigned.items()},
        )
    )


def read_answer(data: bytes) -> NodeAnswer:
    """Read an answer; raises `ProtocolError` ANSWER_MALFORMED. Its proof is not checked here."""
    try:
        body = msgspec.json.decode(data, type=_Answer)
        proof = None if body.proof is None else Proof.parse(as_hex(body.proof, "proof", 64))
        answer = Answer(
            body.node,
            tuple(body.accepted[: MAX_ITEMS + 1]),
            tuple(as_hex(item, "evaluated", 32) for item in body.evaluated[: MAX_ITEMS + 1]),
            proof,
        )
        refused = tuple(Refused(i.position, i.code[:64], i.message[:512]) for i in body.refused)
        countersigned = {
            position: as_hex(item, "countersigned", 65)
            for position, item in body.countersigned.items()
        }
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, KanheError):
        raise ProtocolError(
            "ANSWER_MALFORMED",
            "the node's answer does not read",
            where=Where(field="answer"),
            help="Keep it as evidence and ask another node.",
        ) from None
    return NodeAnswer(answer, refused, countersigned)


def log_leaf(
    reader: int, ticket: int, subject: bytes, blinded_hash: bytes, key_epoch: int, signature: bytes
) -> bytes:
    """Return the leaf of an evaluation; `subject` is the consent's digest or the entry's id."""
    head = reader.to_bytes(4, "big") + ticket.to_bytes(8, "big")
    return leaf_hash(head + subject + blinded_hash + key_epoch.to_bytes(4, "big") + signature)


def log_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over a day's leaves in order."""
    return merkle_root(leaves)


def share_of_cap(cap: int, threshold: int, nodes: int) -> int:
    """Return ⌈cap · t / n⌉: what one node answers of a cap that t of n spend together."""
    return -(-cap * threshold // nodes)


def _packed(item: Asked) -> _Item:
    consent = None
    if item.consent is not None:
        consent = blind_consent_json(item.consent)
    return _Item(
        blinded=item.blinded.hex(),
        signature=item.signature.hex(),
        ticket=str(item.ticket),
        consent=consent,
        purpose=int(item.purpose),
        scope=int(item.scope),
        entry=None if item.entry is None else item.entry.hex(),
    )


def _unpacked(item: _Item) -> Asked:
    """Read an item; the element is only read as bytes, so that a bad one is refused by name."""
    if (item.consent is None) == (item.entry is None):
        raise _malformed("names neither a consent nor an entry, or both")
    if not item.ticket.isdecimal() or not item.ticket.isascii() or int(item.ticket) > _MAX_TICKET:
        raise _malformed("has a ticket that is no number")
    if not 0 < item.scope <= int(~Scope(0)):
        raise _malformed("has a scope that none is")
    consent = None if item.consent is None else read_blind_consent(item.consent)
    return Asked(
        blinded=as_hex(item.blinded, "blinded"),
        signature=as_hex(item.signature, "signature", 65),
        ticket=int(item.ticket),
        consent=consent,
        purpose=Purpose(item.purpose),
        scope=Scope(item.scope),
        entry=None if item.entry is None else as_hex(item.entry, "entry", 32),
    )


def _malformed(says: str) -> ProtocolError:
    return ProtocolError(
        "REQUEST_MALFORMED",
        f"the request {says}",
        where=Where(field="items"),
        help="nothing was evaluated or counted",
    )
