from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.header import (
    MAX_PLAINTEXT_BYTES,
    MAX_RECORDS,
    BatchHeader,
    HeaderBalance,
    PlainBatch,
    Totals,
    build_batch,
    header_problem,
    join_items,
    totals_of,
)
from reconcile.commitment.plain import (
    _records_at_once,
    read_header,
    read_items,
    split_items,
)
from reconcile.commitment.records import decode_record, encode_record
from reconcile.model import (
    Balance,
    BalanceBasis,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    ProtocolError,
    Side,
)

AGREEMENT = b"\x22" * 32
WINDOW = 20_779 * 8
BALANCE = Balance(5_000, Direction.OUT, 20_779, BalanceBasis.STATED)
ZERO = Balance(0, Direction.OUT, 20_779, BalanceBasis.DERIVED)


def entry(ref: str, amount: int = 100, **fields: object) -> Entry:
    """Return a booked entry with some fields changed."""
    plain = Entry(ref, 0, Direction.IN, amount, "CNY", 20_779)
    return msgspec.structs.replace(plain, **fields)


def build(*records: Entry, **fields: object) -> PlainBatch:
    """Build a batch of one stream at seq 1."""
    base: dict[str, object] = {"agreement": AGREEMENT, "side": Side.OWNER, "seq": 1}
    return build_batch(**{**base, "window": WINDOW, "records": records, **fields})  # type: ignore[arg-type]


def test_the_header_adds_up_what_the_batch_holds() -> None:
    """Numbers and sums stand per currency and status, as decimal strings, in ascending order."""
    batch = build(
        entry("a", 1),
        entry("b", 2, direction=Direction.OUT),
        entry("c", 4, currency="AUD", status=EntryStatus.PENDING),
        entry("d", 8, status=EntryStatus.VOID),
        entry("e", 16),
    )
    assert batch.header.count == 5
    assert batch.header.totals == (
        Totals("AUD", EntryStatus.PENDING, "1", "4", "0", "0"),
        Totals("CNY", EntryStatus.BOOKED, "2", "17", "1", "2"),
        Totals("CNY", EntryStatus.VOID, "1", "8", "0", "0"),
    )
    assert batch.entries == batch.records


def test_the_plaintext_reads_back_as_the_batch() -> None:
    """What is sealed holds exactly the header and the records, byte by byte."""
    batch = build(
        entry("a"),
        entry("b"),
        opening={"CNY": BALANCE},
        closing={"CNY": ZERO},
        complete_until=1_795_000_000_000,
        sources=[b"\x02" * 32, b"\x01" * 32, b"\x02" * 32],
        generation=3,
        represented=True,
    )
    assert batch.header.sources == (b"\x01" * 32, b"\x02" * 32)
    items = split_items(batch.plaintext)
    assert items == batch.items
    assert read_items(items, batch.plaintext) == batch
    assert batch.header.opening[0].balance == BALANCE
    assert batch.header.closing[0].direction is Direction.IN  # a zero has one form


def test_the_golden_plaintext() -> None:
    """The format cannot drift: a batch's bytes are written down here."""
    batch = build(entry("R1"), closing={"CNY": BALANCE}, complete_until=1)
    assert batch.plaintext.hex() == (
        "929e00c42022222222222222222222222222222222222222222222222222222222222222220101ce00028958"
        "939201a1319202a1319203a13100019196a3434e5900a131a3313030a130a130909195a3434e59a435303030"
        "01cd512ba65354415445440190c2dc001701a25231000064a3434e59cd512bc0c0c0c000c290c0c0c0c0c0c0"
        "c0c090"
    )


def test_bytes_already_encoded_are_taken_as_they_are() -> None:
    """A queue that keeps encoded records builds the same batch as one that keeps entries."""
    records = (entry("a"), entry("b"))
    encoded = [encode_record(record) for record in records]
    assert build(*records, record_bytes=encoded) == build(*records)


def test_an_empty_batch_carries_only_its_header() -> None:
    """A batch without records says up to when its side is complete."""
    batch = build(complete_until=7)
    assert (batch.header.count, batch.header.totals, len(batch.items)) == (0, (), 1)


def test_a_batch_beyond_the_limits_is_not_built() -> None:
    """Neither too many records nor too many bytes go into one batch."""
    one = encode_record(entry("a"))
    with pytest.raises(InputError) as many:
        build(*[entry("a")] * (MAX_RECORDS + 1), record_bytes=[one] * (MAX_RECORDS + 1))
    long = entry("a", remittance="长" * 1_024)
    count = MAX_PLAINTEXT_BYTES // len(encode_record(long)) + 1
    with pytest.raises(InputError) as large:
        build(*[long] * count, record_bytes=[encode_record(long)] * count)
    with pytest.raises(InputError) as files:
        build(entry("a"), sources=[bytes([number]) * 32 for number in range(65)])
    codes = {refused.value.code for refused in (many, large, files)}
    assert codes == {"BATCH_TOO_LARGE"}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("agreement", {"agreement": b""}),
        ("generation", {"generation": -1}),
        (
            "opening",
            {"opening": (HeaderBalance("CNY", "01", Direction.IN, 1, BalanceBasis.STATED),)},
        ),
        (
            "opening",
            {"opening": (HeaderBalance("CNY", "0", Direction.OUT, 1, BalanceBasis.STATED),)},
        ),
        (
            "closing",
            {"closing": (HeaderBalance("cny", "1", Direction.IN, 1, BalanceBasis.STATED),)},
        ),
        (
            "closing",
            {"closing": (HeaderBalance("CNY", "1", Direction.IN, -1, BalanceBasis.STATED),)},
        ),
        (
            "closing",
            {"closing": (HeaderBalance("CNY", "1", Direction.IN, 1, BalanceBasis.STATED),) * 2},
        ),
        ("complete_until", {"complete_until": -1}),
        ("sources", {"sources": (b"short",)}),
        ("sources", {"sources": (b"\x02" * 32, b"\x01" * 32)}),
        ("sources", {"sources": tuple(bytes([number]) * 32 for number in range(65))}),
        (
            "totals",
            {
                "totals": tuple(
                    Totals(f"A{chr(65 + n // 26)}{chr(65 + n % 26)}", EntryStatus.BOOKED, *"0000")
                    for n in range(33)
                )
            },
        ),
    ],
)
def test_a_header_beyond_its_limits_is_refused(field: str, change: dict[str, object]) -> None:
    """Each bad field of a header is named, and the header's bytes are refused."""
    header = msgspec.structs.replace(build().header, **change)
    problem = header_problem(header)
    assert problem is not None
    assert problem.field == field
    with pytest.raises(ProtocolError) as refused:
        read_header(msgspec.msgpack.encode(header))
    assert refused.value.code == "HEADER_MALFORMED"


def test_a_bad_balance_is_the_importers_error() -> None:
    """A header that readers would refuse is not built either."""
    with pytest.raises(InputError) as refused:
        build(opening={"yuan": BALANCE})
    assert refused.value.code == "HEADER_FIELD"


@pytest.mark.parametrize(
    ("code", "plaintext"),
    [
        ("PLAINTEXT_MALFORMED", b""),
        ("PLAINTEXT_MALFORMED", b"\x90"),
        ("PLAINTEXT_MALFORMED", b"\xc0"),
        ("PLAINTEXT_MALFORMED", b"\x92\xc0"),
        ("PLAINTEXT_MALFORMED", b"\x91\xc0\xc0"),
        ("PLAINTEXT_MALFORMED", b"\xdc\x00\x01\xc0"),
        ("PLAINTEXT_MALFORMED", b"\x91" * 100_000),
        ("TOO_MANY_RECORDS", b"\xdd\xff\xff\xff\xff" + bytes(1_000)),
        ("TOO_MANY_RECORDS", b"\xdc\xff\xff" + bytes(65_535)),
        ("PLAINTEXT_TOO_LARGE", bytes(MAX_PLAINTEXT_BYTES + 1)),
    ],
)
def test_a_plaintext_that_is_no_array_is_refused(code: str, plaintext: bytes) -> None:
    """Empty, truncated, extended, re-encoded, nested and oversized arrays have their reasons."""
    with pytest.raises(ProtocolError) as refused:
        split_items(plaintext)
    assert refused.value.code == code


def test_a_bad_record_is_pointed_at() -> None:
    """The refusal of a record inside a batch names its leaf."""
    items = (*build(entry("a")).items, b"\xc0")
    with pytest.raises(ProtocolError) as refused:
        read_items(items, join_items(items))
    assert (refused.value.code, refused.value.where.line) == ("RECORD_MALFORMED", 2)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    """Arbitrary bytes never become a header with other bytes."""
    try:
        header = read_header(data)
    except ProtocolError as error:
        refused = error.code
        assert refused == "HEADER_MALFORMED"
    else:
        assert msgspec.msgpack.encode(header) == data


@given(st.data())
def test_a_changed_byte_of_a_plaintext_is_another_batch(data: st.DataObject) -> None:
    """One changed byte never reads as the same batch."""
    batch = build(entry("a"), entry("b", remittance="货款"), closing={"CNY": BALANCE})
    changed = bytearray(batch.plaintext)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        items = split_items(bytes(changed))
        found = read_items(items, bytes(changed))
    except ProtocolError:
        return
    assert (found.header, found.records) != (batch.header, batch.records)


def test_totals_ignore_the_order_of_entries() -> None:
    """Totals are the same whatever the order of the records."""
    entries = [entry("a", 1), entry("b", 2, currency="EUR"), entry("c", 3)]
    assert totals_of(entries) == totals_of(reversed(entries))


def test_a_header_is_tagged_zero() -> None:
    """Leaf 0 cannot be read as a record: its type number is 0."""
    assert msgspec.msgpack.decode(build().items[0])[0] == 0
    assert BatchHeader.__struct_config__.tag == 0


@given(st.data())
def test_the_fast_path_decides_nothing(data: st.DataObject) -> None:
    """Reading all records at once succeeds exactly where reading them one by one does."""
    batch = build(entry("a"), entry("b", remittance="货款"), entry("c"))
    items = list(batch.items)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(items) - 1))
        item = bytearray(items[at])
        item[data.draw(st.integers(0, len(item) - 1))] = data.draw(st.integers(0, 255))
        items[at] = bytes(item)
    plaintext = b"\x94" + b"".join(items)
    at_once = _records_at_once(items, plaintext)
    try:
        one_by_one = tuple(decode_record(item) for item in items[1:])
        read_header(items[0])
    except ProtocolError:
        assert at_once is None or items[0] != batch.items[0]
    else:
        assert at_once == one_by_one
