from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from devnet.scenario import (
    Scenario,
    ScenarioDay,
    make_scenario,
    side_book,
    write_scenario,
)
from node.books import book_of
from reconcile.matching import RunInput
from reconcile.model import (
    ZERO32,
    AgreementKind,
    Balance,
    BalanceBasis,
    BreakKind,
    Entry,
    Side,
    SideBook,
    window_of,
)
from reconcile.report import Result, carry_of, reconcile, verify_report
from reconcile.statements import read_statement
from reconcile.terms import parse_terms

# Same seed, same bytes, on every machine and version of Python; changes with every new case.
GOLDEN = "095d1a19329d66ee79dc0d10dc960543ff4c770b23ddbe4eab9ea6865c0a59a0"
SESSIONS = 3

Refs = tuple[tuple[str, ...], tuple[str, ...]]


def refs_of(item: dict[str, Any]) -> Refs:
    """Return both sides' refs of a label."""
    return tuple(item["servicer"]), tuple(item["owner"])


def differences(day: ScenarioDay, result: Result) -> list[object]:
    """Return all in which a result is not what the labels say."""
    labels = day.labels
    wrong: list[object] = []
    groups = {refs_of(item) for item in labels["groups"]}
    wrong += groups ^ {(item.servicer, item.owner) for item in result.groups}
    expected = {
        refs_of(item): (item["kind"], tuple(item["marks"]), tuple(item["also"]))
        for item in labels["breaks"]
    }
    found = {
        (item.servicer, item.owner): (
            str(item.kind),
            tuple(map(str, item.marks)),
            tuple(map(str, item.also)),
        )
        for item in result.breaks
    }
    wrong += [
        (refs, expected.get(refs), found.get(refs))
        for refs in expected.keys() | found.keys()
        if expected.get(refs) != found.get(refs)
    ]
    proposals = {refs_of(item) for item in labels["proposals"]}
    wrong += proposals ^ {
        (tuple(sorted(item.servicer)), tuple(sorted(item.owner))) for item in result.proposals
    }
    if not result.balance_proven:
        wrong.append(result.report["says"])
    checks = verify_report(result.report, result.groups, result.proposals, digest=result.digest)
    return wrong + [check for check in checks if not check.ok]


def run_day(
    scenario: Scenario, day: ScenarioDay, before: Result | None, books: list[SideBook]
) -> Result:
    """Reconcile one day from where the day before ended."""
    more: dict[str, Any] = {}
    if before is not None:
        carry = carry_of(before.report)
        books = [
            dataclasses.replace(book, carried=carry.carried[side])
            for side, book in zip(Side, books, strict=True)
        ]
        more = {
            "previous_window": carry.window,
            "residuals": carry.residuals,
            "written_off": carry.written_off,
        }
    run = RunInput(
        agreement=ZERO32,
        kind=scenario.kind,
        window=window_of(day.day, SESSIONS - 1),
        terms=scenario.terms,
        servicer=books[0],
        owner=books[1],
        **{"previous_window": None, **more},
    )
    return reconcile(run)


def opening_run(scenario: Scenario) -> Result:
    """Reconcile the opening position: window 0, the items in transit and the book balances."""
    day = scenario.days[0].day - 1
    books = [
        SideBook(
            entries=scenario.opening_items[side],
            closing={
                code: Balance.of_signed(minor, day, BalanceBasis.STATED)
                for code, minor in scenario.opening[side].items()
            },
        )
        for side in Side
    ]
    return reconcile(
        RunInput(ZERO32, scenario.kind, 0, None, scenario.terms, servicer=books[0], owner=books[1])
    )


def folder_digest(folder: Path) -> str:
    """Return one hash over all files of a folder, by name."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.*")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


# ------------------------------------------------------------------------------ bytes
def test_same_seed_same_bytes(tmp_path: Path) -> None:
    """A seed gives the same files everywhere; another seed gives others."""
    for name, seed in (("a", 11), ("b", 11), ("c", 12)):
        write_scenario(make_scenario(seed, 120, days=2, opening_items=True), tmp_path / name)
    digests = [folder_digest(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] == GOLDEN
    assert digests[2] != digests[0]


@pytest.mark.parametrize("kind", list(AgreementKind))
def test_files_hold_exactly_the_books(kind: AgreementKind, tmp_path: Path) -> None:
    """Reading the written files back gives the same entries, balances and terms."""
    scenario = make_scenario(5, 150, kind=kind, sessions=SESSIONS)
    write_scenario(scenario, tmp_path)
    for side in Side:
        path = tmp_path / f"{side.word}.csv"
        book, made = book_of(read_statement(path), path.name), scenario.days[0].book(side)
        assert sorted(book.entries, key=_ref) == sorted(made.entries, key=_ref)
        assert book.provable
        for stated, expected in ((book.opening, made.opening), (book.closing, made.closing)):
            assert {code: item.signed_minor for code, item in stated.items()} == expected
    assert parse_terms((tmp_path / "terms.json").read_bytes()) == scenario.terms
    assert json.loads((tmp_path / "labels.json").read_text()) == scenario.labels


def _ref(entry: Entry) -> tuple[str, int]:
    return entry.entry_ref, entry.version


# ----------------------------------------------------------------------------- labels
@pytest.mark.parametrize("kind", list(AgreementKind))
def test_labels_hold_every_entry_once(kind: AgreementKind) -> None:
    """Each entry of a day stands in exactly one labelled group or break."""
    scenario = make_scenario(7, 300, kind=kind)
    for side in Side:
        labelled = Counter(
            ref
            for part in ("groups", "breaks")
            for item in scenario.labels[part]
            for ref in item[side.word]
        )
        assert labelled == Counter(e.entry_ref for e in scenario.days[0].book(side).entries)


def test_every_kind_that_default_terms_find_occurs() -> None:
    """A day holds every kind of break but those that only identities or audits make, and PARTY.

    PARTY alone cannot arise: equal keys make a group whatever the names, and without equal keys
    the kind is REFERENCE. It stands in `also`.
    """
    scenario = make_scenario(1, 120)
    kinds = {item["kind"] for item in scenario.labels["breaks"]}
    never = {"PARTY", "BALANCE", "STATEMENT_GAP", "COMMITMENT", "LEDGER_ONLY", "BOOK_ONLY"}
    assert kinds == {str(kind) for kind in BreakKind} - never
    assert any("PARTY" in item["also"] for item in scenario.labels["breaks"])
    assert any("STALE" in item["marks"] for item in scenario.labels["breaks"])
    shapes = {(len(i["servicer"]), len(i["owner"])) for i in scenario.labels["groups"]}
    assert {(1, 1), (1, 3), (2, 1)} <= shapes


@pytest.mark.parametrize("entries", [1, 2, 3, 10, 40])
def test_small_days_are_whole(entries: int) -> None:
    """Even the smallest day holds what was asked for, about, and its labels are found."""
    scenario = make_scenario(3, entries)
    day = scenario.days[0]
    assert 1 <= len(day.servicer.entries) <= entries + 3
    books = [side_book(day.book(side), day.day) for side in Side]
    assert differences(day, run_day(scenario, day, None, books)) == []


@pytest.mark.parametrize("kind", list(AgreementKind))
@pytest.mark.parametrize("seed", range(3))
def test_the_engine_finds_exactly_the_labels(seed: int, kind: AgreementKind) -> None:
    """Groups, breaks with marks, and proposals of a run are those made by construction."""
    scenario = make_scenario(seed, 130, kind=kind, sessions=SESSIONS)
    day = scenario.days[0]
    books = [side_book(day.book(side), day.day) for side in Side]
    assert differences(day, run_day(scenario, day, None, books)) == []


@pytest.mark.parametrize("kind", list(AgreementKind))
def test_later_days_resolve_what_was_in_transit(kind: AgreementKind) -> None:
    """From an opening position on, each day's run finds that day's labels, and some resolve."""
    scenario = make_scenario(21, 60, kind=kind, days=3, opening_items=True)
    before = opening_run(scenario)
    assert before.complete
    assert {item.kind for item in before.breaks} == {BreakKind.TIMING}
    for day in scenario.days:
        books = [side_book(day.book(side), day.day) for side in Side]
        result = run_day(scenario, day, before, books)
        assert differences(day, result) == []
        resolved = {item.key for item in before.breaks} - {item.key for item in result.breaks}
        assert resolved
        before = result


def test_large_days_keep_their_mix() -> None:
    """A large day repeats every case equally often and keeps the rest ordinary."""
    scenario = make_scenario(2, 20_000)
    counts = {int(count) for count in scenario.labels["mix"].values()}
    assert len(counts) == 1
    assert counts.pop() > 1
    assert len(scenario.labels["groups"]) > 19_000
