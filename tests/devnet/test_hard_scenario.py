from __future__ import annotations

import pytest

from devnet.scenario import Flavour, Truth, make_scenario, make_truth, side_book
from reconcile.matching import RunInput
from reconcile.model import ZERO32, AgreementKind, Carrier, MatchGroup, Side, SideBook, window_of
from reconcile.report import reconcile
from reconcile.terms import Terms, default_terms, parse_terms, terms_json
from tests.devnet.test_scenario import differences, run_day

FRIDAY = 20_777  # 2026-11-20


@pytest.mark.parametrize("flavour", [Flavour.HARD, Flavour.OPTED])
@pytest.mark.parametrize("seed", range(8))
def test_the_engine_finds_exactly_the_adversarial_labels(seed: int, flavour: Flavour) -> None:
    """Every group, break with marks, and proposal is what was made by construction."""
    scenario = make_scenario(seed, 200, flavour=flavour)
    day = scenario.days[0]
    books = [side_book(day.book(side), day.day) for side in Side]
    assert differences(day, run_day(scenario, day, None, books)) == []


TERMS = default_terms(["CNY"])


def confirmed(seed: int, terms: Terms) -> tuple[Truth, tuple[MatchGroup, ...]]:
    """Return random payments with their truth, and what the engine confirms of them."""
    truth = make_truth(seed, 120, FRIDAY)
    books = [SideBook(book) for book in truth.books]
    run = RunInput(
        agreement=ZERO32,
        kind=AgreementKind.BANK_ENTERPRISE,
        window=window_of(FRIDAY),
        previous_window=None,
        terms=terms,
        servicer=books[0],
        owner=books[1],
    )
    return truth, tuple(reconcile(run).groups)


def test_default_terms_never_confirm_what_a_reference_or_account_tells_apart() -> None:
    """Over many seeds of payments made to be mistaken for each other: zero, while many match."""
    joined = false = 0
    for seed in range(60):
        truth, groups = confirmed(seed, TERMS)
        joined += len(groups)
        for group in groups:
            assert not truth.told_apart(group, TERMS)
            # The servicer's own number too, though its pass confirms only sole candidates.
            assert not truth.differ(group, Carrier.SERVICER_REF)
            false += truth.false(group)
    assert joined > 2_000
    # What no reference and no account tells apart may be confirmed by the account alone.
    assert false * 50 < joined


def test_terms_that_confirm_by_amount_alone_are_caught_by_the_same_measure() -> None:
    """The measure can fail: confirming by amount and date joins strangers that accounts name."""
    body = terms_json(TERMS)
    for rule in body["passes"]:
        if rule["name"] == "bare":
            rule["confirm"] = "unique"
    bare = parse_terms(body)
    found = [(truth, group) for seed in range(20) for truth, groups in [confirmed(seed, bare)]
             for group in groups]  # fmt: skip
    assert any(truth.false(group) and truth.told_apart(group, bare) for truth, group in found)


def test_the_same_seed_gives_the_same_payments() -> None:
    """A benchmark that is run again measures the same books."""
    assert make_truth(7, 50, FRIDAY) == make_truth(7, 50, FRIDAY)
    assert make_truth(7, 50, FRIDAY) != make_truth(8, 50, FRIDAY)
