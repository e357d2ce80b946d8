from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.records import (
    MAX_DAY,
    MAX_RECORD_BYTES,
    MAX_TIME_MS,
    decode_record,
    encode_record,
    record_problem,
)
from reconcile.model import (
    MAX_AMOUNT_MINOR,
    Decision,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    ProtocolError,
    Record,
    SectionDigest,
)

PLAIN = Entry("R1", 0, Direction.IN, 12_345, "CNY", 20_779)
GOLDEN = "dc001701a2523100" + "00cd3039a3434e59cd512b" + "c0" * 4 + "00c290" + "c0" * 8 + "90"

text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
day = st.integers(0, MAX_DAY)
entries = st.builds(
    Entry,
    entry_ref=text,
    version=st.integers(0, 9),
    direction=st.sampled_from(Direction),
    amount_minor=st.integers(0, MAX_AMOUNT_MINOR),
    currency=st.sampled_from(["CNY", "EUR", "JPY"]),
    booking_date=day,
    value_date=st.none() | day,
    settlement_date=st.none() | day,
    session=st.none() | st.integers(0, 7),
    status=st.sampled_from(EntryStatus),
    is_reversal=st.booleans(),
    references=st.dictionaries(st.integers(1, 9), text).map(lambda d: tuple(sorted(d.items()))),
    counterparty_name=st.none() | text,
    counterparty_account=st.none() | text,
    remittance=st.none() | text,
    fee_minor=st.none() | st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR),
    occurred_at=st.none() | st.integers(0, MAX_TIME_MS),
    documents=st.lists(st.tuples(text, st.binary(min_size=32, max_size=32)), max_size=2).map(tuple),
)
refs = st.sets(text, min_size=1, max_size=4).map(lambda s: tuple(sorted(s, key=str.encode)))
hashes = st.binary(min_size=32, max_size=32)
decisions = st.builds(
    Decision,
    subject=hashes,
    previous=hashes,
    verdict=st.sampled_from(["confirm", "reject", "unmatch", "write_off"]),
    servicer=refs,
    owner=refs,
    decider=text,
)
sections = st.builds(
    SectionDigest,
    window=st.integers(0, 2**32 - 2),
    report_digest=hashes,
    sections=st.lists(st.tuples(text, hashes), max_size=3).map(tuple),
)
records = entries | decisions | sections


def read(data: bytes) -> Record | str:
    """Return the record, or the code of its refusal."""
    try:
        return decode_record(data)
    except ProtocolError as error:
        return error.code


def test_the_golden_bytes_of_an_entry() -> None:
    """The format cannot drift: one entry's bytes are written down here."""
    assert encode_record(PLAIN).hex() == GOLDEN
    assert decode_record(bytes.fromhex(GOLDEN)) == PLAIN


@given(records)
def test_a_record_survives_its_bytes(record: Record) -> None:
    """Decoding what was encoded gives the equal record, and its bytes again."""
    data = encode_record(record)
    assert decode_record(data) == record
    assert encode_record(decode_record(data)) == data


@given(records, st.data())
def test_a_changed_byte_is_another_record_or_none(record: Record, data: st.DataObject) -> None:
    """No two byte strings are the same record; bad ones have a stable reason, never a traceback."""
    good = bytearray(encode_record(record))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    found = read(bytes(good))
    assert found != record
    assert isinstance(found, str) or encode_record(found) == bytes(good)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    """Arbitrary bytes are refused with a stable reason or are canonical."""
    found = read(data)
    assert found.startswith("RECORD_") if isinstance(found, str) else encode_record(found) == data


def with_fields(**changes: object) -> Record:
    """Return the plain entry with some fields changed."""
    return msgspec.structs.replace(PLAIN, **changes)


@pytest.mark.parametrize(
    ("field", "record"),
    [
        ("entry_ref", with_fields(entry_ref="")),
        ("entry_ref", with_fields(entry_ref="R" * 129)),
        ("entry_ref", with_fields(entry_ref="R\x00")),
        ("entry_ref", with_fields(entry_ref="R\ud800")),
        ("version", with_fields(version=-1)),
        ("amount_minor", with_fields(amount_minor=-1)),
        ("amount_minor", with_fields(amount_minor=MAX_AMOUNT_MINOR + 1)),
        ("currency", with_fields(currency="cny")),
        ("currency", with_fields(currency="CNY\n")),
        ("booking_date", with_fields(booking_date=MAX_DAY + 1)),
        ("value_date", with_fields(value_date=-1)),
        ("session", with_fields(session=8)),
        ("fee_minor", with_fields(fee_minor=-(2**63))),
        ("occurred_at", with_fields(occurred_at=MAX_TIME_MS + 1)),
        ("references", with_fields(references=((2, "B"), (1, "A")))),
        ("references", with_fields(references=((1, "A"), (1, "B")))),
        ("references", with_fields(references=((10, "A"),))),
        ("references", with_fields(references=((1, ""),))),
        ("remittance", with_fields(remittance="line\u0085break")),
        ("remittance", with_fields(remittance="x" * 1025)),
        ("counterparty_name", with_fields(counterparty_name="\x7f")),
        ("documents", with_fields(documents=(("invoice", b"short"),))),
        ("documents", with_fields(documents=(("invoice", bytes(32)),) * 17)),
        ("verdict", Decision(bytes(32), bytes(32), "maybe", ("a",), (), "p")),
        ("subject", Decision(b"", bytes(32), "confirm", ("a",), (), "p")),
        ("servicer", Decision(bytes(32), bytes(32), "confirm", ("b", "a"), (), "p")),
        ("owner", Decision(bytes(32), bytes(32), "confirm", (), ("a", "a"), "p")),
        ("servicer", Decision(bytes(32), bytes(32), "confirm", (), (), "p")),
        ("decider", Decision(bytes(32), bytes(32), "confirm", ("a",), (), "")),
        ("report_digest", SectionDigest(1, b"", ())),
        ("sections", SectionDigest(1, bytes(32), (("totals", b""),))),
        ("window", SectionDigest(2**32 - 1, bytes(32), ())),
    ],
)
def test_a_field_beyond_its_limit_is_named(field: str, record: Record) -> None:
    """Writer and reader refuse the same record and name the same field."""
    problem = record_problem(record)
    assert problem is not None
    assert problem.field == field
    with pytest.raises(InputError) as refused:
        encode_record(record)
    assert (refused.value.code, refused.value.where.field) == ("RECORD_FIELD", field)
    try:
        data = msgspec.msgpack.encode(record)
    except (UnicodeEncodeError, OverflowError):
        return
    with pytest.raises(ProtocolError) as refused_again:
        decode_record(data)
    assert (refused_again.value.code, refused_again.value.where.field) == ("RECORD_FIELD", field)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("RECORD_MALFORMED", b""),
        ("RECORD_MALFORMED", bytes.fromhex(GOLDEN) + b"\xc0"),
        ("RECORD_MALFORMED", bytes.fromhex(GOLDEN)[:-1]),
        ("RECORD_MALFORMED", b"\x91" * 5_000),
        ("RECORD_MALFORMED", b"\x92\x09\x01"),
        ("RECORD_NOT_CANONICAL", b"\xdd\x00\x00\x00\x17" + bytes.fromhex(GOLDEN)[3:]),
        ("RECORD_NOT_CANONICAL", b"\x97" + bytes.fromhex(GOLDEN)[3:19]),
        ("RECORD_TOO_LONG", b"\xc4" * (MAX_RECORD_BYTES + 1)),
    ],
)
def test_bytes_that_are_not_the_form_are_refused(code: str, data: bytes) -> None:
    """Truncated, extended, nested, unknown, re-encoded and oversized bytes each have a reason."""
    with pytest.raises(ProtocolError) as refused:
        decode_record(data)
    assert refused.value.code == code
    assert refused.value.help


def test_a_record_that_is_too_long_is_not_written() -> None:
    """What no reader takes, the writer does not make."""
    many = tuple(f"{number:0128d}" for number in range(1_024))
    with pytest.raises(InputError) as refused:
        encode_record(Decision(bytes(32), bytes(32), "confirm", many, (), "p"))
    assert refused.value.code == "RECORD_TOO_LONG"
