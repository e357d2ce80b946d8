"""The consents of an evidence bundle: those to look the person up, and what the entry rests on."""

from __future__ import annotations

from typing import Final

from node.screening.cases import Case, refuse
from node.screening.consent_history import Name, RestsOn, name_of, require_named, rests_on
from node.screening.consents import Level, Use, check_consent, check_listing_consent
from node.screening.envelope import read_envelope
from node.screening.evidence import Change, Evidence, UsedConsent
from node.screening.history import History
from node.screening.listing_consents import listing_consent, signed_consent_in
from node.screening.listings import Listing
from node.screening.receipts import read_receipt

MORE: Final = "it is recorded as more than it holds as"


def hold_consents(case: Case) -> None:
    """Each consent to a lookup is recorded, and held when it was used."""
    recorded = changes_of_consents(case.evidence, "ConsentRecorded")
    revoked = changes_of_consents(case.evidence, "ConsentRevoked")
    for number, item in enumerate(case.evidence.consents, 1):
        word = f"0x{item.signed.consent.digest(case.evidence.domain).hex()}"
        consent = item.signed.consent

        def hold(item: UsedConsent = item, word: str = word) -> None:
            name = (str(item.signed.consent.reader), word)
            _require_recorded(item, recorded.get(name))
            ended = revoked.get(name)
            use = Use(
                item.signed.consent.reader,
                item.signed.consent.purpose,
                item.signed.consent.scope,
                item.used_at_s,
                case.identifier,
                item.element,
                revoked=ended is not None and ended.time_s <= item.used_at_s,
            )
            effect = check_consent(item.signed, use, case.evidence.domain, case.trust)
            case.found.proved.append(
                f"member {use.reader} had a consent of level {int(effect.level)} for "
                f"{use.purpose.name}{', signed by the person for this lookup' * effect.enforced}"
            )

        yes = f"consent {word[:18]}… to member {consent.reader} is recorded and held when used"
        case.hold(f"consent_{number}", yes, hold)


def changes_of_consents(evidence: Evidence, name: str) -> dict[Name, Change]:
    """Return the changes of a name by reader and consent; one whose words are no text is none."""
    found = {}
    for change in evidence.changes:
        reader, consent = change.args.get("reader"), change.args.get("consent")
        if change.name == name and isinstance(reader, str) and isinstance(consent, str):
            found[reader, consent] = change
    return found


def hold_what_it_rests_on(case: Case, listing: Listing, history: History) -> None:
    """The uploader's record of it goes by the salt's name, and no consent is told of beside it."""
    read: list[RestsOn] = []

    def told() -> None:
        require_named(case.evidence.changes, _names(case, listing))
        found = rests_on(case.evidence.changes, listing, case.evidence.salt)
        read.extend(() if found is None else (found,))

    yes = "the salt gives the name of the uploader's record, if there is one; no other is told of"
    if not case.hold("rests_on", yes, told):
        return
    if not read:
        case.found.not_proved.append(
            "that what the listing rests on was recorded: no change of the file says so"
        )
        return
    (found,) = read
    revoked = "and is not revoked"
    if found.revoked is not None:
        revoked = f"and was revoked in block {found.revoked.block}"
    case.found.proved.append(
        f"if these changes stand, what the entry rests on was recorded as level "
        f"{int(found.level)} in block {found.recorded.block}, {revoked}"
    )
    _hold_level(case, listing, found, history.posted.time_s)


def _names(case: Case, listing: Listing) -> set[Name]:
    """Return the consents that a bundle's parts name: the listing's, used ones, the receipts'."""
    evidence = case.evidence
    own = name_of(listing.uploader, listing_consent(listing, evidence.salt))
    used = [item.signed.consent for item in evidence.consents]
    used += [read_receipt(read_envelope(one).payload).consent.consent for one in evidence.receipts]
    return {own, *(name_of(one.reader, one.digest(evidence.domain)) for one in used)}


def _hold_level(case: Case, listing: Listing, found: RestsOn, posted_s: int) -> None:
    """A level above the institution's holds by the consent that the person signed, if shown."""
    if found.level is Level.INSTITUTION:
        return
    document = case.evidence.consent
    if document is None:
        case.found.not_proved.append(
            f"that the person signed what it rests on: level {int(found.level)} is its "
            "uploader's word"
        )
        return
    late = []

    def level() -> None:
        file = signed_consent_in(document)
        if file is None:
            raise refuse("EVIDENCE_CONSENT", "consent", MORE)
        signed, at_s = file.signed, min(posted_s, file.signed.consent.valid_to_s)
        effect = check_listing_consent(
            signed,
            listing.uploader,
            case.identifier,
            case.evidence.domain,
            case.trust,
            at_s=at_s,
        )
        if effect.level < found.level:
            raise refuse("EVIDENCE_CONSENT", "consent", MORE)
        case.found.proved.append(
            f"the person consented to be listed by member {listing.uploader}: it holds as level "
            f"{int(effect.level)}"
        )
        if at_s < posted_s:
            late.append("that the consent still held when the entry was posted")

    case.hold("rests_on_level", "the consent holds as the level that is recorded", level)
    case.found.not_proved += late


def _require_recorded(item: UsedConsent, change: Change | None) -> None:
    consent = item.signed.consent
    if change is None:
        raise refuse("EVIDENCE_CONSENT", "consents", "no change records this consent")
    expected = (str(consent.reader), str(int(consent.level)), str(consent.valid_to_s))
    if tuple(change.args.get(name) for name in ("reader", "level", "validTo_s")) != expected:
        raise refuse("EVIDENCE_CONSENT", "consents", "it was recorded for another use")
