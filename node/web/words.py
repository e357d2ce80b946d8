"""The desk's words: states, kinds of break from the reader's side, and what is known in a sentence.

The report knows no "ours" (matching.md, "Breaks"): here `MISSING_AT_OWNER` becomes 长款 for the
owner and 短款 for the servicer. The report's own word stands beside it in small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from node.web.i18n import Speaker
from reconcile.model import AgreementKind, BreakKind, Carrier, Direction, Entry, EntryStatus, Side

Translate = Callable[[str], str]


def N_(message: str) -> str:  # noqa: N802 - gettext's customary name for "mark, translate later"
    """Mark a message for the catalogue."""
    return message


@dataclass(frozen=True, slots=True)
class State:
    """A state as word + shape + colour: `tone` chooses colour, `shape` the small drawing."""

    word: str
    tone: str
    shape: str


STATES: Final[Mapping[str, State]] = {
    "OPEN": State(N_("open"), "idle", "ring"),
    "PROVISIONAL": State(N_("matching live"), "info", "half"),
    "CLOSED_BY_US": State(N_("waiting for them to close"), "warn", "clock"),
    "CLOSED_BY_THEM": State(N_("they closed, we have not"), "warn", "clock"),
    "NOT_COMPUTED": State(N_("not compared: refused"), "bad", "bang"),
    "CLOSED": State(N_("closed by both"), "info", "half"),
    "PROVEN": State(N_("ready to sign"), "warn", "pen"),
    "ATTESTED": State(N_("signed, waiting for them"), "info", "clock"),
    "AWAITING_US": State(N_("waiting for our signature"), "warn", "pen"),
    "AGREED": State(N_("agreed"), "good", "check"),
    "DIFFERS": State(N_("results differ"), "bad", "cross"),
    "UNANSWERED": State(N_("unanswered, overdue"), "bad", "clock"),
    "ONE_SIDED": State(N_("one side signed, as agreed"), "good", "check"),
    # vouchers from branch to branch
    "ORIGINATED": State(N_("sent by the branch"), "warn", "clock"),
    "AT_HEAD": State(N_("at head office"), "info", "half"),
    "RECEIVED": State(N_("received"), "good", "check"),
    "IRREGULAR": State(N_("irregular"), "bad", "bang"),
    # agreements
    "OFFERED": State(N_("offered"), "warn", "clock"),
    "ACTIVE": State(N_("active"), "good", "dot"),
    "ENDING": State(N_("ending"), "warn", "clock"),
    "ENDED": State(N_("ended"), "idle", "ring"),
    "OPENED": State(N_("offered"), "warn", "clock"),
    # outbox, transactions, batches, entries
    "WAITING": State(N_("waiting"), "info", "ring"),
    "SIGNED": State(N_("signed"), "info", "half"),
    "SENT": State(N_("sent"), "info", "half"),
    "MINED": State(N_("in a block"), "info", "half"),
    "FINAL": State(N_("final"), "good", "check"),
    "DONE": State(N_("done"), "good", "check"),
    "HELD": State(N_("held"), "bad", "bang"),
    "DISCARDED": State(N_("discarded"), "idle", "cross"),
    "REFUSED": State(N_("refused for good"), "bad", "cross"),
    "REVERTED": State(N_("refused by the ledger"), "bad", "cross"),
    "REPLACED": State(N_("replaced"), "idle", "ring"),
    "ADOPTED": State(N_("adopted"), "info", "half"),
    "QUEUED": State(N_("queued"), "idle", "ring"),
    "SEALED": State(N_("sealed"), "info", "half"),
    "POSTED": State(N_("posted"), "good", "check"),
    "VALID": State(N_("valid"), "good", "check"),
    "INVALID": State(N_("excluded by both"), "bad", "cross"),
    # keys
    "PUBLISHED": State(N_("published, not acknowledged yet"), "warn", "clock"),
    "ACKNOWLEDGED": State(N_("acknowledged"), "good", "check"),
    "REJECTED": State(N_("rejected"), "bad", "cross"),
    "CANCELLED": State(N_("cancelled"), "idle", "ring"),
    # members, motions, drafts
    "SUSPENDED": State(N_("suspended"), "bad", "cross"),
    "REVOKED": State(N_("revoked"), "bad", "cross"),
    "EXECUTED": State(N_("executed"), "good", "check"),
    "EXPIRED": State(N_("expired"), "idle", "ring"),
    "DRAFTED": State(N_("waiting for a checker"), "warn", "clock"),
    "APPROVED": State(N_("approved"), "good", "check"),
    "WITHDRAWN": State(N_("withdrawn"), "idle", "ring"),
    # decisions on the ledger
    "DECISION_WAITING": State(N_("waiting for the other side"), "warn", "clock"),
    "DECISION_PENDING": State(N_("both decided, takes effect in the next run"), "info", "half"),
    "DECISION_EFFECTIVE": State(N_("in effect"), "good", "check"),
    "DECISION_VOID": State(N_("without effect"), "idle", "ring"),
}

KINDS: Final[Mapping[BreakKind, str]] = {
    BreakKind.SPLIT: N_("One against several, sums differ"),
    BreakKind.CURRENCY: N_("Currency differs"),
    BreakKind.DIRECTION: N_("Direction differs"),
    BreakKind.TIMEOUT: N_("Timed out, outcome not known"),
    BreakKind.STATUS: N_("Status differs"),
    BreakKind.FEE: N_("Fee difference"),
    BreakKind.ROUNDING: N_("Rounding difference"),
    BreakKind.AMOUNT: N_("Amount differs"),
    BreakKind.VALUE_DATE: N_("Value date differs"),
    BreakKind.REFERENCE: N_("Reference differs"),
    BreakKind.PARTY: N_("Counterparty differs"),
    BreakKind.REVERSAL_ORPHAN: N_("Reversal without its original"),
    BreakKind.RETURN: N_("Return booked on one side"),
    BreakKind.DUPLICATE: N_("Booked twice"),
    BreakKind.TIMING: N_("In transit"),
    BreakKind.MISSING_AT_OWNER: N_("Missing at the owner"),
    BreakKind.MISSING_AT_SERVICER: N_("Missing at the servicer"),
    BreakKind.BALANCE: N_("Balance does not hold"),
    BreakKind.STATEMENT_GAP: N_("Statement missing"),
    BreakKind.COMMITMENT: N_("Fingerprint differs"),
    BreakKind.LEDGER_ONLY: N_("On the ledger, not in the book"),
    BreakKind.BOOK_ONLY: N_("In the book, not on the ledger"),
}
LONG: Final = N_("Long: they have it, we don't")
SHORT: Final = N_("Short: we have it, they don't")

MARKS: Final[Mapping[str, str]] = {
    "LATE": N_("late"),
    "STALE": N_("overdue"),
    "NOT_THERE": N_("other side has spoken without this entry"),
}
AGREEMENT_KINDS: Final[Mapping[AgreementKind, str]] = {
    AgreementKind.BANK_ENTERPRISE: N_("bank–enterprise"),
    AgreementKind.HEAD_BRANCH: N_("head office–branch"),
    AgreementKind.CLEARING: N_("clearing"),
}
STATUSES: Final[Mapping[EntryStatus, str]] = {
    EntryStatus.BOOKED: N_("booked"),
    EntryStatus.PENDING: N_("pending"),
    EntryStatus.TIMED_OUT: N_("timed out"),
    EntryStatus.VOID: N_("void"),
    EntryStatus.RETURNED: N_("returned"),
    EntryStatus.REVERSED: N_("reversed"),
}
CARRIERS: Final[Mapping[str, str]] = {
    "end_to_end_id": N_("End-to-end id"),
    "instruction_id": N_("Instruction id"),
    "transaction_id": N_("Transaction id"),
    "uetr": "UETR",
    "servicer_ref": N_("Servicer's reference"),
    "voucher_no": N_("Voucher no."),
    "order_no": N_("Order no."),
    "trace_no": N_("Trace no."),
    "rrn": "RRN",
}
BASES: Final[Mapping[str, str]] = {
    "STATED": N_("stated by the source"),
    "RUNNING": N_("running beside each line"),
    "DERIVED": N_("only derived"),
}
ROLES: Final[Mapping[str, str]] = {
    "viewer": N_("viewer"),
    "maker": N_("maker"),
    "checker": N_("checker"),
    "operator": N_("operator"),
    "auditor": N_("auditor"),
    "teller": N_("teller"),
}
TODO_BY_KIND: Final[Mapping[BreakKind, str]] = {
    BreakKind.SPLIT: N_("Wait for the missing part, or confirm the group by hand with a reason."),
    BreakKind.CURRENCY: N_(
        "Find out which book has the wrong currency; reverse and book it again."
    ),
    BreakKind.DIRECTION: N_(
        "Find out which book has the wrong direction; reverse and book it again."
    ),
    BreakKind.TIMEOUT: N_("Do nothing twice: the other side's entry or closing decides it."),
    BreakKind.STATUS: N_("Ask which status holds and amend the entry that is wrong."),
    BreakKind.FEE: N_("Book the fee, or propose to write it off."),
    BreakKind.ROUNDING: N_("Propose to write off the rounding."),
    BreakKind.AMOUNT: N_(
        "Compare the vouchers; adjust the book that is wrong, or propose a write-off."
    ),
    BreakKind.VALUE_DATE: N_("Agree on the value date and amend it, or confirm the pair by hand."),
    BreakKind.REFERENCE: N_(
        "Compare both entries; if they are one payment, propose to confirm them."
    ),
    BreakKind.PARTY: N_("Check name and account against the voucher before confirming the pair."),
    BreakKind.REVERSAL_ORPHAN: N_("Look for the original in earlier windows; else handle by hand."),
    BreakKind.RETURN: N_("The side that lacks the return books it."),
    BreakKind.DUPLICATE: N_("Reverse the extra entry at the side that booked it twice."),
    BreakKind.TIMING: N_("Nothing to do yet: it is carried and ages in business days."),
    BreakKind.BALANCE: N_("Ask for the statement whose balance does not follow."),
    BreakKind.STATEMENT_GAP: N_("Ask for the missing statement and import it."),
}
TODO_BY_STATE: Final[Mapping[str, str]] = {
    "PROVEN": N_("Look at the breaks, then sign the result."),
    "AWAITING_US": N_("They have signed: look at the breaks, then sign."),
    "DIFFERS": N_("Compare the sections of both results; the window page names where they differ."),
    "UNANSWERED": N_("Ask the other side why it has not signed."),
    "CLOSED_BY_THEM": N_("Import what is missing, then close our side."),
    "NOT_COMPUTED": N_("Its page says why it is not compared, and what to do."),
}
DRAFTS: Final[Mapping[str, str]] = {
    "decision": N_("Decision on a break"),
    "discard": N_("Giving up held records"),
    "closing": N_("Closing of a window"),
    "attestation": N_("Signature of a result"),
    "terms": N_("Change of terms"),
    "agreement": N_("New agreement"),
    "motion": N_("Motion of the members"),
    "key": N_("Change of keys"),
}
#: What happened to an agreement, by the name of the ledger's event.
EVENTS: Final[Mapping[str, str]] = {
    "AgreementOpened": N_("proposed"),
    "AgreementActivated": N_("accepted by the other side"),
    "AgreementWithdrawn": N_("proposal withdrawn"),
    "AgreementEnded": N_("ended"),
    "EndNotice": N_("notice to end it"),
    "EpochKeyPublished": N_("a side published its key for an epoch"),
    "EpochKeyAcknowledged": N_("the other side opened that key"),
    "EpochKeyRejected": N_("the other side could not open that key"),
    "SealingKeyPublished": N_("a party published the key it is sealed to"),
    "TermsProposed": N_("new terms proposed"),
    "TermsChanged": N_("new terms accepted"),
    "WindowClosed": N_("a side closed a window"),
    "ResultAttested": N_("a side signed a result"),
    "ResultAgreed": N_("a window is agreed"),
}
VERDICTS: Final[Mapping[str, str]] = {
    "confirm": N_("confirm: one payment"),
    "reject": N_("reject: two payments"),
    "write_off": N_("write off"),
    "unmatch": N_("unmatch"),
}
VOID_REASONS: Final[Mapping[str, str]] = {
    "REFS": N_("it names no entries, or one twice"),
    "SUBJECT": N_("it is about something else than its entries"),
    "NO_GROUP": N_("its entries are no matched group"),
    "NOT_OPEN": N_("not all of its entries are open"),
    "NOT_MOVING": N_("an entry moves no balance"),
    "CURRENCIES": N_("its entries have several currencies"),
    "VERDICT": N_("its verdict is not known"),
    "SAME_PREVIOUS": N_("both sides posted two that exclude each other"),
    "OTHER_PREVIOUS": N_("it does not follow the last effective one"),
}
PROPOSAL_REASONS: Final[Mapping[str, str]] = {
    "AMBIGUOUS": N_("several candidates fit equally well"),
    "NEVER_CONFIRMED": N_("this pass only proposes"),
    "BUDGET_EXCEEDED": N_("the tolerances together exceed what the terms allow"),
    "SEARCH_EXHAUSTED": N_("the search ended at its limit"),
}
TRIED: Final[Mapping[str, str]] = {
    "NO_KEY": N_("key missing"),
    "NO_COUNTERPART": N_("no counterpart"),
    "KEY_DIFFERS": N_("key differs"),
    "CURRENCY_DIFFERS": N_("currency differs"),
    "AMOUNT_DIFFERS": N_("amount differs"),
    "TOO_FAR": N_("dates too far apart"),
    "NOT_CONFIRMED": N_("agrees, a person confirms"),
    "TOLD_APART": N_("a reference tells them apart"),
    "SETTLED_OTHERWISE": N_("agrees, another was first"),
}
FIELDS: Final[Mapping[str, str]] = {
    "group_ref": N_("Group"),
    "counterparty_account": N_("Counterparty's account"),
    "counterparty_name": N_("Counterparty"),
    "remittance": N_("Remittance"),
}
TODO_LONG: Final = N_(
    "Book it late if it is ours, put it in suspense, or send a query to the other side.",
)
TODO_SHORT: Final = N_("Ask the other side to book it, or reverse our entry if it never happened.")


def held_words(held: int, speaker: Speaker) -> str:
    """Say that so many own records are held for a window and stay behind when it is closed."""
    return speaker.ngettext(
        "%(number)s record of ours is held for this window or an earlier one and not part of it.",
        "%(number)s records of ours are held for this window or an earlier one and not part of it.",
        held,
    ) % {"number": speaker.count(held)}


def state(word: str) -> State:
    """Return the state's word, tone and shape; an unknown word is shown as it is."""
    return STATES.get(word, State(word.lower().replace("_", " "), "idle", "ring"))


def is_long(kind: BreakKind, ours: Side | None) -> bool | None:
    """Say whether a one-sided break is 长款 (True) or 短款 (False) for the reader; else None."""
    if ours is None or kind not in {BreakKind.MISSING_AT_OWNER, BreakKind.MISSING_AT_SERVICER}:
        return None
    return (kind is BreakKind.MISSING_AT_OWNER) == (ours is Side.OWNER)


def kind_title(kind: BreakKind, ours: Side | None, translate: Translate) -> str:
    """Return the kind in the reader's words."""
    long = is_long(kind, ours)
    if long is None:
        return translate(KINDS[kind])
    return translate(LONG if long else SHORT)


def to_do(kind: BreakKind, ours: Side | None, translate: Translate) -> str:
    """Return what one can do now about a break of this kind."""
    long = is_long(kind, ours)
    if long is not None:
        return translate(TODO_LONG if long else TODO_SHORT)
    return translate(TODO_BY_KIND.get(kind, TODO_BY_KIND[BreakKind.STATUS]))


def reference_words(entry: Entry, translate: Translate) -> str:
    """Return the reference a person would quote: `End-to-end id X`, else the entry's own ref."""
    if entry.references:
        number, text = entry.references[0]
        return f"{translate(CARRIERS[Carrier(number).word])} {text}"
    return entry.entry_ref


def way_words(direction: Direction, translate: Translate) -> str:
    """Return which way money went, as the desk says it."""
    incoming = direction is Direction.IN
    return translate("into the account") if incoming else translate("out of the account")


def booked_words(who: str, entry: Entry, speaker: Speaker) -> str:
    """Return `<who> booked ¥ 3,120.00 out on 21 Nov 2026 under End-to-end id …`."""
    translate = speaker.gettext
    incoming = entry.direction is Direction.IN
    pattern = (
        translate("%(who)s booked %(money)s into the account on %(day)s under %(reference)s")
        if incoming
        else translate("%(who)s booked %(money)s out of the account on %(day)s under %(reference)s")
    )
    return pattern % {
        "who": who,
        "money": speaker.money(entry.amount_minor, entry.currency),
        "day": speaker.day(entry.booking_date),
        "reference": reference_words(entry, translate),
    }


def known_sentence(
    servicer: tuple[Entry, ...],
    owner: tuple[Entry, ...],
    ours: Side | None,
    names: tuple[str, str],
    speaker: Speaker,
) -> str:
    """Say in one sentence what is known of a break, from the reader's side.

    `names` are the servicer's and the owner's, used where the reader is neither.
    """
    translate = speaker.gettext
    books = {Side.SERVICER: servicer, Side.OWNER: owner}
    who = {side: names[side] for side in Side}
    if ours is not None:
        who = {ours: translate("we"), ours.other: translate("they")}
    order = [ours.other, ours] if ours is not None else [Side.SERVICER, Side.OWNER]
    said = [_book_words(who[side], books[side], speaker) for side in order if books[side]]
    if not said:
        return translate("No entry is named: a balance or a statement does not follow.")
    silent = [side for side in order if not books[side]]
    if silent:
        nothing = (
            translate("we have nothing")
            if silent[0] is ours
            else translate("they have nothing")
            if ours is not None
            else translate("%(who)s has nothing") % {"who": who[silent[0]]}
        )
        said.append(nothing)
    text = translate("; ").join(said) + translate(".")
    return text[0].upper() + text[1:]


def _book_words(who: str, entries: tuple[Entry, ...], speaker: Speaker) -> str:
    if len(entries) == 1:
        return booked_words(who, entries[0], speaker)
    currency = entries[0].currency
    total = sum(entry.signed_minor for entry in entries if entry.currency == currency)
    return speaker.gettext("%(who)s booked %(count)s entries, together %(money)s") % {
        "who": who,
        "count": speaker.count(len(entries)),
        "money": speaker.money(total, currency),
    }


# What a person may be told at the door, before any other language is known.
AT_THE_DOOR: Final = (
    N_("login and password do not go together"),
    N_("too many wrong passwords: this person is locked for a while"),
    N_("wait a quarter of an hour or ask an operator for a one-time link"),
    N_("this one-time link was used, has expired or never was"),
    N_("ask an operator for a new one (`kanhe login add` prints one)"),
    N_("a password has at least 12 characters"),
    N_("a sentence is easiest to remember"),
    N_("try again"),
    N_("this form is too old"),
    N_("too many log-ins have failed from where you are"),
    N_("wait a while, then try again"),
)
