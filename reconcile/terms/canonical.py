"""Terms as JSON (interfaces.md, `terms.json`), as RFC 8785 bytes, as SHA-256."""

from __future__ import annotations

import hashlib
from typing import Any

from reconcile.canonical import canonical_json
from reconcile.model import day_iso
from reconcile.terms.calendar import Calendar
from reconcile.terms.rules import FeeSchedule, KeyPair, MatchPass, SubsetRule, Terms

MINUTES_PER_HOUR = 60


def terms_json(terms: Terms) -> dict[str, Any]:
    """Return every field, each integer as a decimal string."""
    return {
        "entry_format": str(terms.entry_format),
        "engine": terms.engine,
        "currencies": {code: str(digits) for code, digits in sorted(terms.currencies.items())},
        "utc_offset_min": [
            {"from": day_iso(day), "min": str(minutes)} for day, minutes in terms.utc_offset_min
        ],
        "calendar": {
            "servicer": _calendar_json(terms.servicer_calendar),
            "owner": _calendar_json(terms.owner_calendar),
        },
        "cut_off": _clock(terms.cut_off_min),
        "close_at": _clock(terms.close_at_min),
        "grace_days": str(terms.grace_days),
        "stale_after_days": str(terms.stale_after_days),
        "settlement_lag_days": str(terms.settlement_lag_days),
        "rounding_minor": str(terms.rounding_minor),
        "tolerance_budget_minor": str(terms.tolerance_budget_minor),
        "timeout_allowance_s": str(terms.timeout_allowance_s),
        "posting_interval_ms": str(terms.posting_interval_ms),
        "compression": terms.compression,
        "passes": [_pass_json(item) for item in terms.passes],
    }


def _calendar_json(calendar: Calendar) -> dict[str, list[str]]:
    return {
        "holidays": [day_iso(day) for day in calendar.holidays],
        "working_weekends": [day_iso(day) for day in calendar.working_weekends],
    }


def _clock(minutes: int) -> str:
    hours, rest = divmod(minutes, MINUTES_PER_HOUR)
    return f"{hours:02d}:{rest:02d}"


def _pass_json(rule: MatchPass) -> dict[str, Any]:
    return {
        "name": rule.name,
        "keys": [_key_json(pair) for pair in rule.keys],
        "amount": {
            "tolerance_minor": str(rule.amount.tolerance_minor),
            "tolerance_ppm": str(rule.amount.tolerance_ppm),
        },
        "fee": None if rule.fee is None else _fee_json(rule.fee),
        "value_date_days": str(rule.value_date_days),
        "shape": list(rule.shape),
        "confirm": rule.confirm,
        # Only where there is a search: terms accepted before there was one keep their hash.
        **({} if rule.subset is None else {"subset": _subset_json(rule.subset)}),
        # Only where it guards, for the same reason.
        **({"guards": True} if rule.guards else {}),
    }


def _subset_json(subset: SubsetRule) -> dict[str, str]:
    return {
        "max_states": str(subset.max_states),
        "max_parts": str(subset.max_parts),
        "max_solutions": str(subset.max_solutions),
    }


def _key_json(pair: KeyPair) -> dict[str, Any]:
    return {
        "servicer": pair.servicer,
        "owner": pair.owner,
        "normalise": list(pair.normalise),
        "min_length": str(pair.min_length),
    }


def _fee_json(fee: FeeSchedule) -> dict[str, Any]:
    return {
        "rate_ppm": str(fee.rate_ppm),
        "fixed_minor": str(fee.fixed_minor),
        "cap_minor": None if fee.cap_minor is None else str(fee.cap_minor),
        "rounding": fee.rounding,
    }


def canonical_terms(terms: Terms) -> bytes:
    """Return the RFC 8785 bytes that are sealed and hashed."""
    return canonical_json(terms_json(terms))


def terms_hash(terms: Terms) -> bytes:
    """Return SHA-256 of the canonical bytes."""
    return hashlib.sha256(canonical_terms(terms)).digest()
