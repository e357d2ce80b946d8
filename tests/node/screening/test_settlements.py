"""A period's rows: each ticket divided once, the earlier entry's uploader first."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest

from node.crypto.eip712 import Domain
from node.crypto.signer import LocalSigner
from node.screening.points import LOOKUP_PRICE
from node.screening.releases import Attestation, HitVerdict, write_attestation
from node.screening.settlements import Settled, period_of, settle_attestations

DOMAIN = Domain(20_251, b"\x05" * 20)
READER = LocalSigner(hashlib.sha256(b"reader").digest())
STRANGER = LocalSigner(hashlib.sha256(b"stranger").digest())
#: (ticket, entry, uploader); entry n was posted at n.
HITS = [(1, 1, 3), (1, 2, 4), (1, 5, 3), (2, 3, 4), (3, 4, 5)]


def entry_of(number: int) -> bytes:
    """Return an entry's id."""
    return hashlib.sha256(b"entry %d" % number).digest()


def said(ticket: int, entry: int, uploader: int, **changes: object) -> bytes:
    """Return a signed attestation."""
    signer = changes.pop("signer", READER)
    fields: dict[str, object] = {
        "domain": DOMAIN,
        "entry": entry_of(entry),
        "uploader": uploader,
        "reader": 2,
        "ticket": ticket,
        "verdict": HitVerdict.CONFIRMED,
        "recipient": bytes(32),
    }
    return write_attestation(Attestation(**(fields | changes)), signer)  # type: ignore[arg-type]


def settle(envelopes: list[bytes], reader: int = 2) -> Settled:
    """Settle period 7, in which all tickets but 9 were bought."""
    uploaders = {entry_of(entry): (uploader, entry) for _, entry, uploader in HITS}
    return settle_attestations(
        7,
        reader,
        envelopes,
        is_reader_key=lambda key: key == READER.address,
        ticket_period=lambda ticket: 8 if ticket == 9 else 7,
        posted=uploaders.get,
    )


def test_each_ticket_is_divided_once() -> None:
    """60 of 100 to the earlier entry's uploader; one uploader counts once a ticket."""
    settled = settle([said(*hit) for hit in HITS])
    assert settled.rows == ((3, 1, 600_000), (4, 2, 1_400_000), (5, 1, LOOKUP_PRICE))
    assert sum(burned for _, _, burned in settled.rows) == 3 * LOOKUP_PRICE


def test_the_order_of_arrival_changes_nothing() -> None:
    """Reader and committee sign the same digest, in whatever order the attestations come."""
    whole = [said(*hit) for hit in HITS]
    digest = settle(whole).digest(DOMAIN)
    for seed in range(5):
        mixed = whole[:]
        random.Random(seed).shuffle(mixed)
        assert settle(mixed).digest(DOMAIN) == digest
    assert settle(whole[:-1]).digest(DOMAIN) != digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"signer": STRANGER},
        {"reader": 3},
        {"verdict": HitVerdict.STALE},
        {"uploader": 5},
        {"entry": 77},
        {"ticket": 9},
    ],
)
def test_what_is_false_settles_nothing(
    wrong: dict[str, object], code_of: Callable[..., str]
) -> None:
    """Another's signature, verdict, uploader, entry or period refuses the whole."""
    good = said(1, 2, 4)
    bad: dict[str, object] = {"ticket": 2, "entry": 3, "uploader": 4}
    envelope = said(**(bad | wrong))  # type: ignore[arg-type]
    assert code_of(settle, [good, envelope]) == "SETTLEMENT_FALSE"
    assert code_of(settle, [good, good]) == "SETTLEMENT_FALSE"
    assert code_of(settle, []) == "SETTLEMENT_EMPTY"


def test_a_reader_is_not_paid_for_its_own_entries(code_of: Callable[..., str]) -> None:
    """Who confirms itself gets nothing signed."""
    own = said(3, 4, 5, reader=5)
    assert code_of(settle, [own], 5) == "SETTLEMENT_FALSE"


def test_periods_are_ten_days() -> None:
    """The contract's own count: days since 1970 by ten."""
    assert period_of(86_400 * 10) == 1
    assert period_of(86_400 * 10 - 1) == 0
