"""From plain words to a statement: one person listed by hand, checked as a row of a list is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from node.blacklist import require_entry
from node.intake.bands import Bands
from node.intake.completing import complete
from node.intake.drafts import Origin, Refused, Stated
from node.intake.values import VALUE_FIELDS, WORDS, facts_of
from node.screening.identifiers import IdType
from node.screening.listings import MAX_BAND, ActionTaken, Product, ProofLevel, Reason
from node.screening.states import DAY_S
from node.services.screening.base import Base
from node.services.screening.listing import Candidate
from reconcile.model import ZERO32, InputError, UsageError, Where

SOURCE: Final = "the institution itself"
NOT_SIGNED: Final = "by the uploader's own signature on the statement alone"
MAX_EVIDENCE_BYTES: Final = 8 << 20
MAX_DOCUMENTS: Final = 16


_DAY_WORDS: Final = "a day YYYY-MM-DD"
_BAND_WORDS: Final = f"a whole number from 0 to {MAX_BAND} (docs/blacklist.md has the bands)"
#: By field: the option that states it, and what it takes; none of it is a secret.
TAKES: Final[Mapping[str, tuple[str, str]]] = {
    "id_type": ("--id-type", " or ".join(IdType)),
    "reason": ("--reason", ", ".join(Reason)),
    "product": ("--product", ", ".join(Product)),
    "action": ("--action", ", ".join(ActionTaken)),
    "proof_level": (
        "--proof-level",
        ", ".join(f"{int(level)} ({level.name.lower()})" for level in ProofLevel),
    ),
    "amount_band": ("--amount-band", _BAND_WORDS),
    "days_past_due_band": ("--days-past-due-band", _BAND_WORDS),
    "event_month": ("--event-month", "a past month YYYY-MM"),
    "effective_from": ("--effective-from", _DAY_WORDS),
    "expires_at": ("--expires-at", _DAY_WORDS),
    "notice_at": ("--notice-at", _DAY_WORDS),
    "notice_hash": ("--notice-file", "the notice that the person was sent"),
    "consent": ("--consent-file", "what the person agreed to"),
}


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
        agreed: bytes = b"",
        allow_test: bool = False,
    ) -> Candidate:
        """Return a statement in plain words, to be listed; nothing is kept.

        `words` are a list's fields by name (docs/blacklist-import.md), `evidence` documents,
        `agreed` what the person agreed to, whose hash stands for `consent`. Raises the refusals of
        a row, `UsageError` FIELD_UNKNOWN, EVIDENCE_TOO_LARGE. None of them repeats
        the identifier.
        """
        if agreed:
            words = {**words, "consent": words.get("consent") or sha256(agreed).hexdigest()}
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
        try:
            facts = facts_of(words, WORDS, Bands(), month_first=False)
        except InputError as error:
            raise _by_hand(error.code, error.where.field or "", error.message, error.help) from None
        made = complete(0, identifier, facts, Origin(SOURCE, {}, NOT_SIGNED), stated)
        if isinstance(made, Refused):
            raise _by_hand(made.code, made.column or "", made.message, made.help)
        draft = made.draft()
        # The root stays open for the documents, which are more than the draft's own.
        listing = msgspec.structs.replace(
            draft.listing, evidence_root=ZERO32, supersedes=supersedes
        )
        documents = (draft.provenance, *evidence)
        return Candidate(draft.identifier, listing, documents, agreed=agreed)


def _by_hand(code: str, field: str, message: str, help_: str) -> InputError:
    """Return a row's refusal in the words of one listing: its option, and what it takes.

    Refusals of the identifier and of the whole statement speak of no row.
    """
    kind = message.split(" ", 2)[:2]
    if field in TAKES and kind in (["the", "cell"], ["the", "row"]):
        option, takes = TAKES[field]
        says = message.split(" ", 2)[2]
        subject = {"ROW_NOT_OVERDUE": "the person"}.get(code, "the listing")
        message = f"{option} {says}" if kind == ["the", "cell"] else f"{subject} {says}"
        help_ = f"{option} takes {takes}"
    return InputError(code, message, where=Where(field=field), help=help_)
