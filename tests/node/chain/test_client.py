"""JSON-RPC: what comes back broken is an error that says whose turn it is."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest

from devnet.local import CHAIN_ID, EmbeddedChain
from node.chain.client import ChainClient
from node.chain.codec import Contracts, decode_result, encode_call
from node.chain.deploy import Founder, check_chain, deploy
from node.chain.profile import engine_profile
from node.chain.transactions import address_bytes
from node.chain.trust import trust_for
from node.crypto.signer import LocalSigner
from node.errors import ChainBusy, ChainError, ChainUnreachable, ConfigError, WrongChain
from node.screening.profiles import profiles


def client(answer: Callable[[Any], httpx.Response]) -> ChainClient:
    """Return a client whose endpoint answers as told."""

    def handle(request: httpx.Request) -> httpx.Response:
        return answer(json.loads(request.content))

    return ChainClient(["http://chain.test/key"], transport=httpx.MockTransport(handle))


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(200, text="<html>"), ChainUnreachable),
        (httpx.Response(200, json=7), ChainUnreachable),
        (httpx.Response(200, json=[7]), ChainUnreachable),
        (httpx.Response(502, text="bad gateway"), ChainUnreachable),
        (httpx.Response(429, text="slow down"), ChainBusy),
        (httpx.Response(200, json={"id": 1, "result": None}), ChainUnreachable),
        (httpx.Response(200, json={"id": 1, "error": {"message": "timeout"}}), ChainUnreachable),
    ],
)
def test_a_broken_answer_is_an_error_of_the_table(
    response: httpx.Response, kind: type[ChainError]
) -> None:
    """HTML, wrong JSON, gateway errors and rate limits never become values."""
    with pytest.raises(kind):
        client(lambda _: response).chain_id()


def test_answers_of_a_batch_are_put_in_order_and_missing_ones_are_errors() -> None:
    """Endpoints may answer a batch in any order or leave some out."""

    def answer(calls: Any) -> httpx.Response:  # noqa: ANN401 - JSON
        answers = [{"id": call["id"], "result": call["params"][0]} for call in calls]
        return httpx.Response(200, json=list(reversed(answers))[1:])

    found = client(answer).batch([("echo", (f"{n}",)) for n in range(3)])
    assert found[:2] == ["0", "1"]
    assert isinstance(found[2], ChainUnreachable)


def test_an_address_that_is_no_endpoint_is_refused() -> None:
    """A websocket address or none at all is a setting's fault."""
    for urls in ([], ["ws://x"], ["http://ok", "file:///x"]):
        with pytest.raises(ConfigError):
            ChainClient(urls)


def test_a_chain_is_checked_before_anything_is_believed(instant_chain: EmbeddedChain) -> None:
    """Another chain id, no code, other code: each is refused in words; ours is taken."""
    chain = ChainClient([instant_chain.url])
    founders = [Founder(f"BANK{n}", address_bytes(LocalSigner.generate())) for n in range(2)]
    deployed = deploy(
        chain,
        LocalSigner.generate(),
        founders,
        profile=engine_profile("instant"),
        key_delay_blocks=1,
        motion_expiry_blocks=10,
    )
    ours = deployed.contracts
    assert ours.chain_id == CHAIN_ID
    assert check_chain(chain, ours).number == chain.head().number
    wrong = {
        "WRONG_CHAIN": Contracts(1, ours.registry, ours.ledger),
        "CONTRACT_UNKNOWN": Contracts(CHAIN_ID, ours.registry, b"\x01" * 20),
        "CONTRACT_DIFFERS": Contracts(CHAIN_ID, ours.ledger, ours.registry),
    }
    for code, contracts in wrong.items():
        with pytest.raises(WrongChain) as refused:
            check_chain(chain, contracts)
        assert refused.value.code == code
        assert refused.value.help


def test_a_network_may_have_a_blacklist(instant_chain: EmbeddedChain) -> None:
    """The three contracts name each other; ones that do not are refused, and none is well."""
    chain = ChainClient([instant_chain.url])
    founders = [Founder(f"BANK{n}", address_bytes(LocalSigner.generate())) for n in range(2)]
    ours, others = (
        deploy(
            chain,
            LocalSigner.generate(),
            founders,
            profile=engine_profile("instant"),
            key_delay_blocks=1,
            motion_expiry_blocks=10,
            regulator=2,
        ).contracts
        for _ in range(2)
    )
    assert list(ours.addresses) == ["Registry", "Ledger", "Blacklist", "Lookups", "Points"]
    assert {ours.name(address) for address in ours.addresses.values()} == set(ours.addresses)
    assert check_chain(chain, ours).number == chain.head().number
    assert check_chain(chain, Contracts(ours.chain_id, ours.registry, ours.ledger))
    calldata = encode_call("Blacklist", "regulator", ())
    found = decode_result("Blacklist", "regulator", chain.view(ours.blacklist, calldata))
    assert found == (2,)
    for wrong in (
        replace(ours, registry=others.registry),
        replace(ours, lookups=others.lookups),
        replace(ours, points=others.points),
    ):
        with pytest.raises(WrongChain) as refused:
            check_chain(chain, wrong)
        assert refused.value.code == "CONTRACTS_APART"


def test_a_blacklist_with_other_days_is_refused(
    instant_chain: EmbeddedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node computes states by its profiles: where the contract's are others, it says so."""
    chain = ChainClient([instant_chain.url])
    founders = [Founder(f"BANK{n}", address_bytes(LocalSigner.generate())) for n in range(2)]
    longer = {
        name: msgspec.structs.replace(profile, retention_days=profile.retention_days + 1)
        for name, profile in profiles().items()
    }
    with monkeypatch.context() as founding:
        founding.setattr("node.chain.deploy.profiles", lambda: longer)
        others = deploy(
            chain,
            LocalSigner.generate(),
            founders,
            profile=engine_profile("instant"),
            key_delay_blocks=1,
            motion_expiry_blocks=10,
            regulator=2,
        ).contracts
        assert check_chain(chain, others)
    with pytest.raises(WrongChain) as refused:
        check_chain(chain, others)
    assert refused.value.code == "PROFILES_DIFFER"


def test_a_stopped_chain_is_unreachable_and_comes_back(instant_chain: EmbeddedChain) -> None:
    """A chain that does not answer in time is an error; afterwards the same client goes on."""
    chain = ChainClient([instant_chain.url], timeout_s=0.3)
    assert chain.chain_id() == CHAIN_ID
    instant_chain.pause()
    with pytest.raises(ChainUnreachable):
        chain.head()
    instant_chain.resume()
    assert chain.head().number == 0


@pytest.mark.parametrize("status", [200, 413])
def test_a_request_that_is_too_large_is_halved(status: int) -> None:
    """An endpoint that takes two calls at once answers five in order, however it refuses more."""
    sizes = []

    def answer(calls: Any) -> httpx.Response:  # noqa: ANN401 - JSON
        calls = calls if isinstance(calls, list) else [calls]
        sizes.append(len(calls))
        if len(calls) > 2:
            refusal = {"id": None, "error": {"code": -32600, "message": "length limit exceeded"}}
            return httpx.Response(status, json=refusal)
        return httpx.Response(
            200, json=[{"id": call["id"], "result": call["params"][0]} for call in calls]
        )

    found = client(answer).batch([("echo", (f"{n}",)) for n in range(5)])
    assert found == ["0", "1", "2", "3", "4"]
    assert sizes == [5, 2, 3, 1, 2]


def test_one_call_that_is_too_large_is_said() -> None:
    """What cannot be halved is an error that says how large it was."""
    with pytest.raises(ChainUnreachable, match="takes no request of"):
        client(lambda _: httpx.Response(413, text="too large")).chain_id()


def test_http_alone_believes_no_authority_and_https_the_public_ones() -> None:
    """Whoever answers with a certificate is checked either way; authorities are read once."""
    plain, mixed = trust_for(["http://a"]), trust_for(["http://a", "https://b"])
    for trust in (plain, mixed):
        assert (trust.verify_mode, trust.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert plain.cert_store_stats()["x509_ca"] == 0
    assert mixed.cert_store_stats()["x509_ca"] > 0
    assert trust_for(["https://c"]) is mixed
