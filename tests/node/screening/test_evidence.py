from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from listed_people import TODAY, UPLOADER, digest, make_listing, number_of, person_of
from test_consents import DOMAIN, NOW_S, OWN, READER, SALT, kyc
from test_receipts import make, signed

from node.cli import main
from node.crypto.signer import LocalSigner
from node.screening.asking import read_consent_request, read_person_request
from node.screening.consent_files import read_consent_file
from node.screening.consents import Consent, Level, Purpose, Scope, SignedConsent, person_commitment
from node.screening.envelope import LISTING_TYPE, read_envelope, sign_envelope
from node.screening.evidence import (
    Change,
    Evidence,
    UsedConsent,
    change_of,
    read_evidence,
    sign_evidence,
    write_evidence,
)
from node.screening.listing_consents import listing_consent
from node.screening.listings import Listing, committed, read_statement
from node.screening.profiles import profile_of
from node.screening.weighing import weigh_evidence
from reconcile.canonical import canonical_json
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import KanheError

PERSON = person_of(1)
NOTICE, AGREED = b"the letter", b"the contract"
PROOFS = (b"the statement of account", b"the reminder")
ENTRY_SALT = digest("entry salt")
EXPORTER = LocalSigner(digest("exporter"))
POSTED_S = TODAY * 86_400 + 3_600
ELEMENT = digest("B")


@cache
def listing() -> Listing:
    """Return a committed statement whose documents are known."""
    found = make_listing(
        1,
        uploader=9,
        notice_hash=hashlib.sha256(NOTICE).digest(),
        consent=hashlib.sha256(AGREED).digest(),
        evidence_root=merkle_root([leaf_hash(item) for item in PROOFS]),
    )
    return committed(found, PERSON, ENTRY_SALT)


def statement(found: Listing | None = None, signer: LocalSigner = UPLOADER) -> bytes:
    """Return a statement in its envelope."""
    return sign_envelope(LISTING_TYPE, (found or listing()).payload, [signer]).to_json()


def used_consent(**changes: object) -> UsedConsent:
    """Return a consent that the person signed for one element."""
    consent = Consent(
        READER,
        Purpose.CREDIT,
        Scope.HIT,
        NOW_S - 60,
        NOW_S + 60,
        digest("nonce"),
        person_commitment(PERSON, SALT),
        hashlib.sha256(ELEMENT).digest(),
        Level.PERSON,
    )
    consent = replace(consent, **changes)  # type: ignore[arg-type]
    own = OWN.sign_digest(consent.digest(DOMAIN))
    certificate = kyc(person=person_commitment(PERSON, SALT))
    return UsedConsent(SignedConsent(consent, SALT, own, certificate), ELEMENT, NOW_S)


def rests_on() -> dict[str, object]:
    """Return the uploader's record of what its entry rests on."""
    digest = listing_consent(listing(), ENTRY_SALT)
    ends_s = (listing().expires_at + 1) * 86_400 - 1
    return {"consent": f"0x{digest.hex()}", "reader": 9, "level": 1, "validTo_s": ends_s}


def story() -> list[Change]:
    """Return what the ledger recorded: listed, looked up, disputed, upheld by nobody's contest."""
    entry = f"0x{listing().entry_id.hex()}"
    consent = used_consent().signed.consent
    posted = {
        "entry": entry,
        "uploader": 9,
        "profile": profile_of("CN-2013").number,
        "commitment": f"0x{listing().commitment.hex()}",
        "noticeDay": listing().notice_at,
        "effectiveDay": listing().effective_from,
        "expiresDay": listing().expires_at,
        "supersedes": f"0x{bytes(32).hex()}",
    }
    recorded = {
        "consent": f"0x{consent.digest(DOMAIN).hex()}",
        "reader": READER,
        "level": 3,
        "validTo_s": consent.valid_to_s,
    }
    later = [
        ("EntryStaged", {"entry": entry, "stage": 2}),
        ("EntryTagged", {"entry": entry, "keyEpoch": 1, "record": entry}),
        ("ConsentRecorded", recorded),
        (
            "DisputeOpened",
            {"dispute": 4, "entry": entry, "by": 2, "byPerson": True, "grounds": entry},
        ),
        ("DisputeAnswered", {"dispute": 4, "answer": 1, "answerHash": entry}),
        ("DisputeSettled", {"dispute": 4, "entry": entry, "outcome": 1}),
        ("EntryVested", {"entry": entry}),
        ("ConsentRecorded", rests_on()),
    ]
    changes = [change_of("EntryPosted", posted, (10, 0), digest("tx 0"), POSTED_S)]
    for number, (name, args) in enumerate(later, 1):
        changes.append(
            change_of(name, args, (10 + number, 2), digest(f"tx {number}"), POSTED_S + number)
        )
    return changes


@cache
def evidence(*, with_receipt: bool = False) -> Evidence:
    """Return a whole bundle."""
    return Evidence(
        chain_id=DOMAIN.chain_id,
        blacklist=bytes(19) + b"\x0b",
        lookups=DOMAIN.contract,
        exporter=2,
        as_of_block=100,
        as_of_s=POSTED_S + 86_400,
        id_type=PERSON.type,
        id_value=PERSON.value,
        salt=ENTRY_SALT,
        statement=statement(),
        notice=NOTICE,
        consent=AGREED,
        evidence=PROOFS,
        changes=tuple(story()),
        consents=(used_consent(),),
        receipts=(signed(make(1, listed=True)),) if with_receipt else (),
    )


def weigh(found: Evidence, signer: LocalSigner = EXPORTER) -> tuple[bool, str]:
    """Return whether a bundle holds and everything that is said of it."""
    result = weigh_evidence(sign_evidence(found, signer), allow_test=True)
    return result.ok, json.dumps(result.to_json())


def test_a_bundle_is_verified_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`kanhe verify` repeats every part and says what only the ledger knows."""
    path = tmp_path / "evidence.json"
    path.write_bytes(sign_evidence(evidence(with_receipt=True), EXPORTER))
    assert main(["verify", str(path), "--test-identifiers"]) == 0
    said = capsys.readouterr().out
    assert f"proved: {UPLOADER.address} signed entry" in said
    assert (
        "proved: member 3 found this entry in index version 1" in said or "found this entry" in said
    )
    assert "the entry was LISTED at block 100; 1 disputes were raised, 0 did not end for it" in said
    assert "level 3 for CREDIT, signed by the person for this lookup" in said
    assert f"not proved here: that transaction 0x{digest('tx 0').hex()} in block 10" in said
    assert f"that {EXPORTER.address} was a key of member 2 then" in said
    assert PERSON.value not in said
    assert main(["verify", str(path)]) == 2
    assert number_of(1) not in "".join(capsys.readouterr())


def test_every_changed_byte_is_found() -> None:
    """Each byte of the file, flipped: never a bundle that holds under the exporter's name."""
    data = sign_evidence(evidence(), EXPORTER)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 7
        try:
            found = weigh_evidence(bytes(changed), allow_test=True)
        except KanheError:
            continue
        assert not found.ok, f"byte {at}"


def leaves_of(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Return the path of every text in a JSON value."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves_of(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for at, item in enumerate(value) for leaf in leaves_of(item, (*path, at))]
    return [path]


#: What is the exporter's word alone, each under "not proved" or shown as it stands.
EXPORTERS_WORD = {"transaction", "blacklist", "exporter", "as_of_block", "as_of_s", "used_at_s"}
#: Of the changes: when and where, and what no part of the file repeats.
TOLD = {"block", "log_index", "time_s", "by", "byPerson", "grounds", "answerHash", "keyEpoch"}
TOLD |= {"record"}


def test_every_field_is_held_even_against_the_exporter() -> None:
    """Whoever signs the whole anew still changes nothing that another part of the file shows."""
    whole = json.loads(write_evidence(evidence()))
    unheld = set()
    for path in leaves_of(whole):
        body = json.loads(json.dumps(whole))
        place = body
        for step in path[:-1]:
            place = place[step]
        text = place[path[-1]]
        if isinstance(text, bool):
            place[path[-1]] = not text
        elif text.isdecimal():
            place[path[-1]] = str(int(text) + 1)
        else:
            place[path[-1]] = text[:-3] + ("A" if text[-3] != "A" else "B") + text[-2:]
        envelope = sign_envelope(
            "application/vnd.kanhe.evidence.v1", canonical_json(body), [EXPORTER]
        )
        try:
            held = weigh_evidence(envelope.to_json(), allow_test=True).ok
        except KanheError:
            continue
        if held:
            unheld.add(str(path[-1]))
    assert unheld <= EXPORTERS_WORD | TOLD


def test_a_stranger_s_signature_is_named(code_of: Callable[..., str]) -> None:
    """Signed anew by another key, it says whose key that must have been; a receipt is no bundle."""
    ok, said = weigh(evidence(), LocalSigner(digest("stranger")))
    assert ok
    assert LocalSigner(digest("stranger")).address in said
    assert code_of(weigh_evidence, signed(make(1, listed=True)), allow_test=True) == "ENVELOPE_TYPE"


def with_changes(edit: Callable[[list[Change]], None]) -> Evidence:
    """Return a bundle whose story was edited."""
    changes = story()
    edit(changes)
    return replace(evidence(), changes=tuple(changes))


STORIES: dict[str, Callable[[list[Change]], object]] = {
    "no ticket": lambda c: c.pop(0),
    "two tickets": lambda c: c.insert(1, replace(c[0], log_index=1)),
    "out of order": lambda c: c.reverse(),
    "back-dated": lambda c: c.__setitem__(
        slice(None), [replace(one, time_s=one.time_s + 2 * 86_400) for one in c]
    ),
    "later than the export": lambda c: c.__setitem__(-1, replace(c[-1], block=101)),
    "another entry": lambda c: c.__setitem__(
        1, replace(c[1], args={**c[1].args, "entry": f"0x{digest('other').hex()}"})
    ),
    "erased and then vested": lambda c: c.insert(
        7, replace(c[1], args={**c[1].args, "stage": "2"}, block=17, time_s=c[7].time_s)
    ),
    "a dispute that was not opened": lambda c: c.pop(4),
    "settled twice": lambda c: c.insert(7, replace(c[6], log_index=3)),
    "upheld, and removed by it": lambda c: c.insert(
        7,
        replace(
            c[1],
            args={**c[1].args, "stage": "5"},
            block=16,
            log_index=3,
            transaction=c[6].transaction,
            time_s=c[6].time_s,
        ),
    ),
    "lost, and still listed": lambda c: c.__setitem__(
        slice(5, 7),
        [
            replace(c[5], args={**c[5].args, "answer": "3"}),
            replace(c[6], args={**c[6].args, "outcome": "3"}),
        ],
    ),
    "not what was answered": lambda c: c.__setitem__(
        6, replace(c[6], args={**c[6].args, "outcome": "5"})
    ),
    "an unknown event": lambda c: c.__setitem__(7, replace(c[7], name="EntryForgiven")),
    "an event without its arguments": lambda c: c.__setitem__(1, replace(c[1], args={})),
    "another ticket's commitment": lambda c: c.__setitem__(
        0, replace(c[0], args={**c[0].args, "commitment": f"0x{digest('x').hex()}"})
    ),
    "no record of the consent": lambda c: c.pop(3),
    "another reader's record of the consent": lambda c: c.__setitem__(
        3, replace(c[3], args={**c[3].args, "reader": "9"})
    ),
    "a record of the consent whose words are no text": lambda c: c.__setitem__(
        3, replace(c[3], args={**c[3].args, "reader": [str(READER)]})
    ),
    "a consent that was revoked": lambda c: c.insert(
        4, replace(c[3], name="ConsentRevoked", log_index=None, time_s=NOW_S)
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_that_no_contract_tells_is_found(name: str) -> None:
    """Though its exporter signed it: what does not follow, or is of another entry, fails."""
    ok, said = weigh(with_changes(lambda changes: STORIES[name](changes) and None))
    assert not ok, name
    assert "proves nothing" in said


@pytest.mark.parametrize(
    "changes",
    [
        {"id_value": number_of(2)},
        {"salt": digest("other")},
        {"notice": b"another letter"},
        {"consent": b"another contract"},
        {"evidence": PROOFS[::-1]},
        {"evidence": PROOFS[:1]},
        {"statement": statement(signer=LocalSigner(digest("x")))[:-1]},
        {"statement": signed(make(1, listed=True))},
        {"consents": (replace(used_consent(), element=digest("another B")),)},
        {"consents": (used_consent(purpose=Purpose.ACCOUNT),)},
        {"consents": (replace(used_consent(), used_at_s=NOW_S + 61),)},
        {"receipts": (signed(make(2, listed=True)),)},
        {"receipts": (signed(replace(make(1, listed=True), entries=())),)},
    ],
)
def test_a_part_of_something_else_is_found(changes: dict[str, object]) -> None:
    """Another person, document, consent or receipt than the statement's."""
    ok, _ = weigh(replace(evidence(), **changes))  # type: ignore[arg-type]
    assert not ok


def test_what_is_left_out_is_said() -> None:
    """Documents that are not disclosed are named as not proven, not passed over."""
    changes = tuple(one for one in story() if one.name != "ConsentRecorded")
    bare = replace(evidence(), notice=None, consent=None, evidence=(), consents=(), changes=changes)
    ok, said = weigh(bare)
    assert ok
    assert "what the notice says: it is not part of the file" in said
    assert "what the consent says: it is not part of the file" in said
    assert "no evidence is part of the file" in said


def test_a_bundle_reads_back_and_shows_nobody() -> None:
    """One form; neither its `repr` nor a refusal holds the identifier or the salt."""
    data = write_evidence(evidence(with_receipt=True))
    assert read_evidence(data) == evidence(with_receipt=True)
    assert PERSON.value not in repr(evidence())
    for bad in (data[:-1], data + b" ", data.replace(b'"schema"', b'"Schema"'), b"[]"):
        with pytest.raises(KanheError) as caught:
            read_evidence(bad)
        assert PERSON.value not in str(caught.value)


def test_a_statement_reads_back_from_its_json(code_of: Callable[..., str]) -> None:
    """The digested JSON that was signed gives the same listing; any other form is refused."""
    payload = read_envelope(statement()).payload
    assert read_statement(payload) == listing()
    for bad in (
        payload[:-1],
        payload + b" ",
        payload.replace(b'"CARD"', b'"BOAT"'),
        payload.replace(b'"uploader":"9"', b'"uploader":"09"'),
        payload.replace(b'"schema"', b'"scheme"'),
        base64.b64encode(payload),
    ):
        assert code_of(read_statement, bad) == "LISTING_MALFORMED"


@pytest.mark.usefixtures("node_stack")
@pytest.mark.parametrize("kind", ["receipt", "evidence", "person-request", "consent-request"])
def test_what_is_nested_beyond_any_decoder_is_malformed(
    kind: str, code_of: Callable[..., str], tmp_path: Path
) -> None:
    """A stranger's file of a hostile depth is bad input for `kanhe verify`, and no crash."""
    deep = b'{"a":' * 100_000
    data = sign_envelope(f"application/vnd.kanhe.{kind}.v1", deep, [EXPORTER]).to_json()
    readers = {"person-request": read_person_request, "consent-request": read_consent_request}
    if kind in readers:
        assert code_of(readers[kind], data) == "PROOF_MALFORMED"
        return
    (tmp_path / "deep").write_bytes(data)
    assert main(["verify", str(tmp_path / "deep")]) == 2
    assert code_of(read_consent_file, deep) == "PROOF_MALFORMED"
