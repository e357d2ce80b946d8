"""Whom a profile asks to notify, and of what: by the steps of an entry and of a dispute about it.

Profiles name parties (`notify`); what each of them has to be told of follows from its place. Who
tells them does so by its own means: nothing here is sent by a node.
"""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple

from node.screening.profiles import Profile
from node.screening.states import Phase


class Occasion(enum.StrEnum):
    """What a party is told of: the listing, a dispute that was raised, its answer, its outcome."""

    LISTED = "LISTED"
    RAISED = "RAISED"
    ANSWERED = "ANSWERED"
    SETTLED = "SETTLED"


class Notice(NamedTuple):
    """A party that is to be notified: person, readers or furnisher, and of which step."""

    party: str
    of: Occasion

    @property
    def says(self) -> str:
        """Return it in words."""
        return SAYS[self]

    def to_json(self) -> dict[str, str]:
        """Return it as answers hold it."""
        return {"party": self.party, "of": self.of.value, "says": self.says}


#: Each notice in words, in the order of the steps.
SAYS: Final[dict[Notice, str]] = {
    Notice("person", Occasion.LISTED): "the person, of the entry, before it is posted",
    Notice("person", Occasion.RAISED): "the person, that her entry is disputed",
    Notice("furnisher", Occasion.RAISED): "the uploader that furnished the entry, of the dispute",
    Notice("person", Occasion.ANSWERED): "the person, of the answer and how it is contested",
    Notice("person", Occasion.SETTLED): "the person, of the outcome",
    Notice("furnisher", Occasion.SETTLED): "the uploader that furnished the entry, of the outcome",
    Notice("readers", Occasion.SETTLED): "who read the entry, that it changed: by its recall",
}
_OCCASIONS: Final = {
    Phase.OPEN: Occasion.RAISED,
    Phase.UNANSWERED: Occasion.RAISED,
    Phase.SETTLED: Occasion.SETTLED,
}
#: Outcomes after which an entry is what it was: no reader is told of a change.
UNCHANGED: Final = frozenset({"UPHELD"})


def notices_of(profile: Profile) -> tuple[Notice, ...]:
    """Return all that a profile asks to be notified, in the order of the steps."""
    return tuple(notice for notice in SAYS if notice.party in profile.notify)


def notices_at(profile: Profile, phase: Phase, outcome: str | None) -> tuple[Notice, ...]:
    """Return whom a profile asks to notify of where a dispute stands."""
    of = _OCCASIONS.get(phase, Occasion.ANSWERED)
    return tuple(
        notice
        for notice in notices_of(profile)
        if notice.of is of and not (notice.party == "readers" and outcome in UNCHANGED)
    )


def profile_json(name: str, profile: Profile) -> dict[str, Any]:
    """Return a profile as data: its days as strings, and whom it asks to notify of what."""
    return {
        "name": name,
        "number": str(profile.number),
        "notice_days": str(profile.notice_days),
        "dispute_days": str(profile.dispute_days),
        "extension_days": str(profile.extension_days),
        "answer_days": str(profile.answer_days),
        "contest_days": str(profile.contest_days),
        "commit_days": str(profile.commit_days),
        "reveal_days": str(profile.reveal_days),
        "retention_days": str(profile.retention_days),
        "on_time_out": "SUSPENDED",
        "notify": [notice.to_json() for notice in notices_of(profile)],
    }
