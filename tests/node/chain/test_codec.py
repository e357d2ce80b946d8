"""Calls, events, reverts: by hand and by eth_abi they are the same."""

from __future__ import annotations

import contextlib

import pytest
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from node.chain.codec import (
    BATCH_POSTED_TOPIC,
    LEDGER,
    REGISTRY,
    RawLog,
    contract_abi,
    decode_batch_posted,
    decode_call,
    decode_event,
    encode_call,
    json_args,
    revert_error,
)
from node.chain.profile import PROFILES, engine_profile, gas_limit
from node.errors import ConfigError, ContractError, ProtocolError, RejectedForGood, Turn

HASHES = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(0, 2**32 - 1)


@given(
    agreement=HASHES,
    side=st.integers(0, 1),
    seq=st.integers(1, 2**64 - 1),
    window=NUMBERS,
    epoch=NUMBERS,
    commitment=HASHES,
    head=HASHES,
    payload=st.binary(max_size=300),
)
def test_batch_posted_by_hand_equals_the_general_decoder(
    agreement: bytes,
    side: int,
    seq: int,
    window: int,
    epoch: int,
    commitment: bytes,
    head: bytes,
    payload: bytes,
) -> None:
    """The fast decoder of the data plane reads what `eth_abi` reads."""
    data = abi_encode(
        ("uint64", "uint32", "uint32", "bytes32", "bytes32", "bytes"),
        (seq, window, epoch, commitment, head, payload),
    )
    topics = (BATCH_POSTED_TOPIC, agreement, side.to_bytes(32, "big"))
    log = RawLog(bytes(20), topics, data, 1, bytes(32), bytes(32), 0)
    slow = decode_event(LEDGER, log)
    assert slow is not None
    if seq >> 63:
        # No stream that rises by one gets there, and no row holds it.
        with pytest.raises(ProtocolError, match="EVENT_MALFORMED"):
            decode_batch_posted(log)
        return
    fast = decode_batch_posted(log)
    assert (fast.agreement, fast.side, fast.seq, fast.window) == (agreement, side, seq, window)
    named = {"prev": None} | {name: getattr(fast, name) for name in slow.args}
    assert {name: named[name] for name in slow.args} == dict(slow.args)


@given(st.binary(max_size=400))
def test_garbage_never_decodes_to_a_batch_with_more_than_it_has(data: bytes) -> None:
    """Malformed data is refused as EVENT_MALFORMED, never read past its end."""
    log = RawLog(bytes(20), (BATCH_POSTED_TOPIC, bytes(32), bytes(32)), data, 1, b"", b"", 0)
    with contextlib.suppress(ProtocolError):
        assert len(decode_batch_posted(log).payload) <= len(data)


def test_calls_go_there_and_back() -> None:
    """A call's bytes decode to its name and arguments; other bytes are none of ours."""
    args = (b"\x01" * 32, 1, 7, 166_000, bytes(32), b"\x02" * 32, 3, b"payload")
    calldata = encode_call(LEDGER, "post", args)
    found = decode_call(LEDGER, calldata)
    assert found is not None
    assert found[0] == "post"
    assert tuple(found[1].values()) == args
    many = encode_call(LEDGER, "postMany", ([args, args],))
    decoded = decode_call(LEDGER, many)
    assert decoded is not None
    assert decoded[1]["batches"][1]["payload"] == b"payload"
    assert decode_call(LEDGER, b"\xff" * 40) is None
    assert decode_call(LEDGER, calldata[:20]) is None


def test_arguments_that_do_not_fit_are_refused() -> None:
    """A number that is too large for its type is an error here and not on the chain."""
    with pytest.raises(ProtocolError) as refused:
        encode_call(LEDGER, "acknowledgeKey", (bytes(32), 256, 1))
    assert refused.value.code == "CALL_ARGUMENTS"


def test_reverts_become_exceptions_of_the_same_name() -> None:
    """Selector and arguments of either contract are found; unknown ones say their bytes."""
    selector = keccak(text="BatchOutOfSequence(uint64,uint64)")[:4]
    error = revert_error(selector + abi_encode(("uint64", "uint64"), (5, 3)))
    assert type(error).__name__ == "BatchOutOfSequence"
    assert error.code == "BATCH_OUT_OF_SEQUENCE"
    assert error.message == "BatchOutOfSequence(expected=5, given=3)"
    assert error.turn is Turn.SEQUENCE_MOVED
    unknown = keccak(text="KeyUnknown(address)")[:4] + bytes(12) + b"\x05" * 20
    assert isinstance(revert_error(unknown), ContractError)
    text = keccak(text="Error(string)")[:4] + abi_encode(("string",), ("no",))
    assert revert_error(text).message == "no"
    panic = keccak(text="Panic(uint256)")[:4] + (0x11).to_bytes(32, "big")
    assert "0x11" in revert_error(panic).message
    for data in (b"", b"\x01\x02\x03\x04", selector + b"\x01"):
        assert isinstance(revert_error(data), RejectedForGood | ContractError)


def test_large_integers_are_text_in_json() -> None:
    """A uint64 that JavaScript would round stands as text, bytes as hex, structs by name."""
    args = {"a": 2**64 - 1, "b": b"\x01", "c": [{"d": 2**53, "e": True}], "f": 7}
    assert json_args(args) == {
        "a": str(2**64 - 1),
        "b": "0x01",
        "c": [{"d": str(2**53), "e": True}],
        "f": 7,
    }


def test_code_with_immutables_masked_is_the_same_for_every_deployment() -> None:
    """What a constructor filled in is zeroed before code is compared."""
    abi = contract_abi(REGISTRY)
    filled = bytearray(abi.deployed)
    for start, length in abi.immutables:
        filled[start : start + length] = b"\x07" * length
    masked = abi.runtime_without_immutables(bytes(filled))
    assert masked == abi.runtime_without_immutables(abi.deployed)


@given(size=st.integers(1, 120_000), zeros=st.integers(0, 120_000))
def test_gas_covers_the_floor_and_never_passes_the_cap(size: int, zeros: int) -> None:
    """EIP-7623's floor (10 a zero byte, 40 another) is always within the limit, up to the cap."""
    calldata = bytes(min(zeros, size)) + b"\x01" * (size - min(zeros, size))
    gas = gas_limit("post", calldata, payload_bytes=size, cap=30_000_000)
    floor = 21_000 + 10 * min(zeros, size) + 40 * (size - min(zeros, size))
    assert gas >= floor
    assert gas >= 56_500 + 25 * size
    assert gas_limit("post", calldata, payload_bytes=size, cap=50_000) <= 50_000


def test_profiles_say_what_is_final() -> None:
    """BFT blocks are final at once, the embedded chain's after twelve; other names are refused."""
    assert engine_profile("bft").final_block(100) == 100
    assert engine_profile("embedded").final_block(100) == 88
    assert PROFILES["clique"].gas_price_wei == 10 * 10**9
    with pytest.raises(ConfigError) as refused:
        engine_profile("hope")
    assert "clique" in refused.value.help
