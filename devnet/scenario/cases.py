"""The special cases of a day, and which of them a relation's terms can find."""

from __future__ import annotations

from typing import Final

from devnet.scenario import group_cases, open_cases
from devnet.scenario.hard_cases import HARD_CASES
from devnet.scenario.rules import Flavour
from devnet.scenario.shapes import Make
from reconcile.model import AgreementKind

# In this order, so that a small scenario still holds one of each of the commonest.
CASES: Final[tuple[Make, ...]] = (
    open_cases.timing,
    open_cases.missing_at_owner,
    open_cases.missing_at_servicer,
    open_cases.amount,
    open_cases.duplicate,
    open_cases.fee,
    group_cases.one_to_many,
    open_cases.direction,
    open_cases.value_date,
    open_cases.reference,
    open_cases.timeout_pair,
    open_cases.twins,
    group_cases.many_to_one,
    open_cases.rounding,
    open_cases.status,
    open_cases.timeout_alone,
    open_cases.split,
    open_cases.returned,
    open_cases.reversal_orphan,
    open_cases.timing_stays,
    open_cases.stale,
    open_cases.amount_party,
    open_cases.name_only,
    group_cases.by_account,
    group_cases.by_account_alike,
    group_cases.by_servicer_ref,
    group_cases.same_key_twice,
    group_cases.reversed_pair,
)


def cases_of(kind: AgreementKind, flavour: Flavour = Flavour.PLAIN) -> tuple[Make, ...]:
    """Return the cases of a flavour that the terms of a relation can find.

    Adversarial ones come first, so that a small scenario holds them.
    """
    if flavour is not Flavour.PLAIN:
        assert kind is AgreementKind.BANK_ENTERPRISE, "the adversarial cases are a bank's"
        return HARD_CASES if flavour is Flavour.OPTED else (*HARD_CASES, *cases_of(kind))
    if kind is AgreementKind.BANK_ENTERPRISE:
        return (*CASES, open_cases.currency, group_cases.by_voucher)
    return CASES
