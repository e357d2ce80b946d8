from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crypto.keys import (
    MAX_WRAP_BYTES,
    SEALING_PUBLIC_BYTES,
    EpochKey,
    SealingKey,
    SealingPublicKey,
    wrap_info,
)
from reconcile.commitment.heads import Stream, epoch_key_commitment
from reconcile.model import ProtocolError, Side

STREAM = Stream(31_337, b"\x11" * 20, b"\x22" * 32, Side.OWNER)
READER = SealingKey(bytes(range(96)))
EPOCH = EpochKey(STREAM, 1, bytes(range(32)))


def unwrap(sealed: bytes, key: SealingKey = READER, **changes: object) -> EpochKey:
    """Open a wrap for member 3, generation 1, some of the context changed."""
    context: dict[str, object] = {"recipient": 3, "generation": 1, "commitment": EPOCH.commitment}
    stream, epoch = changes.pop("stream", STREAM), changes.pop("epoch", 1)
    return EpochKey.unwrap(stream, epoch, sealed, key=key, **{**context, **changes})  # type: ignore[arg-type]


def code_of(sealed: bytes, **changes: object) -> str:
    """Return the code with which a wrap is refused."""
    with pytest.raises(ProtocolError) as refused:
        unwrap(sealed, **changes)  # type: ignore[arg-type]
    return refused.value.code


def test_a_reader_opens_what_was_wrapped_for_it() -> None:
    """The wrap fits the ledger and gives back the committed key."""
    sealed = EPOCH.wrap(3, 1, READER.public)
    assert len(sealed) <= MAX_WRAP_BYTES
    assert unwrap(sealed) == EPOCH


def test_every_part_of_the_context_is_bound() -> None:
    """A wrap copied to another chain, contract, agreement, side, epoch or reader does not open."""
    sealed = EPOCH.wrap(3, 1, READER.public)
    streams = [
        dataclasses.replace(STREAM, chain_id=1),
        dataclasses.replace(STREAM, contract=b"\x12" * 20),
        dataclasses.replace(STREAM, agreement=b"\x23" * 32),
        dataclasses.replace(STREAM, side=Side.SERVICER),
    ]
    contexts: list[dict[str, object]] = [{"stream": stream} for stream in streams]
    contexts += [{"epoch": 2}, {"recipient": 4}, {"generation": 2}]
    for context in contexts:
        assert code_of(sealed, **context) == "WRAP_NOT_OPENED"
    assert code_of(sealed, key=SealingKey.generate()) == "WRAP_NOT_OPENED"
    assert len(wrap_info(STREAM, 1, 3, 1)) == 32 + 20 + 32 + 1 + 4 + 4 + 4


def test_a_key_other_than_the_committed_one_is_refused() -> None:
    """A side that wraps different keys for different readers is caught by the commitment."""
    other = EpochKey(STREAM, 1, bytes(32))
    assert code_of(other.wrap(3, 1, READER.public)) == "KEY_COMMITMENT"
    long = READER.public.seal(bytes(33), wrap_info(STREAM, 1, 3, 1))
    assert code_of(long) == "KEY_COMMITMENT"


@given(st.data())
@settings(max_examples=40)
def test_any_changed_byte_of_a_wrap_is_found(data: st.DataObject) -> None:
    """A wrap with one byte changed does not open."""
    changed = bytearray(EPOCH.wrap(3, 1, READER.public))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    assert code_of(bytes(changed)) == "WRAP_NOT_OPENED"


@given(st.binary(max_size=1_300))
@settings(max_examples=40)
def test_any_bytes_as_a_wrap_are_refused(data: bytes) -> None:
    """Truncated, empty or arbitrary bytes are refused with the same reason."""
    assert code_of(data) == "WRAP_NOT_OPENED"


def test_a_sealing_key_survives_its_bytes() -> None:
    """Secret and public key are fixed-width bytes; the same secret is the same key."""
    key = SealingKey.generate()
    assert len(key.secret) == 96
    assert SealingKey(key.secret).public == key.public
    assert SealingPublicKey.parse(key.public.data) == key.public
    assert len(key.public.data) == SEALING_PUBLIC_BYTES == 1_216
    assert SealingKey.generate().public != key.public


def test_the_golden_sealing_key() -> None:
    """The public key of a fixed secret cannot drift between releases of the library."""
    assert READER.public.data[:8].hex() == "298aa10d423c8dda"
    assert READER.public.data[-8:].hex() == "c846ec89af85a51a"


def test_a_stored_wrap_still_opens() -> None:
    """A wrap made by an earlier release opens: what stands on the chain stays readable."""
    sealed = bytes.fromhex(
        "36b0f9bed748856f3860fa3bb9bbbc2ecbb4a130a6a9e0f8e64a2f10c98bdf46cf267920354d1c0b90ddb4cf"
        "7d08ae54ee5428e575f6d0e7897cf01ef1e02c980e4e2d809eb51bd7618393aeef9a732a6175f41b7570e1ed"
        "1942e8eb4e4a053b7fa372d2dcc196a2ca943d9349d5d4d889fa737d6d0682ceb1bb4998896b0ae5bef622ca"
        "7d0db886160eb56d608b090d959b7c6db0c53c2f984adb8a923b2cf74667d3d3a6870553e57aa21df9c16b92"
        "bb6bb5453923ad7b99fdd3cbe7592279da2bb1916fbcbc8c28d675f72b25bacbff4b47dc11b5d20df628a1f1"
        "46be3ccedb96bfba1bdd3809a34da9b8beb9a0cc5fd74b4560ae259d5ffffcd4da28dcb96f57902deae3c444"
        "e7c0054382be750fae24da62cb411bd71e44985a4d01e85cc92b7ebdfd022aae6f039155b6936c73de75a765"
        "e44900be16b8d4a4067b121d91926d00336d722d2c87954f9fd0bb9399ed3a695a131de166bdda95e19c0228"
        "3e506397d229a87686cb7ce7e1f6d7da61d1e823b8dcc8ed561d9314bf47c49264d2a48b12e3c1f33be9aa30"
        "b81cb9411d5261d9476f76588e735754f0468b59012d51cc7ebd9b234d5ff7435ea99c3e04800473bb7fc8cb"
        "3e5ca7f36016373cc4c5b670f3d53e42a8adfb5e6420562ab80970d6ecddc60a26c5711c45ee54d5be188420"
        "1b72389103d47a20dfc40b7f6cd052310cf6762f18041699cd716619c8da68a0a1d38037aa25505cc54ec899"
        "523b33e2af8efc9bcad4ac173728b3cb69946721323f5bdcdc691073f6b9740e7a73c324246a0c17c711c95f"
        "1c7018c18218a81bd97f8f7fa9920e020ff05d9152715861b3037ad0b643cc6f57c4596f7eb8cd1b437cdc9a"
        "f7517ee2b1917da9afcac6a863e43f613c6c74b69b4079cfa8f69fc1de376e10d6d3e27ba64d24ac5d4a9cab"
        "a8b3e9a7e63fb0eaa56e40aaf22f9c6ac1a36abde2b81bf4152c9be628ed7d550a2b1b6f3d310b063b668322"
        "dabd54db5772eef3b057b4bc3af77a444a69a0533ae14f7de276f06ca0702ca3483bb4d5596cf573028f1902"
        "ea1a275e23eea378dfd54b3433d58d1f9512d5e669246f4d7afa85479e01c82542244192d46be8e3c4c91315"
        "95e5b41498eed3670528fabf7ff6593f02d5e56696a5e9f83aa5a29a4535b578ba9a6baffd67d6516dd73069"
        "d11ca21e00956bfd84db28694ef630eae574058cebf90a03434bcbb4aaa824a22b51d0c57572e8eb763136c9"
        "3799500ae5842ecb81e4201993976b65a987d92f68c723fdb3d9b167bba936fd8cdec1cc42d5ba0ad447ad2a"
        "0b1547fc8779238cfbd3f5c7aeb6d7435853204c6018de2d1c7297d8447f6d5a2635b8d3c50fcfe41f692b0f"
        "66ac37b9535a1966366df5893736521fd64d423ffd428a7bc586b7dfdadd7e2488d349ab2e4ed089335f30bc"
        "04f241be10311a1d38362ba282e938f9e2256bba77a77e5e60a47f03156c53c0af5210999d1aae9a2ca9495a"
        "807d99aaed905c30ab34701d7d6a7e2d65a2cfc9350e92c544e4b49eb9924c65a8db4e6d48b08007b245b1a8"
        "400432b3bb19b88a504c93b0c4914608a0953d02df80a39f0880b2f3cbdbf54b2577e47bd292447db2fa07dc"
        "c211e78cba0c9794323885fe432a150d254587ea9be5a74e"
    )
    assert unwrap(sealed) == EPOCH


@pytest.mark.parametrize(
    "data", [b"", bytes(1_215), bytes(1_217), b"\xff" * SEALING_PUBLIC_BYTES], ids=len
)
def test_a_malformed_sealing_key_is_refused(data: bytes) -> None:
    """A published key of another length or outside the scheme is refused in words."""
    with pytest.raises(ProtocolError) as refused:
        SealingPublicKey.parse(data)
    assert refused.value.code == "SEALING_KEY_MALFORMED"
    with pytest.raises(ProtocolError):
        SealingKey(bytes(95))


def test_a_key_whose_point_has_low_order_is_refused() -> None:
    """Sealing to X25519 zero would make half of the hybrid a constant."""
    bad = SealingPublicKey(READER.public.data[:1_184] + bytes(32))
    with pytest.raises(ProtocolError) as refused:
        EPOCH.wrap(3, 1, bad)
    assert refused.value.code == "SEALING_KEY_MALFORMED"


def test_the_commitment_is_the_page_of_the_ledger() -> None:
    """The key's commitment binds agreement, side and epoch."""
    assert EPOCH.commitment == epoch_key_commitment(STREAM.agreement, Side.OWNER, 1, EPOCH.key)
    assert dataclasses.replace(EPOCH, epoch=2).commitment != EPOCH.commitment
    assert EpochKey.generate(STREAM, 1) != EpochKey.generate(STREAM, 1)


def test_secrets_do_not_show_in_a_log() -> None:
    """The text form of a key holds no secret."""
    assert READER.secret.hex()[:16] not in repr(READER)
    assert "key=" not in repr(EPOCH)
