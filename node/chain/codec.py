"""Calls, events and reverts of our contracts, as their committed ABI says.

`BatchPosted` is decoded by hand: it is the data plane, hundreds of thousands a replay. All other
events are rare and go through `eth_abi`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals, registry
from eth_utils.crypto import keccak

from node.errors import ChainError, ContractError, ProtocolError, RejectedForGood
from node.errors.contract import CONTRACT_ERRORS

REGISTRY: Final = "Registry"
LEDGER: Final = "Ledger"
BLACKLIST: Final = "Blacklist"
LOOKUPS: Final = "Lookups"
POINTS: Final = "Points"
#: The contracts whose errors a revert may carry.
ALL_CONTRACTS: Final = (LEDGER, REGISTRY, BLACKLIST, LOOKUPS, POINTS)
ABI_FOLDER: Final = Path(__file__).resolve().parent / "abi"
WORD: Final = 32
# Stands for what is no text, or what no database keeps in one.
NO_TEXT: Final = "\ufffd"
_SAFE_INT: Final = 2**53
_SELECTOR: Final = 4
# Solidity's own errors: `require` with a text, and a failed assertion.
_TEXT_SELECTOR: Final = keccak(text="Error(string)")[:_SELECTOR]
_PANIC_SELECTOR: Final = keccak(text="Panic(uint256)")[:_SELECTOR]


@dataclass(frozen=True, slots=True)
class Contracts:
    """Which contracts on which chain; addresses are 20 bytes.

    A network may do without a blacklist: then its three addresses are empty.
    """

    chain_id: int
    registry: bytes
    ledger: bytes
    blacklist: bytes = b""
    lookups: bytes = b""
    points: bytes = b""

    @property
    def addresses(self) -> dict[str, bytes]:
        """Return the addresses of the contracts that this network has, by name."""
        named = {
            REGISTRY: self.registry,
            LEDGER: self.ledger,
            BLACKLIST: self.blacklist,
            LOOKUPS: self.lookups,
            POINTS: self.points,
        }
        return {name: address for name, address in named.items() if address}

    def address(self, name: str) -> bytes:
        """Return a contract's address by its name."""
        return self.addresses[name]

    def name(self, address: bytes) -> str:
        """Return whose address this is."""
        return {found: name for name, found in self.addresses.items()}[address]


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as the endpoint returned it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    tx_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded event of the control plane; `args` by the names of the ABI."""

    contract: str
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchPosted:
    """The decoded event of the data plane."""

    agreement: bytes
    side: int
    seq: int
    window: int
    epoch: int
    commitment: bytes
    head: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Shape:
    """One function, event or error: types for eth_abi, and the parameters as the ABI has them."""

    name: str
    types: tuple[str, ...]
    parameters: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ContractAbi:
    """One contract's ABI: `events` by topic 0, `functions` by name, `errors` by selector."""

    name: str
    functions: Mapping[str, tuple[bytes, _Shape]]
    by_selector: Mapping[bytes, _Shape]
    events: Mapping[bytes, _Shape]
    errors: Mapping[bytes, _Shape]
    bytecode: bytes
    deployed: bytes
    immutables: tuple[tuple[int, int], ...]

    def runtime_without_immutables(self, code: bytes) -> bytes:
        """Return deployed code with what the constructor filled in masked by zeros."""
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked)


@functools.cache
def contract_abi(name: str) -> ContractAbi:
    """Return the committed ABI of a contract by its name."""
    artifact = json.loads((ABI_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    shapes: dict[str, list[tuple[bytes, _Shape]]] = {"function": [], "event": [], "error": []}
    for item in artifact["abi"]:
        if item["type"] in shapes:
            inputs = tuple(item["inputs"])
            types = tuple(_type_of(parameter) for parameter in inputs)
            shape = _Shape(item["name"], types, inputs, tuple(item.get("outputs", ())))
            shapes[item["type"]].append((keccak(text=f"{shape.name}({','.join(types)})"), shape))
    return ContractAbi(
        name,
        functions={shape.name: (topic[:_SELECTOR], shape) for topic, shape in shapes["function"]},
        by_selector={topic[:_SELECTOR]: shape for topic, shape in shapes["function"]},
        events=dict(shapes["event"]),
        errors={topic[:_SELECTOR]: shape for topic, shape in shapes["error"]},
        bytecode=bytes.fromhex(artifact["bytecode"][2:]),
        deployed=bytes.fromhex(artifact["deployedBytecode"][2:]),
        immutables=tuple((i["start"], i["length"]) for i in artifact["immutableReferences"]),
    )


def _type_of(parameter: Mapping[str, Any]) -> str:
    """Return the canonical type; a tuple becomes (a,b) with its array suffix."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_type_of(part) for part in parameter["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


# ------------------------------------------------------------------------------------ calls
def encode_call(contract: str, function: str, args: Sequence[object]) -> bytes:
    """Return a call's bytes. Raises `ProtocolError` CALL_ARGUMENTS for what the ABI cannot hold."""
    selector, shape = contract_abi(contract).functions[function]
    try:
        return selector + abi_encode(shape.types, tuple(args))
    except (EncodingError, ValueError, TypeError) as error:
        raise ProtocolError("CALL_ARGUMENTS", f"{contract}.{function}: {error}") from error


def encode_deployment(contract: str, types: Sequence[str], args: Sequence[object]) -> bytes:
    """Return the creation bytes of a contract with its constructor's arguments."""
    return contract_abi(contract).bytecode + abi_encode(tuple(types), tuple(args))


def decode_call(contract: str, calldata: bytes) -> tuple[str, dict[str, Any]] | None:
    """Return a call's function and arguments, or None where it is none of ours."""
    shape = contract_abi(contract).by_selector.get(calldata[:_SELECTOR])
    if shape is None:
        return None
    try:
        values = abi_decode(shape.types, calldata[_SELECTOR:])
    except DecodingError:
        return None
    return shape.name, _named(shape.parameters, values)


def decode_result(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """Return the outputs of a view; structs as maps by field name."""
    _, shape = contract_abi(contract).functions[function]
    values = abi_decode([_type_of(output) for output in shape.outputs], data)
    return tuple(_plain(o, v) for o, v in zip(shape.outputs, values, strict=True))


# ------------------------------------------------------------------------------------ events
BATCH_POSTED_TOPIC: Final = keccak(
    text="BatchPosted(bytes32,uint8,uint64,uint32,uint32,bytes32,bytes32,bytes)"
)
_HEAD_WORDS: Final = 6


def decode_batch_posted(log: RawLog) -> BatchPosted:
    """Decode `BatchPosted` by hand. Raises `ProtocolError` EVENT_MALFORMED.

    Data: seq, window, epoch, commitment, head, offset of payload (always 192), its length, it. A
    sequence that rises by one never needs 64 bits, and window and epoch have 32.
    """
    data = log.data
    start = (_HEAD_WORDS + 1) * WORD
    well = len(log.topics) == 3 and len(data) >= start  # noqa: PLR2004 - topic 0 and two indexed
    length = int.from_bytes(data[start - WORD : start], "big") if well else 0
    offset = int.from_bytes(data[5 * WORD : 6 * WORD], "big")
    seq, window, epoch = (
        int.from_bytes(data[at : at + WORD], "big") for at in range(0, 3 * WORD, WORD)
    )
    well = well and not (seq >> 63 or window >> 32 or epoch >> 32 or any(log.topics[2][:-1]))
    if not well or offset != _HEAD_WORDS * WORD or start + length > len(data):
        raise ProtocolError("EVENT_MALFORMED", f"BatchPosted in block {log.block_number}")
    return BatchPosted(
        agreement=log.topics[1],
        side=log.topics[2][-1],
        seq=seq,
        window=window,
        epoch=epoch,
        commitment=data[3 * WORD : 4 * WORD],
        head=data[4 * WORD : 5 * WORD],
        payload=data[start : start + length],
    )


def is_text(text: str) -> bool:
    """Say whether a text of the ledger was one: neither bytes that are no UTF-8, nor a NUL."""
    return NO_TEXT not in text


def _lenient() -> ABICodec:
    """Return a decoder that keeps an event whose text is none: other facts may build on it."""
    known = registry.copy()  # type: ignore[no-untyped-call]
    known.unregister_decoder("string")
    known.register_decoder(
        BaseEquals("string", with_sub=False),  # type: ignore[no-untyped-call]
        StringDecoder(handle_string_errors="replace"),  # type: ignore[no-untyped-call]
        label="string",
    )
    return ABICodec(known)


_EVENTS: Final = _lenient()


def decode_event(contract: str, log: RawLog) -> Event | None:
    """Decode any other event; None where the ABI does not know it (a later contract's)."""
    shape = contract_abi(contract).events.get(log.topics[0]) if log.topics else None
    if shape is None:
        return None
    indexed = [p for p in shape.parameters if p["indexed"]]
    rest = [p for p in shape.parameters if not p["indexed"]]
    try:
        values = dict(
            zip(
                (p["name"] for p in indexed),
                (
                    abi_decode([_type_of(p)], topic)[0]
                    for p, topic in zip(indexed, log.topics[1:], strict=True)
                ),
                strict=True,
            )
        )
        decoded = _EVENTS.decode([_type_of(p) for p in rest], log.data)
    except (DecodingError, ValueError) as error:
        raise ProtocolError("EVENT_MALFORMED", f"{shape.name}: {error}") from error
    values |= _named(rest, decoded)
    ordered = {p["name"]: _plain(p, values[p["name"]]) for p in shape.parameters}
    return Event(contract, shape.name, ordered)


def json_args(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as `chain_events.args` keeps them: bytes 0x-hex, large integers as text."""
    return {name: _json(value) for name, value in args.items()}


def _json(value: Any) -> Any:  # noqa: ANN401 - ABI values of any type
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, Mapping):
            return json_args(value)
        if isinstance(value, list | tuple):
            return [_json(item) for item in value]
        return value
    return value if abs(value) < _SAFE_INT else str(value)


def _named(parameters: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> dict[str, Any]:
    pairs = zip(parameters, values, strict=True)
    return {p["name"]: _plain(p, value) for p, value in pairs}


def _plain(parameter: Mapping[str, Any], value: Any) -> Any:  # noqa: ANN401 - ABI values
    """Turn tuples into maps by component name, all the way down."""
    kind = str(parameter["type"])
    if isinstance(value, str):
        return value.replace("\0", NO_TEXT)
    if kind.endswith("[]"):
        element = {**parameter, "type": kind[:-2]}
        return [_plain(element, item) for item in value]
    if kind == "tuple" and not isinstance(value, Mapping):
        return _named(parameter["components"], value)
    return value


# ------------------------------------------------------------------------------------ reverts
def revert_error(data: bytes) -> ChainError:
    """Return the exception for a revert's data; Registry errors come through Ledger unchanged."""
    selector = data[:_SELECTOR]
    for name in ALL_CONTRACTS:
        shape = contract_abi(name).errors.get(selector)
        if shape is not None:
            kind = CONTRACT_ERRORS.get(shape.name, ContractError)
            try:
                return kind(abi_decode(shape.types, data[_SELECTOR:]))
            except DecodingError:
                return kind()
    if selector == _TEXT_SELECTOR:
        return RejectedForGood(str(abi_decode(["string"], data[_SELECTOR:])[0]), code="REVERTED")
    if selector == _PANIC_SELECTOR:
        number = int.from_bytes(data[_SELECTOR:], "big")
        return RejectedForGood(f"the contract panicked: 0x{number:x}", code="REVERTED")
    said = f"0x{data.hex()}" if data else "no reason given"
    return RejectedForGood(f"the contract reverted: {said}", code="REVERTED")
