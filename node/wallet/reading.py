"""What a person makes of a member's answer: every receipt and bundle verified, none left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from node.crypto.verifying import Verification
from node.screening.asking import About, PersonAnswer, PersonRequest, read_person_answer
from node.screening.consent_files import read_revocation_file
from node.screening.consents import Purpose
from node.screening.envelope import read_envelope
from node.screening.evidence import Evidence, read_evidence
from node.screening.explaining import explain_verdict
from node.screening.identifiers import Identifier
from node.screening.listing_consents import signed_consent_in
from node.screening.listings import Listing, read_statement
from node.screening.receipts import Receipt, read_receipt
from node.screening.weighing import standing_shown, weigh_evidence
from node.wallet.facts import EntryFact, LookupFact, entry_of, lookup_of
from node.wallet.keeping import Wallet
from reconcile.model import ProtocolError, Where

#: What an answer may lack; the last is followed by an entry's id.
RECEIPT_MISSING: Final = "the receipt of the lookup: without it nothing shows that it is all"
OTHER_LOOKUP: Final = "the lookup that was asked for: its receipt is of another one"
EVIDENCE_MISSING: Final = "evidence of entry "
REVOCATION_MISSING: Final = "what revokes the consent of entry "


@dataclass(slots=True)
class ReadBack:
    """An answer as verified; `missing` says what it should have held and does not.

    `entries` and `lookups` are what the parts that hold say of her; `revocations` the files that
    revoke what entries rest on, by entry: of the answer, and by her own secrets.
    """

    member: int
    signed_by: str
    receipts: list[Verification] = field(default_factory=list)
    evidence: list[Verification] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    entries: list[EntryFact] = field(default_factory=list)
    lookups: list[LookupFact] = field(default_factory=list)
    revocations: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Say whether everything holds and nothing is missing."""
        return not self.missing and all(one.ok for one in (*self.receipts, *self.evidence))

    def to_json(self) -> dict[str, object]:
        """Return the report."""
        return {
            "member": str(self.member),
            "signed_by": self.signed_by,
            "entries": [one.to_json() for one in self.entries],
            "lookups": [one.to_json() for one in self.lookups],
            "receipts": [one.to_json() for one in self.receipts],
            "evidence": [one.to_json() for one in self.evidence],
            "missing": self.missing,
            "revocable": [entry.hex() for entry in sorted(self.revocations)],
            "ok": self.ok,
        }


def read_back(
    wallet: Wallet,
    asked: PersonRequest,
    data: bytes,
    *,
    authorities: Sequence[x509.Certificate] = (),
) -> ReadBack:
    """Return what an answer holds, verified offline.

    An answer about entries begins with the receipt of her own lookup: it is of the element that she
    made, and each entry that it finds is to come with its evidence. Raises `ProtocolError`
    WALLET_OTHER_ANSWER, WALLET_OTHER_PERSON; an envelope's and a proof's errors.
    """
    answer, signer = wallet.read_answer(data, asked)
    found = ReadBack(answer.member, signer)
    listed: set[bytes] = set()
    facts: dict[bytes, EntryFact] = {}
    for number, envelope in enumerate(answer.receipts):
        receipt = read_receipt(read_envelope(envelope).payload)
        _require_hers(wallet.identifier, (receipt.id_type, receipt.id_value), "receipts")
        told, verdict = explain_verdict(envelope, authorities=authorities, allow_test=True)
        found.receipts.append(told)
        if verdict is not None:
            at_s = answer.looked_up_at_s[number] if answer.looked_up_at_s else None
            found.lookups.append(lookup_of(verdict, at_s))
            for record in verdict.records:
                fact = entry_of(record.listing, record.salt)
                facts.setdefault(record.listing.entry_id, fact)
        if asked.about is About.ENTRIES and number == 0:
            found.missing += _own_lookup(receipt, asked)
            listed = set(receipt.entries)
    shown: set[bytes] = set()
    for envelope in answer.evidence:
        bundle = read_evidence(read_envelope(envelope).payload)
        _require_hers(wallet.identifier, (bundle.id_type, bundle.id_value), "evidence")
        weighed = weigh_evidence(envelope, authorities=authorities, allow_test=True)
        found.evidence.append(weighed)
        listing = read_statement(read_envelope(bundle.statement).payload)
        shown.add(listing.entry_id)
        if weighed.ok:
            fact = facts[listing.entry_id] = _with_state(listing, bundle)
            own = _own_revocation(wallet, fact, bundle)
            found.revocations.update({} if own is None else {fact.entry: own})
    if asked.about is About.ENTRIES:
        if not answer.receipts:
            found.missing.append(RECEIPT_MISSING)
        found.missing += [f"{EVIDENCE_MISSING}{entry.hex()}" for entry in sorted(listed - shown)]
    found.entries = [facts[entry] for entry in sorted(facts)]
    _take_revocations(wallet, answer, found)
    return found


def _own_revocation(wallet: Wallet, fact: EntryFact, bundle: Evidence) -> bytes | None:
    """Return what revokes a consent that she signed with this wallet, if the bundle shows it."""
    if bundle.consent is None or fact.rests_on.revoked_at_s is not None:
        return None
    signed = signed_consent_in(bundle.consent)
    if signed is None:
        return None
    return wallet.listing_revocation(signed, fact.uploader, fact.rests_on.consent)


def _take_revocations(wallet: Wallet, answer: PersonAnswer, found: ReadBack) -> None:
    """Keep the answer's files that revoke what a shown entry rests on, and say which lack."""
    names = {(fact.uploader, fact.rests_on.consent): fact.entry for fact in found.entries}
    for data in answer.revocations:
        file = read_revocation_file(data)
        entry = names.get((file.reader, file.consent))
        if entry is not None and file.domain == wallet.domain:
            found.revocations.setdefault(entry, data)
    for fact in found.entries:
        consent = fact.rests_on
        stands = consent.level is not None and consent.revoked_at_s is None
        if stands and fact.uploader == answer.member and fact.entry not in found.revocations:
            found.missing.append(f"{REVOCATION_MISSING}{fact.entry.hex()}")


def entries_in(data: bytes) -> tuple[bytes, ...]:
    """Return the ids of the entries that an answer names, unverified, to tell one by its beginning.

    Raises an envelope's and a proof's errors.
    """
    answer, _ = read_person_answer(data)
    found: set[bytes] = set()
    for envelope in answer.receipts:
        found.update(read_receipt(read_envelope(envelope).payload).entries)
    for envelope in answer.evidence:
        bundle = read_evidence(read_envelope(envelope).payload)
        found.add(read_statement(read_envelope(bundle.statement).payload).entry_id)
    return tuple(sorted(found))


def _with_state(listing: Listing, bundle: Evidence) -> EntryFact:
    return entry_of(listing, bundle.salt, bundle, standing_shown(bundle, listing))


def _own_lookup(receipt: Receipt, asked: PersonRequest) -> list[str]:
    consent = receipt.consent.consent
    own = receipt.blind == asked.blind and consent.purpose is Purpose.OWN_RECORD
    if own and consent.reader == asked.member:
        return []
    return [OTHER_LOOKUP]


def _require_hers(own: Identifier, found: tuple[object, str], part: str) -> None:
    if found != (own.type, own.value):
        raise ProtocolError(
            "WALLET_OTHER_PERSON",
            "the answer holds something about somebody else",
            where=Where(field=part),
            help="Show it to nobody; tell the member.",
        )
