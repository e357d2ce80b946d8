"""What an answer says of her, in facts before proofs: which entries, and who looked her up.

Facts are taken from parts that were verified offline, and from nothing else. An entry's state is as
of its evidence's block, so an entry that only a receipt shows has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from node.screening.consent_history import rests_on
from node.screening.consents import Level, Purpose, Scope
from node.screening.evidence import Evidence
from node.screening.listing_consents import listing_consent
from node.screening.listings import Listing
from node.screening.states import EntryState, Suspension
from node.screening.verifying import Verdict
from node.screening.weighing import Standing
from reconcile.days import time_iso
from reconcile.model import UsageError, day_iso

ENTRY_DIGITS: Final = 64
MIN_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class ConsentFact:
    """What an entry rests on: `document` is SHA-256 of what its uploader says she agreed to.

    `consent` is the digest under which the uploader records it. `told`: evidence of the entry was
    shown, and says whether it is recorded; `level` is None where it is not.
    """

    document: bytes
    consent: bytes
    told: bool = False
    level: Level | None = None
    recorded_at_s: int | None = None
    revoked_at_s: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return it."""
        return {
            "document": self.document.hex(),
            "consent": self.consent.hex(),
            "told": self.told,
            "level": None if self.level is None else str(int(self.level)),
            "recorded_at": _time_or_none(self.recorded_at_s),
            "revoked_at": _time_or_none(self.revoked_at_s),
        }


@dataclass(frozen=True, slots=True)
class EntryFact:
    """An entry about her; state, block and time are None where no evidence of it was shown.

    `suspension`: since when time has suspended it, and its last day since.
    """

    entry: bytes
    uploader: int
    reason: str
    product: str
    effective_from: int
    expires_at: int
    rests_on: ConsentFact
    state: EntryState | None = None
    suspension: Suspension | None = None
    as_of_block: int | None = None
    as_of_s: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return it with the whole id, which a dispute names."""
        ended = self.suspension
        return {
            "entry": self.entry.hex(),
            "uploader": str(self.uploader),
            "reason": self.reason,
            "product": self.product,
            "effective_from": day_iso(self.effective_from),
            "expires_at": day_iso(self.expires_at),
            "suspended_at": None if ended is None else time_iso(ended.since_s),
            "ends_at": day_iso(self.expires_at if ended is None else ended.last_day),
            "state": None if self.state is None else self.state.name,
            "as_of_block": None if self.as_of_block is None else str(self.as_of_block),
            "as_of": _time_or_none(self.as_of_s),
            "rests_on": self.rests_on.to_json(),
        }


@dataclass(frozen=True, slots=True)
class LookupFact:
    """A lookup of her: by whom, what for, how far, on whose word, and as of which block.

    `looked_up_at_s` is the answering member's signed word; a receipt alone holds no time. `level`
    is what the consent counted as; `found` how many entries.
    """

    reader: int
    purpose: Purpose
    scope: Scope
    level: Level
    valid_from_s: int
    valid_to_s: int
    version: int
    cut_block: int
    found: int
    looked_up_at_s: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return it."""
        return {
            "reader": str(self.reader),
            "purpose": self.purpose.name,
            "scope": [str(item.name) for item in Scope if item in self.scope],
            "consent_level": str(int(self.level)),
            "consent_valid_from": time_iso(self.valid_from_s),
            "consent_valid_to": time_iso(self.valid_to_s),
            "looked_up_at": _time_or_none(self.looked_up_at_s),
            "index_version": str(self.version),
            "as_of_block": str(self.cut_block),
            "entries_found": str(self.found),
        }


def lookup_of(verdict: Verdict, looked_up_at_s: int | None) -> LookupFact:
    """Return what a receipt that holds says of its lookup."""
    consent, header = verdict.receipt.consent.consent, verdict.receipt.proof.header
    return LookupFact(
        consent.reader,
        consent.purpose,
        consent.scope,
        verdict.effect.level,
        consent.valid_from_s,
        consent.valid_to_s,
        header.version,
        header.cut_block,
        len(verdict.records),
        looked_up_at_s,
    )


def entry_of(
    listing: Listing,
    salt: bytes,
    evidence: Evidence | None = None,
    shown: Standing | None = None,
) -> EntryFact:
    """Return what a statement says, and what its evidence shows of state and consent.

    Raises `ProtocolError` EVIDENCE_CONSENT where the changes do not follow each other.
    """
    return EntryFact(
        listing.entry_id,
        listing.uploader,
        str(listing.reason),
        str(listing.product),
        listing.effective_from,
        listing.expires_at,
        _rests_on(listing, salt, evidence),
        None if shown is None else shown.state,
        None if shown is None else shown.suspension,
        None if evidence is None else evidence.as_of_block,
        None if evidence is None else evidence.as_of_s,
    )


def _rests_on(listing: Listing, salt: bytes, evidence: Evidence | None) -> ConsentFact:
    fact = ConsentFact(listing.consent, listing_consent(listing, salt), told=evidence is not None)
    found = None if evidence is None else rests_on(evidence.changes, listing, salt)
    if found is None:
        return fact
    revoked_at_s = None if found.revoked is None else found.revoked.time_s
    return replace(
        fact, level=found.level, recorded_at_s=found.recorded.time_s, revoked_at_s=revoked_at_s
    )


def entry_named(text: str, known: Iterable[bytes], *, help_: str) -> bytes:
    """Return the entry that an id, or the unique beginning of a known one, names.

    Raises `UsageError` DISPUTE_MALFORMED, with `help_` for who gave a beginning that names none.
    """
    word = text.strip().lower().removesuffix("…")
    digits = all(sign in "0123456789abcdef" for sign in word)
    if digits and len(word) == ENTRY_DIGITS:
        return bytes.fromhex(word)
    if not digits or not MIN_DIGITS <= len(word) < ENTRY_DIGITS:
        raise UsageError(
            "DISPUTE_MALFORMED",
            f"an entry's id has {ENTRY_DIGITS} hexadecimal digits, "
            f"a beginning of it at least {MIN_DIGITS}",
            help=help_,
        )
    found = sorted({entry for entry in known if entry.hex().startswith(word)})
    if len(found) != 1:
        says = "several entries begin" if found else "no entry that was shown here begins"
        raise UsageError("DISPUTE_MALFORMED", f"{says} with {word}", help=help_)
    return found[0]


def _time_or_none(at_s: int | None) -> str | None:
    return None if at_s is None else time_iso(at_s)
