"""The terms: the rule set that both sides of an agreement accepted.

rules.py      the values: passes, fees, windows and closing times
calendar.py   business days
parse.py      strict reading; every refusal is an InputError TERMS_*
contradictions.py   what rules must not say together
explain.py    a rule set in words, and what could falsely confirm
canonical.py  terms -> JSON -> RFC 8785 bytes -> SHA-256
default.py    the documented defaults of `kanhe match`
"""

from reconcile.terms.calendar import Calendar, common_calendar
from reconcile.terms.canonical import canonical_terms, terms_hash, terms_json
from reconcile.terms.default import default_passes, default_terms
from reconcile.terms.explain import Said, explain, risks
from reconcile.terms.parse import parse_terms
from reconcile.terms.rules import (
    AmountRule,
    FeeSchedule,
    KeyPair,
    MatchPass,
    SubsetRule,
    Terms,
)

__all__ = [
    "AmountRule",
    "Calendar",
    "FeeSchedule",
    "KeyPair",
    "MatchPass",
    "Said",
    "SubsetRule",
    "Terms",
    "canonical_terms",
    "common_calendar",
    "default_passes",
    "default_terms",
    "explain",
    "parse_terms",
    "risks",
    "terms_hash",
    "terms_json",
]
