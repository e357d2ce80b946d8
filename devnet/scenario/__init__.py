"""A seeded business day: two mirrored books with labelled groups and breaks.

    names.py    firms that do not exist
    forge.py    draws and mirrored entries
    shapes.py   what a case is: entries, and what they must become
    open_cases.py, group_cases.py   one function for each kind of break and group
    hard_cases.py   what looks like a match, and what hides one
    rules.py    the terms of each flavour
    cases.py    which of them a relation's terms can find
    build.py    the books, the balances, the labels
    adversary.py   random payments made to be mistaken for each other
    files.py    servicer.csv, owner.csv, terms.json, labels.json

The labels are made by construction, never by the engine. Of the marks they hold `STALE` alone:
`LATE` and `NOT_THERE` depend on when a stream was posted and closed, which no file knows.
"""

from devnet.scenario.adversary import Truth, make_truth
from devnet.scenario.build import (
    Book,
    Scenario,
    ScenarioDay,
    make_scenario,
    side_book,
)
from devnet.scenario.files import write_scenario
from devnet.scenario.rules import Flavour, scenario_terms

__all__ = [
    "Book",
    "Flavour",
    "Scenario",
    "ScenarioDay",
    "Truth",
    "make_scenario",
    "make_truth",
    "scenario_terms",
    "side_book",
    "write_scenario",
]
