"""Control totals of a table read by its profile: in words, as a row of sums, as a second table.

What a file says about its own rows, above or below them, is compared with the rows that were
read; what is promised by the profile and missing means that the file was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reconcile.model import Direction
from reconcile.statements.dates import day_of
from reconcile.statements.drafts import Findings, StatementDraft
from reconcile.statements.expressions import expression
from reconcile.statements.profiles import FootTable, Profile, Total, squeeze
from reconcile.statements.tables import Row

BLANK_AMOUNTS = frozenset({"", "-", "--", "/"})
_WAYS = {"IN": Direction.IN, "OUT": Direction.OUT}
# (text, line, field) -> minor units, or None after listing why.
ReadAmount = Callable[[str, int, str], int | None]


@dataclass(slots=True)
class Seen:
    """A row as control totals count it: `cells` are the texts that conditions look at."""

    sign: str
    amount_minor: int
    direction: Direction
    cells: dict[str, str] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)


def condition_fields(profile: Profile) -> frozenset[str]:
    """Return the fields that totals' conditions look at."""
    return frozenset(name for total in profile.totals for name in total.when)


def summed_fields(profile: Profile) -> frozenset[str]:
    """Return the fields besides the amount that a table of totals sums."""
    table = profile.foot_table
    named = {one.of for one in table.totals} if table is not None else set()
    return frozenset(named - {"count", "amount"})


class Totals:
    """Compares a file's own totals with its rows."""

    def __init__(
        self,
        profile: Profile,
        findings: Findings,
        read: ReadAmount,
        write: Callable[[int], str],
        positions: dict[str, tuple[int, ...]],
    ) -> None:
        """Take the layout, where to list, how an amount is read and written, where fields stand."""
        self.profile = profile
        self.findings = findings
        self.read = read
        self.write = write
        self.positions = positions

    def check(
        self, seen: Sequence[Seen], head: Sequence[Row], foot: Sequence[Row], last: int
    ) -> None:
        """Check every total of the profile; `last` is the line of the last row."""
        for total in self.profile.totals:
            self._words(total, seen, head if total.place == "head" else foot, last)
        if self.profile.foot_total is not None:
            self._row_of_sums(seen, foot, last)
        if self.profile.foot_table is not None:
            self._table(self.profile.foot_table, seen, foot, last)

    def _words(self, total: Total, seen: Sequence[Seen], rows: Sequence[Row], last: int) -> None:
        chosen = [one for one in seen if _counts(total, one)]
        for line, row in rows:
            found = expression(total.pattern).search(" ".join(row))
            if not found:
                continue
            groups = found.groupdict()
            if groups.get("count"):
                self._compare(line, found[0], groups["count"].replace(",", ""), len(chosen))
            if groups.get("sum"):
                due = sum(one.amount_minor for one in chosen)
                self._compare_sum(line, found[0], groups["sum"], due)
            return
        if total.place == "foot" and chosen and not total.optional:
            self._missing(last)

    def _row_of_sums(self, seen: Sequence[Seen], foot: Sequence[Row], last: int) -> None:
        if not foot:
            self._missing(last)
            return
        line, row = foot[0]
        for name, direction in (("amount_in", Direction.IN), ("amount_out", Direction.OUT)):
            text = _at(row, self.positions.get(name, ()))
            if text not in BLANK_AMOUNTS:
                due = sum(one.amount_minor for one in seen if one.direction is direction)
                self._compare_sum(line, row[0], text, due)

    def _table(
        self, table: FootTable, seen: Sequence[Seen], foot: Sequence[Row], last: int
    ) -> None:
        if len(foot) < len(("header", "totals")):
            self._missing(last)
            return
        names = [squeeze(cell) for cell in foot[0][1]]
        line, row = foot[1]
        for total in table.totals:
            name = squeeze(total.column)
            if name not in names:
                continue
            text = _at(row, (names.index(name),))
            way = None if total.direction is None else _WAYS[total.direction]
            chosen = [one for one in seen if way in {None, one.direction}]
            if total.of == "count":
                self._compare(line, total.column, text.removesuffix(".0"), len(chosen))
            elif total.of == "amount":
                due = sum(one.amount_minor for one in chosen)
                self._compare_sum(line, total.column, text, due)
            else:
                due = sum(one.sums.get(total.of, 0) for one in chosen)
                self._compare_sum(line, total.column, text, due)

    def _compare_sum(self, line: int, words: str, text: str, due: int) -> None:
        said = self.read(text, line, "sum")
        if said is not None and abs(said) != abs(due):
            self._differ(line, words, text, self.write(abs(due)))

    def _compare(self, line: int, words: str, said: str, due: int) -> None:
        if said.lstrip("0") != str(due).lstrip("0"):
            self._differ(line, words, said, str(due))

    def _differ(self, line: int, words: str, said: str, due: str) -> None:
        self.findings.add(
            "CONTROL_TOTALS",
            f"the rows do not add up to {words.strip()!r}",
            line=line,
            field="rows",
            expected=said,
            found=due,
        )

    def _missing(self, last: int) -> None:
        self.findings.add(
            "TRUNCATED",
            "the totals at the end are missing",
            line=last,
            expected="the totals that end such a file",
        )


def _counts(total: Total, one: Seen) -> bool:
    if total.sign is not None and one.sign != total.sign:
        return False
    if total.direction is not None and one.direction is not _WAYS[total.direction]:
        return False
    return all(expression(p).search(one.cells.get(name, "")) for name, p in total.when.items())


def _at(row: Sequence[str], indices: Sequence[int]) -> str:
    for index in indices:
        if index < len(row) and (text := row[index].strip(" \t\r\n\u3000`")):
            return text
    return ""


def check_period(
    pattern: str, head: Sequence[Row], statements: Sequence[StatementDraft], findings: Findings
) -> None:
    """List the rows outside the period that the file says it covers."""
    for _, row in head:
        found = expression(pattern).search(" ".join(row))
        first, last = (day_of(found[1]), day_of(found[2])) if found else (None, None)
        if first is None or last is None:
            continue
        for statement in statements:
            for entry in statement.entries:
                if not first <= entry.booking_date <= last:
                    findings.add(
                        "PERIOD",
                        "the row lies outside the period the file says it covers",
                        line=entry.line,
                        field="booking_date",
                        expected=found[0],
                    )
        return
