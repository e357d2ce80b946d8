"""JSON-RPC over plain HTTP: one chain, one or more endpoints.

web3.py's provider repeats `eth_sendRawTransaction` by itself and cannot batch it; here every
request is sent once per endpoint, and a lost answer is `ChainUnreachable`: the transaction may or
may not have arrived. No server-side filters, no `finalized` tag (engines disagree on both).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgspec

from node.chain.codec import RawLog, revert_error
from node.chain.texts import error_of
from node.chain.trust import trust_for
from node.errors import ChainBusy, ChainError, ChainUnreachable, ConfigError, Where

BATCH_LIMIT: Final = 100
_CONTENT_TOO_LARGE: Final = 413
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500

Call = tuple[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Header:
    """What the follower needs of a block. `time_s` is Unix time."""

    number: int
    hash: bytes
    parent_hash: bytes
    time_s: int
    gas_limit: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    contract: bytes | None = None


@dataclass(frozen=True, slots=True)
class SeenTransaction:
    """A transaction as a block holds it; `receiver` is empty for a creation."""

    tx_hash: bytes
    sender: bytes
    receiver: bytes
    nonce: int
    calldata: bytes
    value_wei: int
    block_number: int | None


class _TooLarge(ChainUnreachable):
    """Raised when an endpoint refuses a request for its size."""


class ChainClient:
    """Speaks to the endpoints in order; a dead one is left for the next. Thread-safe."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Take endpoints; `transport` replaces the network where faults are simulated.

        `before` is called before each request.

        Raises `ConfigError` CHAIN_URL.
        """
        if not urls or not all(url.startswith(("http://", "https://")) for url in urls):
            raise ConfigError(
                "CHAIN_URL",
                f"no usable endpoint in {list(urls)!r}",
                where=Where(field="chain_urls"),
                help="give http:// or https:// addresses of JSON-RPC endpoints",
            )
        self.urls = tuple(urls)
        self._at = 0
        self._before = before
        self._ids = itertools.count(1)
        self._http = httpx.Client(timeout=timeout_s, transport=transport, verify=trust_for(urls))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # ------------------------------------------------------------------------- transport
    def call(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON has any shape
        """Call one method; raises a `ChainError` of the table."""
        answer = self._post([self._request(method, params)])[0]
        return _result(answer)

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Call several methods in one request; each item is a result or a `ChainError`."""
        results: list[Any] = []
        for start in range(0, len(calls), BATCH_LIMIT):
            part = [self._request(*call) for call in calls[start : start + BATCH_LIMIT]]
            by_id = {answer.get("id"): answer for answer in self._answers(part)}
            results.extend(_result_or_error(by_id.get(request["id"])) for request in part)
        return results

    def _answers(self, part: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send some calls at once; a request that is answered as a whole is halved.

        So an endpoint speaks of a body above its limit (413, or one error without an id): the very
        same request would be refused for ever.
        """
        whole = len(part) == 1
        try:
            answers = self._post(part)
        except _TooLarge:
            if whole:
                raise
            answers = []
        ids = {request["id"] for request in part}
        if whole or any(answer.get("id") in ids for answer in answers):
            return answers
        half = len(part) // 2
        return self._answers(part[:half]) + self._answers(part[half:])

    def _request(self, method: str, params: Sequence[object]) -> dict[str, Any]:
        return {
            "jsonrpc": "2.0",
            "id": next(self._ids),
            "method": method,
            "params": [_wire(item) for item in params],
        }

    def _post(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send to the present endpoint, then to the others; answers as a list."""
        body = msgspec.json.encode(requests[0] if len(requests) == 1 else requests)
        self._before()
        last: ChainError = ChainUnreachable("no endpoint was asked")
        for turn in range(len(self.urls)):
            at = (self._at + turn) % len(self.urls)
            try:
                answers = self._post_to(self.urls[at], body)
            except ChainUnreachable as error:
                last = error
                continue
            self._at = at
            return answers
        raise last

    def _post_to(self, url: str, body: bytes) -> list[dict[str, Any]]:
        try:
            response = self._http.post(
                url, content=body, headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise ChainUnreachable(
                f"the chain's endpoint {_host(url)} does not answer ({type(error).__name__})",
                help="is it up, and is its address right? see node.toml, or KANHE_CHAIN_URLS",
            ) from error
        if response.status_code == _TOO_MANY:
            raise ChainBusy(f"{_host(url)} answers 429")
        if response.status_code == _CONTENT_TOO_LARGE:
            raise _TooLarge(f"{_host(url)} takes no request of {len(body):,} bytes")
        if response.status_code >= _SERVER_ERROR:
            raise ChainUnreachable(f"{_host(url)} answers {response.status_code}")
        try:
            answer = msgspec.json.decode(response.content)
        except msgspec.DecodeError as error:
            raise ChainUnreachable(f"{_host(url)} answers no JSON") from error
        if isinstance(answer, dict):
            return [answer]
        if isinstance(answer, list) and all(isinstance(item, dict) for item in answer):
            return answer
        raise ChainUnreachable(f"{_host(url)} answers no JSON-RPC")

    # ------------------------------------------------------------------------- reads
    def chain_id(self) -> int:
        """Return the chain id."""
        return number(self.call("eth_chainId"))

    def head(self) -> Header:
        """Return the newest block."""
        found = self.call("eth_getBlockByNumber", "latest", False)
        if found is None:
            raise ChainError("the endpoint has no latest block", code="BLOCK_UNKNOWN")
        return _header(found)

    def header(self, block: int) -> Header | None:
        """Return a block by number, None above the head."""
        found = self.call("eth_getBlockByNumber", hex(block), False)
        return None if found is None else _header(found)

    def headers(self, blocks: Sequence[int]) -> list[Header | None]:
        """Return blocks by number in one request; raises the first error."""
        calls: list[Call] = [("eth_getBlockByNumber", (hex(block), False)) for block in blocks]
        found = [_raised(item) for item in self.batch(calls)]
        return [None if item is None else _header(item) for item in found]

    def logs(self, addresses: Sequence[bytes], first: int, last: int) -> list[RawLog]:
        """Return all logs of the addresses in blocks `first` … `last`, in order."""
        wanted = {
            "address": [_hex(address) for address in addresses],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        return sorted(map(_log, self.call("eth_getLogs", wanted)), key=_place)

    def logs_of_blocks(
        self, addresses: Sequence[bytes], hashes: Sequence[bytes]
    ) -> list[list[RawLog]]:
        """Return the logs of each block by hash; a block that vanished is a `ChainError`."""
        where = [_hex(address) for address in addresses]
        calls: list[Call] = [
            ("eth_getLogs", ({"address": where, "blockHash": _hex(item)},)) for item in hashes
        ]
        found = [_raised(item) for item in self.batch(calls)]
        return [sorted(map(_log, logs), key=_place) for logs in found]

    def code(self, address: bytes) -> bytes:
        """Return the code at an address."""
        return unhex(self.call("eth_getCode", _hex(address), "latest"))

    def balance_wei(self, address: bytes) -> int:
        """Return an address's gas money."""
        return number(self.call("eth_getBalance", _hex(address), "latest"))

    def nonce(self, address: bytes, block: int | None = None) -> int:
        """Return the next nonce by mined transactions, at a block or the latest."""
        tag = "latest" if block is None else hex(block)
        return number(self.call("eth_getTransactionCount", _hex(address), tag))

    def view(self, address: bytes, calldata: bytes, sender: bytes | None = None) -> bytes:
        """Run a call without sending; raises `ContractError` where it reverts."""
        message = {"to": _hex(address), "data": _hex(calldata)}
        if sender is not None:
            message["from"] = _hex(sender)
        return unhex(self.call("eth_call", message, "latest"))

    def replay_error(self, seen: SeenTransaction) -> ChainError | None:
        """Return why a mined transaction reverted, asked again one block earlier; None: unknown."""
        if seen.block_number is None:
            return None
        message = {
            "from": _hex(seen.sender),
            "to": _hex(seen.receiver),
            "data": _hex(seen.calldata),
        }
        try:
            self.call("eth_call", message, hex(seen.block_number - 1))
        except ChainError as error:
            return error
        return None

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Return receipts in one request; None: not in a block this endpoint has."""
        calls: list[Call] = [("eth_getTransactionReceipt", (item,)) for item in hashes]
        found = [_raised(item) for item in self.batch(calls)]
        return [None if item is None else _receipt(item) for item in found]

    def transaction(self, tx_hash: bytes) -> SeenTransaction | None:
        """Return a transaction by hash, mined or waiting."""
        found = self.call("eth_getTransactionByHash", tx_hash)
        return None if found is None else _transaction(found)

    def block_transactions(self, blocks: Sequence[int]) -> list[list[SeenTransaction]]:
        """Return all transactions of blocks, by number."""
        calls: list[Call] = [("eth_getBlockByNumber", (hex(block), True)) for block in blocks]
        found = [_raised(item) for item in self.batch(calls)]
        return [
            [_transaction(item) for item in (block or {}).get("transactions", [])]
            for block in found
        ]

    # ------------------------------------------------------------------------- sends
    def send(self, raws: Sequence[bytes]) -> list[ChainError | None]:
        """Send signed bytes, in order, in one request; per item None or what the node said.

        The hash that a node returns is not looked at: some return a wrong one under load.
        """
        calls: list[Call] = [("eth_sendRawTransaction", (raw,)) for raw in raws]
        return [item if isinstance(item, ChainError) else None for item in self.batch(calls)]


# ----------------------------------------------------------------------------- wire format
def number(text: Any) -> int:  # noqa: ANN401 - JSON has any shape
    """Read a quantity, e.g. 0x1a."""
    if not isinstance(text, str):
        raise ChainUnreachable(f"the endpoint answers {text!r} where a number belongs")
    return int(text, 16)


def unhex(text: str) -> bytes:
    """Read bytes, e.g. 0x00ff."""
    return bytes.fromhex(text[2:])


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _wire(value: object) -> object:
    return _hex(value) if isinstance(value, bytes) else value


def _host(url: str) -> str:
    """Return what may stand in a message: an endpoint's path often holds a secret."""
    return httpx.URL(url).netloc.decode()


def _result(answer: dict[str, Any] | None) -> Any:  # noqa: ANN401 - JSON has any shape
    return _raised(_result_or_error(answer))


def _raised(item: Any) -> Any:  # noqa: ANN401 - JSON has any shape
    if isinstance(item, ChainError):
        raise item
    return item


def _result_or_error(answer: dict[str, Any] | None) -> Any:  # noqa: ANN401 - JSON has any shape
    if answer is None:
        return ChainUnreachable("the endpoint left a call of a batch unanswered")
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    text = str(error.get("message", "no message"))
    if isinstance(data, str) and data.startswith("0x") and len(data) > len("0x"):
        return revert_error(unhex(data))
    if "revert" in text.lower():
        return revert_error(b"")
    return error_of(text)


def _header(block: dict[str, Any]) -> Header:
    return Header(
        number(block["number"]),
        unhex(block["hash"]),
        unhex(block["parentHash"]),
        number(block["timestamp"]),
        number(block["gasLimit"]),
    )


def _log(log: dict[str, Any]) -> RawLog:
    return RawLog(
        unhex(log["address"]),
        tuple(unhex(topic) for topic in log["topics"]),
        unhex(log["data"]),
        number(log["blockNumber"]),
        unhex(log["blockHash"]),
        unhex(log["transactionHash"]),
        number(log["logIndex"]),
    )


def _place(log: RawLog) -> tuple[int, int]:
    return (log.block_number, log.log_index)


def _receipt(receipt: dict[str, Any]) -> Receipt:
    contract = receipt.get("contractAddress")
    return Receipt(
        unhex(receipt["transactionHash"]),
        number(receipt["blockNumber"]),
        unhex(receipt["blockHash"]),
        number(receipt["status"]) == 1,
        number(receipt["gasUsed"]),
        unhex(contract) if contract else None,
    )


def _transaction(found: dict[str, Any]) -> SeenTransaction:
    block = found.get("blockNumber")
    return SeenTransaction(
        unhex(found["hash"]),
        unhex(found["from"]),
        unhex(found["to"]) if found.get("to") else b"",
        number(found["nonce"]),
        unhex(found["input"]),
        number(found["value"]),
        None if block is None else number(block),
    )
