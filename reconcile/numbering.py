"""The numbers account servicers give their statements, and which of them are missing (断号).

SWIFT MT940 field 28C counts statements, and pages behind the slash; ISO 20022 camt counts them in
ElctrncSeqNb or LglSeqNb. Balances that chain show no gap when what is missing added up to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconcile.days import day_iso, day_of_year, year_of

DAYS_MODULUS: Final = 1_000


@dataclass(frozen=True, slots=True)
class StatementNumber:
    """A statement's number and page; `series` names the field, and like is compared with like.

    `day`: of the statement's last balance, None where it has none.
    """

    series: str
    number: int
    page: int | None = None
    day: int | None = None

    @property
    def counts_days(self) -> bool:
        """Say whether the number is the day of the year, as some banks number by days."""
        return self.day is not None and self.number % DAYS_MODULUS == day_of_year(self.day)


def missing_between(before: StatementNumber, after: StatementNumber) -> str | None:
    """Return in words which statements lie between two that follow each other, None for none.

    A new year may begin anew at 1; a lower number of the same year begins a series of its own.
    """
    if before.series != after.series or (before.counts_days and after.counts_days):
        return None
    if before.number == after.number:
        return _pages(before, after)
    first = before.number + 1
    if after.number < before.number:
        if before.day is None or after.day is None or year_of(before.day) >= year_of(after.day):
            return None
        first = 1
    if after.number <= first:
        return None
    return _says(first, after.number - 1, "statement", before, after)


def _pages(before: StatementNumber, after: StatementNumber) -> str | None:
    if before.page is None or after.page is None or after.page <= before.page + 1:
        return None
    noun = f"page of statement {after.number}"
    return _says(before.page + 1, after.page - 1, noun, before, after)


def _says(first: int, last: int, noun: str, before: StatementNumber, after: StatementNumber) -> str:
    head, _, tail = noun.partition(" ")
    if first == last:
        which = f"{head} {first}{tail and f' {tail}'} is missing"
    else:
        which = f"{head}s {first} to {last}{tail and f' {tail}'} are missing"
    return f"{which}: {_name(before)} is followed by {_name(after)}"


def _name(one: StatementNumber) -> str:
    page = "" if one.page is None else f"/{one.page}"
    day = "" if one.day is None else f" of {day_iso(one.day)}"
    return f"{one.number}{page}{day}"
