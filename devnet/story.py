"""Two business days of four institutions: books from files, posted, matched, closed, attested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from devnet.network import (
    BANK,
    BRANCH,
    CLEARING,
    ENTERPRISE,
    Network,
    Offer,
    open_agreements,
)
from devnet.outcome import Expected
from devnet.scenario import make_scenario, write_scenario
from node.bootstrap import Node
from node.services.posting import ImportOptions
from reconcile.counting import counted
from reconcile.model import AgreementKind, Balance, Entry, Side
from reconcile.statements import read_statement
from reconcile.terms import Terms

DAYS: Final = 2
OPENING_WINDOW: Final = 0
SESSIONS_PER_DAY: Final = 8
AGREED: Final = "AGREED"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DayBooks:
    """One business day's files, by side, and what the run over them must find."""

    day: int
    files: tuple[Path, Path]
    labels: tuple[Expected, ...] | None

    @property
    def window(self) -> int:
        """Return the window of the day's first session."""
        return self.day * SESSIONS_PER_DAY


@dataclass(slots=True)
class Relation:
    """One agreement of the demo: who with whom, on which terms, with which books."""

    label: str
    kind: AgreementKind
    servicer: str
    owner: str
    terms: Terms
    days: tuple[DayBooks, ...]
    opening: tuple[Path | None, Path | None] = (None, None)
    position: tuple[Mapping[str, Balance], Mapping[str, Balance]] = ({}, {})
    options: tuple[ImportOptions, ImportOptions] = (ImportOptions(), ImportOptions())
    agreement: bytes = b""
    windows: list[int] = field(default_factory=list)

    def parties(self, network: Network) -> tuple[Node, Node]:
        """Return the nodes of both sides, servicer first."""
        return network.nodes[self.servicer], network.nodes[self.owner]


PARTIES: Final = (
    (AgreementKind.BANK_ENTERPRISE, "current account ···0012", BANK.slug, ENTERPRISE.slug),
    (AgreementKind.HEAD_BRANCH, "inter-branch account", BANK.slug, BRANCH.slug),
    (AgreementKind.CLEARING, "settlement account", CLEARING.slug, BANK.slug),
)


def plan_days(folder: Path, *, seed: int, entries: int, day: int) -> list[Relation]:
    """Write each agreement's books, terms and labels; return what to do with them."""
    relations = []
    for number, (kind, label, servicer, owner) in enumerate(PARTIES):
        scenario = make_scenario(
            seed + number, entries, kind=kind, day=day, days=DAYS, opening_items=True
        )
        out = folder / kind.name.lower()
        write_scenario(scenario, out)
        days = tuple(
            DayBooks(
                item.day,
                (out / f"day-{count}" / "servicer.csv", out / f"day-{count}" / "owner.csv"),
                read_labels(out / f"day-{count}" / "labels.json"),
            )
            for count, item in enumerate(scenario.days, 1)
        )
        names = (out / "opening-servicer.csv", out / "opening-owner.csv")
        opening = tuple(path if path.exists() else None for path in names)
        relations.append(
            Relation(
                label,
                kind,
                servicer,
                owner,
                scenario.terms,
                days,
                opening=(opening[0], opening[1]),
            )
        )
    return relations


def read_labels(path: Path) -> tuple[Expected, ...]:
    """Return the labelled breaks of a scenario's day."""
    body = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Expected(item["kind"], tuple(sorted(item["servicer"])), tuple(sorted(item["owner"])))
        for item in body["breaks"]
    )


def open_relations(network: Network, relations: Sequence[Relation], say: Say) -> None:
    """Open the agreements, post both opening positions of each and agree on them."""
    for relation in relations:
        say(f"{relation.label}: opening the agreement and its epoch keys")
    agreements = open_agreements(
        network,
        [Offer(item.kind, item.servicer, item.owner, item.terms, item.label) for item in relations],
    )
    for relation, agreement in zip(relations, agreements, strict=True):
        relation.agreement = agreement
        for side, node in zip(Side, relation.parties(network), strict=True):
            items, closing = _opening_of(relation, side)
            node.posting.open_position(agreement, items=items, closing=closing)
    agree_on(network, [(item, OPENING_WINDOW) for item in relations])


def _opening_of(relation: Relation, side: Side) -> tuple[list[Entry], dict[str, Balance]]:
    """Return a side's items in transit and its book balances before the first day."""
    path = relation.opening[side]
    if path is None:
        return [], dict(relation.position[side])
    read = read_statement(path)
    items = [entry for statement in read.statements for entry in statement.entries]
    closing = {
        statement.currency: statement.closing_balance
        for statement in read.statements
        if statement.closing_balance is not None
    }
    return items, closing


def import_day(network: Network, relation: Relation, books: DayBooks, say: Say) -> None:
    """Import both sides' files of a day and let them be posted, read and matched."""
    for side, node in zip(Side, relation.parties(network), strict=True):
        done = node.posting.import_file(
            relation.agreement,
            books.files[side],
            window=books.window,
            options=relation.options[side],
        )
        entries = counted(done.queued, "entry", "entries")
        say(f"{relation.label}: {node.name} imported {entries} of {done.file}")
        network.turn()


def close_day(network: Network, relation: Relation, window: int) -> None:
    """Close a window on both sides."""
    for node in relation.parties(network):
        node.posting.close_window(relation.agreement, window)


def agree_on(network: Network, runs: Sequence[tuple[Relation, int]]) -> None:
    """Wait for both proofs of each run, attest from both sides, wait for the ledger's word."""
    waiting = [
        (node, relation, window) for relation, window in runs for node in relation.parties(network)
    ]

    def attested() -> bool:
        for item in list(waiting):
            node, relation, window = item
            if _state(node, relation, window) in {"PROVEN", "AWAITING_US"}:
                node.reconciliation.attest(relation.agreement, window)
                waiting.remove(item)
        return not waiting

    network.until(attested, "the proofs of both sides")

    def settled() -> bool:
        return all(
            _state(node, relation, window) in {AGREED, "DIFFERS"}
            for relation, window in runs
            for node in relation.parties(network)
        )

    network.until(settled, "the ledger to hold both attestations")
    for relation, window in runs:
        relation.windows.append(window)


def _state(node: Node, relation: Relation, window: int) -> str:
    return node.reconciliation.window_status(relation.agreement, window).state


def run_relations(network: Network, relations: Iterable[Relation], say: Say) -> None:
    """Open every agreement, then go through the days: import, match, close, attest."""
    everything = list(relations)
    open_relations(network, everything, say)
    count = max(len(relation.days) for relation in everything)
    for number in range(count):
        today = [(item, item.days[number]) for item in everything if number < len(item.days)]
        say(f"business day {number + 1} of {count}")
        for relation, books in today:
            import_day(network, relation, books, say)
        network.settle("the books to be posted and matched")
        for relation, books in today:
            close_day(network, relation, books.window)
        agree_on(network, [(relation, books.window) for relation, books in today])
        say(f"both sides of every agreement agree on day {number + 1}")
