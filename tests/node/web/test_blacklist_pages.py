"""The blacklist on the desk: entries, a trace, disputes with clocks, points with reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from desk_town import Reader, invite, served
from sqlalchemy import delete

from devnet.local import EmbeddedChain
from node.tables import EvaluationAudit, ListedEntry, PointMovement
from node.web.blacklist_words import check_words
from node.web.i18n import Speaker
from reconcile.model import day_iso
from tests.node.services.blacklist_town import BlacklistTown, make_town, person


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BlacklistTown, list[bytes]]]:
    """Two entries of alpha: one stands, one was disputed by beta and never answered."""
    with EmbeddedChain(block_time_s=0) as chain:
        town = make_town(tmp_path_factory.mktemp("town"), chain)
        entries = [town.list(1, serial) for serial in (1, 2)]
        town.node(2).screening.open_dispute(entries[1], "the card was paid in full")
        town.settle()
        yield town, entries
        town.close()


@pytest.fixture(scope="module")
def desk(listed: tuple[BlacklistTown, list[bytes]]) -> Iterator[Reader]:
    """A viewer at alpha's desk."""
    node = listed[0].node(1)
    with served({"alpha": node}) as base:
        reader = Reader(base, "alpha")
        reader.enter(invite(node, "viewer"))
        yield reader
        reader.client.close()


def test_a_trace_says_who_when_on_what_proof(
    desk: Reader, listed: tuple[BlacklistTown, list[bytes]]
) -> None:
    """Uploader, signature, notice, proof level and every change with its transaction."""
    town, entries = listed
    assert f"/blacklist/entries/{entries[0].hex()}" in desk.get("/blacklist")
    page = desk.get(f"/blacklist/entries/{entries[0].hex()[:12]}")
    traced = town.node(1).screening.trace(entries[0])
    assert traced.signer is not None
    for text in ("nothing contradicts it", "documented", "overdue by three months", traced.signer):
        assert text in page
    assert "what the ledger says of the entry" in page
    chinese = desk.client.get(f"/alpha/blacklist/entries/{entries[0].hex()}?lang=zh").text
    assert "声明所述与账本所载一致" in chinese
    assert "what the ledger says of the entry" not in chinese
    desk.client.get("/alpha/blacklist?lang=en")
    for step in traced.history:
        assert step.tx_hash is not None
        assert step.tx_hash.hex() in page
    said = [check_words(check, Speaker("zh").gettext) for check in traced.checks]
    assert len(said) > 3
    assert all(re.search("[一-龥]", text) for text in said), said
    assert person(1).value not in page
    assert "ENTRY_UNKNOWN" in desk.get("/blacklist/entries/ffffffffffff", status=404)


def test_a_dispute_shows_its_clocks_and_what_to_do(
    desk: Reader, listed: tuple[BlacklistTown, list[bytes]]
) -> None:
    """What is ours to do comes with the time that is left; time alone suspends the entry."""
    town, entries = listed
    page = desk.get("/blacklist")
    for text in ("waiting for the uploader", "against us", "To do: answer it", ">in "):
        assert text in page
    town.chain.rpc("evm_increaseTime", 11 * 86_400)
    town.chain.mine()
    town.node(1).follower.catch_up()
    trace = desk.get(f"/blacklist/entries/{entries[1].hex()}")
    assert "suspended: its dispute ran out" in trace
    assert "by time alone" in trace
    town.settle()
    assert "timed out" in desk.get("/blacklist/disputes")
    ended = town.node(1).screening.trace(entries[1]).entry
    speaker = Speaker("en")
    since, last = (speaker.day(day) for day in (ended.suspended_s // 86_400, ended.ends_day))
    number = town.node(1).screening.trace(entries[1]).disputes[0].dispute
    said = f"suspended on {since}, ends on {last}"
    for place in ("", f"/entries/{entries[1].hex()}", f"/disputes/{number}"):
        assert said in desk.get(f"/blacklist{place}"), place
    assert "To be notified" in desk.get(f"/blacklist/entries/{entries[1].hex()}")
    assert "the person, of the outcome" in desk.get(f"/blacklist/disputes/{number}")
    assert f"its last day is {day_iso(ended.ends_day)} now" in desk.get(
        f"/blacklist/entries/{entries[1].hex()}"
    )
    chinese = desk.client.get(f"/alpha/blacklist/entries/{entries[1].hex()}?lang=zh").text
    assert re.search("自.{4,16}起中止，.{4,16}终止", chinese)
    assert "按 CN-2013 的要求" in chinese
    assert "当事人：告知结果" in chinese
    desk.client.get("/alpha/blacklist?lang=en")


def test_points_give_each_movement_its_reason(
    desk: Reader, listed: tuple[BlacklistTown, list[bytes]]
) -> None:
    """Allowance, stakes and losses, each with what it was for, in either language."""
    town, _ = listed
    page = desk.get("/blacklist/points")
    for text in ("daily allowance", "stake of a listing", "an entry was overturned"):
        assert text in page
    account = town.node(1).screening.points().account
    assert account.overturned == 1
    chinese = desk.client.get("/alpha/blacklist/points?lang=zh").text
    assert "每日额度" in chinese
    desk.client.get("/alpha/blacklist?lang=en")


def test_audits_stand_beside_the_points_that_they_cost(
    desk: Reader, listed: tuple[BlacklistTown, list[bytes]]
) -> None:
    """Which evaluation, until when, what came of it; the fine's reason; an entry's own history."""
    town, entries = listed
    node = town.node(1)
    place = {"block_number": 1, "log_index": 0, "tx_hash": b"\x01" * 32, "block_time_s": 1_000}
    said = {"member": 1, "blinded": b"\x03" * 32, "key_epoch": 1, **place}
    ended = {"ended_block": 1, "ended_at_s": 2_000, "ended_tx": b"\x01" * 32}
    assert "Audits by opening" not in desk.get("/blacklist/points")
    with node.sessions.begin() as session:
        session.add(EvaluationAudit(audit=1, ticket=77, subject=b"\x02" * 32, **said))
        session.add(
            EvaluationAudit(audit=2, ticket=0, subject=entries[0], outcome="FINED", **said, **ended)
        )
        fine = {"kind": "BURNED", "amount": 200, "reason": "evaluation not opened"}
        session.add(PointMovement(member=1, **fine, **place))
    page = desk.get("/blacklist/points")
    for text in ("lookup with ticket 77", "not opened in time", "not opened, fined", "audit 2"):
        assert text in page
    assert "an evaluation was not opened to the regulator" in page
    assert "its evaluation was not opened" in desk.get(f"/blacklist/entries/{entries[0].hex()}")
    chinese = desk.client.get("/alpha/blacklist/points?lang=zh").text
    for text in ("凭票 77 的查询", "逾期未出示", "未出示，已罚分", "某次计算未向监管方出示"):
        assert text in chinese
    desk.client.get("/alpha/blacklist?lang=en")
    with node.sessions.begin() as session:
        session.execute(delete(EvaluationAudit))
        session.execute(delete(PointMovement).where(PointMovement.reason == fine["reason"]))


def test_the_menu_names_the_page_and_a_wrong_cursor_is_refused(desk: Reader) -> None:
    """Where there is a blacklist its page is one click away; nonsense is a refusal in words."""
    assert 'href="/alpha/blacklist"' in desk.get("/")
    for place in ("/blacklist?after=nonsense", "/blacklist/points?after=1"):
        assert "CURSOR_MALFORMED" in desk.get(place, status=422)


def test_days_without_a_date_are_shown_by_their_number(
    desk: Reader, listed: tuple[BlacklistTown, list[bytes]]
) -> None:
    """A ledger's days are numbers that a member chose: its entry ends nobody's page or list."""
    town, entries = listed
    node, far = town.node(1), 2**32 - 1
    with node.sessions.begin() as session:
        row = session.get_one(ListedEntry, entries[0])
        kept = (row.notice_day, row.effective_day, row.expires_day, row.ends_day)
        row.notice_day, row.effective_day, row.expires_day = far - 20, far - 10, far
        row.ends_day = far
    try:
        for page in ("/blacklist", f"/blacklist/entries/{entries[0].hex()}"):
            assert f"day {far}" in desk.get(page)
        views, _ = node.screening.entries(ours=False)
        said = {view.entry: view.to_json() for view in views}[entries[0]]
        assert said["expires_at"] == f"day {far}"
        traced = node.screening.trace(entries[0])
        assert f"day {far - 10}" in str(traced.to_json())
        assert not all(check.ok for check in traced.checks)
    finally:
        with node.sessions.begin() as session:
            row = session.get_one(ListedEntry, entries[0])
            row.notice_day, row.effective_day, row.expires_day, row.ends_day = kept


@contextmanager
def at(town: BlacklistTown, base: str, member: int, *roles: str) -> Iterator[Reader]:
    """Somebody with these roles at a member's desk."""
    node = town.node(member)
    reader = Reader(base, node.name)
    login = f"{'-'.join(roles)}.{member}"
    reader.enter(invite(node, *roles, login=login))
    try:
        yield reader
    finally:
        reader.client.close()


def test_a_dispute_is_fought_out_on_the_desks(
    listed: tuple[BlacklistTown, list[bytes]],
) -> None:
    """Raised, answered, contested and voted on by forms, each by the role that may; no other."""
    town, _ = listed
    entry = town.list(2, 3)
    nodes: dict[str, object] = {node.name: node for node in town.nodes}
    with (
        served(nodes) as base,
        at(town, base, 1, "maker") as alpha,
        at(town, base, 2, "maker") as beta,
        at(town, base, 2, "viewer") as onlooker,
        at(town, base, 3, "checker") as gamma,
        at(town, base, 3, "maker") as clerk,
    ):
        here = f"/blacklist/entries/{entry.hex()}"
        assert "Dispute this entry" in alpha.get(here)
        assert "Dispute this entry" not in beta.get(here)
        grounds = "it was <b>paid</b> in May"
        # What was written stands in the form that is refused.
        long = alpha.post(f"{here}/dispute", 422, grounds=grounds + "!" * 9_000)
        assert "PAPER_TOO_LONG" in long
        assert "it was &lt;b&gt;paid&lt;/b&gt; in May!!" in long
        alpha.post(f"{here}/dispute", grounds=grounds, for_person="yes")
        assert "Dispute this entry" not in alpha.get(here), "it waits for the ledger"
        town.settle()
        (raised,) = [row for row in town.node(2).screening.disputes() if row.entry == entry]
        case = f"/blacklist/disputes/{raised.dispute}"
        assert "it was &lt;b&gt;paid&lt;/b&gt; in May" in alpha.get(case), "our own grounds"
        assert f'href="/beta{case}#act"' in beta.get("/blacklist/disputes")
        assert "one needs the role of maker" in onlooker.get(case)
        said = {"verdict": "UPHELD", "reasons": "the debt is real"}
        assert "NOT_ALLOWED" in onlooker.post(f"{case}/answer", 403, **said)
        forged = beta.client.post(f"/beta{case}/answer", data=said)
        assert (forged.status_code, "CSRF" in forged.text) == (403, True)
        assert "NOT_PARTY" in alpha.post(f"{case}/answer", 403, **said)
        wrong = beta.post(f"{case}/answer", 422, verdict="MAYBE", reasons="the debt is real")
        assert "VERDICT_UNKNOWN" in wrong
        assert "the debt is real</textarea>" in wrong
        beta.post(f"{case}/answer", **said)
        waiting = beta.get(case)
        assert "Handed to the ledger" in waiting
        assert "Answer the dispute" not in waiting
        town.settle()
        assert "PHASE_NOT_ALLOWED" in beta.post(f"{case}/extend", 409)
        assert "ACT_UNKNOWN" in beta.post(f"{case}/sing", 422)
        assert "Take it to the panel" in alpha.get(case)
        assert "beside who raised it" in clerk.get(case)
        long = clerk.post(f"{case}/contest", 422, grounds="paid!" * 1_800, for_person="yes")
        assert "PAPER_TOO_LONG" in long
        assert 'value="yes" checked' in long
        assert "NOT_PARTY" in beta.post(f"{case}/contest", 403)
        alpha.post(f"{case}/contest")
        town.settle()
        town.chain.mine(3)
        town.settle()
        assert "To vote, one needs the role of checker" in clerk.get(case)
        assert "NOT_ALLOWED" in clerk.post(f"{case}/verdict", 403, verdict="REMOVED")
        assert "stays hidden" in gamma.get(case)
        gamma.post(f"{case}/verdict", verdict="REMOVED")
        assert "BALLOT_CAST" in gamma.post(f"{case}/verdict", 409, verdict="UPHELD")
        town.settle()
        assert "hidden" in beta.get(case)
        for _ in range(2):
            town.pass_days(2.1)
        over = beta.get(case)
        for text in ("The dispute is over", "removed", "a vote opened", "nothing for us to do"):
            assert text in over
        chinese = beta.client.get(f"/beta{case}?lang=zh").text
        assert "异议已了结" in chinese


def test_an_entry_is_taken_back_once_its_id_is_typed(
    listed: tuple[BlacklistTown, list[bytes]],
) -> None:
    """Only by its uploader's maker, and only with the beginning of its id; recalls have readers."""
    town, _ = listed
    entry = town.list(2, 4).hex()
    here = f"/blacklist/entries/{entry}"
    with (
        served({"alpha": town.node(1), "beta": town.node(2)}) as base,
        at(town, base, 2, "maker", "auditor") as beta,
        at(town, base, 1, "maker", "auditor") as alpha,
    ):
        assert f"beginning of its id: {entry[:8]}" in beta.get(here)
        revoke = f"{here}/revoke-consent"
        assert "TYPED_OTHERWISE" in beta.post(revoke, 422, typed=entry[:7])
        assert "LISTING_NOT_OURS" in alpha.post(revoke, 404, typed=entry[:8])
        beta.post(revoke, typed=entry[:8])
        assert "Revoke what this entry rests on" not in beta.get(here), "asked for"
        town.settle()
        (rests,) = town.node(2).screening.trace(bytes.fromhex(entry)).consents
        page = beta.get(here)
        assert rests.revoked_tx is not None
        assert rests.revoked_tx.hex()[:8] in page
        assert "recorded by the institution" in page
        theirs = alpha.client.get(f"/alpha{here}?lang=zh").text
        assert "本方不掌握" in theirs
        alpha.client.get(f"/alpha{here}?lang=en")
        assert "TYPED_OTHERWISE" in beta.post(f"{here}/withdraw", 422, typed=entry[:7])
        assert "NOT_UPLOADER" in alpha.post(f"{here}/withdraw", 403, typed=entry[:8])
        assert "ENTRY_STATE_NOT_ALLOWED" in beta.post(f"{here}/recall", 409)
        assert "RECALL_UNKNOWN" in alpha.post(f"{here}/acknowledge", 404)
        beta.post(f"{here}/withdraw", typed=entry[:8].upper())
        assert "Take this entry back" not in beta.get(here)
        town.settle()
        assert town.node(1).screening.trace(bytes.fromhex(entry)).entry.state == "REMOVED"
