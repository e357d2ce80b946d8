from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.model import Carrier, Direction, Entry, EntryStatus, Side
from reconcile.report import BranchBook, Chain, ChainState, chains_of, roll_up

NORTH, SOUTH, EAST = (bytes([number]) * 32 for number in (1, 2, 3))
DAY = 20_780


def entry(ref: str, minor: int, voucher: str | None = "VCH1", **parts: object) -> Entry:
    """Return a booked entry; a negative amount leaves the branch."""
    direction = Direction.IN if minor >= 0 else Direction.OUT
    fields: dict[str, object] = {"currency": "CNY", "booking_date": DAY, **parts}
    if voucher is not None:
        fields["references"] = ((int(Carrier.VOUCHER_NO), voucher),)
    return Entry(ref, 0, direction, abs(minor), **fields)  # type: ignore[arg-type]


def chain(*books: BranchBook) -> Chain:
    """Return the only chain of some books."""
    (found,) = chains_of(books)
    return found


def book(agreement: bytes, servicer: tuple[int, ...], owner: tuple[int, ...]) -> BranchBook:
    """Return one agreement's entries of one voucher, by their signed amounts."""
    sides = [
        [entry(f"{prefix}{agreement[0]}{number}", minor) for number, minor in enumerate(minors)]
        for prefix, minors in (("h", servicer), ("b", owner))
    ]
    return BranchBook(agreement, *sides)


@pytest.mark.parametrize(
    ("north", "south", "state", "parts"),
    [
        (((), (-100,)), ((), ()), ChainState.ORIGINATED, (100, 100, 0)),
        (((-100,), (-100,)), ((), ()), ChainState.AT_HEAD, (100, 0, 100)),
        (((-100,), (-100,)), ((100,), ()), ChainState.AT_HEAD, (100, 100, 0)),
        (((-100,), (-100,)), ((100,), (100,)), ChainState.RECEIVED, (0, 0, 0)),
        # What skips head office, what differs, and what only head office knows is irregular.
        (((), (-100,)), ((), (100,)), ChainState.IRREGULAR, (0, 0, 0)),
        (((-100,), (-100,)), ((90,), (90,)), ChainState.IRREGULAR, (10, 0, 10)),
        (((-90,), (-100,)), ((), ()), ChainState.IRREGULAR, (100, 10, 90)),
        (((-100,), ()), ((), ()), ChainState.IRREGULAR, (0, -100, 100)),
        # A collection runs the other way: the branch that books it first receives the money.
        (((100,), (100,)), ((), ()), ChainState.AT_HEAD, (-100, 0, -100)),
        # Booked in two parts on one side.
        (((-60, -40), (-100,)), ((100,), (70, 30)), ChainState.RECEIVED, (0, 0, 0)),
    ],
)
def test_a_voucher_is_seen_from_origin_to_receipt(
    north: tuple[tuple[int, ...], tuple[int, ...]],
    south: tuple[tuple[int, ...], tuple[int, ...]],
    state: ChainState,
    parts: tuple[int, int, int],
) -> None:
    """State, and what is in transit: between head office and branches, and at head office."""
    found = chain(book(NORTH, *north), book(SOUTH, *south))
    assert found.state is state
    assert (found.in_transit_minor, found.unmatched_minor, found.at_head_minor) == parts
    assert found.open is (state is not ChainState.RECEIVED)
    assert found.origin == (None if not north[1] else NORTH)


def test_a_chain_names_both_branches_and_its_legs() -> None:
    """Drill-down: each agreement's entries by side, origin by the first booking."""
    north = BranchBook(NORTH, [entry("h1", -100)], [entry("b1", -100)])
    south = BranchBook(SOUTH, [entry("h2", 100)], [entry("b2", 100, booking_date=DAY - 1)])
    found = chain(north, south)
    assert (found.origin, found.destination) == (SOUTH, NORTH)
    assert found.first_day == DAY - 1
    body = found.to_json()
    assert body["state"] == "RECEIVED"
    assert body["legs"][0]["servicer"] == {"entries": ["h1"], "signed_minor": "-100"}
    assert [leg["agreement"] for leg in body["legs"]] == [NORTH.hex(), SOUTH.hex()]


def test_a_third_branch_makes_a_voucher_irregular() -> None:
    """One voucher goes to one branch; who got it twice is for a person to find out."""
    found = chain(
        book(NORTH, (-100,), (-100,)), book(SOUTH, (100,), (100,)), book(EAST, (100,), (100,))
    )
    assert (found.state, found.in_transit_minor, found.destination) == (
        ChainState.IRREGULAR,
        -100,
        None,
    )


def test_vouchers_are_compared_as_keys_are() -> None:
    """Full width, case and spaces are no difference; a placeholder or nothing is no voucher."""
    north = BranchBook(
        NORTH,
        [],
        [entry("b1", -5, " vch1 "), entry("b2", -7, None), entry("b3", -9, "NOTPROVIDED")],
    )
    south = BranchBook(SOUTH, [], [entry("b1", 5, "\uff36CH1"), entry("b2", 7, None)])
    found = chains_of([north, south])
    assert sorted(len(item.legs) for item in found) == [1, 1, 1, 2]


def test_head_offices_own_and_unmoving_entries_are_in_no_chain() -> None:
    """What begins or ends at head office is not in transit; PENDING moves nothing."""
    own = [entry("b1", -100, kind="HEAD_OFFICE"), entry("b2", -5, status=EntryStatus.PENDING)]
    north = BranchBook(NORTH, [], own)
    assert chains_of([north]) == ()
    assert roll_up([north], ()) == ()


# ------------------------------------------------------------------------------- laws
@st.composite
def networks(draw: st.DrawFn) -> list[BranchBook]:
    """Return books of a few branches over few vouchers, so that all states occur."""
    books = []
    for agreement in draw(st.lists(st.sampled_from([NORTH, SOUTH, EAST]), unique=True)):
        sides: list[list[Entry]] = []
        for prefix in "hb":
            sides.append(
                [
                    entry(
                        f"{prefix}{number}",
                        draw(st.sampled_from([-100, 100, -100, 100, 60, 40, -7])),
                        draw(st.sampled_from(["V1", "V2", "v2 ", "V3", None])),
                        currency=draw(st.sampled_from(["CNY", "CNY", "USD"])),
                        booking_date=DAY + draw(st.integers(0, 3)),
                        status=draw(st.sampled_from([EntryStatus.BOOKED] * 5 + list(EntryStatus))),
                        kind=draw(st.sampled_from([None] * 5 + ["HEAD_OFFICE"])),
                    )
                    for number in range(draw(st.integers(0, 6)))
                ]
            )
        books.append(BranchBook(agreement, *sides))
    return books


@settings(max_examples=200)
@given(networks())
def test_what_is_in_transit_is_the_sum_of_the_open_chains(books: list[BranchBook]) -> None:
    """The branches' books, the open chains, and breaks plus head's books say the same."""
    for line in roll_up(books, chains_of(books)):
        assert all(identity.holds for identity in line.identities)
        by_hand = -sum(
            item.signed_minor
            for book_ in books
            for item in book_.moving(Side.OWNER)
            if item.currency == line.currency
        )
        assert line.open_minor == by_hand


@given(networks(), st.randoms(use_true_random=False))
def test_each_entry_is_in_one_chain_whatever_the_order(
    books: list[BranchBook], rng: random.Random
) -> None:
    """Once only; and neither the order of agreements nor of lines changes a chain."""
    found = chains_of(books)
    named = Counter(
        (leg.agreement, side, ref)
        for item in found
        for leg in item.legs
        for side in Side
        for ref in leg.refs[side]
    )
    assert named == Counter(
        (book_.agreement, side, item.entry_ref)
        for book_ in books
        for side in Side
        for item in book_.moving(side)
    )
    shuffled = [
        BranchBook(b.agreement, rng.sample(b.servicer, len(b.servicer)), b.owner)
        for b in rng.sample(books, len(books))
    ]
    again = chains_of(shuffled)
    assert [item.to_json() for item in again] == [item.to_json() for item in found]


@given(networks())
def test_booking_what_is_missing_closes_every_chain(books: list[BranchBook]) -> None:
    """Reversing all that is open leaves nothing in transit: the identity has no blind spot."""
    undone = [
        BranchBook(
            b.agreement,
            *(
                [*entries, *(msgspec.structs.replace(e, entry_ref=f"{e.entry_ref}r",
                                                      direction=e.direction.opposite)
                             for e in entries)]
                for entries in (b.servicer, b.owner)
            ),
        )
        for b in books
    ]  # fmt: skip
    for line in roll_up(undone, chains_of(undone)):
        assert (line.in_transit_minor, line.open_minor, line.at_head_minor) == (0, 0, 0)
