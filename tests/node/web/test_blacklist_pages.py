"""The blacklist on the desk: entries, a trace, disputes with clocks, points with reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from desk_town import Reader, invite, served

from devnet.local import EmbeddedChain
from node.web.blacklist_words import check_says
from node.web.i18n import Speaker
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
    for step in traced.history:
        assert step.tx_hash is not None
        assert step.tx_hash.hex() in page
    said = [check_says(check.says, Speaker("zh").gettext) for check in traced.checks]
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


def test_the_menu_names_the_page_and_a_wrong_cursor_is_refused(desk: Reader) -> None:
    """Where there is a blacklist its page is one click away; nonsense is a refusal in words."""
    assert 'href="/alpha/blacklist"' in desk.get("/")
    for place in ("/blacklist?after=nonsense", "/blacklist/points?after=1"):
        assert "CURSOR_MALFORMED" in desk.get(place, status=422)
