"""What rules must not say together: passes at odds with each other, keys that never match."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconcile.terms.reader import refuse
from reconcile.terms.rules import KeyPair, MatchPass

# Ten thousand in a currency of two digits: a greater difference is another payment's amount.
MAX_TOLERANCE_MINOR: Final = 1_000_000
_CUT: Final = re.compile(r"(?:first|last)\(([0-9]+)\)")


def require_tolerance(minor: int, field: str) -> None:
    """Refuse a difference that would let nearly any two amounts be one."""
    if minor > MAX_TOLERANCE_MINOR:
        raise refuse(
            "TERMS_CONTRADICTION",
            f"{minor} minor units let nearly everything match",
            field,
            f"at most {MAX_TOLERANCE_MINOR}",
        )


def require_matchable(pair: KeyPair, field: str) -> None:
    """Refuse a key whose cut leaves fewer characters than it must have."""
    for step in pair.normalise:
        cut = _CUT.fullmatch(step)
        if cut is not None and int(cut[1]) < pair.min_length:
            raise refuse(
                "TERMS_CONTRADICTION",
                f"{step} leaves {cut[1]} characters, min_length asks for {pair.min_length}: "
                "nothing ever matches",
                field,
                "lower min_length or keep more characters",
            )


def require_guard(rule: MatchPass, field: str) -> None:
    """Refuse a guard that says nothing new, or that would forbid every pair."""
    if rule.confirm == "always" or not rule.keys:
        raise refuse(
            "TERMS_CONTRADICTION",
            "without keys nothing differs"
            if not rule.keys
            else "the keys of an `always` pass tell payments apart by themselves",
            field,
            "leave guards out",
        )
    for pair in rule.keys:
        if pair.servicer != pair.owner:
            raise refuse(
                "TERMS_CONTRADICTION",
                f"{pair.servicer} and {pair.owner} are different numbers of one payment: compared "
                "as a guard they would forbid every pair",
                field,
                "guard by a carrier that both sides hold alike",
            )


def require_consistent(passes: Sequence[MatchPass]) -> None:
    """Refuse two passes that look for the same and say different things of it, or say it twice."""
    seen: dict[tuple[object, ...], tuple[int, MatchPass]] = {}
    for number, rule in enumerate(passes):
        looked_for = (
            rule.keys,
            rule.amount,
            rule.fee,
            rule.value_date_days,
            rule.shape,
            rule.subset,
        )
        if looked_for not in seen:
            seen[looked_for] = (number, rule)
            continue
        _, other = seen[looked_for]
        says = (
            "say the same"
            if rule.confirm == other.confirm
            else f"look for the same, one confirms {other.confirm}, the other {rule.confirm}"
        )
        raise refuse(
            "TERMS_CONTRADICTION",
            f"passes {other.name!r} and {rule.name!r} {says}",
            f"passes[{number}]",
            "keep one of them",
        )
