"""A row's facts, completed by what is stated, become a checked listing or a refusal.

The checks come in one order, so that a row has one reason: identifier, reason and product, bands
and month, action, notice, consent, then what `node.screening.listings` refuses.
"""

from __future__ import annotations

from typing import Final

from node.intake.drafts import Checked, Facts, Origin, Refused, Stated
from node.screening.identifiers import IdType, read_identifier
from node.screening.listings import (
    OVERDUE_M3_BAND,
    POLICY_VERSION,
    SCHEMA,
    Listing,
    ProofLevel,
    Reason,
    check_listing,
)
from node.screening.profiles import profile_of
from reconcile.model import ZERO32, InputError, Where

_NEEDED: Final = (
    ("reason", "ROW_NO_REASON", "does not say why the person is listed"),
    ("product", "ROW_NO_PRODUCT", "does not say which business it concerns"),
    ("amount_band", "ROW_NO_AMOUNT", "has neither an amount nor an amount band"),
    ("days_past_due_band", "ROW_NO_DAYS", "has neither days past due nor their band"),
    ("event_month", "ROW_NO_MONTH", "does not say in which month it happened"),
    ("action", "LISTING_NO_ACTION", "does not say what the uploader itself did"),
    ("notice_at", "LISTING_NO_NOTICE", "does not say when the person was told"),
    ("notice_hash", "LISTING_NO_NOTICE", "has no hash of the notice to the person"),
    ("consent", "LISTING_NO_CONSENT", "has no hash of what the person agreed to"),
)


def complete(line: int, id_text: str, facts: Facts, origin: Origin, stated: Stated) -> (
    Checked | Refused
):  # fmt: skip
    """Return what may be listed, or the first reason why it may not.

    `id_text` is the plain identifier; no message repeats it.
    """
    whole = facts.over(stated.facts)
    if whole.id_type is None:
        return _refuse(line, "id_type", "ROW_NO_ID_TYPE", "does not say which identifier it is")
    if not id_text.strip():
        return _refuse(line, "identifier", "IDENTIFIER_MISSING", "has no identifier")
    try:
        identifier = read_identifier(whole.id_type, id_text, allow_test=stated.allow_test)
        _require_facts(whole)
        listing = _listing(whole, whole.id_type, stated)
        check_listing(listing, posted_day=stated.posted_day)
    except InputError as error:
        column = "identifier" if error.code.startswith("IDENTIFIER_") else error.where.field
        return Refused(line, column, error.code, error.message, error.help)
    return Checked(line, identifier, listing, origin, whole.evidence)


def _require_facts(facts: Facts) -> None:
    for name, code, says in _NEEDED:
        if getattr(facts, name) is None:
            raise _input_error(name, code, says)
    if facts.reason is Reason.OVERDUE_M3 and (facts.days_past_due_band or 0) < OVERDUE_M3_BAND:
        says = "is listed as overdue from M3 on and is overdue for fewer days"
        raise _input_error("days_past_due_band", "ROW_NOT_OVERDUE", says)


def _listing(facts: Facts, id_type: IdType, stated: Stated) -> Listing:
    """Build the statement; its own id, evidence root and commitment come with the draft."""
    assert facts.reason is not None, "required before"
    assert facts.product is not None, "required before"
    assert facts.amount_band is not None, "required before"
    assert facts.days_past_due_band is not None, "required before"
    assert facts.event_month is not None, "required before"
    assert facts.notice_at is not None, "required before"
    assert facts.consent is not None, "required before"
    if facts.notice_at > stated.posted_day:
        # No day that follows from it would be one: what is asked for is another notice.
        says = "says that the person is told after it is posted"
        raise _input_error("notice_at", "LISTING_NOTICE_AHEAD", says)
    profile = profile_of(stated.policy)
    # The first day that the law allows, where nobody names a later one.
    lawful = max(stated.posted_day, facts.notice_at + profile.notice_days)
    effective = lawful if facts.effective_from is None else facts.effective_from
    latest = effective + profile.retention_days
    return Listing(
        schema=SCHEMA,
        entry_id=ZERO32,
        uploader=stated.uploader,
        id_type=id_type,
        reason=facts.reason,
        product=facts.product,
        amount_band=facts.amount_band,
        days_past_due_band=facts.days_past_due_band,
        event_month=facts.event_month,
        effective_from=effective,
        expires_at=latest if facts.expires_at is None else facts.expires_at,
        action=facts.action,
        # Who claims no more is believed no more.
        proof_level=ProofLevel.STATED if facts.proof_level is None else facts.proof_level,
        evidence_root=ZERO32,
        notice_at=facts.notice_at,
        notice_hash=facts.notice_hash,
        consent=facts.consent,
        supersedes=None,
        policy=stated.policy,
        policy_version=POLICY_VERSION,
        commitment=ZERO32,
    )


def _refuse(line: int, column: str, code: str, says: str) -> Refused:
    error = _input_error(column, code, says)
    return Refused(line, column, code, error.message, error.help)


def _input_error(column: str, code: str, says: str) -> InputError:
    option = column.replace("_", "-")
    return InputError(
        code,
        f"the row {says}",
        where=Where(field=column),
        help=f"add the column {column}, or state it for every row with --{option} or in the map",
    )
