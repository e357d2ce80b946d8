from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given, settings
from report_books import IN, books, line, one_sided, run_of

from reconcile.model import SideBook
from reconcile.report import Result, compare, reconcile
from reconcile.terms import Terms, default_terms, parse_terms, terms_json


def changed(**changes: dict[str, Any] | None) -> Terms:
    """Return the default terms with some passes changed, or left out where None."""
    body = terms_json(default_terms(["CNY", "USD"]))
    body["tolerance_budget_minor"] = "1000"
    body["passes"] = [
        rule | (changes.get(rule["name"]) or {})
        for rule in body["passes"]
        if changes.get(rule["name"], {}) is not None
    ]
    return parse_terms(body)


def both(servicer: SideBook, owner: SideBook, before: Terms, after: Terms) -> tuple[Result, Result]:
    """Reconcile the same books under two terms."""
    return tuple(reconcile(run_of(servicer, owner, terms=terms)) for terms in (before, after))  # type: ignore[return-value]


def test_a_tolerance_gains_what_differs_by_little() -> None:
    """The group, its amount, the break that disappears and the residual that appears."""
    servicer = one_sided(0, 1_000, [line("s1", IN, 1_000, "PAY-0001")])
    owner = one_sided(0, 996, [line("o1", IN, 996, "PAY-0001")])
    wide = changed(e2e={"amount": {"tolerance_minor": "5"}})
    found = compare(*both(servicer, owner, changed(), wide))
    assert [group.servicer for group in found.gained] == [("s1",)]
    assert (found.lost, found.repaired, found.same) == ((), (), 0)
    assert found.turnover == {"CNY": (1_000, 0)}
    assert found.kinds == {"AMOUNT": (1, 0)}
    assert found.open_minor == {"CNY": (4, 0)}
    assert found.residual_minor == {"CNY": (0, 4)}
    assert found.changes


def test_a_pass_left_out_loses_what_it_alone_confirmed() -> None:
    """The other way round is a gain: the comparison has a direction."""
    servicer = one_sided(0, 5, [line("s1", IN, 5, counterparty_account="99010001")])
    owner = one_sided(0, 5, [line("o1", IN, 5, counterparty_account="99010001")])
    found = compare(*both(servicer, owner, changed(), changed(account=None)))
    assert [group.pass_name for group in found.lost] == ["account"]
    assert found.turnover == {"CNY": (0, 5)}
    again = compare(*both(servicer, owner, changed(account=None), changed()))
    assert again.gained == found.lost


def test_entries_that_change_partners_are_repaired_not_lost() -> None:
    """Crossed references: another first pass pairs the same four entries the other way."""
    keys = (((1, "AAAA"), (7, "ORDER-2")), ((1, "BBBB"), (7, "ORDER-1")))
    mirror = (((1, "AAAA"), (7, "ORDER-1")), ((1, "BBBB"), (7, "ORDER-2")))
    servicer = one_sided(
        0, 10, [line(f"s{n}", IN, 5, references=item) for n, item in enumerate(keys)]
    )
    owner = one_sided(
        0, 10, [line(f"o{n}", IN, 5, references=item) for n, item in enumerate(mirror)]
    )
    found = compare(*both(servicer, owner, changed(), changed(e2e=None)))
    (item,) = found.repaired
    assert [(g.servicer, g.owner) for g in item.before] == [(("s0",), ("o0",)), (("s1",), ("o1",))]
    assert [(g.servicer, g.owner) for g in item.after] == [(("s0",), ("o1",)), (("s1",), ("o0",))]
    assert (found.gained, found.lost, found.turnover) == ((), (), {})
    assert found.changes


@settings(max_examples=25, deadline=None)
@given(books("s"), books("o"))
def test_every_difference_of_two_runs_stands_in_the_comparison(
    servicer: SideBook, owner: SideBook
) -> None:
    """Same + lost + re-paired are the groups before, same + gained + re-paired those after."""
    after = changed(account=None, group={"shape": ["1:N"]}, e2e={"amount": {"tolerance_ppm": "9"}})
    results = both(servicer, owner, changed(), after)
    found = compare(*results)
    for result, alone, pick in (
        (results[0], found.lost, "before"),
        (results[1], found.gained, "after"),
    ):
        moved = sum(len(getattr(item, pick)) for item in found.repaired)
        assert len(result.groups) == found.same + len(alone) + moved
    assert compare(results[0], results[0]).changes is False
    back = compare(results[1], results[0])
    assert (back.gained, back.lost) == (found.lost, found.gained)
    assert back.kinds == {kind: (b, a) for kind, (a, b) in found.kinds.items()}


def test_the_comparison_as_json_has_only_strings() -> None:
    """Amounts and counts are decimal strings, as everywhere."""
    servicer = one_sided(0, 1_000, [line("s1", IN, 1_000, "PAY-0001")])
    owner = dataclasses.replace(servicer, entries=(line("o1", IN, 1_000, "PAY-0002"),))
    found = compare(*both(servicer, owner, changed(), changed(account=None))).to_json()
    assert found["same"] == "0"
    assert found["proposals"] == {"before": "0", "after": "0"}
    assert found["changes"] is False
