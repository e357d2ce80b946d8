"""The blacklist's words on the desk: states, phases, verdicts, reasons and what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from node.screening.consents import Scope
from node.screening.notices import Notice, Occasion
from node.screening.points import AUDIT_FINE, MICRO
from node.screening.states import Stage
from node.web.i18n import decimal_text
from node.web.words import N_, State
from reconcile.model import day_iso

if TYPE_CHECKING:
    from node.services.screening import Step
    from node.services.screening.views import Check

Translate = Callable[[str], str]
#: Micro-points in a point.
POINT_DIGITS: Final = 6
AUDIT_FINE_POINTS: Final = AUDIT_FINE // MICRO

ENTRY_STATES: Final[Mapping[str, State]] = {
    "WAITING": State(N_("waiting"), "info", "ring"),
    "REFUSED": State(N_("refused for good"), "bad", "cross"),
    "TAKEN": State(N_("id taken by another"), "bad", "cross"),
    "TICKETED": State(N_("staked, not evaluated yet"), "info", "half"),
    "LAPSED": State(N_("ticket lapsed"), "idle", "ring"),
    "UNTAGGED": State(N_("without a leaf in this key epoch"), "warn", "clock"),
    "LISTED": State(N_("listed"), "info", "dot"),
    "DISPUTED": State(N_("disputed"), "warn", "bang"),
    "SUSPENDED": State(N_("suspended"), "warn", "cross"),
    "CORRECTED": State(N_("corrected"), "idle", "ring"),
    "REMOVED": State(N_("removed"), "idle", "cross"),
    "EXPIRED": State(N_("expired"), "idle", "ring"),
    "ERASED": State(N_("erased"), "idle", "ring"),
}

PHASES: Final[Mapping[str, State]] = {
    "OPEN": State(N_("waiting for the uploader's answer"), "warn", "clock"),
    "UNANSWERED": State(N_("not answered in time"), "bad", "clock"),
    "ANSWERED": State(N_("answered, may be contested"), "info", "half"),
    "ACCEPTED": State(N_("answer accepted"), "good", "check"),
    "COMMIT": State(N_("panel votes, hidden"), "info", "pen"),
    "REVEAL": State(N_("panel opens its votes"), "info", "pen"),
    "DECIDED": State(N_("panel has decided"), "good", "check"),
    "REGULATOR": State(N_("waiting for the regulator"), "warn", "clock"),
    "UNDECIDED": State(N_("nobody decided in time"), "bad", "clock"),
    "SETTLED": State(N_("settled"), "good", "check"),
}

#: What a phase means, and what follows from it.
PHASE_SAYS: Final[Mapping[str, str]] = {
    "OPEN": N_(
        "The uploader answers first. Unanswered, the entry is suspended by time alone, and over "
        "90 days later."
    ),
    "UNANSWERED": N_(
        "The uploader did not answer in time: the dispute is settled by itself, and the entry "
        "ends 90 days after it was suspended."
    ),
    "ANSWERED": N_(
        "The answer stands unless who raised the dispute, or another for the person, takes it "
        "to the panel."
    ),
    "ACCEPTED": N_("Nobody took the answer to the panel in time: it is settled by itself."),
    "COMMIT": N_("The panel votes; votes stay hidden until all of them are opened."),
    "REVEAL": N_("The panel's nodes open their votes; who does not open one owes a fine."),
    "DECIDED": N_("The panel has decided: the outcome is settled by itself."),
    "REGULATOR": N_("No panel decided: the regulator gives the verdict."),
    "UNDECIDED": N_(
        "No panel decided and the regulator is a party: the entry is suspended and over "
        "90 days later, stakes return, and it counts for and against nobody."
    ),
    "SETTLED": N_("The dispute is over."),
}

VERDICTS: Final[Mapping[str, str]] = {
    "UPHELD": N_("upheld"),
    "CORRECTED": N_("corrected"),
    "REMOVED": N_("removed"),
    "UNVERIFIABLE": N_("unverifiable"),
    "TIMED_OUT": N_("timed out"),
    "UNDECIDED": N_("nobody decided"),
}

REASONS: Final[Mapping[str, str]] = {
    "OVERDUE_M3": N_("overdue by three months or more"),
    "CHARGED_OFF": N_("charged off"),
    "APPLICATION_FRAUD": N_("application fraud"),
    "IDENTITY_STOLEN": N_("identity stolen: protects the person"),
    "MULE_ACCOUNT": N_("mule account"),
    "COLLATERAL_FRAUD": N_("collateral fraud"),
    "MERCHANT_COLLUSION": N_("merchant collusion"),
    "COURT_CONFIRMED": N_("confirmed by a court"),
}

PRODUCTS: Final[Mapping[str, str]] = {
    "CARD": N_("card"),
    "CONSUMER_LOAN": N_("consumer loan"),
    "MORTGAGE": N_("mortgage"),
    "BUSINESS_LOAN": N_("business loan"),
    "GUARANTEE": N_("guarantee"),
    "ACCOUNT": N_("account"),
    "ACQUIRING": N_("acquiring"),
}

PROOF_LEVELS: Final[Mapping[str, str]] = {
    "STATED": N_("stated by the uploader"),
    "DOCUMENTED": N_("documented"),
    "ADJUDICATED": N_("adjudicated by a court or authority"),
}

#: How a consent was given; the numbers are the ledger's.
CONSENT_LEVELS: Final[Mapping[int, str]] = {
    1: N_("recorded by the institution"),
    2: N_("signed by a CA's certificate"),
    3: N_("signed by the person"),
}

#: Why no record of what an entry rests on is shown.
CONSENT_STATES: Final[Mapping[str, str]] = {
    "WAITING": N_("its record waits for the ledger"),
    "UNRECORDED": N_("named by the statement alone, not recorded on the ledger"),
    "UNREAD": N_("not known here: the statement was not read, or was destroyed"),
}

#: How far a lookup's consent goes.
SCOPES: Final[Mapping[Scope, str]] = {
    Scope.HIT: N_("whether there is an entry"),
    Scope.RECORD: N_("what it says"),
    Scope.EVIDENCE: N_("what stands behind it"),
}

CHECKS: Final[Mapping[str, str]] = {
    "statement": N_("statement and ledger"),
    "signature": N_("signature"),
    "notice": N_("notice to the person"),
    "not back-dated": N_("not back-dated"),
    "commitment": N_("commitment"),
}

#: Details of a check, by what is said: the service's own words (`checking.SAYS`).
CHECK_SAYS: Final[Mapping[str, str]] = {
    "UNREAD": N_("this node never read the statement, or destroyed it"),
    "LEDGER_DIFFERS": N_("the ledger says otherwise of: %(fields)s"),
    "LEDGER_AGREES": N_("it says of itself what the ledger says of the entry"),
    "NO_SIGNATURE": N_("the signature is none"),
    "NOT_THEIR_KEY": N_("%(key)s is no key of member %(member)s"),
    "NOT_APPROVER": N_("%(key)s was no approver's key in block %(block)s"),
    "SIGNED_LOST": N_("valid, by %(key)s; its owner says that it was in other hands by then"),
    "SIGNED": N_("valid, by %(key)s, an approver's key of the uploader then"),
    "NOTICE": N_("days from the notice to the effect: %(days)s; needed: %(needed)s"),
    "PERIOD": N_("posted on %(posted)s, in effect from %(effective)s"),
    "OPENS": N_("it opens to the identifier and the statement kept here"),
    "OPENS_NOT": N_("it does not open to the identifier and the statement kept here"),
}

#: Whom a profile asks to notify, and of what.
NOTICES: Final[Mapping[Notice, str]] = {
    Notice("person", Occasion.LISTED): N_("the person, of the entry, before it is posted"),
    Notice("person", Occasion.RAISED): N_("the person, that her entry is disputed"),
    Notice("furnisher", Occasion.RAISED): N_(
        "the uploader that furnished the entry, of the dispute"
    ),
    Notice("person", Occasion.ANSWERED): N_("the person, of the answer and how it is contested"),
    Notice("person", Occasion.SETTLED): N_("the person, of the outcome"),
    Notice("furnisher", Occasion.SETTLED): N_(
        "the uploader that furnished the entry, of the outcome"
    ),
    Notice("readers", Occasion.SETTLED): N_("who read the entry, that it changed: by its recall"),
}

#: What the uploader answers, and what a panel or the regulator says, as chosen in a form.
ANSWER_CHOICES: Final[Mapping[str, str]] = {
    "UPHELD": N_("Upheld: the entry stands"),
    "CORRECTED": N_("Corrected: another entry takes its place"),
    "REMOVED": N_("Removed: the entry is taken off"),
}
VOTE_CHOICES: Final[Mapping[str, str]] = {
    **ANSWER_CHOICES,
    "UNVERIFIABLE": N_("Unverifiable: nobody can show that it is true"),
}

ROLES: Final[Mapping[str, str]] = {
    "by": N_("raised by us"),
    "target": N_("against us"),
    "contester": N_("contested by us"),
    "panelist": N_("we sit on the panel"),
    "regulator": N_("we are the regulator"),
}

MOVES: Final[Mapping[str, str]] = {
    "answer": N_("answer it"),
    "extend": N_("or take more time for the answer"),
    "contest": N_("contest the answer, or let it stand"),
    "verdict": N_("give a verdict"),
}

#: What happened to an entry, by the name of the ledger's event or of what time did.
STEPS: Final[Mapping[str, str]] = {
    "EntryPosted": N_("posted: stake and commitment"),
    "EntryTagged": N_("has a leaf in the index"),
    "EntryUntagged": N_("has no leaf in this key epoch any more"),
    "EntryShortened": N_("its last day is %(day)s now: a dispute ran out"),
    "EntryVested": N_("stake returned after the challenge window"),
    "RootChallenged": N_("missed in an index version by its uploader"),
    "DisputeOpened": N_("dispute %(dispute)s raised"),
    "DisputeExtended": N_("dispute %(dispute)s: the uploader took its extension"),
    "DisputeAnswered": N_("dispute %(dispute)s answered"),
    "DisputeContested": N_("dispute %(dispute)s: the answer is contested"),
    "DrawMissed": N_("dispute %(dispute)s: not drawn in time, a later block draws"),
    "PanelDrawn": N_("dispute %(dispute)s: the panel is drawn"),
    "BallotCommitted": N_("dispute %(dispute)s: a hidden vote"),
    "BallotRevealed": N_("dispute %(dispute)s: a vote opened"),
    "DisputeSettled": N_("dispute %(dispute)s settled"),
    "RecallOpened": N_("recalled from its readers"),
    "RecallAcknowledged": N_("a reader acknowledged the recall"),
    "DeletionCertifiedBy": N_("a member certified what it destroyed"),
    "AuditBegun": N_("audit %(audit)s: the regulator asks to have its evaluation opened"),
    "AuditOPENED": N_("audit %(audit)s: its evaluation was opened"),
    "AuditLAPSED": N_("audit %(audit)s was not ended in time: nobody is fined"),
    "AuditFINED": N_("audit %(audit)s: its evaluation was not opened, the uploader is fined"),
    "Lapsed": N_("its ticket was not used in time"),
    "SuspendedByTime": N_("suspended: its dispute ran out"),
    "Expired": N_("its time is over"),
}
#: What an `EntryStaged` came to, by the ledger's number.
STAGES: Final[Mapping[int, str]] = {
    Stage.LISTED: N_("listed: its ticket is used"),
    Stage.SUSPENDED: N_("suspended: its dispute ran out"),
    Stage.CORRECTED: N_("corrected"),
    Stage.REMOVED: N_("removed"),
    Stage.ERASED: N_("erased: salts and keys are destroyed"),
}

#: Why points moved, by the reason that the ledger or its transaction gives.
POINT_REASONS: Final[Mapping[str, str]] = {
    "allowance": N_("daily allowance"),
    "tickets": N_("tickets for lookups"),
    "listing": N_("stake of a listing"),
    "dispute": N_("stake of a dispute"),
    "entry vested": N_("a listing's stake returned"),
    "dispute settled": N_("a dispute was settled"),
    "ticket lapsed": N_("a listing ticket lapsed"),
    "settlement": N_("hits that others confirmed"),
    "debt": N_("debt paid"),
    "entry overturned": N_("an entry was overturned"),
    "dispute lost": N_("a dispute was lost"),
    "panelist silent": N_("a panelist did not open its vote"),
    "evaluation not opened": N_("an evaluation was not opened to the regulator"),
}

AUDIT_STATES: Final[Mapping[str, State]] = {
    "PENDING": State(N_("waiting to be opened"), "warn", "clock"),
    "DUE": State(N_("not opened in time"), "bad", "clock"),
    "OPENED": State(N_("opened"), "good", "check"),
    "FINED": State(N_("not opened, fined"), "bad", "cross"),
    "LAPSED": State(N_("not ended in time, nobody is fined"), "idle", "ring"),
}

POINT_KINDS: Final[Mapping[str, str]] = {
    "MINTED": N_("minted"),
    "BURNED": N_("burned"),
    "STAKED": N_("staked"),
    "RELEASED": N_("stake returned"),
    "OWED": N_("owed"),
}
#: Kinds that leave a member with more points free than before.
GAINS: Final = frozenset({"MINTED", "RELEASED"})


def entry_state(word: str) -> State:
    """Return an entry's state in words; an unknown word is shown as it is."""
    return ENTRY_STATES.get(word, State(word.lower(), "idle", "ring"))


def audit_state(word: str) -> State:
    """Return where an audit stands in words."""
    return AUDIT_STATES.get(word, State(word.lower(), "idle", "ring"))


def phase(word: str) -> State:
    """Return a dispute's phase in words."""
    return PHASES.get(word, State(word.lower(), "idle", "ring"))


def step_words(step: Step, translate: Translate) -> str:
    """Return what happened; the service's English where the desk has no words of its own."""
    message = STEPS.get(step.what)
    if step.what == "EntryStaged":
        message = STAGES.get(int(step.args.get("stage", 0)))
    if message is None:
        return step.says
    last = step.args.get("lastDay")
    said = {name: step.args.get(name, "") for name in ("dispute", "audit")}
    return translate(message) % {**said, "day": "" if last is None else day_iso(last)}


def check_words(check: Check, translate: Translate) -> str:
    """Return a check's details; a refusal's own words where there are no others."""
    message = CHECK_SAYS.get(check.what)
    return check.says if message is None else translate(message) % check.args


def points(micro: int, *, plus: bool = False) -> str:
    """Return micro-points as points with their decimals, a true minus, and a sign if asked for."""
    text = decimal_text(micro, POINT_DIGITS).rstrip("0").rstrip(".")
    return f"+{text}" if plus and micro > 0 else text
