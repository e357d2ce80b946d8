from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "matching"))

from matching_books import FIRST_DAY, SHORT
from matching_runs import entry, run_of

from reconcile.matching import match
from reconcile.model import window_of
from reconcile.terms import Calendar, Terms

TERMS = Terms(currencies={"CNY": 2}, passes=SHORT)
OLD = FIRST_DAY - 3  # a Friday


def test_value_dates_count_days_that_both_sides_work() -> None:
    """A golden week between two value dates is no distance; a working weekend is one."""
    week = tuple(range(FIRST_DAY, FIRST_DAY + 5))
    saturday = FIRST_DAY + 5
    servicer = (entry("s", 100, key="KEY1", booking_date=OLD, value_date=OLD),)
    owner = (entry("o", 100, key="KEY1", booking_date=OLD, value_date=saturday + 2),)
    holidays = dataclasses.replace(TERMS, owner_calendar=Calendar(holidays=week))
    passes = tuple(dataclasses.replace(rule, value_date_days=1) for rule in SHORT)
    for terms, matches in (
        (dataclasses.replace(TERMS, passes=passes), False),
        (dataclasses.replace(holidays, passes=passes), True),
        (
            dataclasses.replace(
                holidays,
                passes=passes,
                servicer_calendar=Calendar(working_weekends=(saturday,)),
                owner_calendar=Calendar(holidays=week, working_weekends=(saturday,)),
            ),
            False,
        ),
        (
            # A weekend that only one side works counts for neither.
            dataclasses.replace(
                holidays, passes=passes, servicer_calendar=Calendar(working_weekends=(saturday,))
            ),
            True,
        ),
    ):
        run = run_of(servicer, owner, window=window_of(FIRST_DAY + 8), terms=terms)
        assert bool(match(run).groups) is matches
