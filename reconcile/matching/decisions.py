"""Decisions that both sides posted, applied before all passes (rule 4).

A decision stands in each side's stream; two are the same when all but the decider are. It takes
effect when both sides hold it and it names the last effective decision on its subject. Void ones
are listed with their reason and change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reconcile.matching.keys import break_key, decision_hash, group_subject, sorted_refs
from reconcile.matching.opening import OpenSide, total_order
from reconcile.matching.run_input import AgreedGroup, AppliedDecision, RunInput
from reconcile.model import (
    MOVING_STATUSES,
    ZERO32,
    Decision,
    Entry,
    MatchGroup,
    Side,
    WrittenOff,
)

DECISION_PASS: Final = "decision"  # noqa: S105 - a name
WRITE_OFF_PASS: Final = "write_off"  # noqa: S105 - a name

# What frees entries goes before what needs them; within one verdict the subject decides.
_TURN: Final = {"unmatch": 0, "reject": 1, "confirm": 2, "write_off": 3}


@dataclass
class Decided:
    """The effects of a run's decisions; `dissolved`: subjects whose residual is open no more."""

    groups: list[MatchGroup] = field(default_factory=list)
    members: dict[bytes, tuple[tuple[Entry, ...], tuple[Entry, ...]]] = field(default_factory=dict)
    written_off: list[WrittenOff] = field(default_factory=list)
    rejected: set[tuple[frozenset[str], frozenset[str]]] = field(default_factory=set)
    dissolved: set[bytes] = field(default_factory=set)
    log: list[AppliedDecision] = field(default_factory=list)
    last: dict[bytes, bytes] = field(default_factory=dict)


def apply_decisions(run: RunInput, sides: tuple[OpenSide, OpenSide]) -> Decided:
    """Apply what both streams hold, in an order that no stream decides."""
    decided = Decided(rejected=set(run.rejected), last=dict(run.last_decisions))
    waiting = _shared(run)
    _look_up(run, sides, waiting)
    while True:
        heads = []
        for subject, chain in waiting.items():
            last = decided.last.get(subject, ZERO32)
            named = [item for item in chain if item.previous == last]
            if len(named) == 1:
                heads.append(named[0])
            elif named:
                decided.log += [AppliedDecision(item, "SAME_PREVIOUS") for item in named]
                waiting[subject] = [item for item in chain if item not in named]
        if not heads:
            break
        head = min(heads, key=lambda item: (_TURN.get(item.verdict, 9), item.subject))
        waiting[head.subject].remove(head)
        reason = _apply(run, sides, decided, head)
        decided.log.append(AppliedDecision(head, reason))
        if reason is None:
            decided.last[head.subject] = decision_hash(head)
    left = [item for chain in waiting.values() for item in chain]
    decided.log += [AppliedDecision(item, "OTHER_PREVIOUS") for item in left]
    decided.log.sort(key=lambda item: (item.decision.subject, decision_hash(item.decision)))
    return decided


def _shared(run: RunInput) -> dict[bytes, list[Decision]]:
    """Return the decisions that both streams hold, once each, by subject."""
    owner = {decision_hash(item) for item in run.owner.decisions}
    seen = {hashed for _, hashed in run.last_decisions}
    shared: dict[bytes, list[Decision]] = defaultdict(list)
    for item in run.servicer.decisions:
        hashed = decision_hash(item)
        if hashed in owner and hashed not in seen:
            seen.add(hashed)
            shared[item.subject].append(item)
    return dict(sorted(shared.items()))


def _look_up(
    run: RunInput, sides: tuple[OpenSide, OpenSide], waiting: Mapping[bytes, Sequence[Decision]]
) -> None:
    """Find all that these decisions may name, in one look at each side."""
    decisions = [item for chain in waiting.values() for item in chain]
    for side in Side if decisions else ():
        named = [ref for item in decisions for ref in (item.servicer, item.owner)[side]]
        for agreed in run.agreed_groups:
            named += [entry.entry_ref for entry in agreed.entries(side)]
        for item in run.book(side).carried:
            named += [item.entry.entry_ref] if item.break_key in waiting else []
        sides[side].look_up(named)


def _apply(
    run: RunInput, sides: tuple[OpenSide, OpenSide], decided: Decided, item: Decision
) -> str | None:
    """Apply one decision; return the reason why it is void, None if it took effect."""
    servicer, owner = sorted_refs(item.servicer), sorted_refs(item.owner)
    repeated = len(set(servicer)) < len(servicer) or len(set(owner)) < len(owner)
    if repeated or not servicer + owner:
        return "REFS"
    if item.verdict != "write_off" and item.subject != group_subject(
        run.agreement, servicer, owner
    ):
        return "SUBJECT"
    if item.verdict == "unmatch":
        return _unmatch(run, sides, decided, item.subject)
    if not (sides[0].has_all(servicer) and sides[1].has_all(owner)):
        return "NOT_OPEN"
    if item.verdict == "confirm":
        return _confirm(sides, decided, item.subject, (servicer, owner))
    if item.verdict == "reject":
        decided.rejected.add((frozenset(servicer), frozenset(owner)))
        return None
    if item.verdict == "write_off":
        return _write_off(run, sides, decided, item.subject, (servicer, owner))
    return "VERDICT"


def _confirm(
    sides: tuple[OpenSide, OpenSide],
    decided: Decided,
    subject: bytes,
    refs: tuple[tuple[str, ...], tuple[str, ...]],
) -> str | None:
    entries = [sides[side].entry(ref) for side in (0, 1) for ref in refs[side]]
    if any(entry.status not in MOVING_STATUSES for entry in entries):
        return "NOT_MOVING"
    currencies = {entry.currency for entry in entries}
    if len(currencies) > 1:
        return "CURRENCIES"
    taken = (sides[0].take(refs[0]), sides[1].take(refs[1]))
    residual = signed_sum(taken[0]) - signed_sum(taken[1])
    decided.groups.append(MatchGroup(DECISION_PASS, refs[0], refs[1], currencies.pop(), residual))
    decided.members[subject] = taken
    # A person's confirmation overrules an earlier rejection of the same set.
    decided.rejected.discard((frozenset(refs[0]), frozenset(refs[1])))
    return None


def _unmatch(
    run: RunInput, sides: tuple[OpenSide, OpenSide], decided: Decided, subject: bytes
) -> str | None:
    if subject in decided.members:
        members = decided.members.pop(subject)
        decided.groups = [
            group
            for group in decided.groups
            if group.pass_name != DECISION_PASS
            or group_subject(run.agreement, group.servicer, group.owner) != subject
        ]
    else:
        agreed = _agreed(run, subject)
        if agreed is None or subject in decided.dissolved:
            return "NO_GROUP"
        members = (agreed.servicer, agreed.owner)
    for side, entries in zip(sides, members, strict=True):
        side.give_back(entries)
    decided.dissolved.add(subject)
    return None


def _agreed(run: RunInput, subject: bytes) -> AgreedGroup | None:
    for agreed in run.agreed_groups:
        if group_subject(run.agreement, *agreed.refs) == subject:
            return agreed
    return None


def _write_off(
    run: RunInput,
    sides: tuple[OpenSide, OpenSide],
    decided: Decided,
    subject: bytes,
    refs: tuple[tuple[str, ...], tuple[str, ...]],
) -> str | None:
    if subject != _key_of(run, sides, subject, refs):
        return "SUBJECT"
    taken = (sides[0].take(refs[0]), sides[1].take(refs[1]))
    for currency in sorted({entry.currency for entry in taken[0] + taken[1]}):
        mine, theirs = (
            tuple(entry for entry in entries if entry.currency == currency) for entries in taken
        )
        minor = signed_sum(mine) - signed_sum(theirs)
        decided.groups.append(
            MatchGroup(
                WRITE_OFF_PASS,
                tuple(entry.entry_ref for entry in mine),
                tuple(entry.entry_ref for entry in theirs),
                currency,
                minor,
            )
        )
        if minor:
            decided.written_off.append(WrittenOff(subject, subject, currency, minor))
    return None


def _key_of(
    run: RunInput,
    sides: tuple[OpenSide, OpenSide],
    subject: bytes,
    refs: tuple[tuple[str, ...], tuple[str, ...]],
) -> bytes | None:
    """Return the key of the break that these refs are, as far as it can be known before a run."""
    carried = tuple(
        {
            item.entry.entry_ref
            for item in run.book(side).carried
            if item.break_key == subject and sides[side].has_all((item.entry.entry_ref,))
        }
        for side in Side
    )
    if carried[0] or carried[1]:
        same = carried == (set(refs[0]), set(refs[1]))
        return subject if same else None
    first = min((*total_order(sides[side].entry(ref)), side) for side in Side for ref in refs[side])
    return break_key(run.agreement, first[3], first[2])


def signed_sum(entries: tuple[Entry, ...]) -> int:
    """Return the sum of the balance-moving entries, IN + and OUT -."""
    return sum(entry.signed_minor for entry in entries if entry.moving)
