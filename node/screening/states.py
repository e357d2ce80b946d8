"""An entry's state, a dispute's phase and its deadlines, as of a block's time: nobody keeps them.

The same arithmetic as `contracts/src/blacklist` (BlacklistBase, Disputes, Panels); a test holds
both beside each other on a real chain. Times are Unix seconds, days are UTC days since 1970.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from node.screening.profiles import Profile

DAY_S: Final = 86_400
TICKET_S: Final = 7 * DAY_S
CHALLENGE_WINDOW_S: Final = 90 * DAY_S
#: So many days after time suspended it an entry is over, whoever settles its dispute when.
SUSPENSION_DAYS: Final = 90
ROOT_CHALLENGE_S: Final = 3_600
#: Between two cuts of a key epoch: a version is built and signed before the next one is cut.
MIN_CUT_S: Final = 1_800
#: The last revision of a root: every member of the committee signs it, and nobody challenges it.
MAX_REVISIONS: Final = 3
#: So many challenges of one member are heard in so much time, whenever it begins.
MAX_CHALLENGES: Final = 4
CHALLENGE_PERIOD_S: Final = 10 * DAY_S
#: What an accused has to open an evaluation.
AUDIT_S: Final = 14 * DAY_S
#: An audit that nobody ended by then fines nobody: what opens it is kept no longer.
LAPSE_S: Final = 2 * AUDIT_S
#: From an entry's last day on: what was evaluated for it is opened to an audit, and not destroyed.
OPENABLE_DAYS: Final = 3


class Stage(enum.IntEnum):
    """What the ledger stores of an entry's life, in the contract's order."""

    NONE = 0
    TICKETED = 1
    LISTED = 2
    SUSPENDED = 3
    CORRECTED = 4
    REMOVED = 5
    ERASED = 6


class EntryState(enum.IntEnum):
    """What a reader sees, in the contract's order."""

    NONE = 0
    TICKETED = 1
    LAPSED = 2
    UNTAGGED = 3
    LISTED = 4
    DISPUTED = 5
    SUSPENDED = 6
    CORRECTED = 7
    REMOVED = 8
    EXPIRED = 9
    ERASED = 10


#: States of an entry that is over: it counts against nobody, and its matter may be listed anew.
OVER: Final = frozenset(
    {
        EntryState.LAPSED,
        EntryState.CORRECTED,
        EntryState.REMOVED,
        EntryState.EXPIRED,
        EntryState.ERASED,
    }
)


class Verdict(enum.IntEnum):
    """An answer, a vote or an outcome, in the contract's order."""

    NONE = 0
    UPHELD = 1
    CORRECTED = 2
    REMOVED = 3
    UNVERIFIABLE = 4
    TIMED_OUT = 5
    UNDECIDED = 6


class Phase(enum.IntEnum):
    """Where a dispute stands, in the contract's order."""

    NONE = 0
    OPEN = 1
    UNANSWERED = 2
    ANSWERED = 3
    ACCEPTED = 4
    COMMIT = 5
    REVEAL = 6
    DECIDED = 7
    REGULATOR = 8
    UNDECIDED = 9
    SETTLED = 10


class AuditState(enum.IntEnum):
    """Where an audit of one evaluation stands, in the contract's order."""

    NONE = 0
    PENDING = 1
    DUE = 2
    OPENED = 3
    FINED = 4
    LAPSED = 5


def audit_state(
    begun_at_s: int, now_s: int, *, outcome: AuditState = AuditState.NONE
) -> AuditState:
    """Return where an audit stands at a block's time."""
    if outcome is not AuditState.NONE:
        return outcome
    since_s = now_s - begun_at_s
    if since_s > LAPSE_S:
        return AuditState.LAPSED
    return AuditState.DUE if since_s > AUDIT_S else AuditState.PENDING


#: What an uploader may answer, and what a panelist or the regulator may vote.
ANSWERS: Final = (Verdict.UPHELD, Verdict.CORRECTED, Verdict.REMOVED)
VOTES: Final = (*ANSWERS, Verdict.UNVERIFIABLE)


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """A dispute as the ledger recorded it; `panel` is None before it is drawn.

    The first `seats` of the panel sit in the first round, the others in the second. `ballots`
    holds revealed votes by member. `regulators`: the regulator is a party, so that it decides
    nothing here.
    """

    opened_at_s: int
    extended: bool = False
    answer: Verdict = Verdict.NONE
    answered_at_s: int | None = None
    contested_at_s: int | None = None
    panel: tuple[int, ...] | None = None
    seats: int = 0
    outcome: Verdict = Verdict.NONE
    ballots: Mapping[int, Verdict] = field(default_factory=dict)
    regulators: bool = False


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """An entry as the ledger recorded it; `tagged`: it has a leaf in the present key epoch.

    `ends_day` is its last day: the statement's, or an earlier one that a settled dispute left it.
    `dispute` is the open one.
    """

    stage: Stage
    posted_at_s: int
    ends_day: int
    tagged: bool
    dispute: DisputeFacts | None = None


@dataclass(frozen=True, slots=True)
class Suspension:
    """Since when time has suspended an entry, in Unix seconds, and the entry's last day."""

    since_s: int
    last_day: int


def entry_state(entry: EntryFacts, profile: Profile, now_s: int) -> EntryState:
    """Return what an entry is at a block's time."""
    stored = {
        Stage.NONE: EntryState.NONE,
        Stage.ERASED: EntryState.ERASED,
        Stage.REMOVED: EntryState.REMOVED,
        Stage.CORRECTED: EntryState.CORRECTED,
    }.get(entry.stage)
    if stored is not None:
        return stored
    if entry.stage is Stage.TICKETED:
        late = now_s > entry.posted_at_s + TICKET_S
        return EntryState.LAPSED if late else EntryState.TICKETED
    open_ = entry.dispute
    last = entry.ends_day if open_ is None else suspension(open_, profile, entry.ends_day).last_day
    if now_s // DAY_S > last:
        return EntryState.EXPIRED
    if entry.stage is Stage.SUSPENDED:
        return EntryState.SUSPENDED
    if open_ is not None:
        overdue = now_s > suspends_s(open_, profile)
        return EntryState.SUSPENDED if overdue else EntryState.DISPUTED
    return EntryState.LISTED if entry.tagged else EntryState.UNTAGGED


def suspension(dispute: DisputeFacts, profile: Profile, ends_day: int) -> Suspension:
    """Return what a dispute comes to that nobody ends in time, for an entry of this last day.

    It follows from the dispute's clocks alone, so that nobody draws it out by settling late.
    """
    until_s = suspends_s(dispute, profile)
    return Suspension(until_s + 1, min(ends_day, until_s // DAY_S + SUSPENSION_DAYS))


def suspension_at(
    dispute: DisputeFacts | None, profile: Profile, ends_day: int, now_s: int
) -> Suspension | None:
    """Return the suspension by a dispute, open or settled so; None where it suspended nothing yet.

    Nor did it suspend an entry that had ended before.
    """
    if dispute is None:
        return None
    found = suspension(dispute, profile, ends_day)
    begun = found.since_s <= now_s and found.since_s // DAY_S <= found.last_day
    return found if begun else None


def phase_of(dispute: DisputeFacts, profile: Profile, now_s: int) -> Phase:
    """Return where a dispute stands at a block's time."""
    if dispute.outcome is not Verdict.NONE:
        return Phase.SETTLED
    if dispute.answered_at_s is None:
        return Phase.UNANSWERED if now_s > answer_until_s(dispute, profile) else Phase.OPEN
    if dispute.contested_at_s is None:
        late = now_s > dispute.answered_at_s + _days(profile.contest_days)
        return Phase.ACCEPTED if late else Phase.ANSWERED
    phase = _panel_phase(dispute, dispute.contested_at_s, profile, now_s)
    over = now_s > _whole_s(dispute, profile)
    return Phase.UNDECIDED if phase is Phase.REGULATOR and dispute.regulators and over else phase


def answer_until_s(dispute: DisputeFacts, profile: Profile) -> int:
    """Return the last second in which the uploader may answer."""
    days = profile.answer_days + (slack_days(profile) if dispute.extended else 0)
    return dispute.opened_at_s + _days(days)


def slack_days(profile: Profile) -> int:
    """Return what a dispute's days leave beyond answer, contest and two rounds."""
    rounds = 2 * (profile.commit_days + profile.reveal_days)
    allowed = profile.dispute_days + profile.extension_days
    return allowed - profile.answer_days - profile.contest_days - rounds


def due_s(dispute: DisputeFacts, profile: Profile, now_s: int) -> int | None:
    """Return the last second of the present phase; None where nothing runs out."""
    phase = phase_of(dispute, profile, now_s)
    if phase is Phase.OPEN:
        return answer_until_s(dispute, profile)
    if phase is Phase.ANSWERED:
        assert dispute.answered_at_s is not None, "an answered dispute has its time"
        return dispute.answered_at_s + _days(profile.contest_days)
    if phase is Phase.REGULATOR and dispute.regulators:
        return _whole_s(dispute, profile)
    if phase not in {Phase.COMMIT, Phase.REVEAL}:
        return None
    assert dispute.contested_at_s is not None, "a panel follows a contest"
    ends = [profile.commit_days, profile.reveal_days] * 2
    passed = 0
    for days in ends:
        passed += days
        end_s = dispute.contested_at_s + _days(passed)
        if now_s <= end_s:
            return end_s
    return None


def ripe_since_s(dispute: DisputeFacts, profile: Profile, now_s: int) -> int:
    """Return about when a dispute that only has to be settled came to that."""
    if phase_of(dispute, profile, now_s) is Phase.UNDECIDED:
        return _whole_s(dispute, profile)
    if dispute.answered_at_s is None:
        return answer_until_s(dispute, profile)
    if dispute.contested_at_s is None:
        return dispute.answered_at_s + _days(profile.contest_days)
    return dispute.contested_at_s + _days(profile.commit_days + profile.reveal_days)


def suspends_s(dispute: DisputeFacts, profile: Profile) -> int:
    """Return the last second before an unsettled dispute suspends its entry."""
    whole = _whole_s(dispute, profile)
    if dispute.answered_at_s is not None:
        return whole
    return min(whole, answer_until_s(dispute, profile))


def seats_now(dispute: DisputeFacts, profile: Profile, now_s: int) -> tuple[int, ...]:
    """Return who sits in the round that runs at a block's time."""
    if dispute.panel is None or dispute.contested_at_s is None:
        return ()
    first_s = dispute.contested_at_s + _days(profile.commit_days + profile.reveal_days)
    seats = dispute.seats
    return dispute.panel[seats:] if now_s > first_s else dispute.panel[:seats]


def round_verdict(seats: Sequence[int], ballots: Mapping[int, Verdict]) -> Verdict:
    """Return what one round came to: NONE without a majority of its seats.

    First whether the entry stands; then the code that most of those against it gave, of equal ones
    the one that removes.
    """
    votes = Counter(ballots.get(member, Verdict.NONE) for member in seats)
    if 2 * votes[Verdict.UPHELD] > len(seats):
        return Verdict.UPHELD
    against = [votes[item] for item in (Verdict.REMOVED, Verdict.UNVERIFIABLE, Verdict.CORRECTED)]
    if 2 * sum(against) <= len(seats):
        return Verdict.NONE
    removed, unverifiable, corrected = against
    if removed >= corrected and removed >= unverifiable:
        return Verdict.REMOVED
    return Verdict.UNVERIFIABLE if unverifiable >= corrected else Verdict.CORRECTED


def is_live_root(published_at_s: int, *, challenged: bool, now_s: int) -> bool:
    """Say whether a root may be read: its challenge period is over and nobody missed a leaf."""
    return not challenged and now_s > published_at_s + ROOT_CHALLENGE_S


def _panel_phase(dispute: DisputeFacts, contested_at_s: int, profile: Profile, now_s: int) -> Phase:
    panel, seats = dispute.panel or (), dispute.seats
    drawn = dispute.panel is not None
    one_round = profile.commit_days + profile.reveal_days
    if now_s <= contested_at_s + _days(one_round):
        if drawn and seats == 0:
            return Phase.REGULATOR
        late = now_s > contested_at_s + _days(profile.commit_days)
        return Phase.REVEAL if late else Phase.COMMIT
    if round_verdict(panel[:seats], dispute.ballots) is not Verdict.NONE:
        return Phase.DECIDED
    if not drawn or len(panel) == seats:
        return Phase.REGULATOR
    if now_s <= contested_at_s + _days(2 * one_round):
        late = now_s > contested_at_s + _days(one_round + profile.commit_days)
        return Phase.REVEAL if late else Phase.COMMIT
    decided = round_verdict(panel[seats:], dispute.ballots) is not Verdict.NONE
    return Phase.DECIDED if decided else Phase.REGULATOR


def _whole_s(dispute: DisputeFacts, profile: Profile) -> int:
    """Return the last second of the profile's days."""
    return dispute.opened_at_s + _days(profile.dispute_days + profile.extension_days)


def _days(days: int) -> int:
    return days * DAY_S
