from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.entries import SCHEMA, EntryTable
from reconcile.model import MAX_AMOUNT_MINOR, Carrier, Direction, Entry, EntryStatus, InputError

texts = st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
days = st.none() | st.integers(0, 2_932_896)
entries = st.builds(
    Entry,
    entry_ref=st.text("abc019", min_size=1, max_size=8),
    version=st.integers(0, 2**31 - 1),
    direction=st.sampled_from(Direction),
    amount_minor=st.integers(0, MAX_AMOUNT_MINOR),
    currency=st.sampled_from(["CNY", "JPY"]),
    booking_date=st.integers(0, 2_932_896),
    value_date=days,
    settlement_date=days,
    session=st.none() | st.integers(0, 7),
    business_type=texts,
    status=st.sampled_from(EntryStatus),
    is_reversal=st.booleans(),
    references=st.dictionaries(
        st.sampled_from([int(item) for item in Carrier]), st.text("AZ09", min_size=1), max_size=3
    ).map(lambda held: tuple(sorted(held.items()))),
    kind=texts,
    counterparty_name=texts,
    counterparty_account=texts,
    remittance=texts,
    fee_minor=st.none() | st.integers(0, MAX_AMOUNT_MINOR),
    group_ref=texts,
    reversal_of=texts,
    occurred_at=st.none() | st.integers(0, 2**45),
    documents=st.lists(
        st.tuples(st.sampled_from(["INVOICE", "合同"]), st.binary(min_size=32, max_size=32)),
        max_size=2,
    ).map(tuple),
)
books = st.lists(entries, max_size=6).map(tuple)


@given(books)
def test_a_table_reads_as_the_entries_it_was_made_of(book: tuple[Entry, ...]) -> None:
    """From objects, from record bytes and from columns: the same entries, to the byte."""
    listed = EntryTable.of(book)
    columns = EntryTable.from_arrow(listed.to_arrow())
    records = EntryTable.from_records(map(msgspec.msgpack.encode, book))
    for table in (listed, columns, records):
        assert table == book
        assert [table[place] for place in range(len(book))] == list(book)
        assert table.to_arrow() == listed.to_arrow()
        assert msgspec.msgpack.encode(list(table)) == msgspec.msgpack.encode(list(book))


@given(books, books, st.randoms(use_true_random=False))
def test_parts_of_tables_are_tables(
    first: tuple[Entry, ...],
    second: tuple[Entry, ...],
    rng: Any,  # noqa: ANN401 - hypothesis' Random
) -> None:
    """Taken, sliced and joined rows read like the lists they would be, by row and by column."""
    both = EntryTable.from_arrow(EntryTable.of(first).to_arrow()).followed_by(second)
    assert both == first + second
    places = rng.sample(range(len(both)), rng.randint(0, len(both)))
    taken = both.take(pa.array(places, pa.int64()))
    assert list(taken) == [(first + second)[place] for place in places]
    assert taken.to_arrow() == EntryTable.of(list(taken)).to_arrow()
    assert both[1:-1] == (first + second)[1:-1]
    assert (both == first) is (second == ())


def test_a_column_of_a_few_rows_is_made_of_these_alone() -> None:
    """What is taken of Python entries does not read the fields of all others."""
    one = Entry("a", 0, Direction.IN, 1, "CNY", 20_000)
    table = EntryTable.of((one, one, one))
    assert table.take(pa.array([2])).column("amount_minor").to_pylist() == [1]
    assert not table.has_read("amount_minor")


def _columns(**changed: Any) -> pa.Table:  # noqa: ANN401 - columns
    one = Entry("a", 0, Direction.IN, 1, "CNY", 20_000)
    table = EntryTable.of((one,)).to_arrow()
    for name, column in changed.items():
        place = table.column_names.index(name) if name in table.column_names else -1
        if place >= 0:
            table = table.remove_column(place)
        if column is not None:
            table = table.append_column(name, column)
    return table


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"currency": None}, "'currency' is missing"),
        ({"currency": pa.array([None], pa.string())}, "'currency' is null somewhere"),
        ({"colour": pa.array(["red"])}, "'colour' is none of an entry"),
        ({"amount_minor": pa.array(["x"])}, "'amount_minor' does not read as int64"),
        ({"amount_minor": pa.array([-1])}, "'amount_minor' is not between 0 and"),
        ({"amount_minor": pa.array([0.5])}, "'amount_minor' does not read as int64"),
        ({"direction": pa.array([2])}, "'direction' is not between 0 and 1"),
        ({"status": pa.array([6])}, "'status' is not between 0 and 5"),
    ],
)
def test_columns_that_are_no_entries_are_refused(changed: dict[str, Any], says: str) -> None:
    """A missing, unknown, null or foreign column names itself and what is wrong with it."""
    with pytest.raises(InputError, match="ENTRIES_COLUMN") as caught:
        EntryTable.from_arrow(_columns(**changed))
    assert says in caught.value.message
    assert caught.value.where.field in changed


def test_other_integers_and_missing_options_read_as_columns() -> None:
    """A store may keep wider integers, and leave out what no entry says."""
    table = _columns(direction=pa.array([1], pa.int64()), remittance=None, documents=None)
    assert EntryTable.from_arrow(table)[0].direction is Direction.OUT
    assert EntryTable.from_arrow(table).column("remittance").null_count == 1
    assert set(SCHEMA.names) >= {item.word for item in Carrier}


@given(books, books, st.booleans())
def test_a_grown_table_has_the_columns_of_the_whole(
    first: tuple[Entry, ...], second: tuple[Entry, ...], stored: bool
) -> None:
    """Columns read before entries came behind equal those of all entries at once."""
    table = EntryTable.of(list(first))
    if stored:
        table = EntryTable.from_arrow(table.to_arrow())
    table.to_arrow()
    grown = table.grown(list(second))
    whole = EntryTable.of([*first, *second])
    assert grown == whole
    assert grown.to_arrow().equals(whole.to_arrow())
    assert len(table) == len(first)


def test_a_table_grows_while_another_run_reads_its_columns() -> None:
    """A window's table is shared: columns that a run reads meanwhile do not stop the next one."""
    table = EntryTable.of([Entry("a", 0, Direction.IN, 1, "CNY", 20_000)])
    table.column("entry_ref")
    unread = iter(name for name in SCHEMA.names if name != "entry_ref")

    class Watched(list[Entry]):
        """Entries during whose reading somebody else reads one more column."""

        def __iter__(self) -> Iterator[Entry]:
            table.column(next(unread))
            return super().__iter__()

    grown = table.grown(Watched([Entry("b", 0, Direction.IN, 2, "CNY", 20_000)]))
    assert grown.column("entry_ref").to_pylist() == ["a", "b"]
    assert grown.column("amount_minor").to_pylist() == [1, 2]
