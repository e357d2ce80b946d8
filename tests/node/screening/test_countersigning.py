"""A ticket counts as used by the words of as many nodes as evaluate together, and no others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from node.crypto.eip712 import Domain
from node.crypto.signer import LocalSigner
from node.screening.countersigning import (
    Countersigned,
    countersigned_digest,
    countersigners,
    read_countersigned,
    used_tickets,
    write_countersigned,
)

DOMAIN = Domain(20_251, b"\x05" * 20)
KEYS = {member: LocalSigner(hashlib.sha256(b"node %d" % member).digest()) for member in range(1, 6)}
REQUEST = hashlib.sha256(b"a request").digest()
READER = 7
#: Members of the committees of two sharings of key epoch 1; two evaluate together.
SHARINGS = {1: [frozenset({1, 2, 3}), frozenset({3, 4, 5})]}


def word(member: int, **changes: object) -> tuple[int, bytes]:
    """Return a member's countersignature, or its signature of something else."""
    words = {"reader": READER, "ticket": 5, "key_epoch": 1, "request": REQUEST} | changes
    digest = countersigned_digest(DOMAIN, **words)  # type: ignore[arg-type]
    return member, KEYS[member].sign_digest(digest)


def used(*signatures: tuple[int, bytes], key_epoch: int = 1, reader: int = READER) -> bool:
    """Say whether ticket 5 counts as used by these signatures."""
    found = Countersigned(5, key_epoch, REQUEST, signatures)
    kept = read_countersigned(write_countersigned(found))
    assert kept == found
    tickets = used_tickets(
        [(kept, countersigners(DOMAIN, reader, kept))],
        was_key_of=lambda member, key: member in KEYS and KEYS[member].address == key,
        reaches=lambda epoch, members: any(
            len(members & sharing) > 1 for sharing in SHARINGS.get(epoch, [])
        ),
    )
    assert tickets <= {5}
    return bool(tickets)


def test_as_many_as_evaluate_together_have_to_say_so() -> None:
    """Two of one committee count; one, one twice, or one each of two committees do not."""
    assert used(word(1), word(2))
    assert used(word(4), word(3))
    assert not used()
    assert not used(word(1))
    assert not used(word(1), word(1))
    assert not used(word(1), word(4)), "of two sharings: no t shares of one polynomial"


@pytest.mark.parametrize(
    "changes",
    [{"reader": 8}, {"ticket": 6}, {"key_epoch": 2}, {"request": bytes(32)}],
)
def test_a_word_for_something_else_does_not_count(changes: dict[str, object]) -> None:
    """For another reader, ticket, key epoch or request: each is no word for this one."""
    assert not used(word(1), word(2, **changes))
    assert used(word(1), word(2, **changes), word(3))


def test_signatures_of_others_and_torn_ones_do_not_count() -> None:
    """Under another member's number, not a signature at all, of an epoch that nobody knows."""
    assert not used(word(1), (2, word(3)[1]))
    assert not used(word(1), (2, bytes(65)))
    assert not used(word(1), (2, b""))
    assert not used(word(1), (9, word(2)[1]))
    assert not used(word(1, key_epoch=2), word(2, key_epoch=2), key_epoch=2)
    assert not used(word(1), word(2), reader=8)
    # What comes last under a member's number is its word: nobody counts twice.
    assert not used(word(1), word(2), (2, bytes(64) + b"\x1b"), (2, word(3)[1]))


@pytest.mark.parametrize(
    "found",
    [
        Countersigned(0, 1, REQUEST, ()),
        Countersigned(2**64, 1, REQUEST, ()),
        Countersigned(-1, 1, REQUEST, ()),
        Countersigned(5, 0, REQUEST, ()),
        Countersigned(5, 2**32, REQUEST, ()),
        Countersigned(5, 1, b"short", ()),
        Countersigned(5, 1, REQUEST, ((1, b""),) * 300),
    ],
)
def test_numbers_out_of_bounds_are_refused(
    code_of: Callable[..., str], found: Countersigned
) -> None:
    """What no node signs is refused before anything is computed of it."""
    assert code_of(countersigners, DOMAIN, READER, found) == "COUNTERSIGNATURE_MALFORMED"
