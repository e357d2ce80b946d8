"""What an entry rests on, in its evidence: recomputed from the salt, held against the changes."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import msgspec
import pytest
from listed_people import digest
from test_consents import DOMAIN, OWN, READER, SALT, kyc
from test_evidence import (
    ENTRY_SALT,
    EXPORTER,
    PERSON,
    POSTED_S,
    evidence,
    listing,
    rests_on,
    statement,
    story,
    weigh,
)

from node.screening.consent_files import ConsentFile, write_consent_file
from node.screening.consents import Consent, Level, Purpose, Scope, SignedConsent, person_commitment
from node.screening.evidence import Change, Evidence, change_of, sign_evidence
from node.screening.listing_consents import consent_ends_s, listing_consent
from node.screening.listings import Listing, committed
from node.screening.weighing import weigh_evidence
from reconcile.model import KanheError


def with_changes(*changes: Change, base: Evidence | None = None) -> Evidence:
    """Return a bundle whose story ends with other records than the listing's own."""
    found = base or evidence()
    kept = [one for one in found.changes if one.args.get("reader") != "9"]
    return replace(found, changes=(*kept, *changes))


def recorded(**args: object) -> Change:
    """Return the uploader's record, with other arguments."""
    return change_of(
        "ConsentRecorded", {**rests_on(), **args}, (18, 2), digest("tx 8"), POSTED_S + 8
    )


def revoked(block: int = 19, **args: object) -> Change:
    """Return its revocation."""
    named = {"consent": rests_on()["consent"], "reader": 9, **args}
    return change_of("ConsentRevoked", named, (block, None), digest("tx 9"), POSTED_S + block)


def test_the_salt_gives_the_record_s_name_offline() -> None:
    """Recorded, and revoked, by the changes; without any that is said to be not proven."""
    ok, said = weigh(evidence())
    assert ok
    assert "was recorded as level 1 in block 18, and is not revoked" in said
    ok, said = weigh(with_changes(recorded(), revoked()))
    assert ok
    assert "was recorded as level 1 in block 18, and was revoked in block 19" in said
    ok, said = weigh(with_changes())
    assert ok
    assert "that what the listing rests on was recorded: no change of the file says so" in said


CHANGED: dict[str, Callable[[], tuple[Change, ...]]] = {
    "another name": lambda: (recorded(consent=f"0x{digest('other').hex()}"),),
    "the document's own hash": lambda: (recorded(consent=f"0x{listing().consent.hex()}"),),
    "another member's record": lambda: (recorded(reader=8),),
    "no such level": lambda: (recorded(level=4),),
    "another end": lambda: (recorded(validTo_s=consent_ends_s(listing()) - 1),),
    "recorded twice": lambda: (recorded(), replace(recorded(), log_index=3)),
    "revoked and never recorded": lambda: (revoked(),),
    "revoked before it was recorded": lambda: (recorded(), revoked(17)),
    "revoked twice": lambda: (recorded(), revoked(), replace(revoked(), block=20)),
    "another consent revoked": lambda: (recorded(), revoked(consent=f"0x{bytes(32).hex()}")),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_record_is_found(name: str) -> None:
    """Though its exporter signed it: no record of another consent passes for the listing's."""
    ok, said = weigh(with_changes(*CHANGED[name]()))
    assert not ok, name
    assert "EVIDENCE_CONSENT" in said


# ------------------------------------------------------------------------------- signed ones
@cache
def agreed(issuer: int = 3, **changes: object) -> bytes:
    """Return a consent to be listed by member 9 that the person signed."""
    made = Consent(
        9,
        Purpose.LISTING,
        Scope.HIT,
        POSTED_S - 60,
        POSTED_S + 60,
        digest("nonce"),
        person_commitment(PERSON, SALT),
        digest("some element"),
        Level.PERSON,
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    times = {"valid_from_s": POSTED_S - 9_000, "valid_to_s": POSTED_S + 9_000}
    certificate = kyc(issuer, person=person_commitment(PERSON, SALT), **times) if issuer else b""
    signed = SignedConsent(made, SALT, OWN.sign_digest(made.digest(DOMAIN)), certificate)
    return write_consent_file(ConsentFile(DOMAIN, signed, digest("hash of her secret")))


def resting_on(document: bytes, level: int = 3) -> Evidence:
    """Return a bundle whose statement rests on a document, recorded at a level."""
    made = msgspec.structs.replace(
        listing(), commitment=bytes(32), consent=hashlib.sha256(document).digest()
    )
    whole: Listing = committed(made, PERSON, ENTRY_SALT)
    name = f"0x{listing_consent(whole, ENTRY_SALT).hex()}"
    first = story()[0]
    ticket = replace(first, args={**first.args, "commitment": f"0x{whole.commitment.hex()}"})
    base = replace(
        evidence(),
        statement=statement(whole),
        consent=document,
        changes=(ticket, *evidence().changes[1:]),
    )
    return with_changes(recorded(level=level, consent=name), base=base)


def test_what_the_person_signed_holds_as_the_level_that_is_recorded() -> None:
    """Her key, certified by another member than the uploader; without the file nobody says so."""
    ok, said = weigh(resting_on(agreed()))
    assert ok, said
    assert "the person consented to be listed by member 9: it holds as level 3" in said
    ok, said = weigh(replace(resting_on(agreed()), consent=None))
    assert ok
    assert "that the person signed what it rests on: level 3 is its uploader's word" in said
    # Posted after the time that she gave it for: held for then, and that is said.
    late = agreed(valid_to_s=POSTED_S - 1)
    ok, said = weigh(resting_on(late))
    assert ok, said
    assert "that the consent still held when the entry was posted" in said


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (agreed(purpose=Purpose.CREDIT), "CONSENT_PURPOSE"),
        (agreed(reader=READER), "CONSENT_FOREIGN"),
        (agreed(person=person_commitment(PERSON, digest("x"))), "CONSENT_OTHER_PERSON"),
    ],
)
def test_a_level_that_the_consent_does_not_hold_as_is_found(document: bytes, says: str) -> None:
    """Recorded as the person's own and signed for something else: the bundle proves nothing."""
    ok, said = weigh(resting_on(document))
    assert not ok
    assert says in said


@pytest.mark.parametrize("document", [agreed(0), b"a form that says more"])
def test_a_level_above_what_it_holds_as_is_found(document: bytes) -> None:
    """A key that nobody vouches for, or no signature at all: level 1, and nothing above it."""
    ok, said = weigh(resting_on(document))
    assert not ok
    assert "EVIDENCE_CONSENT: it is recorded as more than it holds as" in said
    assert weigh(resting_on(document, level=1))[0]


def test_every_changed_byte_of_a_revoked_one_is_found() -> None:
    """As of any bundle: nothing of it changes under the exporter's name."""
    data = sign_evidence(with_changes(recorded(), revoked()), EXPORTER)
    at = data.rindex(b"}") // 2
    for offset in range(64):
        changed = bytearray(data)
        changed[at + offset] ^= 1
        with contextlib.suppress(KanheError):
            assert not weigh_evidence(bytes(changed), allow_test=True).ok
