"""Listing what a file holds: all of it checked first, points for all of it, then one by one.

Drafts are listed a hundred a transaction. What a crash leaves undone is done by the same command
again: whoever is listed already is refused by the listing's fingerprint and named by the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from node.intake import Draft, Import, Refused, Stated
from node.intake.bands import Bands
from node.intake.values import WORDS, facts_of
from node.screening.points import LISTING_STAKE
from node.screening.profiles import profile_of
from node.screening.states import DAY_S
from node.services.screening.listing import Candidate, ListingActs
from node.services.screening.purse import spend
from reconcile.model import InputError, UsageError


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's drafts: entries by line, and what was refused when it was listed."""

    listed: tuple[tuple[int, bytes], ...]
    refused: tuple[Refused, ...]


class ImportActs(ListingActs):
    """Entries of this node, by the file."""

    def stated(self, words: Mapping[str, str], *, policy: str, allow_test: bool = False) -> Stated:
        """Return what holds for every row of a file: this member, the ledger's day, `words`.

        Raises `InputError` ROW_* for a word that is none, PROFILE_UNKNOWN.
        """
        profile_of(policy)
        facts = facts_of(words, WORDS, Bands(), month_first=False)
        with self._reading() as session:
            member = self._identity.require_member(session)
            today = self._now(session).time_s // DAY_S
        return Stated(member, today, policy, facts, allow_test)

    def list_import(self, found: Import, *, partial: bool = False, actor: str = "node") -> Imported:
        """List a file's drafts, all of them or, where `partial`, the good ones.

        Raises `InputError` IMPORT_REFUSED, `UsageError` POINTS_SHORT, POINTS_DEBT: nothing is
        kept. `InputError` IMPORT_CHANGED: what was listed until then stands.
        """
        drafts = found.drafts(partial=partial)
        # The generator refuses before its first draft, and no point is asked for before that.
        first = next(drafts, None)
        if first is None:
            return Imported((), ())
        if self._afford(found, partial=partial):
            drafts = found.drafts(partial=partial)
            first = next(drafts)
        lines: list[int] = []
        broken: list[InputError] = []
        taken = self.list_many(_candidates(first, drafts, lines, broken), actor=actor)
        listed = [(lines[one.position], one.entry) for one in taken if one.entry is not None]
        refused = [
            Refused(
                lines[one.position],
                one.error.where.field,
                one.error.code,
                one.error.message,
                one.error.help,
            )
            for one in taken
            if one.error is not None
        ]
        if broken:
            raise InputError(
                broken[0].code,
                f"{broken[0].message}; {len(listed)} were listed from it before",
                where=broken[0].where,
                help="import the file again: who is listed already is refused by name",
            )
        return Imported(tuple(listed), tuple(refused))

    def _afford(self, found: Import, *, partial: bool) -> bool:
        """Require points for everybody, or for those who are not listed yet since an interruption.

        Returns whether the file was read for that.
        """
        try:
            self._spend_for(found.summary.drafts)
        except UsageError as short:
            if short.code != "POINTS_SHORT":
                raise
            with self._reading() as session:
                now = self._now(session)
                new = sum(
                    self._standing(session, draft.identifier, draft.listing, now) is None
                    for draft in found.drafts(partial=partial)
                )
            if new == found.summary.drafts:
                raise
            self._spend_for(new)
            return True
        return False

    def _spend_for(self, people: int) -> None:
        with self._writing() as session:
            member = self._identity.require_member(session)
            needed = people * LISTING_STAKE
            spend(session, self._calls, member, needed, self._now(session), what="list this file")


def _candidates(
    first: Draft, rest: Iterator[Draft], lines: list[int], broken: list[InputError]
) -> Iterator[Candidate]:
    """Yield candidates and remember the line of each; a file that breaks off ends them."""
    draft: Draft | None = first
    while draft is not None:
        lines.append(draft.line)
        yield Candidate(draft.identifier, draft.listing, draft.documents, draft.salt)
        try:
            draft = next(rest, None)
        except InputError as error:
            broken.append(error)
            return
