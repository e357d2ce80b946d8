"""A home is lost and an old backup restored: no sequence forks, nothing is lost or doubled."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from node.backups import back_up, restore
from node.bootstrap import Node, open_node
from node.cli import main
from node.outbox.lanes import STOPPED
from node.services.posting import Choice
from node.tables import (
    Batch,
    Incident,
    NonceLane,
    PostedEntry,
    QueuedRecord,
    StreamState,
    Transaction,
)
from reconcile.model import InputError, Side, UsageError
from tests.node.services.conftest import PHRASE, WINDOW, Pair, entry, found_pair, fresh_pair

E = Side.SERVICER


@pytest.fixture(scope="module")
def founded_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two members, founded once for these drills."""
    with found_pair(tmp_path_factory.mktemp("pair")) as made:
        yield made


@pytest.fixture
def pair(founded_pair: Pair) -> Iterator[Pair]:
    """A pair as it was founded: one node of it is lost."""
    with fresh_pair(founded_pair) as lent_pair:
        yield lent_pair
        for node in lent_pair.nodes:
            node.close()


def posted(node: Node, agreement: bytes) -> Counter[str]:
    """Return how often each servicer's ref stands, as a node sees it."""
    with node.database.reading() as session:
        where = (PostedEntry.agreement == agreement, PostedEntry.side == E)
        return Counter(session.scalars(select(PostedEntry.entry_ref).where(*where)))


def lane(node: Node) -> NonceLane:
    """Return the poster's lane."""
    with node.database.reading() as session:
        return session.get_one(NonceLane, node.network.poster_address())


def turns(pair: Pair, node: Node, number: int = 12) -> None:
    """Let a node and the owner take turns, without waiting for rest."""
    for _ in range(number):
        node.step()
        pair.owner.step()
        pair.chain.mine(2)
        time.sleep(0.01)


def queue(node: Node, agreement: bytes, ref: str) -> None:
    """Queue one entry."""
    node.posting.queue_entries(agreement, [entry(ref, 100, e2e=f"E2E-{ref}")], window=WINDOW)


def test_an_old_backup_forks_no_sequence(pair: Pair, tmp_path: Path) -> None:
    """Back up, post more, restore: it stops, a person takes over what is missing, it goes on."""
    agreement = pair.agreement()
    old = pair.servicer
    queue(old, agreement, "before")
    pair.settle()
    queue(old, agreement, "waiting")
    made = back_up(old.home, old.database, old.keys, tmp_path / "backup")
    assert (made.key_files, made.database) == (4, True)
    queue(old, agreement, "after")
    pair.settle()
    assert posted(pair.owner, agreement) == Counter(["before", "waiting", "after"])
    old.close()

    found = restore(tmp_path / "backup", tmp_path / "new", PHRASE, more_keys=[old.home / "backup"])
    assert found.key_files == 4
    node = open_node(tmp_path / "new", passphrase=PHRASE)
    queue(node, agreement, "later")
    turns(pair, node)
    stopped = lane(node)
    assert (stopped.state, stopped.reason) == (STOPPED, "ADOPTION_TO_CONFIRM")
    with node.database.reading() as session:
        state = select(QueuedRecord.state).where(QueuedRecord.entry_ref == "waiting")
        assert session.scalars(state).one() == "POSTED"
        nonces = select(Transaction.nonce).where(Transaction.nonce >= stopped.next_nonce)
        assert session.scalars(nonces).all() == [], "nothing was signed"
    assert posted(pair.owner, agreement) == Counter(["before", "waiting", "after"])

    key = node.network.poster_address()
    assert node.posting.confirm_adoption(key, reason="restored", actor="test") > 0
    pair.servicer = node
    pair.settle()
    expected = Counter(["before", "waiting", "after", "later"])
    assert posted(pair.owner, agreement) == posted(node, agreement) == expected
    with pair.owner.database.reading() as session:
        stream = session.get_one(StreamState, (agreement, int(E)))
        assert (stream.contiguous, stream.invalid_count) == (True, 0)
        where = (Batch.agreement == agreement, Batch.side == E)
        generations = session.scalars(select(Batch.generation).where(*where).order_by(Batch.seq))
        assert list(generations)[-1] == 1
    pair.day(agreement)
    digests = {item.network.agreement(agreement).agreed_digest for item in pair.nodes}
    assert len(digests) == 1
    assert digests != {None}

    again = open_node(old.home, passphrase=PHRASE)
    queue(again, agreement, "from the lost copy")
    turns(pair, again)
    assert lane(again).state == STOPPED
    assert "from the lost copy" not in posted(pair.owner, agreement)
    again.close()


def test_what_was_posted_otherwise_is_held_and_given_up(pair: Pair, tmp_path: Path) -> None:
    """A record queued in the backup that stands with other bytes is held with a clear verdict.

    The lost copy's operator imported it anew before it was sent. Two people give up the old bytes;
    the stream goes on, and nothing counts twice.
    """
    agreement = pair.agreement()
    old = pair.servicer
    queue(old, agreement, "same")
    queue(old, agreement, "other")
    back_up(old.home, old.database, old.keys, tmp_path / "backup")
    with old.database.writing.begin() as session:
        row = session.scalars(select(QueuedRecord).where(QueuedRecord.entry_ref == "other")).one()
        session.delete(row)
    old.posting.queue_entries(agreement, [entry("other", 999)], window=WINDOW)
    pair.settle()
    assert posted(pair.owner, agreement) == Counter(["same", "other"])
    old.close()

    restore(tmp_path / "backup", tmp_path / "new", PHRASE, more_keys=[old.home / "backup"])
    node = open_node(tmp_path / "new", passphrase=PHRASE)
    turns(pair, node)
    with node.database.reading() as session:
        rows = session.execute(select(QueuedRecord.entry_ref, QueuedRecord.state))
        states = {row.entry_ref: row.state for row in rows if row.entry_ref}
        assert states == {"same": "POSTED", "other": "HELD"}
        says = session.scalars(select(Incident.says).where(Incident.kind == "OWN_RECORDS_REFUSED"))
        assert "another copy of this node posted" in says.one()
    shown = node.posting.held_records()
    assert [row.records for row in shown] == [1]
    assert shown[0].reason.startswith("VERSION_CONFLICT: other bytes of this entry's version")
    made = node.posting.propose_discard(agreement, Choice(unsent=True), reason="old", actor="mia")
    node.posting.approve_discard(made.discard_id, actor="cho")
    node.posting.confirm_adoption(node.network.poster_address(), reason="restored", actor="test")
    queue(node, agreement, "later")
    pair.servicer = node
    pair.settle()
    assert posted(pair.owner, agreement) == Counter(["same", "other", "later"])
    with node.database.reading() as session:
        assert (
            session.scalars(select(Incident.id).where(Incident.closed_at_ms.is_(None))).all() == []
        )


def test_a_backup_of_now_goes_on_at_once(pair: Pair, tmp_path: Path) -> None:
    """Where nothing was sent since the backup, the restored copy needs nobody."""
    agreement = pair.agreement()
    old = pair.servicer
    back_up(old.home, old.database, old.keys, tmp_path / "backup")
    old.close()
    restore(tmp_path / "backup", tmp_path / "new", PHRASE)
    pair.servicer = open_node(tmp_path / "new", passphrase=PHRASE)
    queue(pair.servicer, agreement, "next")
    pair.settle()
    assert posted(pair.owner, agreement) == Counter(["next"])


def test_a_restore_refuses_before_it_writes(pair: Pair, tmp_path: Path) -> None:
    """A home that stands, a folder that is no backup, a wrong passphrase: nothing is made."""
    old = pair.servicer
    back_up(old.home, old.database, old.keys, tmp_path / "backup")
    with pytest.raises(InputError, match="BACKUP_IN_PLACE"):
        back_up(old.home, old.database, old.keys, old.home)
    with pytest.raises(UsageError, match="HOME_EXISTS"):
        restore(tmp_path / "backup", old.home, PHRASE)
    with pytest.raises(UsageError, match="BACKUP_NOT_FOUND"):
        restore(tmp_path, tmp_path / "new", PHRASE)
    with pytest.raises(InputError, match="KEYSTORE_PASSPHRASE"):
        restore(tmp_path / "backup", tmp_path / "new", "another phrase")
    assert not (tmp_path / "new").exists()
    (tmp_path / "backup" / "keys-9-9-x.json").write_text("{}")
    with pytest.raises(InputError, match="BACKUP_MALFORMED"):
        restore(tmp_path / "backup", tmp_path / "new", PHRASE)
    (tmp_path / "backup" / "keys-9-9-x.json").unlink()
    restore(tmp_path / "backup", tmp_path / "new", PHRASE)


def test_the_commands_back_up_and_restore(
    pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`kanhe backup` and `kanhe restore` answer with what they hold, and say what comes next."""
    monkeypatch.setenv("KANHE_PASSPHRASE", PHRASE)
    home, new = str(pair.servicer.home), str(tmp_path / "new")
    assert main(["backup", str(tmp_path / "b"), "--home", home, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["database"] is True
    assert (tmp_path / "b" / "kanhe.db").stat().st_mode & 0o077 == 0
    assert main(["restore", str(tmp_path / "b"), "--home", new, "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["home"] == new
    assert "never runs again" in out.err
    assert main(["status", "--home", new, "--json"]) == 0
