"""The town the drills work in: four institutions, one agreement, its opening position agreed.

It is founded once a session and copied for every drill: a copy is the chain's state file and four
home folders, so each drill starts from the same minute and may break what it likes.

    bank        account servicer            enterprise  account owner
    branch      observer: reads, no more    clearing    no party: may read nothing
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from devnet.demo import last_business_days
from devnet.local import EmbeddedChain
from devnet.network import BANK, BRANCH, CLEARING, ENTERPRISE, Network, build_network
from devnet.outcome import judge
from devnet.scenario import make_scenario, write_scenario
from devnet.story import DayBooks, Relation, agree_on, close_day, import_day, read_labels
from node.bootstrap import Node, open_node, write_target
from node.home import target_of
from node.settings import Settings
from node.tables import Batch, ImportedFile, PostedEntry, QueuedRecord, SealedPayload, StreamState
from reconcile.model import AgreementKind, Side
from reconcile.statements import read_statement

LABEL: Final = "drill account"
SEED: Final = 7
ENTRIES: Final = 30
DAYS: Final = 2
FINALITY_BLOCKS: Final = 12
HOMES: Final = (BANK.slug, CLEARING.slug, BRANCH.slug, ENTERPRISE.slug)


def quiet(_text: str) -> None:
    """Say nothing."""


@dataclass
class Town:
    """A running copy of the founded town."""

    folder: Path
    network: Network
    relation: Relation

    @property
    def chain(self) -> EmbeddedChain:
        """Return the chain."""
        return self.network.chain

    @property
    def agreement(self) -> bytes:
        """Return the one agreement."""
        return self.relation.agreement

    @property
    def bank(self) -> Node:
        """Return the account servicer."""
        return self.network.nodes[BANK.slug]

    @property
    def enterprise(self) -> Node:
        """Return the account owner."""
        return self.network.nodes[ENTERPRISE.slug]

    @property
    def branch(self) -> Node:
        """Return the observer."""
        return self.network.nodes[BRANCH.slug]

    @property
    def clearing(self) -> Node:
        """Return the member that is no party."""
        return self.network.nodes[CLEARING.slug]

    @property
    def parties(self) -> tuple[Node, Node]:
        """Return both sides' nodes, servicer first."""
        return self.bank, self.enterprise

    def window(self, day: int = 0) -> int:
        """Return the window of a business day of the books, counted from 0."""
        return self.relation.days[day].window

    def book(self, side: Side, day: int = 0) -> Path:
        """Return a side's file of a business day."""
        return self.relation.days[day].files[side]

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Step every node until `done()`."""
        self.network.until(done, what)

    def settle(self) -> None:
        """Step until every node rests."""
        self.network.settle()

    def import_day(self, day: int = 0) -> None:
        """Import both sides' books of a day."""
        import_day(self.network, self.relation, self.relation.days[day], quiet)

    def finish_day(self, day: int = 0) -> None:
        """Close a day on both sides and agree on it."""
        close_day(self.network, self.relation, self.window(day))
        agree_on(self.network, [(self.relation, self.window(day))])

    def run_day(self, day: int = 0) -> None:
        """Import, post, close and agree on a day."""
        self.import_day(day)
        self.settle()
        self.finish_day(day)

    def state(self, node: Node, day: int = 0) -> str:
        """Return a window's state as a node has it."""
        return node.reconciliation.window_status(self.agreement, self.window(day)).state

    def digests(self, day: int = 0) -> tuple[bytes, bytes]:
        """Return both sides' digests of a day."""
        first, second = (
            node.reconciliation.report(self.agreement, self.window(day)).digest
            for node in self.parties
        )
        return first, second

    def reopen(self, slug: str) -> Node:
        """Close a node as at the end of its process, and open its home again."""
        self.network.nodes.pop(slug).close()
        node = open_node(self.folder / slug, passphrase=passphrase(self.folder))
        self.network.nodes[slug] = node
        return node

    def close(self) -> None:
        """Close the nodes, then the chain."""
        self.network.close()


def passphrase(folder: Path) -> str:
    """Return the throw-away phrase of a town's keystores."""
    return (folder / "passphrase").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------ founding
def found_town(folder: Path) -> Relation:
    """Found the town, agree on the opening position, write it all down; return the relation."""
    relation = _plan(folder / "books")
    network = build_network(folder, say=quiet, hurried=True)
    try:
        _open(network, relation)
        agree_on(network, [(relation, 0)])
        network.settle()
    finally:
        network.close()
    return relation


def _plan(folder: Path) -> Relation:
    day = last_business_days(dt.datetime.now(tz=dt.UTC).date(), DAYS)
    kind = AgreementKind.BANK_ENTERPRISE
    scenario = make_scenario(SEED, ENTRIES, kind=kind, day=day, days=DAYS, opening_items=True)
    write_scenario(scenario, folder)
    days = tuple(
        DayBooks(
            item.day,
            (folder / f"day-{count}" / "servicer.csv", folder / f"day-{count}" / "owner.csv"),
            read_labels(folder / f"day-{count}" / "labels.json"),
        )
        for count, item in enumerate(scenario.days, 1)
    )
    opening = (folder / "opening-servicer.csv", folder / "opening-owner.csv")
    return Relation(LABEL, kind, BANK.slug, ENTERPRISE.slug, scenario.terms, days, opening=opening)


def _open(network: Network, relation: Relation) -> None:
    """Open the agreement with an observer, and post both opening positions."""
    bank, enterprise = relation.parties(network)
    branch = network.nodes[BRANCH.slug]
    assert bank.member is not None
    assert enterprise.member is not None
    assert branch.member is not None
    network.settle()
    relation.agreement = bank.network.open_agreement(
        relation.kind,
        servicer=bank.member,
        owner=enterprise.member,
        terms=relation.terms,
        label=LABEL,
        observers=(branch.member,),
    )
    network.settle()
    enterprise.network.accept_agreement(relation.agreement)
    enterprise.network.label_agreement(relation.agreement, LABEL)
    network.settle()
    for side, node in zip(Side, (bank, enterprise), strict=True):
        path = relation.opening[side]
        assert path is not None
        statements = read_statement(path).statements
        node.posting.open_position(
            relation.agreement,
            items=[entry for item in statements for entry in item.entries],
            closing={
                item.currency: item.closing_balance
                for item in statements
                if item.closing_balance is not None
            },
        )


def copy_homes(founded: Path, folder: Path, relation: Relation) -> tuple[EmbeddedChain, Relation]:
    """Copy a founded town and start its chain on a port of its own; no node is opened."""
    shutil.copytree(founded, folder, dirs_exist_ok=True)
    chain = EmbeddedChain(state=folder / "chain" / "state.json", log=folder / "chain.log").start()
    # A loaded chain knows the state of its newest block alone: let that one become final.
    chain.mine(FINALITY_BLOCKS + 1)
    for slug in HOMES:
        target = target_of(folder / slug, Settings(home=folder / slug))
        write_target(folder / slug, replace(target, url=chain.url))
    days = tuple(replace(item, files=_moved(item.files, founded, folder)) for item in relation.days)
    return chain, replace(relation, days=days, windows=list(relation.windows))


def _moved(files: Sequence[Path], founded: Path, folder: Path) -> tuple[Path, Path]:
    first, second = (folder / path.relative_to(founded) for path in files)
    return first, second


def open_town(founded: Path, folder: Path, relation: Relation) -> Town:
    """Copy a founded town and open all its nodes."""
    chain, mine = copy_homes(founded, folder, relation)
    town = Town(folder, Network(folder, chain, hurried=True), mine)
    try:
        for slug in HOMES:
            town.network.nodes[slug] = open_node(folder / slug, passphrase=passphrase(folder))
    except BaseException:
        town.close()
        raise
    return town


# ------------------------------------------------------------------------------ judging
def check_day(town: Town, day: int = 0) -> bytes:
    """Assert that a day is agreed, with the labelled breaks and one digest; return that."""
    status, problems = judge(
        *town.parties,
        town.agreement,
        town.window(day),
        labels=town.relation.days[day].labels,
        strict_proof=True,
    )
    assert not problems, "\n".join(problems)
    assert status.digest is not None
    return status.digest


def check_streams(town: Town, days: int = 1) -> None:
    """Assert that every imported entry stands once on the ledger, in streams without a gap."""
    for side, node in zip(Side, town.parties, strict=True):
        wanted = wanted_refs(town.relation, side, days)
        for reader in town.parties:
            assert posted_refs(reader, town.agreement, side) == wanted
        with node.database.reading() as session:
            mine = (Batch.agreement == town.agreement, Batch.side == int(side))
            seqs = session.scalars(select(Batch.seq).where(*mine).order_by(Batch.seq)).all()
            bad = session.scalar(select(func.count()).where(*mine, Batch.state != "VALID"))
            stream = session.get_one(StreamState, (town.agreement, int(side)))
            left = session.scalar(
                select(func.count()).select_from(QueuedRecord).where(QueuedRecord.state != "POSTED")
            )
            ready = session.scalar(
                select(func.count())
                .select_from(SealedPayload)
                .where(SealedPayload.state == "READY")
            )
            files = session.scalar(select(func.count()).select_from(ImportedFile))
        assert list(seqs) == list(range(1, len(seqs) + 1))
        assert (bad, left, ready, files) == (0, 0, 0, days)
        assert (stream.contiguous, stream.last_seq) == (True, len(seqs))


def wanted_refs(relation: Relation, side: Side, days: int) -> list[str]:
    """Return the refs of a side's opening position and first days, sorted."""
    files = [relation.opening[side], *(item.files[side] for item in relation.days[:days])]
    return sorted(
        entry.entry_ref
        for path in files
        if path is not None
        for statement in read_statement(path).statements
        for entry in statement.entries
    )


def posted_refs(node: Node, agreement: bytes, side: Side) -> list[str]:
    """Return the refs of a side's entries as a node reads them from the ledger, sorted."""
    with node.database.reading() as session:
        found = session.scalars(
            select(PostedEntry.entry_ref).where(
                PostedEntry.agreement == agreement, PostedEntry.side == int(side)
            )
        ).all()
    return sorted(found)
