"""The relay and its network: signed once, re-sent unchanged, whatever the endpoint says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from ledger_world import World
from relay_tools import (
    SERVICER,
    answered,
    check,
    only,
    post,
    sends,
    through,
)

from node.chain.client import ChainClient
from node.chain.transactions import address_bytes
from node.errors import ChainUnreachable, Conflict
from node.outbox import release
from node.outbox.relay import STUCK_BLOCKS
from node.tables import (
    Intent,
    NonceLane,
    Transaction,
)


@pytest.fixture(autouse=True)
def straight_again(world: World) -> Any:  # noqa: ANN401 - a generator fixture
    """Take the meddler out after each test."""
    yield
    world.servicer.client = world.client


# ------------------------------------------------------------------------- the network
@pytest.mark.parametrize("arrived", [True, False])
def test_a_lost_answer_never_makes_a_second_transaction(world: World, arrived: bool) -> None:
    """Whether the request arrived or only its answer was lost, no other bytes go out."""
    seen: list[str] = []

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        if not sends(calls):
            return go()
        seen.extend(call["params"][0] for call in calls)
        if len(seen) > 1:
            return go()
        if arrived:
            go().read()
        raise httpx.ReadTimeout("lost")

    through(world, meddle)
    before = world.servicer.count(Transaction)
    post(world)
    with pytest.raises(ChainUnreachable):
        world.servicer.step()
    assert world.servicer.count(Transaction, Transaction.state == "SIGNED") == 1
    world.settle()
    check(world, 5)
    assert len(set(seen)) == 1, "the bytes never change"
    assert world.servicer.count(Transaction) == before + 1, "and no second one was signed"


def test_a_wrong_hash_from_the_node_is_not_believed(world: World) -> None:
    """Besu answers a wrong hash under load: the local hash is the one that counts."""

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        response = go()
        if not sends(calls):
            return response
        body = json.loads(response.read())
        answers = body if isinstance(body, list) else [body]
        for answer in answers:
            answer["result"] = "0x" + "11" * 32
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])

    through(world, meddle)
    post(world)
    world.settle()
    check(world, 5)


@pytest.mark.parametrize("said", ["already known", "nonce too low", "replacement transaction"])
def test_already_done_means_look_it_up(world: World, said: str) -> None:
    """Texts that say the transaction is there already end in a lookup, never in a failure."""

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        response = go()
        if sends(calls):
            response.read()
            return answered(calls, said)
        return response

    through(world, meddle)
    post(world)
    world.settle()
    check(world, 5)


def test_a_full_pool_halves_what_is_in_flight(world: World) -> None:
    """When the pool refuses, less is sent at once; afterwards the lane grows again."""
    full = {"left": 2}

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        if sends(calls) and full["left"]:
            full["left"] -= 1
            return answered(calls, "txpool is full")
        return go()

    through(world, meddle)
    poster = address_bytes(world.servicer.poster)
    before = only(world, NonceLane, NonceLane.address == poster).in_flight_limit
    post(world)
    world.servicer.step()
    assert only(world, NonceLane, NonceLane.address == poster).in_flight_limit == before // 2
    world.settle()
    check(world, 5)


def test_an_endpoint_that_is_down_is_left_for_the_next(world: World) -> None:
    """With two endpoints the dead one is skipped, with none left the error names the host."""
    client = ChainClient(["http://127.0.0.1:9/secret", *world.client.urls], timeout_s=2)
    assert client.chain_id() == world.client.chain_id()
    with pytest.raises(ChainUnreachable) as refused:
        ChainClient(["http://127.0.0.1:9/secret"], timeout_s=2).chain_id()
    assert "127.0.0.1:9" in refused.value.message
    assert "secret" not in refused.value.message


def test_bytes_no_endpoint_takes_are_given_up_and_their_nonce_filled(world: World) -> None:
    """A call refused for good is refused in words, and the calls behind it still go out."""
    refuse = {"left": 1}

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        if sends(calls) and refuse["left"]:
            refuse["left"] -= 1
            return answered(calls, "oversized data")
        return go()

    through(world, meddle)
    args = (world.agreement, 1, 9)
    world.servicer.ask("Ledger", "acknowledgeKey", args, subject="doomed")
    world.servicer.step()
    refused = only(world, Intent, Intent.subject.startswith("doomed"))
    assert (refused.state, refused.error_code) == ("REFUSED", "TRANSACTION_TOO_LARGE")
    post(world)
    world.settle()
    check(world, 5)
    assert world.servicer.count(Transaction, Transaction.purpose == "FILLER") == 1


def test_a_stuck_nonce_is_filled_once_the_chain_goes_on_without_it(world: World) -> None:
    """Bytes that vanish somewhere hold their lane up: a transfer to self takes their nonce."""
    swallowed: list[str] = []

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        if not sends(calls):
            return go()
        swallowed.extend([calls[0]["params"][0]] if not swallowed else [])
        if calls[0]["params"][0] == swallowed[0]:
            return httpx.Response(200, json={"id": calls[0]["id"], "result": "0x"})
        return go()

    through(world, meddle)
    post(world)
    for _ in range(2):
        world.servicer.step()
        world.chain.mine(STUCK_BLOCKS // 2)
    assert world.servicer.count(Transaction, Transaction.purpose == "FILLER") == 0
    world.settle()
    check(world, 5)
    assert world.servicer.count(Transaction, Transaction.purpose == "FILLER") == 1
    assert world.servicer.count(Transaction, Transaction.state == "REPLACED") == 1


def test_a_halted_chain_is_not_the_senders_error(world: World) -> None:
    """While no block is mined nothing is given up or filled, however long it takes."""
    world.chain.rpc("evm_setAutomine", False)
    try:
        post(world)
        for _ in range(20):
            world.servicer.skew_ms += 60_000
            world.servicer.step()
        assert world.servicer.count(Transaction, Transaction.purpose == "FILLER") == 0
        assert world.servicer.count(Intent, Intent.state == "SIGNED") == 3
    finally:
        world.chain.rpc("evm_setAutomine", True)
    world.settle()
    check(world, 5)


def test_a_held_batch_goes_on_once_a_person_released_it(world: World) -> None:
    """Bytes the endpoint never takes hold their batch, and only a person lets it try again."""
    refuse = {"left": 1}

    def meddle(calls: list[dict[str, Any]], go: Callable[[], httpx.Response]) -> httpx.Response:
        if sends(calls) and refuse["left"]:
            refuse["left"] -= 1
            return answered(calls, "exceeds block gas limit")
        return go()

    through(world, meddle)
    post(world, 2, 2)
    world.settle_rounds(4)
    held = only(world, Intent, Intent.state == "HELD")
    assert held.error_code == "GAS_LIMIT"
    assert world.owner.refs(SERVICER) == []
    with world.servicer.database.writing.begin() as session:
        release(session, held.id)
    with world.servicer.database.writing.begin() as session, pytest.raises(Conflict):
        release(session, held.id)
    world.settle()
    check(world, 2)
