"""The terms of a scenario: the defaults, a rounding, and what its flavour opts in to."""

from __future__ import annotations

import enum
from typing import Any

from devnet.scenario.hard_cases import CUT, FEE_MINOR
from devnet.scenario.open_cases import ROUNDING_MINOR
from reconcile.model import AgreementKind, day_iso
from reconcile.terms import Calendar, Terms, default_terms, parse_terms, terms_json
from reconcile.terms.calendar import is_weekend


class Flavour(enum.StrEnum):
    """What a scenario holds: the usual cases, adversarial ones too, or those opted in to."""

    PLAIN = "plain"
    HARD = "hard"
    OPTED = "opted"


def scenario_calendar(flavour: Flavour, day: int) -> Calendar:
    """Return both sides' calendar: two holidays right before the day, a Sunday that is worked."""
    if flavour is Flavour.PLAIN:
        return Calendar()
    before = [day - back for back in range(1, 15)]
    holidays = tuple(sorted([item for item in before if not is_weekend(item)][:2]))
    worked = next(item for item in before if is_weekend(item) and item < holidays[0])
    return Calendar(holidays, (worked,))


def scenario_terms(
    kind: AgreementKind, flavour: Flavour = Flavour.PLAIN, calendar: Calendar | None = None
) -> Terms:
    """Return the defaults with a rounding; for branches the voucher; opted in where asked."""
    codes = ["CNY", "USD"] if kind is AgreementKind.BANK_ENTERPRISE else ["CNY"]
    body = terms_json(default_terms(codes))
    body["rounding_minor"] = str(ROUNDING_MINOR + 1)
    if kind is AgreementKind.HEAD_BRANCH:
        voucher = dict(body["passes"][0], name="voucher")
        key = dict(voucher["keys"][0], servicer="voucher_no", owner="voucher_no", min_length="6")
        body["passes"] = [dict(voucher, keys=[key]), *body["passes"]]
    if calendar is not None:
        days = {
            "holidays": [day_iso(day) for day in calendar.holidays],
            "working_weekends": [day_iso(day) for day in calendar.working_weekends],
        }
        body["calendar"] = {"servicer": days, "owner": days}
    if flavour is Flavour.OPTED:
        _opt_in(body)
    return parse_terms(body)


def _opt_in(body: dict[str, Any]) -> None:
    """Add what finds cut, embedded, split, net and summed payments."""
    rules = {rule["name"]: rule for rule in body["passes"]}
    e2e = rules["e2e"]
    e2e["fee"] = {"fixed_minor": str(FEE_MINOR)}
    rules["order"]["shape"] = ["1:1", "1:N", "N:1"]
    cut = dict(e2e["keys"][0], normalise=["trim", "upper", f"first({CUT})"], min_length=str(CUT))
    found = {
        "servicer": "remittance",
        "owner": "order_no",
        "normalise": ["upper", "extract(INV[0-9]+)"],
        "min_length": "8",
    }
    body["passes"] += [
        dict(e2e, name="cut", keys=[cut], fee=None),
        dict(rules["srvref"], name="embedded", keys=[found], guards=False),
        dict(rules["account"], name="sums", shape=["N:M"]),
    ]
