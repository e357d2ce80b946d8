"""A node's evaluation endpoint under honest, repeated and hostile requests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator

import pytest
from committee_town import OUTSIDER, Town
from sqlalchemy import func, select

from node import asking
from node.crypto.oprf import modes, threshold
from node.crypto.oprf.modes import Blinded, Mode
from node.crypto.oprf.threshold import ShareWrong
from node.crypto.signer import recover_address
from node.keyholders import speaking_keys
from node.screening.consents import Purpose, Scope, evaluation_digest
from node.screening.countersigning import countersigned_digest
from node.screening.evaluations import (
    Asked,
    NodeAnswer,
    read_answer,
    write_answer,
    write_request,
)
from node.services.committee import answering, caps, evaluating
from node.tables import Evaluation, EvaluationRefusal, Incident, LookupLog
from reconcile.model import KanheError, ProtocolError, UsageError

READER = 1
NODE = 2
EPOCH = 1


@pytest.fixture(scope="module")
def desk(indexed: Town) -> Town:
    """The town with tickets for this file's tests."""
    indexed.pass_s(86_400)
    indexed.claim()
    indexed.tickets(READER, 16)
    return indexed


def item_of(town: Town, serial: int, reader: int = READER, **terms: object) -> Asked:
    """An honest item: a fresh consent on the ledger, a ticket, the reader's signature."""
    lookup = town.consented(reader, serial, **terms)
    lookups = town.node(reader).lookups
    with town.node(reader).sessions.begin() as session:
        return lookups._job(session, lookup, EPOCH).asked


def signed(town: Town, item: Asked, reader: int = READER) -> Asked:
    """The item signed again after a change."""
    node = town.node(reader)
    domain = node.identity.place.lookups_domain
    assert item.consent is not None
    digest = evaluation_digest(
        domain,
        ticket=item.ticket,
        blinded=item.blinded,
        consent=item.consent.consent.digest(domain),
        key_epoch=EPOCH,
    )
    return dataclasses.replace(item, signature=node.keys.approver.sign_digest(digest))


def ask(town: Town, *items: Asked, reader: int = READER, node: int = NODE) -> NodeAnswer:
    """Ask one node, as its server would."""
    body = write_request(EPOCH, items)
    return read_answer(town.node(node).parts.answering.answer(reader, body))


def code_of(town: Town, item: Asked, reader: int = READER) -> str:
    """The code with which an item alone is refused."""
    found = ask(town, item, reader=reader)
    assert found.answer.accepted == ()
    assert found.answer.proof is None
    (refused,) = found.refused
    return refused.code


def rows(town: Town, node: int = NODE) -> int:
    """How many evaluations a node has counted."""
    with town.node(node).sessions() as session:
        return session.scalar(select(func.count()).select_from(Evaluation)) or 0


@pytest.fixture(scope="module")
def honest(desk: Town) -> Asked:
    """One honest item that every test may ask again."""
    return item_of(desk, 1)


def test_the_same_ticket_and_element_are_answered_again_without_counting(
    desk: Town, honest: Asked
) -> None:
    """Each answer proves its evaluation; the row stands once, and answers are equal."""
    first, before = ask(desk, honest), rows(desk)
    again = ask(desk, honest)
    assert rows(desk) == before
    assert first.answer.evaluated == again.answer.evaluated
    with desk.node(NODE).sessions() as session:
        _, epoch = desk.node(NODE).committee.holder(session, EPOCH)
    threshold.verify_answer(epoch.committee, [honest.blinded], again.answer)


def test_a_node_countersigns_what_it_evaluates_for_a_ticket(desk: Town, honest: Asked) -> None:
    """Over reader, ticket, key epoch and request, by its member's key; a listing has no ticket."""
    found = ask(desk, dataclasses.replace(honest, blinded=bytes(32)), honest)
    assert list(found.countersigned) == [1], "what was refused is not countersigned"
    domain = desk.node(NODE).identity.place.lookups_domain
    assert honest.consent is not None
    words = {"ticket": honest.ticket, "key_epoch": EPOCH}
    consent = honest.consent.consent.digest(domain)
    request = evaluation_digest(domain, blinded=honest.blinded, consent=consent, **words)
    digest = countersigned_digest(domain, reader=READER, request=request, **words)
    assert recover_address(digest, found.countersigned[1]) == desk.node(NODE).keys.approver.address
    assert ask(desk, honest).countersigned[0] == found.countersigned[1], "the same word again"
    entry = desk.list(READER, 7)
    listing = Asked(honest.blinded, b"", entry=entry)
    digest = evaluation_digest(
        domain, ticket=0, blinded=honest.blinded, consent=entry, key_epoch=EPOCH
    )
    signature = desk.node(READER).keys.approver.sign_digest(digest)
    found = ask(desk, dataclasses.replace(listing, signature=signature), node=3)
    assert found.countersigned == {}


def test_a_node_that_does_not_countersign_is_replaced(desk: Town, honest: Asked) -> None:
    """Its evaluation holds, but would leave the uploader unpaid: the others' answers count."""
    with desk.node(READER).sessions() as session:
        epoch = desk.node(READER).parts.committee._committees.of_epoch(session, EPOCH)
        speaking = speaking_keys(session, epoch.members)
    assert speaking == {(one, desk.node(one).keys.approver.address) for one in epoch.members}
    domain = desk.node(READER).identity.place.lookups_domain
    assert honest.consent is not None
    words = {"ticket": honest.ticket, "key_epoch": EPOCH}
    consent = honest.consent.consent.digest(domain)
    request = evaluation_digest(domain, blinded=honest.blinded, consent=consent, **words)
    check = asking.countersignature_check(
        domain, READER, EPOCH, [(honest.ticket, request)], speaking
    )
    made = Blinded(b"somebody", modes.blind(Mode.VOPRF, b"somebody").blind, honest.blinded)

    def evaluated(*silent: int, replaced: bytes | None = None) -> asking.Evaluated:
        def ask_node(member: int, _word: str, body: bytes) -> bytes:
            answer = read_answer(desk.node(member).parts.answering.answer(READER, body))
            if member in silent:
                changed = {} if replaced is None else {0: replaced}
                answer = dataclasses.replace(answer, countersigned=changed)
            return write_answer(answer)

        pool = desk.node(READER).lookups._pool
        return asking.evaluate(epoch, [honest], [made], ask_node, pool, check=check)

    theirs = ask(desk, honest, node=3).countersigned[0]
    for replaced in (None, bytes(65), theirs):
        found = evaluated(NODE, replaced=replaced)
        assert set(found.tally.answers) == {1, 3}
        assert {error.code for error in found.tally.wrong.values()} <= {"COUNTERSIGNATURE_WRONG"}
        assert [item.answer.node for item in found.answers(0)] == list(found.tally.answers)
    found = evaluated(1, NODE)
    wrong = {member: error.code for member, error in found.tally.wrong.items()}
    assert wrong == dict.fromkeys((1, NODE), "COUNTERSIGNATURE_WRONG")
    with pytest.raises(ProtocolError) as caught:
        asking.require_output(found, 0, epoch)
    assert caught.value.code == "OPRF_BELOW_THRESHOLD"


def test_a_bad_item_costs_the_others_nothing(desk: Town, honest: Asked) -> None:
    """Elements that are none, and the identity, are refused by name; the rest is proven."""
    bad = [bytes(32), b"\xff" * 32, b"\x01" * 31, b""]
    items = [honest, *(dataclasses.replace(honest, blinded=data) for data in bad)]
    found = ask(desk, *items)
    assert found.answer.accepted == (0,)
    assert [item.code for item in found.refused] == [
        "OPRF_ELEMENT_IDENTITY",
        "OPRF_ELEMENT_MALFORMED",
        "OPRF_ELEMENT_MALFORMED",
        "OPRF_ELEMENT_MALFORMED",
    ]


def other_element(item: Asked) -> Asked:
    """The item with an element of somebody else."""
    return dataclasses.replace(item, blinded=modes.blind(Mode.VOPRF, b"other").element)


Change = Callable[[Town, Asked], Asked]
CASES: list[tuple[Change, str]] = [
    (lambda _t, i: dataclasses.replace(i, signature=bytes(65)), "SIGNATURE_MALFORMED"),
    (lambda t, i: signed(t, i, OUTSIDER), "EVALUATION_SIGNATURE"),
    (lambda _t, i: other_element(i), "EVALUATION_SIGNATURE"),
    (lambda t, i: signed(t, other_element(i)), "CONSENT_REPLAYED"),
    (lambda t, i: signed(t, dataclasses.replace(i, ticket=10**9)), "TICKET_UNKNOWN"),
    (lambda t, i: signed(t, dataclasses.replace(i, ticket=0)), "TICKET_UNKNOWN"),
    (lambda _t, i: dataclasses.replace(i, purpose=Purpose.MONITORING), "CONSENT_PURPOSE"),
    (lambda _t, i: dataclasses.replace(i, scope=Scope.EVIDENCE), "CONSENT_SCOPE"),
    (lambda _t, i: dataclasses.replace(i, purpose=Purpose.OWN_RECORD), "TICKET_KIND"),
]


@pytest.mark.parametrize(("change", "code"), CASES)
def test_what_does_not_hold_is_refused_and_logged(
    desk: Town, honest: Asked, change: Change, code: str
) -> None:
    """Signature, ticket, element, purpose and scope: each has its own code and leaves a trace."""
    ask(desk, honest)
    before = rows(desk)
    assert code_of(desk, change(desk, honest)) == code
    assert rows(desk) == before
    with desk.node(NODE).sessions() as session:
        last = session.scalars(
            select(EvaluationRefusal).order_by(EvaluationRefusal.id.desc()).limit(1)
        ).one()
        assert (last.code, last.reader) == (code, READER)


def test_another_reader_s_consent_is_refused(desk: Town, honest: Asked) -> None:
    """With its own ticket and signature a second member still cannot use a consent to the first."""
    desk.tickets(3, 1)
    (ticket,) = desk.node(3).lookups.tickets(limit=1)
    item = signed(desk, dataclasses.replace(honest, ticket=ticket), 3)
    assert code_of(desk, item, reader=3) == "CONSENT_NOT_RECORDED"
    # Nor its ticket: that is the buyer's alone.
    assert code_of(desk, signed(desk, honest, 3), reader=3) == "TICKET_UNKNOWN"


def test_one_ticket_names_one_element_for_ever(desk: Town) -> None:
    """A second element under another consent is refused; both signatures are kept as proof."""
    first, second = item_of(desk, 1), item_of(desk, 2)
    assert ask(desk, first).answer.accepted == (0,)
    twice = signed(desk, dataclasses.replace(second, ticket=first.ticket))
    assert code_of(desk, twice) == "TICKET_OTHER_ELEMENT"
    with desk.node(NODE).sessions() as session:
        incident = session.scalars(select(Incident).where(Incident.kind == "TICKET_TWICE")).one()
        uses = incident.evidence["uses"]
    assert [use["signature"] for use in uses] == [first.signature.hex(), twice.signature.hex()]
    assert ask(desk, second).answer.accepted == (0,), "its own ticket is not used up"


def test_a_consent_that_is_not_recorded_over_or_revoked_counts_no_more(desk: Town) -> None:
    """Each by what the ledger says, whatever the reader signed."""
    lookups = desk.node(READER).lookups
    early = item_of(desk, 1, valid_to_s=desk.time_s() + 500)
    revoked = item_of(desk, 2)
    assert ask(desk, revoked).answer.accepted == (0,)
    lookups.revoke(lookups.lookups()[0].lookup)
    desk.settle()
    assert code_of(desk, revoked) == "CONSENT_REVOKED"
    desk.pass_s(600)
    assert code_of(desk, early) == "CONSENT_EXPIRED"
    assert revoked.consent is not None
    consent = dataclasses.replace(revoked.consent.consent, nonce=b"\x01" * 32)
    signature = desk.node(READER).keys.approver.sign_digest(
        consent.digest(desk.node(READER).identity.place.lookups_domain)
    )
    fresh = dataclasses.replace(revoked.consent, consent=consent, signature=signature)
    unknown = signed(desk, dataclasses.replace(revoked, consent=fresh))
    assert code_of(desk, unknown) == "CONSENT_NOT_RECORDED"


def test_the_cap_is_this_node_s_share_of_the_day(
    desk: Town, honest: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond ⌈cap·t/n⌉ new elements are refused, and old ones answered."""
    ask(desk, honest)
    item = item_of(desk, 3)
    for name in ("MEMBER_DAILY", "NETWORK_DAILY"):
        with monkeypatch.context() as patch:
            patch.setattr(caps, name, 0)
            assert code_of(desk, item) == "DAILY_CAP_REACHED"
            assert ask(desk, honest).answer.accepted == (0,)
    assert ask(desk, item).answer.accepted == (0,)
    assert caps.share_of_cap(2_000, 2, 3) == 1_334


def test_a_node_killed_before_it_answers_remembers_what_it_would_have(
    desk: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is committed before anything is evaluated."""
    item, before = item_of(desk, 3), rows(desk)

    def killed(*_args: object) -> NodeAnswer:
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(answering, "evaluate", killed)
        with pytest.raises(SystemError):
            ask(desk, item)
    assert rows(desk) == before + 1
    assert code_of(desk, signed(desk, other_element(item))) == "CONSENT_REPLAYED"
    assert ask(desk, item).answer.accepted == (0,)
    assert rows(desk) == before + 1


def malformed(honest: Asked) -> Iterator[bytes]:
    """Requests that no reader writes."""
    whole = json.loads(write_request(EPOCH, [honest]))
    yield from (b"", b"{}", b"[]", b"\xff", b'{"key_epoch":1,"items":[]}')
    yield json.dumps({**whole, "more": 1}).encode()
    yield json.dumps({**whole, "key_epoch": 0}).encode()
    yield json.dumps({**whole, "key_epoch": -1}).encode()
    yield json.dumps({**whole, "sharing": "0"}).encode()
    yield json.dumps({**whole, "items": whole["items"] * 257}).encode()
    for name, value in [
        ("ticket", "-1"),
        ("ticket", str(2**63)),
        ("ticket", "١"),
        ("purpose", 99),
        ("scope", 0),
        ("scope", 8),
        ("signature", "00"),
        ("blinded", "zz"),
        ("consent", None),
        ("entry", "00" * 32),
        ("consent", {**whole["items"][0]["consent"], "salt": "00" * 32}),
        ("consent", {**whole["items"][0]["consent"], "level": "9"}),
    ]:
        yield json.dumps({**whole, "items": [{**whole["items"][0], name: value}]}).encode()


def test_requests_that_do_not_read_are_refused_whole(desk: Town, honest: Asked) -> None:
    """Nothing of them is evaluated, counted or logged; nor for a key epoch that is none."""
    before = rows(desk)
    answer = desk.node(NODE).parts.answering.answer
    for body in malformed(honest):
        with pytest.raises(ProtocolError) as caught:
            answer(READER, body)
        assert caught.value.code == "REQUEST_MALFORMED", body[:80]
    with pytest.raises(ProtocolError) as caught:
        answer(READER, write_request(9, [honest]))
    assert caught.value.code == "COMMITTEE_UNKNOWN"
    with pytest.raises(KanheError) as outside:
        desk.node(OUTSIDER).parts.answering.answer(READER, write_request(EPOCH, [honest]))
    assert outside.value.code == "NOT_IN_COMMITTEE"
    with pytest.raises(ProtocolError) as stranger:
        answer(77, write_request(EPOCH, [honest]))
    assert stranger.value.code == "MEMBER_NOT_ACTIVE"
    assert rows(desk) == before


def test_a_re_sharing_that_one_side_has_not_read_frames_nobody(desk: Town, honest: Asked) -> None:
    """Held against another sharing's public shares an honest proof fails: none is given."""
    before = rows(desk)
    service = desk.node(NODE).parts.answering
    with pytest.raises(ProtocolError) as caught:
        service.answer(READER, write_request(EPOCH, [honest], sharing=1))
    assert caught.value.code == "SHARING_DIFFERS"
    assert rows(desk) == before
    with pytest.raises(UsageError) as large:
        service.show_log(READER, b'{"day":%d}' % 2**63)
    assert large.value.code == "NUMBER_TOO_LARGE"
    lookups = desk.node(READER).lookups
    with desk.node(READER).sessions() as session:
        epoch = desk.node(READER).parts.committee._committees.of_epoch(session, EPOCH)
    behind = dataclasses.replace(epoch, sharing=1)
    blinded = [modes.blind(Mode.VOPRF, b"somebody")]
    found = asking.evaluate(behind, [honest], blinded, lookups._ask, lookups._pool)
    assert {error.code for error in found.tally.wrong.values()} == {"SHARING_DIFFERS"}
    assert not any(isinstance(error, ShareWrong) for error in found.tally.wrong.values())


def test_the_log_of_a_day_is_anchored_when_it_is_over(desk: Town) -> None:
    """Its root stands on the ledger, and whoever is shown the rows computes it."""
    service = desk.node(NODE).parts.answering
    (day, *_) = [item for item in service.days() if not item.anchored]
    desk.pass_s(86_400)
    desk.settle()
    with desk.node(OUTSIDER).sessions() as session:
        row = session.get(LookupLog, (NODE, day.day))
        assert row is not None
        assert (row.root, row.count) == (day.root, day.count)
    body = json.dumps({"day": day.day}).encode()
    shown = json.loads(service.show_log(OUTSIDER, body))
    leaves = [answering.row_leaf(answering.LogRow(**item)) for item in shown]
    assert answering.log_root(leaves) == day.root
    assert json.loads(service.show_log(3, body)) == [i for i in shown if i["reader"] == 3]


def test_refusals_of_one_member_do_not_fill_the_disk(
    desk: Town, honest: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a day's share a refusal is answered all the same, and no longer kept."""

    def kept() -> int:
        with desk.node(NODE).sessions() as session:
            own = select(func.count()).where(EvaluationRefusal.reader == READER)
            return session.scalar(own) or 0

    before = kept()
    monkeypatch.setattr(evaluating, "MAX_REFUSALS_A_DAY", before + 3)
    bad = dataclasses.replace(honest, blinded=bytes(32))
    found = ask(desk, *[bad] * 5)
    assert len(found.refused) == 5
    assert kept() == before + 3
    assert code_of(desk, bad) == "OPRF_ELEMENT_IDENTITY"
    assert kept() == before + 3
