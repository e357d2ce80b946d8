"""A blacklist read late, again, and after a restore: nothing forks, nothing is lost unsaid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from node.bootstrap import Node, init_home, open_node, write_target
from node.outbox.adoption import confirm_adoption
from node.screening.points import LISTING_STAKE
from node.settings import Settings
from node.tables import Adoption, ListedEntry, NonceLane, derived_tables
from reconcile.model import ProtocolError
from tests import databases
from tests.node.services.blacklist_town import PHRASE, WEAK_SCRYPT, BlacklistTown


@pytest.fixture(scope="module", autouse=True)
def disputed(town: BlacklistTown) -> bytes:
    """One entry is listed and disputed."""
    entry = town.list(1, 1)
    town.node(2).screening.open_dispute(entry, "not hers", by_person=True)
    town.settle()
    return entry


def screening_rows(node: Node) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a node derived of the blacklist."""
    names = {"blacklist_facts", "listed_entries", "entry_tags", "disputes", "key_epochs"}
    names |= {"point_movements", "point_accounts"}
    found = {}
    with node.database.reading() as session:
        for table in derived_tables():
            if table.name in names:
                columns = [column for column in table.c if column.name != "id"]
                rows = [tuple(row) for row in session.execute(select(*columns))]
                found[table.name] = sorted(rows, key=repr)
    assert set(found) == names
    return found


def test_a_replay_keeps_what_is_this_node_s_own(town: BlacklistTown) -> None:
    """Derived rows dropped and replayed: the same entry, dispute and points, the same secrets."""
    node = town.node(1)
    before = screening_rows(node)
    (entry,) = [row[0] for row in before["listed_entries"]]
    traced = node.screening.trace(entry)
    node.rebuild()
    assert screening_rows(node) == before
    again = node.screening.trace(entry)
    assert (again.to_json(), again.holds) == (traced.to_json(), True)


def test_a_node_that_learns_of_a_blacklist_reads_it_whole(town: BlacklistTown) -> None:
    """Without the addresses nothing is read or asked; with them the log is read from its start."""
    home = town.folder / "late"
    init_home(home, name="late", passphrase=PHRASE, scrypt_n=WEAK_SCRYPT)
    write_target(home, replace(town.target, blacklist="", lookups="", points=""))
    url = databases.address_of(home / "kanhe.db") if databases.SERVER else ""
    settings = Settings(home=home, database_url=url)
    node = open_node(home, passphrase=PHRASE, settings=settings)
    with pytest.raises(ProtocolError) as refused:
        node.screening.disputes()
    assert refused.value.code == "NO_BLACKLIST"
    with node.database.reading() as session:
        assert session.scalars(select(ListedEntry)).all() == []
    node.close()
    write_target(home, town.target)
    node = open_node(home, passphrase=PHRASE, settings=settings)
    assert screening_rows(node) == screening_rows(town.node(1))
    node.close()


def test_a_restored_node_takes_its_own_calls_over(town: BlacklistTown) -> None:
    """What the lost copy listed is named, a person confirms, and the node lists on."""
    node = town.node(3)
    home, copied = node.home, town.folder / "copied"
    copied.mkdir()
    node.close()
    databases.copy(home / "kanhe.db", copied / "kanhe.db")
    lost = town.reopen(3)
    made = town.candidate(9, uploader=3)
    entry = lost.screening.list_person(made)
    town.settle()
    lost.close()
    databases.copy(copied / "kanhe.db", home / "kanhe.db")
    back = town.reopen(3)
    for _ in range(3):
        back.step()
    poster = back.network.poster_address()
    with back.database.reading() as session:
        assert session.get_one(NonceLane, poster).state == "STOPPED"
        found = {row.what: row.verdict for row in session.scalars(select(Adoption))}
    assert set(found.values()) == {"ADOPTABLE"}
    assert any(f"holds no statement of {entry.hex()}" in what for what in found)
    assert "claimAllowance" in found
    with back.database.writing.begin() as session:
        confirm_adoption(session, poster, person_id=None, now_ms=1)
    town.settle()
    assert back.screening.trace(entry).entry.state == "TICKETED"
    assert back.screening.list_person(town.candidate(10, uploader=3)) != entry
    town.settle()
    assert back.screening.points().account.entries == 2


def test_a_stake_returns_by_itself(town: BlacklistTown) -> None:
    """After the challenge window the node takes its stake back; the entry counts as survived."""
    service = town.node(2).screening
    entry = town.list(2, 20)
    before = service.points().account
    town.pass_days(89)
    assert service.points().account.staked == before.staked
    town.pass_days(1.5)
    after = service.points()
    assert after.account.staked == before.staked - LISTING_STAKE
    assert after.account.upheld == before.upheld + 1
    (moved,) = [row for row in after.movements if row.kind == "RELEASED"]
    assert (moved.reason, moved.entry) == ("entry vested", entry)
