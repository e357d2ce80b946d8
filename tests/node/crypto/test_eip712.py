from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from node.crypto.eip712 import (
    TYPES,
    Domain,
    ResultClaim,
    observers_hash,
    recover_signer,
    type_string,
)
from node.crypto.signer import LocalSigner
from reconcile.model import ProtocolError, Side

CONTRACTS = Path(__file__).resolve().parents[3] / "contracts" / "src"
DOMAIN = Domain(31_337, b"\x11" * 20)
SECRET = bytes(range(1, 33))
CLAIM = ResultClaim(
    agreement=b"\x22" * 32,
    side=Side.OWNER,
    window=166_232,
    revision=1,
    servicer_head=b"\x33" * 32,
    owner_head=b"\x44" * 32,
    previous_agreed_digest=b"\x55" * 32,
    digest=b"\x66" * 32,
    flags=1,
)


def value_of(kind: str) -> st.SearchStrategy[int | bytes]:
    """Draw a value of a Solidity type."""
    if kind.startswith("uint"):
        return st.integers(0, 2 ** int(kind[4:]) - 1)
    return {
        "bytes32": st.binary(min_size=32, max_size=32),
        "address": st.binary(min_size=20, max_size=20),
        "bytes": st.binary(max_size=80),
    }[kind]


def other_digest(domain: Domain, name: str, values: list[int | bytes]) -> bytes:
    """Hash the same message with eth_account's own encoder."""
    message = encode_typed_data(
        domain_data={
            "name": "Kanhe",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": f"0x{domain.contract.hex()}",
        },
        message_types={name: [{"name": field, "type": kind} for kind, field in TYPES[name]]},
        message_data={
            field: f"0x{value.hex()}" if kind == "address" and isinstance(value, bytes) else value
            for (kind, field), value in zip(TYPES[name], values, strict=True)
        },
    )
    return keccak(b"\x19" + message.version + message.header + message.body)


@pytest.mark.parametrize("name", list(TYPES))
@given(data=st.data())
def test_digests_are_those_of_another_implementation(name: str, data: st.DataObject) -> None:
    """Every type hashes as eth_account's encode_typed_data does, for any values."""
    domain = Domain(data.draw(st.integers(0, 2**256 - 1)), data.draw(value_of("address")))  # type: ignore[arg-type]
    values = [data.draw(value_of(kind)) for kind, _ in TYPES[name]]
    assert domain.digest(name, *values) == other_digest(domain, name, values)


@pytest.mark.parametrize("name", list(TYPES))
def test_type_strings_stand_in_the_contracts(name: str) -> None:
    """The contracts hash the very same type strings."""
    sources = "".join(path.read_text(encoding="utf-8") for path in CONTRACTS.rglob("*.sol"))
    flat = sources.replace('"\n', "").replace("\n", "")
    joined = "".join(part.strip() for part in flat.split('"'))
    assert type_string(name) in joined


def test_each_named_digest_is_its_type() -> None:
    """The five methods put their arguments into the right fields."""
    a32 = b"\x22" * 32
    assert DOMAIN.key_possession(
        member=1, code=a32, role=3, valid_from=4, valid_to=5
    ) == DOMAIN.digest("KeyPossession", 1, a32, 3, 4, 5)
    assert DOMAIN.call(signer=b"\x01" * 20, call=b"x", nonce=2, last_block=3) == DOMAIN.digest(
        "Call", b"\x01" * 20, b"x", 2, 3
    )
    assert DOMAIN.terms(
        agreement=a32, terms_hash=a32, from_window=8, observers=[5]
    ) == DOMAIN.digest("Terms", a32, a32, 8, observers_hash([5]))
    assert DOMAIN.end(agreement=a32, last_window=8) == DOMAIN.digest("End", a32, 8)
    assert DOMAIN.result(CLAIM) == DOMAIN.digest(
        "Result", a32, 1, 166_232, 1, b"\x33" * 32, b"\x44" * 32, b"\x55" * 32, b"\x66" * 32, 1
    )


def test_the_golden_digest() -> None:
    """The digest of one result cannot drift: its hex is written down here."""
    assert DOMAIN.result(CLAIM).hex() == (
        "45e6f0d32f182bfd699ad9b4348e5876d3a17234ca2b9bdcad6ab0fd87288890"
    )


def test_observers_hash_pads_each_member() -> None:
    """abi.encodePacked pads the elements of an array to 32 bytes."""
    assert observers_hash([]) == keccak(b"")
    assert observers_hash([1, 2]) == keccak(bytes(31) + b"\x01" + bytes(31) + b"\x02")


def test_a_result_recovers_to_its_approver() -> None:
    """Our signature is what eth_account signs, and recovers to the same address."""
    signature = LocalSigner(SECRET).sign_digest(DOMAIN.result(CLAIM))
    theirs = Account.unsafe_sign_hash(DOMAIN.result(CLAIM), SECRET)
    assert signature == bytes(theirs.signature)
    assert recover_signer(DOMAIN, CLAIM, signature) == Account.from_key(SECRET).address


@pytest.mark.parametrize(
    "domain", [Domain(1, DOMAIN.contract), Domain(DOMAIN.chain_id, b"\x12" * 20)]
)
def test_a_signature_says_nothing_elsewhere(domain: Domain) -> None:
    """On another chain or contract the signature is some stranger's."""
    signer = LocalSigner(SECRET)
    signature = signer.sign_digest(DOMAIN.result(CLAIM))
    assert recover_signer(domain, CLAIM, signature) != signer.address


def test_values_beyond_their_type_are_a_mistake() -> None:
    """A number or hash that does not fit its type is not hashed."""
    for values in [(b"\x22" * 31, 8), (b"\x22" * 32, 2**32), (b"\x22" * 32, -1)]:
        with pytest.raises(AssertionError):
            DOMAIN.digest("End", *values)
    with pytest.raises(ProtocolError):
        recover_signer(DOMAIN, CLAIM, b"")
