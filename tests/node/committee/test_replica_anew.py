"""A replica whose files are not what its rows say fills them again, and keeps nothing beside."""

from __future__ import annotations

import shutil

import pytest
from committee_town import OUTSIDER, Town
from sqlalchemy import select

from node.bootstrap import Node
from node.screening.states import DAY_S
from node.tables import AuditRow, Deposit, SealedRecord


def next_version(town: Town) -> int:
    """Let a day go by and publish a version."""
    town.pass_s(DAY_S)
    town.claim()
    return town.publish()


def built(node: Node, version: int) -> bool:
    """Say whether a node has built a version, and serves it."""
    views = {view.version: view for view in node.parts.index.versions()}
    served = node.parts.index.replica().current()
    return views[version].built_here and served == (1, version)


def began_anew(node: Node) -> int:
    """Return how often a node filled its files again."""
    with node.sessions() as session:
        return len(session.scalars(select(AuditRow).where(AuditRow.act == "index-anew")).all())


def test_a_node_without_its_files_builds_the_next_version(indexed: Town) -> None:
    """A backup holds no replica: rows say that records are in files that are not there."""
    node = indexed.node(3)
    before = began_anew(node)
    shutil.rmtree(node.home / "replica" / "epoch-0000000001")
    version = next_version(indexed)
    assert built(node, version)
    assert built(node, next_version(indexed))
    assert began_anew(node) == before + 1


def test_files_that_know_more_than_the_rows_keep_no_erased_record(indexed: Town) -> None:
    """A database that was put back to before a version forgets that the record is in the files."""
    node = indexed.node(3)
    before = began_anew(node)
    indexed.pass_s(DAY_S)
    indexed.claim()
    entry = indexed.list(OUTSIDER, 95)
    with indexed.node(OUTSIDER).sessions() as session:
        needle = session.get_one(SealedRecord, (entry, 1)).record[33:80]
    indexed.publish()
    with node.database.writing.begin() as session:
        row = session.get_one(Deposit, (1, entry))
        assert row.taken
        row.taken = False
    indexed.erase(OUTSIDER, entry)
    for _ in range(10):
        indexed.settle()
        indexed.chain.mine(3)
    for _ in range(2):
        version = next_version(indexed)
    assert built(node, version)
    assert began_anew(node) == before + 1
    for member in (1, 2, 3):
        home = indexed.node(member).home
        held = [
            path.name for path in home.rglob("*") if path.is_file() and needle in path.read_bytes()
        ]
        assert held == [], f"member {member}"


def test_what_is_truly_missing_is_filled_again_once(
    indexed: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that cannot come right do not begin anew at every turn."""
    node = indexed.node(3)
    before = began_anew(node)
    replica = node.parts.index.replica()
    take = replica.take
    monkeypatch.setattr(replica, "take", lambda epoch, items: take(epoch, items[:1]))
    shutil.rmtree(node.home / "replica" / "epoch-0000000001")
    first = node.parts.index.versions()[0].version
    version = next_version(indexed)
    indexed.settle()
    assert 1 <= began_anew(node) - before <= version - first, "once a version"
    assert not built(node, version)
    monkeypatch.undo()
    assert built(node, next_version(indexed))
