"""A million identifiers against all that is public and all that one replica holds: no match."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from committee_town import OUTSIDER, Town
from Crypto.Hash import keccak
from listed_people import number_of, person_of
from sqlalchemy import select
from stdnum.cn import ric

from node.screening.states import DAY_S
from node.tables import SealedRecord
from node.tables.base import Base

READER, REPLICA = 1, 3
#: Everybody of a region that does not exist who was born in these days: the listed ones among them.
FIRST_DAY, DAYS, A_DAY = date(1980, 1, 1), 1_000, 1_000
_HEX: Final = re.compile(rb"[0-9a-fA-F]{16,}")
_BASE64: Final = re.compile(rb"[0-9A-Za-z+/_-]{16,}={0,2}")
_IDENTIFIER: Final = re.compile(rb"99000019[0-9]{9}[0-9X]")


def identifiers() -> Iterator[bytes]:
    """Yield a million identity numbers."""
    for day in range(DAYS):
        born = (FIRST_DAY + timedelta(day)).strftime("990000%Y%m%d")
        # The check digit is the weighted sum's: the serial's part is the same for every day.
        begins = _weighed(born, 0)
        for serial in range(A_DAY):
            yield f"{born}{serial:03d}{'10X98765432'[(begins + _SERIALS[serial]) % 11]}".encode()


def _weighed(digits: str, begins: int) -> int:
    return sum(int(digit) * pow(2, 17 - begins - at, 11) for at, digit in enumerate(digits)) % 11


_SERIALS: Final = [_weighed(f"{serial:03d}", 14) for serial in range(A_DAY)]


def digests(message: bytes) -> tuple[bytes, ...]:
    """Return what somebody would have hashed an identifier to."""
    return (
        hashlib.sha256(message).digest()[:8],
        hashlib.sha1(message, usedforsecurity=False).digest()[:8],
        hashlib.md5(message, usedforsecurity=False).digest()[:8],
        keccak.new(digest_bits=256, data=message).digest()[:8],
    )


def words(data: bytes) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return eight bytes after eight as numbers."""
    whole = data[: len(data) // 8 * 8]
    return pa.Array.from_buffers(pa.uint64(), len(whole) // 8, [None, pa.py_buffer(whole)])


def windows(data: bytes) -> Any:  # noqa: ANN401
    """Return every eight bytes in a row, those behind hexadecimal and base64 text too."""
    parts = [data]
    for run in _HEX.findall(data):
        for begins in (0, 1):
            even = run[begins : begins + (len(run) - begins) // 2 * 2]
            parts.append(bytes.fromhex(even.decode()))
    for run in _BASE64.findall(data):
        text = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/")) + b"AAA"
        parts += [base64.b64decode(text[at : at + (len(text) - at) // 4 * 4]) for at in range(4)]
    shifted = [words(part[at:]) for part in parts for at in range(8) if len(part) >= at + 8]
    return pc.unique(pa.chunked_array(shifted, pa.uint64()))


@pytest.fixture(scope="module")
def guesses() -> Any:  # noqa: ANN401
    """The first eight bytes of every digest of a million identifiers, with their type and bare."""
    found = [
        part
        for number in identifiers()
        for message in (number, b"CN-RID|" + number)
        for part in digests(message)
    ]
    assert len(found) == 8 * DAYS * A_DAY
    return words(b"".join(found))


def matches(data: bytes, guesses: Any) -> int:  # noqa: ANN401
    """Return how many guesses are anywhere in the data, in clear, as bytes or as text."""
    in_clear = len(_IDENTIFIER.findall(data))
    return in_clear + int(pc.sum(pc.is_in(guesses, value_set=windows(data))).as_py())


def ledger(town: Town) -> bytes:
    """Return every transaction's calldata, every log's topics and data, from the first block on."""
    head = town.nodes[READER].client.head().number
    parts = []
    for number in range(head + 1):
        block = town.chain.rpc("eth_getBlockByNumber", hex(number), True)
        parts += [item["input"] for item in block["transactions"]]
    logs = town.chain.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": hex(head)})
    assert len({log["topics"][0] for log in logs}) > 20, "the chain was lived through"
    for log in logs:
        parts += [*log["topics"], log["data"]]
    return b"".join(bytes.fromhex(part.removeprefix("0x")) for part in parts)


def replica(town: Town, member: int) -> bytes:
    """Return every file of a replica's index and every value of every row of its node."""
    node = town.node(member)
    files = sorted(path for path in (node.home / "replica").rglob("*") if path.is_file())
    assert files, "the replica built a version"
    parts = [path.read_bytes() for path in files]
    with node.sessions() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                parts += [one if isinstance(one, bytes) else str(one).encode() for one in row]
    return b"\n".join(parts)


def test_the_million_is_of_right_numbers_with_the_listed_among_them() -> None:
    """Check digits are the standard's; whom this town lists was guessed."""
    first = list(zip(range(A_DAY), identifiers(), strict=False))
    assert [number.decode() for _, number in first] == [number_of(at) for at in range(A_DAY)]
    for at, number in enumerate(identifiers()):
        if at % 99_991 == 0:
            assert ric.is_valid(number.decode()) or number[:6] == b"990000"
            assert number.decode()[-1] == ric.calc_check_digit(number.decode())


def test_enumerating_a_million_matches_nothing(indexed: Town, guesses: Any) -> None:  # noqa: ANN401
    """After listings, lookups, a dispute and an erasure; each kind of plant is found at once."""
    indexed.pass_s(DAY_S)
    indexed.claim()
    entry = indexed.list(OUTSIDER, 91)
    indexed.publish()
    indexed.found(READER, 91)
    indexed.node(READER).screening.open_dispute(entry, "not hers", by_person=True)
    gone = indexed.list(OUTSIDER, 92)
    indexed.publish()
    indexed.erase(OUTSIDER, gone)
    public, held = ledger(indexed), replica(indexed, REPLICA)
    with indexed.node(OUTSIDER).sessions() as session:
        loc = session.get_one(SealedRecord, (entry, 1)).loc
    # The look is no blank: the place that the committee's key gives her stands in the replica.
    place = words(loc[:8])
    assert pc.is_in(place, value_set=windows(held))[0].as_py()
    assert not pc.is_in(place, value_set=windows(public))[0].as_py()
    assert matches(public, guesses) == 0
    assert matches(held, guesses) == 0
    person = person_of(91)
    number, whole = person.value.encode(), person.prf_input
    plants = (
        number,
        hashlib.sha1(whole, usedforsecurity=False).digest(),
        keccak.new(digest_bits=256, data=number).hexdigest().upper().encode(),
        b"1" + hashlib.sha256(whole).hexdigest().encode(),
        base64.b64encode(b"*" + hashlib.md5(number, usedforsecurity=False).digest()),
    )
    planted = public[:99_999] + b"\n".join(plants) + public[99_999:]
    assert matches(planted, guesses) == len(plants)
