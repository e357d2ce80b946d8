"""What the engine finds of labelled books: precision and recall by kind, and what it joins wrongly.

Labels are made by construction (`devnet.scenario`), never by the engine: every break kind,
adversarial ties, coincident strangers, recurring references, twins, cut and embedded references,
split payouts, fees, currencies, holidays. Then random payments made to be mistaken for each other:
under the default terms none may be confirmed wrongly where a reference or account tells them apart;
for terms that opt in to more the rate is printed, as the price of what they gain.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from devnet.scenario import Flavour, ScenarioDay, make_scenario, make_truth, side_book
from devnet.scenario.build import DEFAULT_DAY
from reconcile.matching import RunInput
from reconcile.model import (
    ZERO32,
    AgreementKind,
    Balance,
    BalanceBasis,
    Carrier,
    Side,
    SideBook,
    window_of,
)
from reconcile.report import Result, reconcile
from reconcile.terms import Terms, default_terms, parse_terms, terms_json
from scripts.bench import Measurement, peak_mb, timed

SEEDS = 20
ENTRIES = 1_500
PAYMENTS = 120
SMALL = 60
BARE_KINDS = frozenset({"BALANCE", "STATEMENT_GAP"})

Key = tuple[str, tuple[str, ...], tuple[str, ...]]


@dataclass
class Tally:
    """Right, wrong and missed findings by kind; a finding is its kind with all of its refs."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, expected: set[Key], found: set[Key]) -> None:
        """Count one day."""
        self.right.update(kind for kind, _, _ in expected & found)
        self.wrong.update(kind for kind, _, _ in found - expected)
        self.missed.update(kind for kind, _, _ in expected - found)

    def rows(self) -> dict[str, dict[str, str]]:
        """Return precision and recall by kind as decimal text, with the counts behind them."""
        kinds = sorted({*self.right, *self.wrong, *self.missed})
        return {
            kind: {
                "precision": _share(self.right[kind], self.right[kind] + self.wrong[kind]),
                "recall": _share(self.right[kind], self.right[kind] + self.missed[kind]),
                "labelled": str(self.right[kind] + self.missed[kind]),
            }
            for kind in kinds
        }


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def run_of(books: Iterable[SideBook], terms: Terms) -> RunInput:
    """Return a run over two books of the default day."""
    servicer, owner = books
    return RunInput(
        agreement=ZERO32,
        kind=AgreementKind.BANK_ENTERPRISE,
        window=window_of(DEFAULT_DAY),
        previous_window=None,
        terms=terms,
        servicer=servicer,
        owner=owner,
    )


def labelled(day: ScenarioDay) -> set[Key]:
    """Return what the labels say must be found."""
    found = {
        (item["kind"], tuple(item["servicer"]), tuple(item["owner"]))
        for item in day.labels["breaks"]
    }
    return found | {
        ("group", tuple(item["servicer"]), tuple(item["owner"])) for item in day.labels["groups"]
    }


def findings(result: Result) -> set[Key]:
    """Return what the engine found."""
    found = {
        (str(item.kind), item.servicer, item.owner)
        for item in result.breaks
        if item.kind not in BARE_KINDS
    }
    return found | {("group", item.servicer, item.owner) for item in result.groups}


def risky_terms() -> Terms:
    """Return terms that confirm by name, by amount alone, and by sums: all that can go wrong."""
    body = terms_json(default_terms(["CNY"]))
    rules: dict[str, dict[str, Any]] = {rule["name"]: rule for rule in body["passes"]}
    rules["name"]["confirm"] = rules["bare"]["confirm"] = "unique"
    body["passes"].append(dict(rules["account"], name="sums", shape=["N:M"]))
    return parse_terms(body)


@dataclass
class Mistakes:
    """Confirmed groups over random payments: how many, how many wrong, how many tellable."""

    groups: int = 0
    false: int = 0
    told_apart: int = 0
    advised: int = 0
    by_pass: Counter[str] = field(default_factory=Counter)

    def add(self, seed: int, terms: Terms) -> None:
        """Match one seed's payments and count."""
        truth = make_truth(seed, PAYMENTS, DEFAULT_DAY)
        result = reconcile(run_of(map(SideBook, truth.books), terms))
        self.groups += len(result.groups)
        for group in result.groups:
            if truth.false(group):
                self.false += 1
                self.by_pass[group.pass_name] += 1
                self.told_apart += truth.told_apart(group, terms)
                self.advised += truth.differ(group, Carrier.SERVICER_REF)

    def to_json(self) -> dict[str, Any]:
        """Return counts and the rate of false confirmations."""
        return {
            "groups": self.groups,
            "false": self.false,
            "false_rate": _share(self.false, self.groups),
            "false_where_told_apart": self.told_apart,
            # Counted by the bare texts, whether or not the terms tell payments apart by them.
            "false_where_servicer_refs_differ": self.advised,
            "false_by_pass": dict(self.by_pass),
        }


def _add_bare(tally: Tally) -> None:
    """Count what no entry shows: a closing that does not follow, a gap between statements."""
    for seed in range(SEEDS):
        scenario = make_scenario(seed, SMALL)
        day = scenario.days[0]
        sound = [side_book(day.book(side), day.day) for side in Side]
        closing = Balance.of_signed(seed + 1, day.day, BalanceBasis.STATED)
        wrong = replace(sound[0], closing={**sound[0].closing, "CNY": closing})
        gapped = replace(sound[1], gaps=("CNY: a day is missing",))
        for kind, books in (
            ("", sound),
            ("BALANCE", [wrong, sound[1]]),
            ("STATEMENT_GAP", [sound[0], gapped]),
        ):
            breaks = reconcile(run_of(books, scenario.terms)).breaks
            found: set[Key] = {(str(b.kind), (), ()) for b in breaks if b.kind in BARE_KINDS}
            tally.add({(kind, (), ())} if kind else set(), found)


def bench_accuracy(options: argparse.Namespace) -> list[Measurement]:  # noqa: ARG001 - one shape
    """Measure both: labelled scenarios by flavour, and random payments by terms."""
    found = []
    for flavour in (Flavour.HARD, Flavour.OPTED):
        tally, times, rows = Tally(), [], 0
        for seed in range(SEEDS):
            scenario = make_scenario(seed, ENTRIES, flavour=flavour)
            day = scenario.days[0]
            books = [side_book(day.book(side), day.day) for side in Side]
            results: list[Result] = []
            run = run_of(books, scenario.terms)
            times.append(timed(lambda run=run, out=results: out.append(reconcile(run))))
            rows = max(rows, len(day.servicer.entries))
            tally.add(labelled(day), findings(results[0]))
        if flavour is Flavour.HARD:
            _add_bare(tally)
        extra: dict[str, Any] = {**tally.rows()}
        found.append(
            Measurement(f"accuracy_{flavour}", rows, times, peak_mb=peak_mb(), extra=extra)
        )
    for name, terms in (("default", default_terms(["CNY"])), ("risky", risky_terms())):
        mistakes, times = Mistakes(), []
        for seed in range(SEEDS):
            times.append(timed(partial(mistakes.add, seed, terms)))
        label = f"accuracy_random_{name}"
        extra = mistakes.to_json()
        found.append(Measurement(label, PAYMENTS, times, peak_mb=peak_mb(), extra=extra))
    return found
