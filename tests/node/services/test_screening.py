"""The blacklist through whole nodes: listed, traced, disputed, voted on, suspended, erased."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from eth_utils.crypto import keccak
from sqlalchemy import delete, insert, select

from node.blacklist import account_of
from node.crypto.oprf import modes
from node.crypto.oprf.modes import Mode
from node.intake import open_import
from node.screening.asking import (
    About,
    ConsentRequest,
    read_person_request,
    sign_consent_request,
)
from node.screening.consent_files import (
    ConsentFile,
    RevocationFile,
    write_consent_file,
    write_revocation_file,
)
from node.screening.consents import Purpose, Scope, consent_key
from node.screening.envelope import read_envelope
from node.screening.points import LISTING_STAKE
from node.screening.states import DAY_S, OPENABLE_DAYS, Verdict
from node.screening.weighing import weigh_evidence
from node.services.screening import Candidate, TraceView
from node.services.screening.importing import Imported
from node.tables import Erasure, KeyEpoch, Member, OwnListing, RecordedConsent, SealedRecord
from node.wallet import Wallet, read_back
from reconcile.model import KanheError, day_iso
from tests.databases import SERVER
from tests.node.services.blacklist_town import BlacklistTown, person


def refused(call: object, *args: object, **more: object) -> str:
    """Return the code of the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args, **more)  # type: ignore[operator]
    assert caught.value.message
    return caught.value.code


def test_a_listing_is_traced_by_another_member(town: BlacklistTown) -> None:
    """A lists with notice; B sees who, when, on what, each change with its transaction."""
    alpha, beta = town.node(1), town.node(2)
    entry = town.list(1, 1)
    with alpha.database.reading() as session:
        assert account_of(session, 1).staked == LISTING_STAKE
    own = alpha.screening.trace(entry)
    assert own.entry.state == "LISTED"
    assert own.holds
    assert {check.name: check.ok for check in own.checks} == {
        "statement": True,
        "signature": True,
        "notice": True,
        "not back-dated": True,
        "commitment": True,
    }
    assert [step.what for step in own.history] == [
        "EntryPosted",
        "EntryTagged",
        "EntryStaged",
    ]
    assert all(step.tx_hash for step in own.history)
    seen = beta.screening.trace(beta.screening.find_entry(entry.hex()[:8]))
    assert (seen.entry.uploader, seen.entry.state, seen.code_text) == (1, "LISTED", "TEST-0")
    assert seen.statement is None, "the ledger tells nobody what it says"
    assert seen.history == own.history
    assert seen.tx_hash == own.tx_hash
    assert person(1).value not in str(own.to_json())


def test_what_must_not_be_listed_is_refused(town: BlacklistTown) -> None:
    """Each refusal is a code in words, and nothing of it is kept or sent."""
    screening = town.node(1).screening
    cases = {
        "LISTING_NOTICE_TOO_RECENT": town.candidate(50, notice_days=2),
        "LISTING_EXPIRY_TOO_FAR": town.candidate(50, keep_days=4_000),
        "LISTING_NO_NOTICE": town.candidate(50, notice_at=None),
        "LISTING_NO_ACTION": town.candidate(50, action=None),
        "LISTING_BACKDATED": town.candidate(50, effective_from=town.today() - 1),
        "LISTING_FOREIGN": town.candidate(50, uploader=2),
        "PROFILE_UNKNOWN": town.candidate(50, policy="NOWHERE"),
        "LISTED_ALREADY": town.candidate(1),
        "ENTRY_UNKNOWN": town.candidate(50, supersedes=keccak(b"nothing")),
    }
    before = town.node(1).tip()["outbox"]
    for code, candidate in cases.items():
        assert refused(screening.list_person, candidate) == code
    assert town.node(1).tip()["outbox"] == before
    taken = screening.list_many([town.candidate(51, notice_days=2), town.candidate(1)])
    assert [item.error.code for item in taken if item.error] == [
        "LISTING_NOTICE_TOO_RECENT",
        "LISTED_ALREADY",
    ]


def test_points_that_run_short_refuse_the_next(town: BlacklistTown) -> None:
    """An allowance is claimed by the first stake; what it does not reach for is not sent."""
    screening = town.node(3).screening
    people = [town.candidate(60 + n, uploader=3) for n in range(5)]
    taken = screening.list_many(people)
    assert [item.error.code if item.error else "" for item in taken] == [*[""] * 4, "POINTS_SHORT"]
    town.settle(3)
    view = screening.points()
    assert view.account.free == 0
    reasons = [(row.kind, row.reason) for row in view.movements]
    assert reasons == [("STAKED", "listing")] * 4 + [("MINTED", "allowance")]
    assert {row.entry for row in view.movements[:4]} == {item.entry for item in taken[:4]}
    assert all(row.tx_hash for row in view.movements)
    assert refused(screening.claim_allowance) == "ALLOWANCE_TAKEN"


def once_no_audit_asks(town: BlacklistTown, entry: bytes) -> TraceView:
    """Let the days pass in which an audit may ask for what is over; return the trace after them."""
    alpha = town.node(1)
    over = alpha.screening.trace(entry)
    assert (over.entry.state, over.entry.erased) == ("REMOVED", False)
    assert over.erased_from_s == (town.today() + OPENABLE_DAYS) * DAY_S
    assert town.node(2).screening.trace(entry).erased_from_s is None
    town.pass_days(OPENABLE_DAYS - 1)
    assert not alpha.screening.trace(entry).entry.erased
    town.pass_days(1)
    done = alpha.screening.trace(entry)
    assert done.erased_from_s is None
    return done


def test_a_wrong_listing_times_out_is_suspended_and_erased(town: BlacklistTown) -> None:
    """Disputed by B, unanswered by A: suspended by time alone, settled, erased, unopenable."""
    alpha, beta = town.node(1), town.node(2)
    entry = town.list(1, 2)
    assert refused(alpha.screening.open_dispute, entry, "mine") == "OWN_ENTRY"
    beta.screening.open_dispute(entry, "the card was paid in full")
    assert beta.screening.open_dispute(entry, "the card was paid in full"), "asked for once"
    town.settle()
    (raised,) = [item for item in alpha.screening.disputes() if item.entry == entry]
    assert (raised.phase, raised.role, raised.moves) == ("OPEN", "target", ("answer",))
    paper = beta.screening.paper_of(raised.dispute)
    assert paper is not None
    assert paper["text"] == "the card was paid in full"
    assert refused(alpha.screening.erase, entry) == "DISPUTE_OPEN"
    assert refused(alpha.screening.withdraw, entry) == "ENTRY_STATE_NOT_ALLOWED"
    # Nobody runs: the state follows from the block's time.
    town.chain.rpc("evm_increaseTime", 11 * 86_400)
    town.chain.mine()
    beta.follower.catch_up()
    traced = beta.screening.trace(entry)
    assert traced.entry.state == "SUSPENDED"
    last = traced.history[-1]
    assert (last.what, last.tx_hash) == ("SuspendedByTime", None)
    town.settle()
    assert alpha.screening.dispute(raised.dispute).outcome == "TIMED_OUT"
    with alpha.database.reading() as session:
        held = session.get_one(OwnListing, entry)
        record = session.get_one(SealedRecord, (entry, 1)).record
        sealed = [piece[-64:] for piece in (held.secret, held.documents, record)]
        assert held.statement is not None
        sealed.append(held.statement)
    assert alpha.database.empty_log()
    if alpha.database.engine.dialect.name == "sqlite":
        assert all(piece in (alpha.home / "kanhe.db").read_bytes() for piece in sealed)
    asked = alpha.screening.erase(entry)
    assert asked is None, "it is withdrawn first"
    town.settle()
    done = once_no_audit_asks(town, entry)
    assert done.entry.state == "ERASED"
    assert done.entry.erased
    ((member, certificate, tx_hash),) = done.certificates
    assert (member, bool(tx_hash)) == (1, True)
    assert alpha.screening.erase(entry) == certificate
    envelope = alpha.screening.certificate_of(entry)
    signed = read_envelope(envelope)
    assert signed.signers() == (alpha.keys.approver.address,)
    assert entry.hex() in signed.payload.decode()
    assert hashlib.sha256(envelope).digest() == certificate
    for path in alpha.home.glob("kanhe.db*"):
        assert not any(piece in path.read_bytes() for piece in sealed), path.name
    with alpha.database.reading() as session:
        row = session.get_one(OwnListing, entry)
        assert (row.secret, row.documents, row.statement, row.signature) == (b"", b"", None, None)
        assert session.scalars(select(SealedRecord).where(SealedRecord.entry == entry)).all() == []
        assert session.get_one(Erasure, entry).destroyed_at_ms is not None
    assert {check.name: check.ok for check in done.checks}["signature"] is None
    losses = [row for row in alpha.screening.points().movements if row.reason == "entry overturned"]
    assert {row.dispute for row in losses} == {raised.dispute}


def test_a_contested_answer_goes_to_the_panel(town: BlacklistTown) -> None:
    """Answered, contested, drawn; the panelist's vote is hidden, then opened by its node."""
    beta, gamma = town.node(2), town.node(3)
    entry = town.list(2, 3)
    gamma_points = gamma.screening.points().account
    assert gamma_points.member == 3
    alpha = town.node(1)
    alpha.screening.open_dispute(entry, "for the person", by_person=True)
    town.settle()
    (raised,) = [item for item in beta.screening.disputes() if item.entry == entry]
    number = raised.dispute
    assert refused(alpha.screening.answer_dispute, number, Verdict.UPHELD, "no") == "NOT_PARTY"
    bad = refused(beta.screening.answer_dispute, number, Verdict.UNVERIFIABLE, "no")
    assert bad == "VERDICT_NOT_ALLOWED"
    beta.screening.answer_dispute(number, Verdict.UPHELD, "the debt is real")
    town.settle()
    alpha.screening.contest(number)
    town.settle()
    town.chain.mine(3)
    town.settle()
    view = gamma.screening.dispute(number)
    assert (view.panel, view.role, view.moves) == ((3,), "panelist", ("verdict",))
    assert refused(beta.screening.give_verdict, number, Verdict.UPHELD) == "NOT_PANELIST"
    gamma.screening.give_verdict(number, Verdict.REMOVED)
    # The process dies before anything is sent: the vote and its salt are in the rows.
    gamma = town.reopen(3)
    assert refused(gamma.screening.give_verdict, number, Verdict.UPHELD) == "BALLOT_CAST"
    town.settle()
    assert alpha.screening.dispute(number).ballots == ((3, None),)
    town.pass_days(2.1)
    assert alpha.screening.dispute(number).ballots == ((3, "REMOVED"),)
    town.pass_days(2.1)
    settled = alpha.screening.dispute(number)
    assert (settled.phase, settled.outcome) == ("SETTLED", "REMOVED")
    assert alpha.screening.trace(entry).entry.state == "REMOVED"


def overdue_list(town: BlacklistTown, path: Path, serials: Sequence[int], *, bad: bool) -> Path:
    """Write an overdue list of people who cannot exist; a bad one has a person without notice."""
    told = day_iso(town.today() - 30)
    since = day_iso(town.today() - 100)
    header = "身份证号,产品,逾期金额,逾期天数,逾期起始日,告知日期,采取措施,名单类型"
    rows = [f"{header},授权书摘要,告知书摘要"]
    for serial in serials:
        when = "" if bad and serial == serials[-1] else told
        cells = f"{person(serial).value},信用卡,1234.50,95,{since},{when},催收,逾期"
        rows.append(f"{cells},{'a' * 64},{'b' * 64}")
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_a_file_is_listed_whole_or_its_good_rows_on_demand(
    town: BlacklistTown, tmp_path: Path
) -> None:
    """A refused row or points that do not reach keep nothing; again, it lists nobody twice."""
    town.pass_days(2)
    screening, beta = town.node(2).screening, town.node(2)
    stated = screening.stated({}, policy="CN-2013", allow_test=True)
    assert (stated.uploader, stated.posted_day) == (2, town.today(2))
    path = overdue_list(town, tmp_path / "list.csv", (70, 71, 72), bad=True)

    def import_it(**options: bool) -> Imported:
        with open_import(path, stated, accept_map=True) as found:
            return screening.list_import(found, **options)

    before = beta.tip()["outbox"]
    assert refused(import_it) == "IMPORT_REFUSED"
    overdue_list(town, path, range(70, 70 + 130), bad=False)
    assert refused(import_it) == "POINTS_SHORT"
    assert beta.tip()["outbox"] == before
    overdue_list(town, path, (70, 71, 72), bad=True)
    done = import_it(partial=True)
    assert [line for line, _ in done.listed] == [2, 3]
    town.settle()
    trace = screening.trace(done.listed[0][1])
    assert trace.holds
    assert trace.entry.state == "TICKETED"
    again = import_it(partial=True)
    assert [(one.line, one.code) for one in again.refused] == [
        (2, "LISTED_ALREADY"),
        (3, "LISTED_ALREADY"),
    ]
    # Sealed at rest: nothing that the node keeps, rows, journal or logs, holds an identifier.
    kept = b"".join(one.read_bytes() for one in beta.home.rglob("*") if one.is_file())
    assert done.listed[0][1] in kept or SERVER
    assert not [n for n in (70, 71, 72) if person(n).value.encode() in kept]
    owned = screening.evidence_of(done.listed[1][1])
    assert weigh_evidence(owned, allow_test=True).ok


def test_a_person_sees_her_entry_and_has_it_disputed(town: BlacklistTown) -> None:
    """Each member answers whom it identified itself; her consent another one certified."""
    town.pass_days(2)
    alpha, beta, gamma = (town.node(member) for member in (1, 2, 3))
    entry = town.list(1, 80)
    town.list(1, 81)
    domain = alpha.identity.place.lookups_domain
    wallet = Wallet.create(person(80), domain)
    certificate = beta.screening.certify_person(wallet.request_certificate(2), person(80))
    assert (
        refused(beta.screening.certify_person, wallet.request_certificate(2), person(81))
        == "KYC_OTHER_PERSON"
    )
    now_s = alpha.clock() // 1_000
    ours = alpha.screening.certify_person(wallet.request_certificate(1), person(80))
    entries = {"now_s": now_s, "consent_certificate": certificate}
    request = wallet.ask(1, About.ENTRIES, ours, **entries)
    assert refused(alpha.screening.admit_person, request) == "IDENTIFIER_COMPONENT"
    admitted = alpha.screening.admit_person(request, allow_test=True)
    answer = alpha.screening.answer_person(admitted)
    found = read_back(wallet, read_person_request(request)[0], answer)
    (bundle,) = found.evidence
    assert bundle.ok
    assert any("LISTED at block" in line for line in bundle.proved)
    assert any(entry.hex()[:16] in line for line in bundle.proved)
    assert found.missing == ["the receipt of the lookup: without it nothing shows that it is all"]
    assert refused(alpha.screening.answer_person, admitted) == "ASKED_TWICE"
    assert refused(alpha.screening.admit_person, request, allow_test=True) == "ASKED_TWICE"
    elsewhere = wallet.ask(1, About.ENTRIES, ours, **entries)
    assert refused(gamma.screening.admit_person, elsewhere, allow_test=True) == "ASKED_ELSEWHERE"
    theirs = gamma.screening.certify_person(wallet.request_certificate(3), person(80))
    dispute = wallet.ask(
        3, About.DISPUTE, theirs, now_s=now_s, entry=entry, grounds="paid in full in May"
    )
    gamma.screening.answer_person(gamma.screening.admit_person(dispute, allow_test=True))
    town.settle()
    assert alpha.screening.trace(entry).entry.state == "DISPUTED"
    (raised,) = [item for item in gamma.screening.disputes() if item.entry == entry]
    assert raised.by_person
    told = weigh_evidence(alpha.screening.evidence_of(entry), allow_test=True)
    assert any("the entry was DISPUTED" in line for line in told.proved)


def test_a_consent_is_recorded_and_revoked_by_its_secret(town: BlacklistTown) -> None:
    """The reader records it; another member relays the revocation and learns no key of hers."""
    beta, gamma = town.node(2), town.node(3)
    domain = beta.identity.place.lookups_domain
    wallet = Wallet.create(person(90), domain)
    certificate = gamma.screening.certify_person(wallet.request_certificate(3), person(90))
    now_s = beta.clock() // 1_000
    blinded = modes.blind(Mode.VOPRF, person(90).prf_input)
    asked = ConsentRequest(
        domain, *beta.screening.who_asks(), Purpose.CREDIT, Scope.HIT, now_s,
        town.today() * 86_400 + 90 * 86_400, blinded.blind, blinded.element,
    )  # fmt: skip
    envelope = sign_consent_request(asked, beta.keys.approver)
    made = wallet.consent(asked, envelope, certificate, now_s=now_s)
    file = write_consent_file(ConsentFile(domain, made.signed, made.revocation_hash))
    assert refused(gamma.lookups.record_consent, file) == "CONSENT_FOREIGN"
    assert beta.lookups.record_consent(file) == made.digest
    revocation = write_revocation_file(
        RevocationFile(domain, 2, made.digest, wallet.revocation_of(made.digest))
    )
    assert refused(gamma.lookups.relay_revocation, revocation) == "CONSENT_UNKNOWN"
    town.settle()
    assert gamma.lookups.relay_revocation(revocation) == made.digest
    town.settle()
    with beta.database.reading() as session:
        row = session.get_one(RecordedConsent, consent_key(2, made.digest))
        assert (row.reader, row.level) == (2, 3)
        assert row.revoked_tx is not None


def test_nothing_is_listed_before_there_is_a_committee(town: BlacklistTown) -> None:
    """Nobody could evaluate the entry in its seven days: the stake is not taken."""
    node, epochs = town.node(1), KeyEpoch.__table__
    candidate = town.candidate(90)
    staked = node.screening.points().account.staked
    with node.database.writing.begin() as session:
        rows = [dict(row._mapping) for row in session.execute(select(epochs))]
        session.execute(delete(KeyEpoch))
    try:
        assert refused(node.screening.list_person, candidate) == "COMMITTEE_NONE"
        assert node.screening.points().account.staked == staked
    finally:
        with node.database.writing.begin() as session:
            session.execute(insert(KeyEpoch), rows)


def test_a_participant_has_no_points_and_no_voice(town: BlacklistTown) -> None:
    """What its sponsor may multiply by itself is refused before the ledger is asked."""
    entry, node = town.list(1, 91), town.node(3)
    town.settle()
    candidate = town.candidate(92)
    with node.database.writing.begin() as session:
        session.get_one(Member, 3).kind = "PARTICIPANT"
    try:
        listing = msgspec.structs.replace(candidate.listing, uploader=3)
        theirs = Candidate(candidate.identifier, listing, candidate.documents)
        for call, *args in [
            (node.screening.list_person, theirs),
            (node.screening.open_dispute, entry, "no"),
            (node.screening.claim_allowance,),
            (node.lookups.buy_tickets, 1),
        ]:
            assert refused(call, *args) == "NOT_FULL_MEMBER"
        assert refused(node.screening.open_dispute, entry, "no", by_person=True) == (
            "NOT_FULL_MEMBER"
        )
        assert node.screening.points().allowance_due == 0
    finally:
        with node.database.writing.begin() as session:
            session.get_one(Member, 3).kind = "FULL"
