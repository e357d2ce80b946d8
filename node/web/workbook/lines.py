"""What stands in a row of the decisions workbook, computed alike when written and when read.

A checker sees what the maker saw because a row comes back only with the very cells it left with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.runs import groups_numbered
from node.services.breaks import Listed
from node.services.breaks.runs import run_of
from node.tables import MatchRun, RunProposal
from node.web.i18n import Speaker
from node.web.read.breaks import (
    BreakView,
    GroupView,
    ProposalView,
    list_breaks,
    list_groups,
    proposals_of,
)
from node.web.read.entries import entries_by_ref
from node.web.read.parties import AgreementView
from node.web.words import KINDS, MARKS, PROPOSAL_REASONS
from node.web.workbook.layout import (
    CONFIRM,
    GROUPS,
    MAX_ENTRIES,
    MAX_GROUPS,
    MAX_ROWS,
    REJECT,
    UNMATCH,
    WRITE_OFF,
    Book,
    Cell,
    Line,
    Stamp,
    entry_words,
    figure,
    major,
)
from reconcile.matching.keys import group_subject
from reconcile.model import Entry, Side, UsageError

STEP: Final = 500
Entries = tuple[Mapping[str, Entry], Mapping[str, Entry]]


def load_book(
    session: Session,
    view: AgreementView,
    window: int | None,
    speaker: Speaker,
    *,
    search: str = "",
    groups: Collection[int] | None = None,
) -> Book:
    """Return a run's breaks, proposals and groups as rows; `window` None: the newest window's.

    `search`: only groups with a reference that begins so, or with this amount. `groups`: only
    these numbers. Where a run has more groups than a sheet holds, their sheet says so instead.
    Raises UsageError RUN_MISSING before any run, WORKBOOK_TOO_LARGE beyond MAX_ROWS breaks or
    proposals.
    """
    run = run_of(session, view.agreement, window)
    if run is None:
        raise UsageError(
            "RUN_MISSING", "nothing has been compared yet", help="see `kanhe reconcile`"
        )
    for count, noun in ((run.break_count, "breaks"), (run.proposal_count, "proposals")):
        if count > MAX_ROWS:
            raise UsageError(
                "WORKBOOK_TOO_LARGE",
                f"{count:,} {noun} are more than a workbook's {MAX_ROWS:,} rows",
                help="mend the cause first: so many have one",
            )
    maker = _Lines(session, run, view, speaker)
    left_out = 0
    if groups is None and not search and run.group_count > MAX_GROUPS:
        left_out = run.group_count
        listed = [_left_out(left_out, speaker)]
    else:
        listed = list(maker.groups(search, groups))
    stamp = Stamp(view.agreement.hex(), run.window, run.mark.hex(), speaker.locale)
    lines = {
        Listed.BREAK: tuple(maker.breaks()),
        Listed.PROPOSAL: tuple(maker.proposals()),
        Listed.GROUP: tuple(listed),
    }
    return Book(stamp, lines, left_out)


class _Lines:
    """Makes the rows of one run."""

    def __init__(
        self, session: Session, run: MatchRun, view: AgreementView, speaker: Speaker
    ) -> None:
        self._session = session
        self._run = run
        self._agreement = view.agreement
        self._say = speaker.gettext

    def breaks(self) -> Iterator[Line]:
        """Yield the breaks that name entries, in the order of the screens."""
        number, after = 0, None
        while True:
            page = list_breaks(self._session, [self._run.id], after=after, limit=STEP)
            for row in page.rows:
                if row.servicer or row.owner:
                    number += 1
                    yield self._break(number, row, page.entries)
            after = page.more
            if after is None:
                return

    def _break(self, number: int, row: BreakView, entries: Entries) -> Line:
        whole = [item for item in proposals_of(self._session, row) if item.whole]
        sides = [side for side in Side if (row.servicer, row.owner)[side]]
        chosen = whole[0] if len(whole) == 1 and len(sides) == 1 else None
        both = len(sides) == len(Side) or chosen is not None
        currency, difference = _signed(row)
        return Line(
            key=row.key,
            proposal=None if chosen is None else chosen.key,
            cells=(
                row.key.hex(),
                "" if chosen is None else chosen.key.hex(),
                number,
                self._say(KINDS[row.kind]),
                " ".join(self._say(MARKS[mark]) for mark in row.marks),
                row.age_days,
                currency,
                difference,
                entry_words(row.servicer, entries[0], self._say),
                entry_words(row.owner, entries[1], self._say),
                "" if chosen is None else self._counterpart(sides[0].other, chosen),
            ),
            verdicts=(CONFIRM, REJECT, WRITE_OFF) if both else (WRITE_OFF,),
        )

    def _counterpart(self, side: Side, chosen: ProposalView) -> str:
        refs = (chosen.servicer, chosen.owner)[side]
        return entry_words(refs, self._entries(side, refs), self._say)

    def proposals(self) -> Iterator[Line]:
        """Yield the proposals; one too large to be decided as a whole takes no verdict."""
        rows = self._session.scalars(
            select(RunProposal).where(RunProposal.run_id == self._run.id).order_by(RunProposal.id)
        ).all()
        for start in range(0, len(rows), STEP):
            some = rows[start : start + STEP]
            found = self._first_entries([(row.servicer, row.owner) for row in some])
            for number, row in enumerate(some, start=start + 1):
                counts = (row.servicer_count, row.owner_count)
                whole = counts == (len(row.servicer), len(row.owner))
                yield Line(
                    key=row.proposal_key,
                    cells=(
                        row.proposal_key.hex(),
                        number,
                        row.pass_name,
                        self._say(PROPOSAL_REASONS.get(row.reason, row.reason)),
                        entry_words(row.servicer, found[0], self._say, row.servicer_count),
                        entry_words(row.owner, found[1], self._say, row.owner_count),
                    ),
                    verdicts=(CONFIRM, REJECT) if whole else (),
                )

    def groups(self, search: str, numbers: Collection[int] | None) -> Iterator[Line]:
        """Yield groups: those searched for, or of these numbers, else all."""
        if numbers is not None:
            numbered = groups_numbered(self._session, self._run.id, numbers)
            views = [
                GroupView(n, g.pass_name, g.servicer, g.owner, g.currency, g.residual_minor)
                for n, g in numbered
            ]
            yield from self._groups(views)
            return
        after: str | None = None
        while True:
            page = list_groups(
                self._session,
                self._agreement,
                self._run.id,
                search=search,
                after=after,
                limit=STEP,
            )
            yield from self._groups(page.rows)
            after = page.more
            if after is None:
                return

    def _groups(self, views: Sequence[GroupView]) -> Iterator[Line]:
        for start in range(0, len(views), STEP):
            some = views[start : start + STEP]
            found = self._first_entries([(item.servicer, item.owner) for item in some])
            for item in some:
                key = group_subject(self._agreement, item.servicer, item.owner)
                yield Line(
                    key=key,
                    number=item.number,
                    cells=(
                        key.hex(),
                        # As the window's page counts them.
                        item.number + 1,
                        item.pass_name,
                        item.currency,
                        figure(item.residual_minor, item.currency),
                        entry_words(item.servicer, found[0], self._say),
                        entry_words(item.owner, found[1], self._say),
                    ),
                    verdicts=(UNMATCH,),
                )

    def _first_entries(self, sets: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Entries:
        """Return by side the entries that are spelt out of each set."""
        servicer, owner = (
            self._entries(side, [ref for both in sets for ref in both[side][:MAX_ENTRIES]])
            for side in Side
        )
        return servicer, owner

    def _entries(self, side: Side, refs: Sequence[str]) -> Mapping[str, Entry]:
        return entries_by_ref(self._session, self._agreement, side, refs)


def _left_out(count: int, speaker: Speaker) -> Line:
    said = speaker.gettext(
        "The window has %(number)s groups, more than a sheet holds: "
        "name a reference or an amount when you download it."
    ) % {"number": speaker.count(count)}
    return Line(b"", ("", "", said, *[""] * (len(GROUPS.head) - 5)), ())


def _signed(row: BreakView) -> tuple[str, Cell]:
    """Return the currency and the difference in major units."""
    if len(row.signed) != 1:
        said = "; ".join(f"{code} {major(minor, code):f}" for code, minor in row.signed)
        return " ".join(code for code, _ in row.signed), said
    code, minor = row.signed[0]
    return code, figure(minor, code)
