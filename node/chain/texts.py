"""One table from what endpoints say to what it means; nothing else reads error texts.

Each row: a piece of the text in lower case, the class, the code, and whose text it is. The first
row that fits decides, so longer pieces stand before shorter ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.errors import (
    AlreadyDone,
    AnswerTooLarge,
    ChainBusy,
    ChainError,
    ChainUnreachable,
    RejectedForGood,
    SequenceMoved,
)


@dataclass(frozen=True, slots=True)
class Said:
    """A row of the table; `help` is what an operator can do."""

    text: str
    error: type[ChainError]
    code: str
    engines: str
    help: str = ""


# Codes of errors that concern the sending key, not the one call: every call would get them.
LANE_CODES: Final = frozenset({"POSTER_UNFUNDED", "SENDER_NOT_PERMITTED", "GAS_PRICE_TOO_LOW"})
_FUND: Final = "this chain takes gas money: fund the posting address, or run the chain gas-free"
_PRICE: Final = "raise the gas price of the engine profile to the chain's minimum"
_PERMIT: Final = "ask the chain's operators to permit the posting address"

TEXTS: Final = (
    Said("already known", AlreadyDone, "CHAIN_ALREADY_KNOWN", "geth, besu"),
    Said("already imported", AlreadyDone, "CHAIN_ALREADY_KNOWN", "anvil, erigon"),
    Said("already_exists", AlreadyDone, "CHAIN_ALREADY_KNOWN", "reth"),
    Said("known transaction", AlreadyDone, "CHAIN_ALREADY_KNOWN", "besu, nethermind"),
    Said("tx already in mempool", AlreadyDone, "CHAIN_ALREADY_KNOWN", "cometbft"),
    Said("tx already exists in cache", AlreadyDone, "CHAIN_ALREADY_KNOWN", "cometbft"),
    Said("nonce too low", SequenceMoved, "CHAIN_NONCE_USED", "geth, anvil, reth"),
    Said("nonce below", SequenceMoved, "CHAIN_NONCE_USED", "besu"),
    Said("nonce_too_low", SequenceMoved, "CHAIN_NONCE_USED", "besu"),
    Said("old nonce", SequenceMoved, "CHAIN_NONCE_USED", "nethermind"),
    Said("invalid nonce", SequenceMoved, "CHAIN_NONCE_USED", "cosmos/evm"),
    Said("replacement transaction", SequenceMoved, "CHAIN_NONCE_TAKEN", "geth, anvil, besu"),
    Said("nonce too high", ChainBusy, "CHAIN_NONCE_AHEAD", "anvil, besu, cosmos/evm"),
    Said("nonce too distant", ChainBusy, "CHAIN_NONCE_AHEAD", "besu"),
    Said("exceeds block gas limit", RejectedForGood, "GAS_LIMIT", "geth, besu"),
    Said("gas limit exceeded", RejectedForGood, "GAS_LIMIT", "anvil"),
    Said("gas limit reached", RejectedForGood, "GAS_LIMIT", "geth"),
    Said("intrinsic gas", RejectedForGood, "GAS_LIMIT", "geth, anvil, besu"),
    Said("gas limit too high", RejectedForGood, "GAS_LIMIT", "anvil"),
    Said("insufficient funds", RejectedForGood, "POSTER_UNFUNDED", "geth, anvil, reth", _FUND),
    Said("upfront cost exceeds", RejectedForGood, "POSTER_UNFUNDED", "besu", _FUND),
    Said("not authorized to send", RejectedForGood, "SENDER_NOT_PERMITTED", "besu", _PERMIT),
    Said("sender account not", RejectedForGood, "SENDER_NOT_PERMITTED", "besu", _PERMIT),
    Said("gas price below", RejectedForGood, "GAS_PRICE_TOO_LOW", "besu", _PRICE),
    Said("underpriced", RejectedForGood, "GAS_PRICE_TOO_LOW", "geth", _PRICE),
    Said("less than block base fee", RejectedForGood, "GAS_PRICE_TOO_LOW", "geth, anvil", _PRICE),
    Said("oversized data", RejectedForGood, "TRANSACTION_TOO_LARGE", "geth"),
    Said("invalid sender", RejectedForGood, "WRONG_CHAIN_ID", "geth"),
    Said("invalid chain id", RejectedForGood, "WRONG_CHAIN_ID", "anvil, besu"),
    Said("chain id is not", RejectedForGood, "WRONG_CHAIN_ID", "geth"),
    Said("pool is full", ChainBusy, "CHAIN_POOL_FULL", "geth, anvil, besu"),
    Said("mempool is full", ChainBusy, "CHAIN_POOL_FULL", "cometbft"),
    Said("transaction count for", ChainBusy, "CHAIN_POOL_FULL", "besu"),
    Said("account limit", ChainBusy, "CHAIN_POOL_FULL", "geth"),
    Said("in-flight transaction limit", ChainBusy, "CHAIN_POOL_FULL", "geth"),
    Said("too many requests", ChainBusy, "CHAIN_BUSY", "proxies"),
    Said("rate limit", ChainBusy, "CHAIN_BUSY", "proxies"),
    Said("query returned more than", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "geth"),
    Said("response size", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "proxies"),
    Said("response is too big", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "reth"),
    Said("exceeds maximum rpc range", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "besu"),
    Said("block range", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "proxies, reth"),
    Said("query timeout", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "geth"),
    Said("limit exceeded", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE", "erigon"),
    Said("does not exist/is not available", RejectedForGood, "METHOD_MISSING", "geth"),
    Said("method not found", RejectedForGood, "METHOD_MISSING", "besu, anvil"),
    Said("header not found", ChainError, "BLOCK_UNKNOWN", "geth"),
    Said("unknown block", ChainError, "BLOCK_UNKNOWN", "geth, besu"),
    Said("block not found", ChainError, "BLOCK_UNKNOWN", "besu, anvil"),
    Said("timed out", ChainUnreachable, "CHAIN_UNREACHABLE", "any"),
    Said("timeout", ChainUnreachable, "CHAIN_UNREACHABLE", "any"),
)


def error_of(text: str) -> ChainError:
    """Return the exception for what an endpoint said; unknown texts are retryable."""
    lowered = text.lower()
    for said in TEXTS:
        if said.text in lowered:
            return said.error(text, code=said.code, help=said.help)
    return ChainError(text)
