"""An evidence bundle verified offline: each part against the others, and what it comes to in words.

Held are the exporter's signature over the whole, the uploader's over the statement, the person's
commitment, the documents' hashes, that the ledger's changes are of this entry and tell a story that
the contract could have told, each consent, each receipt. That the changes stand on the ledger is
the exporter's signed word: it is listed, transaction by transaction, under what is not proven. So
is, receipt by receipt, that its index and its committee are the ledger's: both may be made up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509

from node.crypto.verifying import Verification
from node.screening.cases import Case, refuse
from node.screening.consents import Trust, time_of_use
from node.screening.deletions import explain_deletion
from node.screening.envelope import (
    DELETION_TYPE,
    EVIDENCE_TYPE,
    LISTING_TYPE,
    RECEIPT_TYPE,
    REDUCED_RECEIPT_TYPE,
    Envelope,
    read_envelope,
)
from node.screening.evidence import Evidence, read_evidence
from node.screening.explaining import (
    IF_ROOT_STANDS,
    ClaimedKeys,
    entry_words,
    explain_receipt,
    left_open,
)
from node.screening.file_kinds import KINDS, other_kind
from node.screening.history import History, read_history
from node.screening.identifiers import read_identifier
from node.screening.listings import Listing, check_listing, commitment_of, read_statement
from node.screening.profiles import profile_of
from node.screening.receipts import read_receipt
from node.screening.reduced import explain_reduced
from node.screening.states import (
    DAY_S,
    EntryFacts,
    EntryState,
    Suspension,
    entry_state,
    suspension_at,
)
from node.screening.verifying import verify_receipt
from node.screening.weighing_consents import (
    changes_of_consents,
    hold_consents,
    hold_what_it_rests_on,
)
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.counting import counted
from reconcile.model import day_iso

_SHOWN = 2
PROOFS = "something that proves anything by itself"


def weigh_evidence(
    data: bytes, *, authorities: Sequence[x509.Certificate] = (), allow_test: bool = False
) -> Verification:
    """Return what an evidence bundle proves; what does not hold is a check that fails.

    Raises `InputError` where the file is no bundle at all, or about nobody who can exist.
    """
    envelope = read_envelope(data)
    if envelope.type != EVIDENCE_TYPE:
        raise refuse("ENVELOPE_TYPE", "type", f"the envelope holds {envelope.type}")
    evidence = read_evidence(envelope.payload)
    identifier = read_identifier(evidence.id_type, evidence.id_value, allow_test=allow_test)
    keys = ClaimedKeys()
    case = Case(evidence, identifier, Trust(keys, authorities), Verification())
    found = case.found
    (exporter, *others) = envelope.signers()
    found.hold(
        "exporter",
        ok=not others and identifier.value == evidence.id_value,
        yes=f"{exporter} signed the whole for member {evidence.exporter}",
        no="it is signed by several, or its identifier is not in its one form",
    )
    keys(evidence.exporter, exporter)
    listing = _hold_statement(case)
    if listing is not None:
        _hold_documents(case, listing)
        history = _hold_changes(case, listing)
        hold_consents(case)
        _hold_receipts(case, listing, allow_test=allow_test)
        if history is not None:
            hold_what_it_rests_on(case, listing, history)
            _conclude(case, listing, history)
    if not found.ok:
        found.proved.clear()
        found.not_proved.append("anything: evidence of which a part does not hold proves nothing")
        return found
    found.not_proved += [
        f"that {key} was a key of member {member} then" for member, key in sorted(keys.claims)
    ]
    found.not_proved += [
        f"that transaction 0x{change.transaction.hex()} in block {change.block} said "
        f"{change.name}: ask any node of chain {evidence.chain_id}"
        for change in evidence.changes
    ]
    found.not_proved.append(f"what happened after block {evidence.as_of_block}")
    return found


def explain_envelope(
    data: bytes, *, authorities: Sequence[x509.Certificate] = (), allow_test: bool = False
) -> Verification:
    """Return what a receipt, whole or reduced, evidence or a certificate of deletion proves.

    Raises `InputError` FILE_OTHER_KIND for an envelope that proves nothing by itself.
    """
    envelope = read_envelope(data)
    if envelope.type == DELETION_TYPE:
        return explain_deletion(data)
    if envelope.type == REDUCED_RECEIPT_TYPE:
        return explain_reduced(data)
    found = KINDS.get(envelope.type)
    if found is not None and found.type not in {EVIDENCE_TYPE, RECEIPT_TYPE}:
        raise other_kind(found, PROOFS)
    explain = weigh_evidence if envelope.type == EVIDENCE_TYPE else explain_receipt
    return explain(data, authorities=authorities, allow_test=allow_test)


def _hold_statement(case: Case) -> Listing | None:
    """The statement reads, its uploader's key signed it, and it is committed to this person."""
    evidence, read = case.evidence, []

    def statement() -> None:
        envelope = read_envelope(evidence.statement)
        if envelope.type != LISTING_TYPE or len(envelope.signatures) != 1:
            raise refuse("ENVELOPE_TYPE", "statement", "it is no statement of one uploader")
        listing = read_statement(envelope.payload)
        case.trust.is_key_of(listing.uploader, _signer(envelope))
        read.append((listing, _signer(envelope)))

    if not case.hold(
        "statement", "the statement reads, and its uploader's key signed it", statement
    ):
        return None
    listing, signer = read[0]

    def person() -> None:
        if case.identifier.type != listing.id_type or (
            commitment_of(listing, case.identifier, evidence.salt) != listing.commitment
        ):
            raise refuse("RECORD_FALSE", "salt", "the commitment is not of this person")

    case.hold("person", "the statement's commitment opens to this person under the salt", person)
    hidden = f"{case.identifier.type} …{case.identifier.value[-_SHOWN:]}"
    case.found.proved.append(f"{signer} signed {entry_words(listing)}, concerning {hidden}")
    return listing


def _hold_documents(case: Case, listing: Listing) -> None:
    evidence = case.evidence
    told = "" if listing.notice_at is None else f" of {day_iso(listing.notice_at)}"
    for name, document, expected in (
        ("notice", evidence.notice, listing.notice_hash),
        ("consent", evidence.consent, listing.consent),
    ):
        if document is None:
            case.found.not_proved.append(f"what the {name} says: it is not part of the file")
            continue
        case.found.hold(
            name,
            ok=hashlib.sha256(document).digest() == expected,
            yes=f"the {name}{told if name == 'notice' else ''} is the one the statement names",
            no=f"the statement names another {name}",
        )
    if not evidence.evidence:
        case.found.not_proved.append("what the statement rests on: no evidence is part of the file")
        return
    leaves = [leaf_hash(document) for document in evidence.evidence]
    case.found.hold(
        "evidence",
        ok=merkle_root(leaves) == listing.evidence_root,
        yes=f"the evidence that the statement names is {counted(len(leaves), 'document')}",
        no="the statement names other evidence",
    )


def _hold_changes(case: Case, listing: Listing) -> History | None:
    """The ledger's changes are of this entry, in order, and begin with its ticket."""
    read: list[History] = []

    def changes() -> None:
        history = read_history(case.evidence.changes, listing.entry_id)
        as_of = (case.evidence.as_of_block, case.evidence.as_of_s)
        if any(one.block > as_of[0] or one.time_s > as_of[1] for one in case.evidence.changes):
            raise refuse("EVIDENCE_ORDER", "as_of_block", "a change is later than the export")
        read.append(history)

    count = len(case.evidence.changes)
    if not case.hold("changes", f"the changes of this entry, {count}, follow each other", changes):
        return None
    history = read[0]

    def ticket() -> None:
        profile = profile_of(listing.policy)
        expected = {
            "uploader": str(listing.uploader),
            "profile": str(profile.number),
            "commitment": f"0x{listing.commitment.hex()}",
            "noticeDay": str(listing.notice_at),
            "effectiveDay": str(listing.effective_from),
            "expiresDay": str(listing.expires_at),
            "supersedes": f"0x{(listing.supersedes or bytes(32)).hex()}",
        }
        for name, value in expected.items():
            if history.posted.args.get(name) != value:
                raise refuse("EVIDENCE_TICKET", name, f"the ticket has another {name}")
        check_listing(listing, posted_day=history.posted.time_s // DAY_S)

    case.hold("ticket", "the ticket is this statement's, posted before it took effect", ticket)
    return history


def _hold_receipts(case: Case, listing: Listing, *, allow_test: bool) -> None:
    recorded = changes_of_consents(case.evidence, "ConsentRecorded")
    for number, data in enumerate(case.evidence.receipts, 1):

        def hold(number: int = number, data: bytes = data) -> None:
            # The ledger knows the lookup's time; offline the first that its consent allows stands
            # for it.
            at_s = _first_allowed(data)
            verdict = verify_receipt(data, trust=case.trust, at_s=at_s, allow_test=allow_test)
            if verdict.identifier != case.identifier:
                raise refuse("EVIDENCE_RECEIPT", "receipts", "it is of another person")
            if verdict.receipt.domain != case.evidence.domain:
                raise refuse("EVIDENCE_RECEIPT", "receipts", "it is of another network")
            header, consent = verdict.receipt.proof.header, verdict.receipt.consent.consent
            names = [record.listing.entry_id for record in verdict.records]
            word = "found" if listing.entry_id in names else "did not find"
            case.found.proved.append(
                f"member {consent.reader} {word} this entry in index "
                f"version {header.version}, cut at block {header.cut_block}, {IF_ROOT_STANDS}"
            )
            case.found.not_proved += [f"of receipt {number}: {one}" for one in left_open(verdict)]
            name = f"0x{consent.digest(case.evidence.domain).hex()}"
            if (str(consent.reader), name) not in recorded:
                case.found.not_proved.append(
                    f"that consent {name[:18]}… of member {consent.reader}'s lookup was ever "
                    "recorded: no change of the file says so"
                )

        case.hold(f"receipt_{number}", "the lookup is repeated from its receipt", hold)


def _first_allowed(data: bytes) -> int:
    return time_of_use(read_receipt(read_envelope(data).payload).consent)


def _conclude(case: Case, listing: Listing, history: History) -> None:
    """Say what the changes come to at the export's time."""
    evidence = case.evidence
    shown = standing_shown(evidence, listing, history)
    words = ""
    if shown.suspension is not None:
        since, last = shown.suspension.since_s // DAY_S, shown.suspension.last_day
        ends = "ends" if shown.state is EntryState.SUSPENDED else "ended"
        words = f", suspended on {day_iso(since)}, {ends} on {day_iso(last)}"
    case.found.proved.append(
        f"if these changes stand, the entry was {shown.state.name} at block "
        f"{evidence.as_of_block}{words}; "
        f"{history.disputes} disputes were raised, {history.overturned} did not end for it"
    )


class Standing(NamedTuple):
    """What an entry was at the export's time; the suspension is None where there was none."""

    state: EntryState
    suspension: Suspension | None


def standing_shown(
    evidence: Evidence, listing: Listing, history: History | None = None
) -> Standing:
    """Return an entry's state and suspension at the export's time, if the changes stand.

    Raises `ProtocolError` EVIDENCE_ORDER and the like where they do not follow each other.
    """
    told = history or read_history(evidence.changes, listing.entry_id)
    facts = EntryFacts(
        told.stage,
        told.posted.time_s,
        told.ends_day,
        tagged=told.tagged,
        dispute=told.open_dispute,
    )
    state = entry_state(facts, told.profile, evidence.as_of_s)
    if state not in {EntryState.SUSPENDED, EntryState.EXPIRED}:
        return Standing(state, None)
    dispute = told.open_dispute or told.suspending
    return Standing(state, suspension_at(dispute, told.profile, told.ends_day, evidence.as_of_s))


def _signer(envelope: Envelope) -> str:
    return envelope.signers()[0]
