"""Records by the thousand are judged, written and read as they are one by one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.bulk import all_good, decode_records, encode_records
from reconcile.commitment.records import (
    MAX_DAY,
    MAX_TIME_MS,
    MAX_VERSION,
    decode_record,
    encode_record,
    record_problem,
)
from reconcile.model import (
    MAX_AMOUNT_MINOR,
    MAX_REF_LENGTH,
    MAX_TEXT_LENGTH,
    Decision,
    Direction,
    Entry,
    InputError,
    ProtocolError,
    SectionDigest,
)

GOOD = Entry("R1", 0, Direction.IN, 12_345, "CNY", 20_779)
# Printable and not, allowed and not; at and above every limit.
texts = st.one_of(
    st.sampled_from(["", "a", "\u3000", "中文", "a\x00", "\x7f", "\x9f", "\u200b", "\ud800"]),
    st.integers(MAX_REF_LENGTH - 1, MAX_REF_LENGTH + 1).map(lambda n: "x" * n),
    st.integers(MAX_TEXT_LENGTH - 1, MAX_TEXT_LENGTH + 1).map(lambda n: "y" * n),
)
maybe_text = st.none() | texts


def around(*limits: int) -> st.SearchStrategy[int]:
    """Numbers at, below and above limits."""
    return st.sampled_from([number for limit in limits for number in (limit - 1, limit, limit + 1)])


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "entry_ref": texts,
    "version": around(0, MAX_VERSION),
    "amount_minor": around(0, MAX_AMOUNT_MINOR),
    "currency": st.sampled_from(["CNY", "cny", "CNYY", "", "C1Y", "CNY\n"]),
    "booking_date": around(0, MAX_DAY),
    "value_date": st.none() | around(0, MAX_DAY),
    "settlement_date": st.none() | around(0, MAX_DAY),
    "session": st.none() | around(0, 7),
    "references": st.lists(st.tuples(st.integers(0, 40), texts), max_size=3).map(tuple),
    "business_type": maybe_text,
    "kind": maybe_text,
    "counterparty_name": maybe_text,
    "counterparty_account": maybe_text,
    "remittance": maybe_text,
    "group_ref": maybe_text,
    "reversal_of": maybe_text,
    "fee_minor": st.none() | around(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR),
    "occurred_at": st.none() | around(0, MAX_TIME_MS),
    "documents": st.lists(
        st.tuples(texts, st.sampled_from([bytes(32), bytes(31)])), max_size=17
    ).map(tuple),
}


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_is_judged_as_it_is_alone(name: str) -> None:
    """Among good records, one is good to the bulk check exactly where it is good by itself."""

    @given(FIELDS[name])
    def judged(value: object) -> None:
        entry = msgspec.structs.replace(GOOD, **{name: value})
        alone = record_problem(entry) is None
        assert all_good([GOOD, entry, GOOD]) is alone

    judged()


def test_fields_are_all_tried() -> None:
    """Every field of an entry that a limit holds for is among those tried above."""
    unlimited = {"direction", "status", "is_reversal"}
    assert set(FIELDS) == set(Entry.__struct_fields__) - unlimited


@pytest.mark.parametrize(
    "record",
    [
        Decision(bytes(31), bytes(32), "confirm", ("a",), (), "p"),
        SectionDigest(1, bytes(31), ()),
    ],
)
def test_a_bad_record_of_another_type_is_found(record: Decision | SectionDigest) -> None:
    """Decisions and section digests among entries are judged too."""
    assert not all_good([GOOD, record])


def test_bytes_are_those_of_records_one_by_one() -> None:
    """Encoding and decoding many gives what each gives alone."""
    records = [
        msgspec.structs.replace(GOOD, entry_ref=f"R{n}", remittance="货款") for n in range(9)
    ]
    items = list(encode_records(records))
    assert items == [encode_record(record) for record in records]
    assert decode_records(items) == records == [decode_record(item) for item in items]


def test_the_first_bad_record_gives_its_own_refusal() -> None:
    """Encoding gives the good ones before it, then the error of that record."""
    encoded = encode_records([GOOD, msgspec.structs.replace(GOOD, currency="x"), GOOD])
    assert next(encoded) == encode_record(GOOD)
    with pytest.raises(InputError, match="currency"):
        next(encoded)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (b"\xc1", "RECORD_MALFORMED"),
        (bytes(70_000), "RECORD_TOO_LONG"),
        (encode_record(GOOD).replace(b"\xa2R1", b"\xd9\x02R1"), "RECORD_NOT_CANONICAL"),
        (msgspec.msgpack.encode(msgspec.structs.replace(GOOD, session=8)), "RECORD_FIELD"),
    ],
)
def test_a_bad_item_is_refused_by_its_own_code(item: bytes, code: str) -> None:
    """Decoding many refuses with the reason that decoding that one alone has."""
    with pytest.raises(ProtocolError) as caught:
        decode_records([encode_record(GOOD), item])
    assert caught.value.code == code
