"""From plain words to a statement: one person listed by hand, checked as a row of a list is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from node.blacklist import require_entry
from node.intake.bands import Bands
from node.intake.completing import complete
from node.intake.drafts import Origin, Refused, Stated
from node.intake.values import VALUE_FIELDS, WORDS, facts_of
from node.screening.states import DAY_S
from node.services.screening.base import Base
from node.services.screening.listing import Candidate
from reconcile.model import ZERO32, InputError, UsageError, Where

SOURCE: Final = "the institution itself"
NOT_SIGNED: Final = "by the uploader's own signature on the statement alone"
MAX_EVIDENCE_BYTES: Final = 8 << 20
MAX_DOCUMENTS: Final = 16


class StatingActs(Base):
    """Making statements."""

    def state_listing(
        self,
        identifier: str,
        words: Mapping[str, str],
        *,
        policy: str,
        evidence: Sequence[bytes] = (),
        supersedes: bytes | None = None,
        allow_test: bool = False,
    ) -> Candidate:
        """Return a statement in plain words, to be listed; nothing is kept.

        `words` are a list's fields by name (docs/blacklist-import.md), `evidence` documents. Raises
        the refusals of a row, `UsageError` FIELD_UNKNOWN, EVIDENCE_TOO_LARGE. None of them repeats
        the identifier.
        """
        unknown = sorted(set(words) - VALUE_FIELDS)
        if unknown:
            raise UsageError(
                "FIELD_UNKNOWN",
                f"a listing has no field {unknown[0]!r}",
                where=Where(field=unknown[0][:40]),
                help=f"one of {', '.join(sorted(VALUE_FIELDS))}",
            )
        if len(evidence) > MAX_DOCUMENTS or sum(map(len, evidence)) > MAX_EVIDENCE_BYTES:
            raise UsageError(
                "EVIDENCE_TOO_LARGE",
                f"at most {MAX_DOCUMENTS} documents of {MAX_EVIDENCE_BYTES >> 20} MiB together",
                where=Where(field="evidence"),
            )
        with self._reading() as session:
            member, today = self._identity.require_member(session), self._now(session).time_s
            if supersedes is not None:
                require_entry(session, supersedes)
        stated = Stated(member, today // DAY_S, policy, allow_test=allow_test)
        facts = facts_of(words, WORDS, Bands(), month_first=False)
        made = complete(0, identifier, facts, Origin(SOURCE, {}, NOT_SIGNED), stated)
        if isinstance(made, Refused):
            raise InputError(
                made.code, made.message, where=Where(field=made.column), help=made.help
            )
        draft = made.draft()
        # The root stays open for the documents, which are more than the draft's own.
        listing = msgspec.structs.replace(
            draft.listing, evidence_root=ZERO32, supersedes=supersedes
        )
        return Candidate(draft.identifier, listing, (draft.provenance, *evidence))
