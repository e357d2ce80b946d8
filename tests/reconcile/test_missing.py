"""What a report asks for where a balance or a statement is missing."""

from __future__ import annotations

from reconcile.matching.run_input import RunInput
from reconcile.model import (
    ZERO32,
    AgreementKind,
    Balance,
    BalanceBasis,
    BreakKind,
    SideBook,
    day_iso,
    window_of,
)
from reconcile.report import Result, gap_words, missing_statements, reconcile
from reconcile.terms import default_terms

DAY = 20_773


def run(servicer: SideBook) -> Result:
    """Reconcile a book with an empty one."""
    return reconcile(
        RunInput(
            agreement=ZERO32,
            kind=AgreementKind.BANK_ENTERPRISE,
            window=window_of(DAY),
            previous_window=None,
            terms=default_terms(["CNY"]),
            servicer=servicer,
            owner=SideBook(()),
        )
    )


def stated(minor: int, day: int) -> dict[str, Balance]:
    """Return one stated balance."""
    return {"CNY": Balance.of_signed(minor, day, BalanceBasis.STATED)}


def test_a_gap_and_an_opening_that_does_not_follow_name_the_statement_to_ask_for() -> None:
    """Between which closing and which opening something is missing stands in the report."""
    gap = "CNY: closing 1 on 2026-11-16, next opening 2 on 2026-11-18"
    gapped = run(SideBook((), gaps=(gap,)))
    assert gapped.report["gaps"]["servicer"] == [gap]
    assert [(m.kind, m.side, m.says) for m in missing_statements(gapped.report)] == [
        (
            BreakKind.STATEMENT_GAP,
            "servicer",
            (
                "the statement in between: closing 0.01 CNY on 2026-11-16, next opening 0.02 CNY "
                "on 2026-11-18"
            ),
        )
    ]
    servicer = SideBook((), opening=stated(9, DAY), previous_closing=stated(5, DAY - 1))
    opened = run(servicer)
    (line,) = [item for item in opened.report["identities"] if item["name"] == "opening"]
    assert (line["expected_minor"], line["found_minor"], line["holds"]) == ("5", "9", False)
    (asked,) = missing_statements(opened.report)
    assert asked.says == (
        "the statement before this opening: the previous window closed at 0.05 CNY, this one opens "
        "at 0.09 CNY"
    )


def test_a_gap_is_read_in_the_digits_of_its_currency() -> None:
    """A file's gap, a stream's and one in other words: days and major units, or as it stands."""
    assert gap_words("JPY: closing -5 on 2026-11-16, next opening 12000 on 2026-11-18 (1)") == (
        "closing -5 JPY on 2026-11-16, next opening 12,000 JPY on 2026-11-18 (1)"
    )
    first, second = window_of(DAY), window_of(DAY + 1)
    assert gap_words(f"CNY {first} 15000 {second} -17001") == (
        f"closing 150.00 CNY on {day_iso(DAY)}, next opening -170.01 CNY on {day_iso(DAY + 1)}"
    )
    stated_by_terms = gap_words(f"ABC {first} 15000 {second} 0", {"ABC": 3})
    assert "closing 15.000 ABC" in stated_by_terms
    assert "closing 15000 minor units of ABC" in gap_words(f"ABC {first} 15000 {second} 0")
    assert gap_words("a day is missing") == "a day is missing"
