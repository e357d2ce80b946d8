"""Disputes that colluding members would keep for themselves, and those of the regulator's own."""

from __future__ import annotations

import pytest

from node.screening.asking import About
from node.screening.points import DISPUTE_STAKE, MEMBER_DAILY_OWN_RECORDS
from node.screening.states import Verdict
from node.services.screening.views import DisputeView
from node.wallet import Wallet
from reconcile.model import KanheError
from tests.node.services.blacklist_town import REGULATOR, BlacklistTown, person
from tests.node.services.test_screening_rest import good, program
from tests.node.web.desk_town import served

UPLOADER, FRIEND, HONEST = 1, 2, 3


def refused(call: object, *args: object, **more: object) -> KanheError:
    """Return the refusal in which a call ends."""
    with pytest.raises(KanheError) as caught:
        call(*args, **more)  # type: ignore[operator]
    return caught.value


def raised(town: BlacklistTown, entry: bytes, *, by_person: bool) -> int:
    """Let the friend raise a dispute and its uploader answer that the entry stands."""
    town.node(FRIEND).screening.open_dispute(entry, "not hers", by_person=by_person)
    town.settle()
    (found,) = [one for one in town.node(UPLOADER).screening.disputes() if one.entry == entry]
    if found.target == UPLOADER:
        town.node(UPLOADER).screening.answer_dispute(found.dispute, Verdict.UPHELD, "it is hers")
        town.settle()
    return found.dispute


def seen(town: BlacklistTown, dispute: int, member: int = HONEST) -> DisputeView:
    """Return a dispute as a member sees it."""
    return town.node(member).screening.dispute(dispute)


def heard(town: BlacklistTown, entry: bytes, serial: int, grounds: str) -> None:
    """Let the person bring a dispute of her own to the honest member, which knows her."""
    node = town.node(HONEST)
    wallet = Wallet.create(person(serial), node.identity.place.lookups_domain)
    certificate = node.screening.certify_person(
        wallet.request_certificate(HONEST), wallet.identifier
    )
    now_s = node.clock() // 1_000
    request = wallet.ask(
        HONEST, About.DISPUTE, certificate, now_s=now_s, entry=entry, grounds=grounds
    )
    node.screening.answer_person(node.screening.admit_person(request, allow_test=True))


def test_a_friend_s_dispute_keeps_no_person_out(town: BlacklistTown) -> None:
    """Her own member contests the answer beside the friend; with all in it the regulator judges."""
    gamma = town.node(HONEST).screening
    entry = town.list(UPLOADER, 1)
    number = raised(town, entry, by_person=True)
    early = town.list(UPLOADER, 3)
    town.node(FRIEND).screening.open_dispute(early, "not hers either", by_person=True)
    town.settle()
    assert refused(heard, town, early, 3, "paid in April").code == "DISPUTE_OPEN"
    open_now = refused(gamma.open_dispute, entry, "paid in March", by_person=True)
    assert (open_now.code, str(number) in open_now.help) == ("DISPUTE_OPEN", True)
    assert (
        refused(town.node(UPLOADER).screening.contest, number, by_person=True).code == "NOT_PARTY"
    )
    view = seen(town, number)
    assert (view.phase, view.role, view.moves) == ("ANSWERED", "", ())
    before = gamma.points().account.free
    heard(town, entry, 1, "paid in March")
    assert seen(town, number).asked == ("contest",)
    town.settle()
    view = seen(town, number)
    assert (view.role, view.contested_by, view.contest_staked) == ("contester", HONEST, False)
    paper = gamma.paper_of(number)
    assert paper is not None
    assert paper["text"] == "paid in March"
    assert gamma.points().account.free == before
    # Uploader, friend and honest member are parties: nobody is left, so nobody is seated.
    town.chain.mine(30)
    town.settle()
    assert (seen(town, number).panel, seen(town, number).phase) == ((), "REGULATOR")
    judges = town.node(FRIEND).screening
    assert refused(judges.give_verdict, number, Verdict.UPHELD).code == "NOT_REGULATOR"
    assert seen(town, number, REGULATOR).moves == ("verdict",)
    town.node(REGULATOR).screening.give_verdict(number, Verdict.REMOVED)
    town.settle()
    assert seen(town, number).outcome == "REMOVED"
    steps = [step.says for step in gamma.trace(entry).history if step.what == "DisputeContested"]
    assert steps == [f"dispute {number}: member {HONEST} takes the answer to a panel"]
    # Of the other one both parties let the time run out, and neither settles it.
    town.chain.rpc("evm_increaseTime", 11 * 86_400)
    town.chain.mine()
    town.settle(REGULATOR)
    outcomes = [one.outcome for one in town.node(REGULATOR).screening.trace(early).disputes]
    assert outcomes == ["TIMED_OUT"], "the regulator's node does"


def test_a_dispute_again_takes_a_stake_and_so_does_a_contest(town: BlacklistTown) -> None:
    """The same member for the same person is free once; who contests for itself stakes."""
    gamma, friend = town.node(HONEST), town.node(FRIEND).screening
    town.pass_days(3)
    town.node(REGULATOR).screening.claim_allowance()
    entry = town.list(REGULATOR, 2)
    number = raised(town, entry, by_person=True)
    town.node(REGULATOR).screening.answer_dispute(number, Verdict.UPHELD, "it is hers")
    town.settle()
    town.pass_days(2.1)
    assert seen(town, number).outcome == "UPHELD"
    again = refused(friend.open_dispute, entry, "once more", by_person=True)
    assert again.code == "STAKE_NEEDED"
    friend.open_dispute(entry, "once more")
    town.settle()
    (found,) = [one for one in friend.disputes() if one.entry == entry]
    number = found.dispute
    town.node(REGULATOR).screening.answer_dispute(number, Verdict.UPHELD, "it is hers")
    town.settle()
    with served({"gamma": gamma}) as base, program(gamma, base, "gamma", "maker") as maker:
        staked = gamma.screening.points().account.staked
        good(maker.post(f"/disputes/{number}/contest"))
        town.settle()
        shown = {item["dispute"]: item for item in good(maker.get("/disputes"))}
        assert (shown[str(number)]["contested_by"], shown[str(number)]["contest_staked"]) == (
            str(HONEST),
            True,
        )
    assert gamma.screening.points().account.staked == staked + DISPUTE_STAKE
    said = next(row for row in gamma.screening.points().movements if row.kind == "STAKED")
    assert (said.reason, said.dispute) == ("dispute", number)
    # The one who is left does not vote, and the regulator may not: the days end it.
    town.pass_days(9)
    view = seen(town, number, REGULATOR)
    assert (view.phase, view.moves, view.due_s) == ("REGULATOR", (), view.suspends_s)
    judge = town.node(REGULATOR).screening
    assert refused(judge.give_verdict, number, Verdict.UPHELD).code == "NOT_REGULATOR"
    town.pass_days(12)
    assert seen(town, number).outcome == "UNDECIDED"
    traced = gamma.screening.trace(entry)
    assert (traced.entry.state, traced.stake_held) == ("SUSPENDED", True)
    assert gamma.screening.points().account.staked == staked
    account = judge.points().account
    assert (account.upheld, account.overturned) == (0, 0)


def test_own_record_tickets_have_a_cap_of_their_own(town: BlacklistTown) -> None:
    """What is over a day's free ones is refused here; paid ones are not used up by them."""
    lookups = town.node(HONEST).lookups
    most = MEMBER_DAILY_OWN_RECORDS
    buy = lookups.buy_tickets
    assert refused(buy, most + 1, kind="OWN_RECORD").code == "OWN_RECORDS_SPENT"
    buy(most, kind="OWN_RECORD")
    town.settle()
    assert len(lookups.tickets(kind="OWN_RECORD")) == most
    assert refused(buy, 1, kind="OWN_RECORD").code == "OWN_RECORDS_SPENT"
    buy(1)
    town.settle()
    assert len(lookups.tickets()) == 1
    town.pass_days(1)
    buy(1, kind="OWN_RECORD")
    town.settle()
    assert len(lookups.tickets(kind="OWN_RECORD")) == most + 1


def test_a_listing_is_neither_ahead_of_its_days_nor_of_its_notice(town: BlacklistTown) -> None:
    """On the list today with an effect in years, or before she was told: refused, with the day."""
    screening, today = town.node(UPLOADER).screening, town.today()
    far = town.candidate(9, effective_from=today + 8, keep_days=300)
    found = refused(screening.list_person, far)
    assert found.code == "LISTING_EFFECT_TOO_FAR"
    for notice_days, code in [(-1, "LISTING_NOTICE_AHEAD"), (today, "LISTING_NO_NOTICE")]:
        candidate = town.candidate(9, notice_days=notice_days)
        assert refused(screening.list_person, candidate).code == code
    assert person(9).value not in found.message + found.help
