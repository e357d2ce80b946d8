"""Audit by opening: logs against the ledger, samples against what was logged."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from committee_town import COMMITTEE, OUTSIDER, PHRASE, Town
from listed_people import person_of
from sqlalchemy import delete, select

from node.cli import main
from node.crypto.eip712 import Domain
from node.crypto.oprf import group, modes
from node.errors import NotAllowed, NotFound
from node.index_reading import Wrong
from node.lookup_parts import LookupParts
from node.screening.auditing import (
    Logged,
    Opening,
    check_opening,
    draw,
    is_sampled,
    read_draw,
    read_opening,
    require_real,
    seed_of,
    write_opening,
)
from node.screening.consents import (
    Consent,
    Level,
    Purpose,
    Scope,
    SignedConsent,
    Trust,
    person_commitment,
)
from node.screening.states import DAY_S
from node.services.lookups import AuditReport
from node.services.lookups.auditing import LOG, OPEN, AuditingService
from node.tables import DeletionCertificate, Incident
from reconcile.model import KanheError, ProtocolError, day_iso
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import served

READER = 1


@pytest.fixture(scope="module")
def day(indexed: Town) -> int:
    """A day that is over, with lookups and listings, whose logs are on the ledger."""
    indexed.found(READER, 1)
    indexed.found(READER, 3)
    entry = indexed.list(OUTSIDER, 5)
    assert entry
    found = indexed.time_s() // DAY_S
    indexed.pass_s(DAY_S)
    indexed.claim()
    return found


def audit(town: Town, day: int, monkeypatch: pytest.MonkeyPatch | None = None) -> AuditReport:
    """Audit everything of a day; people of region 99 count here."""
    service = town.node(OUTSIDER).parts.audits
    service._allow_test = True
    del monkeypatch
    return service.audit(day, one_of=1)


def test_what_was_evaluated_honestly_opens(indexed: Town, day: int) -> None:
    """Every node's log is the anchored one, and every lookup and listing opens to its element."""
    report = audit(indexed, day)
    assert report.wrong == []
    assert report.drawn.key == audit(indexed, day).drawn.key
    assert report.holds
    assert report.logs >= 2
    assert report.sampled == report.opened == report.evaluations > 2


def test_only_the_regulator_is_shown_whom_it_concerned(indexed: Town, day: int) -> None:
    """Another member is refused, by the reader and as an auditor."""
    with pytest.raises(NotAllowed):
        indexed.node(2).parts.audits.audit(day)
    asked = msgspec.json.encode({"ticket": "1", "subject": "00" * 32, "key_epoch": 1})
    with pytest.raises(NotAllowed):
        indexed.node(READER).parts.audits.open_to(2, asked)
    with pytest.raises(ProtocolError) as caught:
        indexed.node(READER).parts.audits.open_to(OUTSIDER, asked)
    assert caught.value.code == "AUDIT_UNKNOWN"
    with pytest.raises(ProtocolError) as nothing:
        audit(indexed, day + 1_000)
    assert nothing.value.code == "AUDIT_NOTHING"


def test_who_opens_another_person_is_named(
    indexed: Town, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that looked up somebody else than it says gives another element."""
    honest = AuditingService._opening

    def other(service: AuditingService, *args: object) -> Opening:
        opened = honest(service, *args)  # type: ignore[arg-type]
        return dataclasses.replace(opened, identifier=person_of(77))

    monkeypatch.setattr(AuditingService, "_opening", other)
    report = audit(indexed, day)
    assert not report.holds
    assert report.opened == 0
    assert {wrong.kind for wrong in report.wrong} == {"AUDIT_NOT_OPENED"}
    assert all("AUDIT_ELEMENT" in wrong.says for wrong in report.wrong)


def test_a_log_that_lacks_a_row_is_not_the_anchored_one(
    indexed: Town, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that hides an evaluation shows another root than it anchored."""
    asked = LookupParts.ask
    # Two nodes of three are drawn for each evaluation: one of them may have a day without any.
    liar = next(
        member
        for member in COMMITTEE
        if any(view.day == day for view in indexed.node(member).parts.answering.days())
    )

    def hiding(parts: LookupParts, member: int, word: str, body: bytes) -> bytes:
        answer = asked(parts, member, word, body)
        if word == LOG and member == liar:
            return msgspec.json.encode(msgspec.json.decode(answer)[1:])
        return answer

    parts = indexed.node(OUTSIDER).parts
    monkeypatch.setattr(LookupParts, "ask", hiding)
    monkeypatch.setattr(parts.audits, "_ask", parts.ask)
    wrong = [item for item in audit(indexed, day).wrong if item.replica == liar]
    assert [item.kind for item in wrong] == ["LOOKUP_LOG_WRONG"]


def test_a_reader_that_does_not_answer_is_named(
    indexed: Town, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise for an opening is as good as none."""
    asked = LookupParts.ask

    def mute(parts: LookupParts, member: int, word: str, body: bytes) -> bytes:
        return b"{}" if word == OPEN else asked(parts, member, word, body)

    parts = indexed.node(OUTSIDER).parts
    monkeypatch.setattr(LookupParts, "ask", mute)
    monkeypatch.setattr(parts.audits, "_ask", parts.ask)
    assert {item.kind for item in audit(indexed, day).wrong} == {"AUDIT_NOT_OPENED"}


def test_the_regulator_audits_by_command_and_over_rest(
    indexed: Town,
    day: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same report either way, once a key; nobody else audits, and no viewer starts it."""
    node, iso = indexed.node(OUTSIDER), day_iso(day)
    (tmp_path / "phrase").write_text(PHRASE)
    monkeypatch.setenv("KANHE_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    monkeypatch.setenv("KANHE_TEST_IDENTIFIERS", "1")
    words = ["blacklist", "audit", "--day", iso, "--one-of", "1", "--json", "-"]
    assert main([*words, "--home", str(node.home)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["holds"], report["wrong"], report["day"]) == (True, [], iso)
    # Whoever is shown the report draws again.
    roots = [bytes.fromhex(root) for root in report["draw"].pop("roots").values()]
    assert len(roots) >= 2
    assert seed_of(read_draw(report["draw"]), node.identity.place.lookups_domain, day, roots)
    node.parts.audits._allow_test = True
    other = indexed.node(2)
    with (
        served({"regulator": node, "other": other}) as base,
        program(node, base, "regulator", "auditor") as auditor,
        program(node, base, "regulator", "checker") as checker,
        program(other, base, "other", "auditor") as outsider,
    ):
        asked, key = {"day": iso, "one_of": 1}, {"Idempotency-Key": "audit"}
        answer = good(auditor.post("/audits", json=asked, headers=key))
        assert good(auditor.post("/audits", json=asked, headers=key)) == answer
        # A proof is drawn anew each time; what it proves is the same.
        for name in ("key", "evaluated"):
            assert answer["draw"][name] == report["draw"][name]
        assert {**answer, "draw": report["draw"]} == report
        for client, body, refusal in [
            (auditor, {"day": "2001-01-01"}, "AUDIT_NOTHING"),
            (auditor, {"day": "yesterday"}, "REQUEST_MALFORMED"),
            (checker, asked, "NOT_ALLOWED"),
            (outsider, asked, "NOT_REGULATOR"),
        ]:
            assert refused(client.post("/audits", json=body))[1] == refusal


def test_a_setting_that_reads_no_test_people_accuses_nobody(indexed: Town, day: int) -> None:
    """A code of its own, no incident; the option reads them."""
    service = indexed.node(OUTSIDER).parts.audits
    service._allow_test = False
    report = service.audit(day, one_of=1)
    assert (report.wrong, report.opened, report.holds) == ([], 0, False)
    assert {item.kind for item in report.unread} == {"AUDIT_TEST_IDENTIFIER"}
    assert len(report.unread) == report.sampled
    assert service.audit(day, one_of=1, allow_test=True).holds


def test_a_second_audit_of_a_day_keeps_what_it_finds_anew(
    indexed: Town, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One evaluation is lost, then all are: the first incident stands, the others join it."""
    regulator, honest = indexed.node(OUTSIDER), AuditingService._opening
    lost: list[object] = []

    def some(service: AuditingService, *args: object) -> Opening:
        lost.append(args[2])
        if args[2] == lost[0]:
            raise ProtocolError("AUDIT_UNKNOWN", "lost")
        return honest(service, *args)  # type: ignore[arg-type]

    def none(*_: object) -> Opening:
        raise ProtocolError("AUDIT_UNKNOWN", "lost")

    def kept() -> set[str]:
        found = select(Incident.fingerprint).where(Incident.kind == "AUDIT_NOT_OPENED")
        with regulator.sessions() as session:
            return set(session.scalars(found))

    with regulator.sessions.begin() as session:
        session.execute(delete(Incident).where(Incident.kind == "AUDIT_NOT_OPENED"))
    monkeypatch.setattr(AuditingService, "_opening", some)
    assert len(audit(indexed, day).wrong) == 1
    (first,) = kept()
    monkeypatch.setattr(AuditingService, "_opening", none)
    every = len(audit(indexed, day).wrong)
    assert every > 1
    assert first in kept()
    assert len(kept()) == every


def test_an_erased_listing_with_its_certificate_is_no_incident(
    indexed: Town, day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says so without a certificate on the ledger has not opened it."""
    asked = LookupParts.ask

    def erased(parts: LookupParts, member: int, word: str, body: bytes) -> bytes:
        if word == OPEN and json.loads(body)["ticket"] == "0":
            raise NotFound("LISTING_ERASED", "the listing was erased")
        return asked(parts, member, word, body)

    node = indexed.node(OUTSIDER)
    monkeypatch.setattr(LookupParts, "ask", erased)
    monkeypatch.setattr(node.parts.audits, "_ask", node.parts.ask)
    claimed = audit(indexed, day)
    listings = len(claimed.wrong)
    assert listings > 0
    assert all("LISTING_ERASED" in item.says for item in claimed.wrong)
    with node.sessions.begin() as session:
        rows = [_certificate(item) for item in claimed.wrong]
        session.add_all(rows)
    told = audit(indexed, day)
    with node.sessions.begin() as session:
        session.execute(delete(DeletionCertificate))
    assert (told.wrong, told.erased.total(), told.holds) == ([], listings, True)
    assert told.opened == told.sampled - listings


def _certificate(wrong: Wrong) -> DeletionCertificate:
    """Return the row of a listing's certificate of deletion, as the log gives it."""
    entry = bytes.fromhex(str(wrong.evidence["subject"]))
    return DeletionCertificate(
        entry=entry,
        member=wrong.replica,
        certificate=entry,
        tx_hash=entry,
        block_time_s=0,
        block_number=0,
        log_index=0,
    )


DOMAIN = Domain(31_337, b"\x11" * 20)


def seeds(secret: bytes, *days: list[bytes]) -> list[bytes]:
    """Return the seed that a regulator's key draws from each day's roots."""
    return [seed_of(draw(secret, DOMAIN, 7, roots), DOMAIN, 7, roots) for roots in days]


def test_samples_follow_from_all_roots_and_the_regulator_s_key() -> None:
    """One of a hundred on average, the same each time, others under another root or key."""
    keys = [number.to_bytes(4, "big") for number in range(20_000)]
    first, swapped, other = seeds(b"r" * 32, [b"a" * 32, b"b" * 32], [b"b" * 32, b"a" * 32],
                                  [b"a" * 32, b"c" * 32])  # fmt: skip
    (theirs,) = seeds(b"s" * 32, [b"a" * 32, b"b" * 32])
    assert swapped == first
    drawn = [{key for key in keys if is_sampled(seed, key, 100)} for seed in (first, other, theirs)]
    assert all(100 < len(one) < 320 for one in drawn)
    assert len({frozenset(one) for one in drawn}) == 3
    assert all(is_sampled(first, key, 1) for key in keys[:10])


def test_who_anchors_last_cannot_order_its_rows_until_nothing_is_drawn() -> None:
    """By the roots alone it finds such an order in a few tries; under the real key it helps not."""
    keys = [b"ticket" + number.to_bytes(8, "big") for number in range(200)]
    honest = [b"a" * 32, b"b" * 32]
    orders = [hashlib.sha256(bytes([number])).digest() for number in range(60)]

    def hidden(secret: bytes) -> set[bytes]:
        drawn = seeds(secret, *([*honest, root] for root in orders))
        pairs = zip(orders, drawn, strict=True)
        return {root for root, seed in pairs if not any(is_sampled(seed, k, 100) for k in keys)}

    guessed, real = hidden(bytes(32)), hidden(b"r" * 32)
    assert guessed
    assert not guessed & real


def test_a_draw_shows_that_it_was_not_chosen() -> None:
    """Another day, network or set of roots, another element or key: the proof does not hold."""
    roots = [b"a" * 32, b"b" * 32]
    found = draw(b"r" * 32, DOMAIN, 7, roots)
    again = read_draw(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert seed_of(again, DOMAIN, 7, roots) == seeds(b"r" * 32, roots)[0]
    other = draw(b"s" * 32, DOMAIN, 7, roots)
    for wrong, domain, day, over in [
        (found, DOMAIN, 8, roots),
        (found, Domain(1, DOMAIN.contract), 7, roots),
        (found, DOMAIN, 7, roots[:1]),
        (dataclasses.replace(found, evaluated=other.evaluated), DOMAIN, 7, roots),
        (dataclasses.replace(found, key=other.key), DOMAIN, 7, roots),
        (dataclasses.replace(found, proof=other.proof), DOMAIN, 7, roots),
    ]:
        with pytest.raises(ProtocolError) as caught:
            seed_of(wrong, domain, day, over)
        assert caught.value.code == "OPRF_PROOF_WRONG"
    for body in ({}, {**found.to_json(), "key": "x"}, {**found.to_json(), "proof": "00"}):
        with pytest.raises(KanheError):
            read_draw(body)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff"])
def test_an_opening_that_does_not_read_is_refused(data: bytes) -> None:
    """Noise is no opening; an honest one is read back."""
    with pytest.raises(ProtocolError) as caught:
        read_opening(data)
    assert caught.value.code == "AUDIT_MALFORMED"
    nobody = write_opening(Opening(person_of(1), bytes(31) + b"\x01"))
    with pytest.raises(ProtocolError) as unread:
        require_real(read_opening(nobody).identifier)
    assert unread.value.code == "AUDIT_TEST_IDENTIFIER"
    with pytest.raises(ProtocolError) as none:
        read_opening(nobody.replace(person_of(1).value.encode(), b"123"))
    assert none.value.code == "AUDIT_MALFORMED"
    opening = Opening(person_of(1), bytes(31) + b"\x01", None, b"\x01", b"\x02" * 32)
    assert read_opening(write_opening(opening)) == opening
    assert person_of(1).value not in repr(opening)


def test_an_authority_that_this_node_does_not_take_accuses_nobody() -> None:
    """Person and element agree; whose certificates count is this node's own setting."""
    blind, salt, person = bytes(group.ONE), b"\x02" * 32, person_of(1)
    consent = Consent(
        READER,
        Purpose.CREDIT,
        Scope.HIT,
        1_000,
        2_000,
        b"\x03" * 32,
        person_commitment(person, salt),
        bytes(32),
        Level.AUTHORITY,
    )
    signed = SignedConsent(consent, salt, b"\x04" * 65, b"no certificate")
    element = modes.blind(modes.Mode.VOPRF, person.prf_input, scalar=group.ONE).element
    blinded = hashlib.sha256(element).digest()
    logged = Logged(READER, 1, consent.digest(DOMAIN), blinded, 1, 2, b"")
    trust = Trust(lambda _member, _key: True)
    with pytest.raises(ProtocolError) as caught:
        check_opening(logged, Opening(person, blind, signed), DOMAIN, trust, None)
    assert caught.value.code == "AUDIT_AUTHORITY"
    for other, code in [
        (Opening(person_of(2), blind, signed), "AUDIT_ELEMENT"),
        (
            Opening(person, blind, dataclasses.replace(signed, salt=bytes(32))),
            "CONSENT_OTHER_PERSON",
        ),
    ]:
        with pytest.raises(ProtocolError) as wrong:
            check_opening(logged, other, DOMAIN, trust, None)
        assert wrong.value.code == code
