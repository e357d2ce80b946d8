"""The blacklist's contracts on a real EVM, deployed with the delivered profiles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from devnet.local import EmbeddedChain
from node.chain.codec import (
    BLACKLIST,
    LOOKUPS,
    POINTS,
    contract_abi,
    decode_result,
    encode_call,
    encode_deployment,
    revert_error,
)
from node.crypto.eip712 import Domain
from node.screening import points, states
from node.screening.auditing import ONE_OF, OPENED_FIELDS
from node.screening.consents import CONSENT_FIELDS, EVALUATION_FIELDS
from node.screening.profiles import profiles
from node.services.committee import caps
from reconcile.model import OutsideError

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts" / "src"
MINED_WITHIN_S = 10.0
NO_REGISTRY = bytes(20)
REGULATOR = 7


@dataclass(frozen=True)
class Deployed:
    """The three contracts and a way to ask them."""

    chain: EmbeddedChain
    addresses: dict[str, str]

    def ask(self, name: str, function: str, *arguments: object) -> Any:  # noqa: ANN401 - as decoded
        """Call a view and return its first result."""
        data = "0x" + encode_call(name, function, arguments).hex()
        answer = self.chain.rpc("eth_call", {"to": self.addresses[name], "data": data}, "latest")
        return decode_result(name, function, bytes.fromhex(answer[2:]))[0]


def deploy(chain: EmbeddedChain, code: bytes) -> str:
    """Send a deployment and return the contract's address."""
    sender = chain.rpc("eth_accounts")[0]
    sent = {"from": sender, "data": "0x" + code.hex(), "gas": hex(20_000_000)}
    tx_hash = chain.rpc("eth_sendTransaction", sent)
    deadline = time.monotonic() + MINED_WITHIN_S
    while time.monotonic() < deadline:
        receipt = chain.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is not None:
            assert int(receipt["status"], 16) == 1
            address: str = receipt["contractAddress"]
            return address
        time.sleep(0.01)
    pytest.fail(f"not mined within {MINED_WITHIN_S} s: {tx_hash}")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    """The contracts with the delivered profiles."""
    with EmbeddedChain(block_time_s=0) as chain:
        lookups = deploy(chain, encode_deployment(LOOKUPS, ("address",), (NO_REGISTRY,)))
        types = ("address", "address", "uint32", f"({','.join(['uint16'] * 8)})[]")
        given = [profile.on_chain for profile in profiles().values()]
        arguments = (NO_REGISTRY, bytes.fromhex(lookups[2:]), REGULATOR, given)
        blacklist = deploy(chain, encode_deployment(BLACKLIST, types, arguments))
        found = Deployed(chain, {LOOKUPS: lookups, BLACKLIST: blacklist})
        found.addresses[POINTS] = found.ask(BLACKLIST, "points")
        yield found


def test_the_delivered_profiles_are_the_contract_s_clocks(deployed: Deployed) -> None:
    """Each profile of the data file stands in the contract under its number, field by field."""
    shape = contract_abi(BLACKLIST).functions["profileOf"][1]
    names = [part["name"] for part in shape.outputs[0]["components"]]
    assert names == [
        "noticeDays",
        "disputeDays",
        "extensionDays",
        "answerDays",
        "contestDays",
        "commitDays",
        "revealDays",
        "retentionDays",
    ]
    for profile in profiles().values():
        found = deployed.ask(BLACKLIST, "profileOf", profile.number)
        values = tuple(found.values()) if isinstance(found, dict) else tuple(found)
        assert values == profile.on_chain


def test_the_constants_are_the_node_s(deployed: Deployed) -> None:
    """Prices, stakes and ceilings are the same numbers on both sides."""
    for name, contract, value in [
        ("LISTING_STAKE", BLACKLIST, points.LISTING_STAKE),
        ("DISPUTE_STAKE", BLACKLIST, points.DISPUTE_STAKE),
        ("PANEL_FINE", BLACKLIST, points.PANEL_FINE),
        ("SUSPENSION_DAYS", BLACKLIST, states.SUSPENSION_DAYS),
        ("ROOT_CHALLENGE_S", BLACKLIST, states.ROOT_CHALLENGE_S),
        ("MIN_CUT_S", BLACKLIST, states.MIN_CUT_S),
        ("MAX_REVISIONS", BLACKLIST, states.MAX_REVISIONS),
        ("MAX_CHALLENGES", BLACKLIST, states.MAX_CHALLENGES),
        ("CHALLENGE_PERIOD_S", BLACKLIST, states.CHALLENGE_PERIOD_S),
        ("LOOKUP_PRICE", POINTS, points.LOOKUP_PRICE),
        ("DETAIL_PRICE", POINTS, points.DETAIL_PRICE),
        ("DAILY_ALLOWANCE", POINTS, points.DAILY_ALLOWANCE),
        ("ALLOWANCE_CEILING", POINTS, points.ALLOWANCE_CEILING),
        ("MEMBER_DAILY_OWN_RECORDS", POINTS, points.MEMBER_DAILY_OWN_RECORDS),
        ("AUDIT_FINE", POINTS, points.AUDIT_FINE),
        ("AUDIT_S", POINTS, states.AUDIT_S),
        ("MAX_AUDITS", POINTS, points.MAX_AUDITS),
        ("regulator", POINTS, REGULATOR),
        ("MEMBER_DAILY_TICKETS", POINTS, caps.MEMBER_DAILY),
        ("NETWORK_DAILY_TICKETS", POINTS, caps.NETWORK_DAILY),
    ]:
        assert deployed.ask(contract, name) == value


def test_an_evaluation_that_cannot_be_opened_does_not_pay() -> None:
    """Drawn as seldom as by default, every other day alone, it costs the price that it saves."""
    assert points.AUDIT_FINE >= 2 * ONE_OF * points.LOOKUP_PRICE


def test_the_points_know_no_transfer() -> None:
    """No function or event of the points' contract moves points between members."""
    functions = set(contract_abi(POINTS).functions)
    assert not {name for name in functions if "transfer" in name.lower() or "approve" in name}
    assert "balanceOf" not in functions


@pytest.mark.parametrize("name", [BLACKLIST, LOOKUPS, POINTS])
def test_domains_are_the_node_s(deployed: Deployed, name: str) -> None:
    """What is signed for one of the contracts is signed for that one alone."""
    chain_id = int(deployed.chain.rpc("eth_chainId"), 16)
    own = Domain(chain_id, bytes.fromhex(deployed.addresses[name][2:]))
    assert deployed.ask(name, "domainSeparator") == own.separator


@pytest.mark.parametrize(
    ("interface", "name", "fields"),
    [
        ("ILookups", "Consent", CONSENT_FIELDS),
        ("ILookups", "Evaluation", EVALUATION_FIELDS),
        ("IAudits", "Evaluation", EVALUATION_FIELDS),
        ("IAudits", "EvaluationOpened", OPENED_FIELDS),
    ],
)
def test_type_strings_stand_in_the_interface(
    interface: str, name: str, fields: tuple[tuple[str, str], ...]
) -> None:
    """What persons, readers and the regulator sign is written in the interface, word for word."""
    text = (CONTRACTS / "interfaces" / f"{interface}.sol").read_text(encoding="utf-8")
    assert f"{name}({','.join(f'{kind} {field}' for kind, field in fields)})" in text


@pytest.mark.parametrize("change", [(3, 12), (5, 0), (7, 0)])
def test_a_profile_that_does_not_fit_is_not_deployed(
    deployed: Deployed, change: tuple[int, int]
) -> None:
    """Clocks that do not fit into a dispute's days are refused by the constructor too."""
    wrong = list(profiles()["CN-2013"].on_chain)
    wrong[change[0]] = change[1]
    types = ("address", "address", "uint32", f"({','.join(['uint16'] * 8)})[]")
    code = encode_deployment(BLACKLIST, types, (NO_REGISTRY, NO_REGISTRY, 1, [tuple(wrong)]))
    sender = deployed.chain.rpc("eth_accounts")[0]
    with pytest.raises(OutsideError) as caught:
        deployed.chain.rpc("eth_call", {"from": sender, "data": "0x" + code.hex()}, "latest")
    assert caught.value.code == "CHAIN_RPC"
    right = encode_deployment(
        BLACKLIST, types, (NO_REGISTRY, NO_REGISTRY, 1, [profiles()["CN-2013"].on_chain])
    )
    sent = {"from": sender, "data": "0x" + right.hex()}
    assert len(deployed.chain.rpc("eth_call", sent, "latest")) > len("0x")


def test_a_revert_of_the_blacklist_is_named() -> None:
    """The codec decodes an error of each new contract into its own exception."""
    for contract, name in [(BLACKLIST, "EntryUnknown"), (LOOKUPS, "ConsentUnknown")]:
        (selector,) = [s for s, e in contract_abi(contract).errors.items() if e.name == name]
        found = revert_error(selector + encode(["bytes32"], [b"\x01" * 32]))
        assert type(found).__name__ == name
