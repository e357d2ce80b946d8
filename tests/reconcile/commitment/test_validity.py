from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.header import PlainBatch, Totals, build_batch
from reconcile.commitment.heads import BatchPlace, Stream
from reconcile.commitment.validity import (
    BatchRules,
    Reason,
    StreamState,
    Validity,
    judge_batch,
)
from reconcile.model import (
    Balance,
    BalanceBasis,
    Decision,
    Direction,
    Entry,
    EntryStatus,
    Record,
    Side,
)

STREAM = Stream(1, b"\x11" * 20, b"\x22" * 32, Side.SERVICER)
WINDOW = 20_779 * 8
ANY = BatchRules()


def entry(ref: str = "R1", version: int = 0, **fields: object) -> Entry:
    """Return a booked entry of 100 CNY with some fields changed."""
    plain = Entry(ref, version, Direction.IN, 100, "CNY", 20_779)
    return msgspec.structs.replace(plain, **fields)


def batch(*records: Record, window: int = WINDOW, **fields: object) -> PlainBatch:
    """Build a truthful batch at seq 1."""
    base: dict[str, object] = {"agreement": STREAM.agreement, "side": STREAM.side, "seq": 1}
    return build_batch(**{**base, "window": window, "records": records, **fields})  # type: ignore[arg-type]


def judge(
    plain: PlainBatch, state: StreamState | None = None, rules: BatchRules = ANY, **place: int
) -> Validity:
    """Judge a batch in the place its header names, some of it changed."""
    at = {"seq": 1, "window": plain.header.window, "epoch": 1, **place}
    return judge_batch(plain, BatchPlace(STREAM, **at), rules, state or StreamState())


def after(*batches: PlainBatch) -> StreamState:
    """Return the state after valid batches."""
    state = StreamState()
    for plain in batches:
        verdict = judge(plain, state)
        assert verdict.valid, verdict.says
        state.take(plain, verdict)
    return state


def lying(plain: PlainBatch, **changes: object) -> PlainBatch:
    """Return the batch with another header."""
    header = msgspec.structs.replace(plain.header, **changes)
    items = (msgspec.msgpack.encode(header), *plain.items[1:])
    return PlainBatch(header, plain.records, items, plain.plaintext)


def test_a_truthful_batch_counts() -> None:
    """Entries, decisions and an empty batch are valid, and nothing is listed."""
    decision = Decision(bytes(32), bytes(32), "confirm", ("R1",), ("R1",), "p")
    assert judge(batch(entry(), decision, entry("R2"))) == Validity(None)
    assert judge(batch()).valid


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (Reason.HEADER_PLACE, {"agreement": bytes(32)}),
        (Reason.HEADER_PLACE, {"side": Side.OWNER}),
        (Reason.HEADER_PLACE, {"seq": 2}),
        (Reason.HEADER_PLACE, {"window": WINDOW + 1}),
        (Reason.FORMAT_NOT_AGREED, {"formats": ((1, "2"), (2, "1"), (3, "1"))}),
        (Reason.REPRESENTED_WRONG, {"represented": True}),
        (Reason.HEADER_COUNT, {"count": 2}),
        (Reason.HEADER_TOTALS, {"totals": ()}),
        (
            Reason.HEADER_TOTALS,
            {"totals": (Totals("CNY", EntryStatus.BOOKED, "1", "101", "0", "0"),)},
        ),
        (
            Reason.HEADER_TOTALS,
            {"totals": (Totals("CNY", EntryStatus.BOOKED, "01", "100", "0", "0"),)},
        ),
    ],
)
def test_a_header_that_lies_makes_the_batch_invalid(
    reason: Reason, changes: dict[str, object]
) -> None:
    """Each lie has its own reason and points to leaf 0."""
    verdict = judge(lying(batch(entry()), **changes), window=WINDOW)
    assert (verdict.reason, verdict.at) == (reason, 0)
    assert verdict.says


def test_rules_of_the_terms_are_judged() -> None:
    """Another entry format, a foreign currency, or silence about representation is refused."""
    assert judge(batch(entry()), rules=BatchRules("2")).reason is Reason.FORMAT_NOT_AGREED
    euro = BatchRules(currencies=frozenset({"EUR"}))
    assert judge(batch(entry()), rules=euro).reason is Reason.CURRENCY_NOT_AGREED
    balance = Balance(1, Direction.IN, 1, BalanceBasis.STATED)
    stated = batch(opening={"CNY": balance})
    assert judge(stated, rules=euro).reason is Reason.CURRENCY_NOT_AGREED
    represented = BatchRules(represented=Side.SERVICER)
    assert judge(batch(entry()), rules=represented).reason is Reason.REPRESENTED_WRONG
    assert judge(batch(entry(), represented=True), rules=represented).valid
    assert judge(batch(entry()), rules=BatchRules(represented=Side.OWNER)).valid


def test_an_older_copy_of_the_node_is_found() -> None:
    """A generation below an earlier batch's is a clone from before a restore."""
    state = after(batch(entry(), generation=2))
    assert judge(batch(entry("R2"), generation=1), state).reason is Reason.GENERATION_LOWERED
    assert judge(batch(entry("R2"), generation=2), state).valid


def test_a_byte_equal_repeat_counts_once_and_is_listed() -> None:
    """Across batches and within one, an equal record is a repeat and no new version."""
    state = after(batch(entry()))
    verdict = judge(batch(entry("R0"), entry(), entry("R0")), state)
    assert verdict.valid
    assert verdict.repeats == (2, 3)
    state.take(batch(entry("R0"), entry(), entry("R0")), verdict)
    assert [len(known) for known in state.versions(["R0", "R1"]).values()] == [1, 1]


def test_a_repeat_of_an_older_version_is_a_repeat() -> None:
    """A superseded version that comes again with equal bytes changes nothing."""
    state = after(batch(entry()), batch(entry(version=1, remittance="x")))
    assert judge(batch(entry()), state).repeats == (1,)


def test_the_same_version_with_other_bytes_makes_the_later_batch_invalid() -> None:
    """Neither across batches nor within one do two contents share a version."""
    other = entry(remittance="x")
    across = judge(batch(entry("R0"), other), after(batch(entry())))
    assert (across.reason, across.at) == (Reason.VERSION_CONFLICT, 2)
    assert judge(batch(entry(), other)).reason is Reason.VERSION_CONFLICT


@pytest.mark.parametrize("version", [1, 2, 7])
def test_a_gap_in_versions_makes_the_batch_invalid(version: int) -> None:
    """The first version is 0 and each next one is the last + 1."""
    assert judge(batch(entry(version=version))).reason is Reason.VERSION_GAP
    again = judge(batch(entry(version=version + 1)), after(batch(entry())))
    assert again.reason is Reason.VERSION_GAP


def test_an_invalid_batch_leaves_its_entries_free() -> None:
    """Its entries count as not posted and may be posted again."""
    state = after(batch(entry()))
    assert not judge(batch(entry("R2"), entry(remittance="x")), state).valid
    assert judge(batch(entry("R2", remittance="y")), state).valid


def test_an_amendment_stays_in_its_window_or_later() -> None:
    """An amendment is never in a lower window than what it amends."""
    state = after(batch(entry()))
    amended = entry(version=1, remittance="x")
    assert judge(batch(amended, window=WINDOW - 8), state).reason is Reason.AMENDMENT_WINDOW
    for window in (WINDOW, WINDOW + 8):
        verdict = judge(batch(amended, window=window), state)
        assert verdict.amendments == (1,)


@given(st.sampled_from(EntryStatus), st.sampled_from(EntryStatus))
def test_only_an_open_status_changes(old: EntryStatus, new: EntryStatus) -> None:
    """PENDING or TIMED_OUT becomes BOOKED or VOID; every other status stays."""
    open_ = {EntryStatus.PENDING, EntryStatus.TIMED_OUT}
    allowed = old == new or (old in open_ and new in {EntryStatus.BOOKED, EntryStatus.VOID})
    verdict = judge(batch(entry(version=1, status=new)), after(batch(entry(status=old))))
    assert verdict.reason is (None if allowed else Reason.AMENDMENT_STATUS)


@pytest.mark.parametrize(
    "change", [{"amount_minor": 101}, {"direction": Direction.OUT}, {"currency": "EUR"}]
)
def test_what_a_booked_entry_moved_never_changes(change: dict[str, object]) -> None:
    """Amount, direction and currency of a booked entry are corrected by a reversal alone."""
    amended = batch(entry(version=1, **change))
    assert judge(amended, after(batch(entry()))).reason is Reason.AMENDMENT_AMOUNT
    pending = after(batch(entry(status=EntryStatus.PENDING)))
    assert judge(amended, pending).valid


def test_references_party_and_dates_may_be_amended() -> None:
    """The rest of a booked entry may be corrected, one version after the other."""
    amended = entry(
        version=1, references=((1, "E2E"),), counterparty_name="某公司", value_date=20_780
    )
    assert judge(batch(amended), after(batch(entry()))).amendments == (1,)
    assert judge(batch(entry(), amended)).amendments == (2,)


histories = st.lists(
    st.lists(
        st.builds(
            entry,
            st.sampled_from(["A", "B"]),
            st.integers(0, 3),
            remittance=st.sampled_from(["x", "y"]),
            status=st.sampled_from([EntryStatus.BOOKED, EntryStatus.PENDING]),
        ),
        max_size=3,
    ),
    max_size=6,
)


@given(histories)
def test_whatever_is_posted_what_stands_is_gapless(history: list[list[Entry]]) -> None:
    """Versions that stand run 0, 1, 2, … without gap, and judging twice gives the same verdict."""
    state = StreamState()
    for records in history:
        plain = batch(*records)
        verdict = judge(plain, state)
        assert judge(plain, state) == verdict
        if verdict.valid:
            state.take(plain, verdict)
            assert judge(plain, state).repeats == tuple(range(1, len(records) + 1))
    for versions in state.versions(["A", "B"]).values():
        numbers = [known.version for known in versions]
        assert numbers == list(range(len(numbers)))
        assert all(left.window <= right.window for left, right in pairwise(versions))
