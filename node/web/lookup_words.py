"""The words of lookups on the desk: outcomes, purposes, why a node refused, index versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from node.web.words import N_, State

if TYPE_CHECKING:
    from node.services.lookups import LookupView

OUTCOMES: Final[Mapping[str, State]] = {
    "HIT": State(N_("hit: an entry stands"), "warn", "bang"),
    "SUSPENDED": State(N_("suspended: counts against nobody"), "info", "half"),
    "PROTECTED": State(N_("protects the person"), "good", "check"),
    "MISS": State(N_("nothing stands"), "good", "check"),
}
PURPOSES: Final[Mapping[str, str]] = {
    "CREDIT": N_("credit"),
    "ACCOUNT": N_("opening an account"),
    "GUARANTEE": N_("guarantee"),
    "MONITORING": N_("monitoring"),
    "MERCHANT": N_("merchant"),
    "OWN_RECORD": N_("her own record"),
    "LISTING": N_("being listed on the blacklist"),
}
VERSIONS: Final[Mapping[str, State]] = {
    "CUT": State(N_("cut, not signed yet"), "info", "half"),
    "PUBLISHED": State(N_("published, may be challenged"), "info", "half"),
    "LIVE": State(N_("live, read by members"), "good", "check"),
    "REPLACED": State(N_("replaced by a newer one"), "idle", "ring"),
    "CHALLENGED": State(N_("challenged"), "warn", "bang"),
}
#: Why a lookup was refused, by the code that its reader was told.
REFUSALS: Final[Mapping[str, str]] = {
    "CONSENT_NOT_RECORDED": N_("no consent to it is on the ledger"),
    "CONSENT_REVOKED": N_("the consent was revoked"),
    "CONSENT_EXPIRED": N_("the consent has expired"),
    "CONSENT_NOT_YET": N_("the consent is not valid yet"),
    "CONSENT_FOREIGN": N_("the consent is for another member"),
    "CONSENT_PURPOSE": N_("the consent is for another purpose"),
    "CONSENT_SCOPE": N_("the consent does not reach that far"),
    "CONSENT_LEVEL": N_("a query about herself is signed by the person"),
    "CONSENT_REPLAYED": N_("the consent was used for another element"),
    "CONSENT_OTHER_ELEMENT": N_("the consent was signed for another element"),
    "CONSENT_SIGNATURE": N_("the consent is not signed by whom it names"),
    "CONSENT_CERTIFICATE": N_("the consent's certificate does not hold"),
    "EVALUATION_SIGNATURE": N_("the request is not signed by its member"),
    "TICKET_UNKNOWN": N_("the ticket was not bought by this member"),
    "TICKET_KIND": N_("the ticket is for something else"),
    "TICKET_OTHER_ELEMENT": N_("the ticket was used for another element"),
    "DAILY_CAP_REACHED": N_("the day's share is spent"),
    "ENTRY_FOREIGN": N_("the entry is not this member's"),
    "ENTRY_NOT_LIVE": N_("the entry is over"),
    "KEY_EPOCH_NOT_USABLE": N_("the key epoch is over"),
    "MEMBER_NOT_ACTIVE": N_("the member is not active"),
    "OPRF_BELOW_THRESHOLD": N_("too few nodes of the committee answered"),
    "OPRF_ELEMENT_IDENTITY": N_("the element hides nobody"),
    "OPRF_ELEMENT_MALFORMED": N_("the element is none"),
    "INDEX_UNREACHABLE": N_("no replica showed the index rightly"),
    "RECORD_FALSE": N_("a false record stands beside the person"),
    "RECORD_NOT_LISTED": N_("the index holds a statement that the ledger does not"),
    "POINTS_SHORT": N_("no points for a ticket"),
    "TICKETS_NONE": N_("no free ticket"),
}


def lookup_state(row: LookupView) -> State:
    """Return where a lookup stands, in words."""
    if row.outcome is not None:
        return OUTCOMES.get(row.outcome, State(row.outcome.lower(), "idle", "ring"))
    if row.refusal is not None:
        return State(N_("refused"), "bad", "cross")
    if row.state == "PREPARED":
        return State(N_("waits for a consent"), "info", "ring")
    return State(N_("may be looked up"), "info", "half")


def version_state(word: str) -> State:
    """Return where a version of the index stands, in words."""
    return VERSIONS.get(word, State(word.lower(), "idle", "ring"))


def refusal_words(code: str) -> str:
    """Return why something was refused; a code that has no words is shown as it is."""
    return REFUSALS.get(code, code)
