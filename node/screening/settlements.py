"""Settling a period: from a reader's confirmed hits to the rows that the contract pays by.

What one ticket burned is divided once among the uploaders that its lookup confirmed, the earlier
entry's first. Reader and committee compute the same rows and the same root from the same signed
attestations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from node.crypto.eip712 import Domain, Fields
from node.screening.points import LOOKUP_PRICE, split_floor
from node.screening.releases import Attestation, HitVerdict, read_attestation
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import ProtocolError, Where

SETTLEMENT_FIELDS: Final[Fields] = (
    ("uint32", "period"),
    ("uint32", "reader"),
    ("bytes32", "attestationsRoot"),
    ("bytes32", "rowsHash"),
)
PERIOD_DAYS: Final = 10
DAY_S: Final = 86_400
#: One request between nodes; a larger period is a sign of something else.
MAX_ATTESTATIONS: Final = 20_000
#: A reader signs each once; what is larger holds signatures that only cost whoever recovers them.
MAX_ATTESTATION_BYTES: Final = 1_024
Row = tuple[int, int, int]
ReadAttestation = Callable[[bytes], tuple[Attestation, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Settled:
    """A period's rows (uploader, hits, burned), ascending, and the root over its attestations.

    `tickets` are those whose hits it pays.
    """

    period: int
    reader: int
    rows: tuple[Row, ...]
    root: bytes
    tickets: frozenset[int]

    def digest(self, domain: Domain) -> bytes:
        """Return what t members of the committee sign for the contract."""
        hashed = keccak(encode(("(uint32,uint32,uint128)[]",), (list(self.rows),)))
        values = (self.period, self.reader, self.root, hashed)
        return domain.digest_of("Settlement", SETTLEMENT_FIELDS, values)


def period_of(time_s: int) -> int:
    """Return the period of a time, as the contract counts them."""
    return time_s // DAY_S // PERIOD_DAYS


def settle_attestations(
    period: int,
    reader: int,
    envelopes: Sequence[bytes],
    *,
    is_reader_key: Callable[[str], bool],
    ticket_period: Callable[[int], int | None],
    posted: Callable[[bytes], tuple[int, int] | None],
    read: ReadAttestation = read_attestation,
) -> Settled:
    """Return what a reader's attestations of a period settle to, or refuse them.

    `ticket_period` gives the period in which the reader bought a lookup ticket, `posted` an entry's
    uploader and when it was posted; both None for what the ledger does not know. `read` may know
    an attestation that it read before. Nothing is read behind the first that is false. Raises
    `ProtocolError` SETTLEMENT_EMPTY, SETTLEMENT_TOO_LARGE, SETTLEMENT_FALSE, the envelope's errors.
    """
    if not 1 <= len(envelopes) <= MAX_ATTESTATIONS:
        code = "SETTLEMENT_TOO_LARGE" if envelopes else "SETTLEMENT_EMPTY"
        raise _refuse(code, f"{len(envelopes)} attestations settle nothing at once")
    confirmed: defaultdict[int, list[tuple[int, bytes, int]]] = defaultdict(list)
    order: list[tuple[int, bytes, bytes]] = []
    seen: set[bytes] = set()
    for envelope in envelopes:
        said = _require(envelope, reader, is_reader_key, read)
        found = posted(said.entry)
        if said.entry in seen:
            raise _refuse("SETTLEMENT_FALSE", "an entry is attested twice")
        if found is None or found[0] != said.uploader or said.uploader == reader:
            raise _refuse("SETTLEMENT_FALSE", "an attestation names another uploader")
        if ticket_period(said.ticket) != period:
            raise _refuse("SETTLEMENT_FALSE", "a ticket is not this reader's of this period")
        seen.add(said.entry)
        confirmed[said.ticket].append((found[1], said.entry, said.uploader))
        order.append((said.ticket, said.entry, envelope))
    leaves = [leaf_hash(envelope) for _, _, envelope in sorted(order)]
    return Settled(period, reader, _rows(confirmed), merkle_root(leaves), frozenset(confirmed))


def _require(
    envelope: bytes, reader: int, is_reader_key: Callable[[str], bool], read: ReadAttestation
) -> Attestation:
    if len(envelope) > MAX_ATTESTATION_BYTES:
        raise _refuse("SETTLEMENT_TOO_LARGE", f"an attestation has {len(envelope):,} bytes")
    said, signers = read(envelope)
    if said.reader != reader or not any(is_reader_key(signer) for signer in signers):
        raise _refuse("SETTLEMENT_FALSE", "an attestation is not signed by this reader")
    if said.verdict is not HitVerdict.CONFIRMED:
        raise _refuse("SETTLEMENT_FALSE", "only confirmed hits are paid")
    return said


def _rows(confirmed: dict[int, list[tuple[int, bytes, int]]]) -> tuple[Row, ...]:
    """Divide each ticket's price among its uploaders, each once, the earliest entry's first."""
    hits: defaultdict[int, int] = defaultdict(int)
    burned: defaultdict[int, int] = defaultdict(int)
    for found in confirmed.values():
        uploaders = list(dict.fromkeys(uploader for _, _, uploader in sorted(found)))
        for uploader, share in zip(
            uploaders, split_floor(LOOKUP_PRICE, len(uploaders)), strict=True
        ):
            hits[uploader] += 1
            burned[uploader] += share
    return tuple((uploader, hits[uploader], burned[uploader]) for uploader in sorted(hits))


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, says, where=Where(field="attestations"), help="Nothing of this period was signed."
    )
