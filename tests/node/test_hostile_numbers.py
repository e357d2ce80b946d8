"""Whatever a contract's event may carry, the projections take it: rows, or a kept oddity.

Each event of each ABI is made with every integer at its type's most, bytes of all ones and text
that is none; an event that a contract gains is covered by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from sqlalchemy import inspect, select

from node.chain.codec import ALL_CONTRACTS, Contracts, RawLog, contract_abi
from node.db import Database, open_database
from node.projections import Projections
from node.projections.reading import SEALED, Reading
from node.tables import Base, Incident, derived_tables
from node.tables.base import column_bound
from tests import databases

CONTRACTS = Contracts(31337, *(bytes([at]) * 20 for at in range(1, 6)))
#: What other facts build on goes first.
FIRST = (
    "MemberAdmitted",
    "KeyRegistered",
    "MotionOpened",
    "AgreementOpened",
    "TermsProposed",
    "EpochKeyPublished",
    "EntryPosted",
    "DisputeOpened",
    "BallotCommitted",
    "EntryTagged",
    "RecallOpened",
    "ConsentRecorded",
    "AuditBegun",
)
#: What the contracts number themselves from one on, or have two of.
COUNTED = frozenset(
    {"member", "sponsor", "proposer", "servicer", "owner", "uploader", "by", "dispute"}
    | {"side", "seq", "audit"}
)
#: Kept as oddities even so: a code that is no text, a head that does not follow, amounts that no
#: rule of the contract makes.
ODD = {"MemberAdmitted", "BatchPosted", "DebtIncurred", "PointsBurned", "PointsMinted"} | {
    "PointsReleased",
    "PointsStaked",
}
ONES = b"\xff" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    opened = open_database(databases.address_of(tmp_path / "kanhe.db"))
    Base.metadata.create_all(opened.engine)
    yield opened
    opened.close()


def hostile(parameter: Mapping[str, Any], counted: int | None) -> object:
    """Return the worst that a parameter's type holds.

    What the contracts count or choose from themselves is `counted`, where that is given.
    """
    kind, chosen = str(parameter["type"]), str(parameter.get("internalType", ""))
    if kind.endswith("[]"):
        worst = hostile({**parameter, "type": kind[:-2]}, counted)
        # Two that differ, where the type lets them: a set's members do.
        return [worst, smaller(worst)]
    if kind == "tuple":
        return tuple(hostile(part, counted) for part in parameter["components"])
    named = kind.startswith("uint") and parameter["name"] in COUNTED
    if counted is not None and (named or chosen.startswith("enum ")):
        return counted
    if kind.startswith("uint"):
        return 2 ** int(kind[4:]) - 1
    if kind.startswith("int"):
        return 2 ** (int(kind[3:]) - 1) - 1
    if kind == "string":
        return b"\xff\x00\xed\xa0\x80" * 100
    plain = {"bool": True, "address": "0x" + "ff" * 20, "bytes": ONES * 9}
    return plain[kind] if kind in plain else ONES[: int(kind[5:])]


def smaller(value: object) -> object:
    """Return another value of the same type."""
    if isinstance(value, int):
        return value - 1
    return value[:-1] + b"\xfe" if isinstance(value, bytes) else value


def type_of(parameter: Mapping[str, Any]) -> str:
    """Return what eth_abi writes a parameter as; text as bytes, so that it may be none."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind.replace("string", "bytes")
    inner = ",".join(type_of(part) for part in parameter["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def logs(counted: int | None) -> list[RawLog]:
    """Return a log of every event of every contract."""
    found = []
    for contract in ALL_CONTRACTS:
        for topic, shape in contract_abi(contract).events.items():
            indexed = [p for p in shape.parameters if p["indexed"]]
            rest = [p for p in shape.parameters if not p["indexed"]]
            topics = [abi_encode([type_of(p)], [hostile(p, counted)]) for p in indexed]
            data = abi_encode([type_of(p) for p in rest], [hostile(p, counted) for p in rest])
            found.append((shape.name, CONTRACTS.address(contract), (topic, *topics), data))
    order = {name: at for at, name in enumerate(FIRST)}
    found.sort(key=lambda item: order.get(item[0], len(order)))
    return [
        RawLog(address, topics, data, 7, ONES, ONES, at)
        for at, (_, address, topics, data) in enumerate(found)
    ]


def projections() -> Projections:
    """Return projections that can read no batch."""
    return Projections(CONTRACTS, lambda _session, _batch: Reading(SEALED, None))


def apply(database: Database, some: list[RawLog]) -> list[str]:
    """Write rows from logs; return which events were kept as an oddity."""
    with database.writing.begin() as session:
        projections().apply(session, some, {7: 2**31})
    events = [contract_abi(name).events for name in ALL_CONTRACTS]
    names = {topic.hex(): shape.name for some in events for topic, shape in some.items()}
    with database.reading() as session:
        rows = session.scalars(select(Incident))
        return [names[row.evidence["topics"][0]] for row in rows]


def numbers_fit(database: Database) -> None:
    """Hold every integer of every derived row against its column."""
    with database.reading() as session:
        for mapper in Base.registry.mappers:
            if mapper.local_table not in derived_tables():
                continue
            for row in session.scalars(select(mapper.class_)):
                for attribute in inspect(type(row)).column_attrs:
                    bound = column_bound(attribute.columns[0].type)
                    value = getattr(row, attribute.key)
                    if bound is None or value is None:
                        continue
                    where = f"{mapper.local_table.name}.{attribute.key}"
                    assert type(value) in {int, bool}, where
                    assert value <= bound, where


@pytest.mark.parametrize("counted", [None, 1])
def test_every_event_at_its_worst_is_taken(database: Database, counted: int | None) -> None:
    """All of them after one another, each building on the others, and a rewind of all of them."""
    every = logs(counted)
    odd = apply(database, every)
    numbers_fit(database)
    if counted is not None:
        assert set(odd) == ODD
    with database.writing.begin() as session:
        projections().rewind(session, 6)
    with database.reading() as session:
        for table in (table for table in derived_tables() if "block_number" in table.c):
            assert session.execute(select(table)).first() is None, table.name


def test_each_event_alone_is_taken(database: Database) -> None:
    """What builds on a fact that is not there is kept as an oddity, and the stream goes on."""
    for log in logs(1):
        apply(database, [log])
        with database.writing.begin() as session:
            projections().rewind(session, 6)
