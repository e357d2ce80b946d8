"""What endpoints say → what it means: one table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.chain.texts import LANE_CODES, TEXTS, error_of
from node.errors import (
    AlreadyDone,
    AnswerTooLarge,
    ChainBusy,
    ChainError,
    RejectedForGood,
    SequenceMoved,
    Turn,
)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("already known", AlreadyDone, "CHAIN_ALREADY_KNOWN"),
        ("Known transaction", AlreadyDone, "CHAIN_ALREADY_KNOWN"),
        ("transaction already imported", AlreadyDone, "CHAIN_ALREADY_KNOWN"),
        ("nonce too low: next nonce 5, tx nonce 4", SequenceMoved, "CHAIN_NONCE_USED"),
        ("replacement transaction underpriced", SequenceMoved, "CHAIN_NONCE_TAKEN"),
        ("transaction underpriced: tip needed 1", RejectedForGood, "GAS_PRICE_TOO_LOW"),
        ("txpool is full", ChainBusy, "CHAIN_POOL_FULL"),
        ("query returned more than 10000 results", AnswerTooLarge, "CHAIN_ANSWER_TOO_LARGE"),
        ("insufficient funds for gas * price + value", RejectedForGood, "POSTER_UNFUNDED"),
        ("exceeds block gas limit", RejectedForGood, "GAS_LIMIT"),
        ("the moon is full", ChainError, "CHAIN_ERROR"),
    ],
)
def test_a_text_has_one_meaning(text: str, kind: type[ChainError], code: str) -> None:
    """Texts of geth, anvil, Besu and proxies become one class and one code each."""
    error = error_of(text)
    assert type(error) is kind
    assert error.code == code


@given(st.text(max_size=200))
def test_any_text_becomes_a_chain_error(text: str) -> None:
    """An endpoint can say what it likes: it is never a crash, and unknown words mean "again"."""
    error = error_of(text)
    assert isinstance(error, ChainError)
    if type(error) is ChainError and error.code == "CHAIN_ERROR":
        assert error.turn is Turn.RETRYABLE


def test_every_row_can_be_reached() -> None:
    """A row that a row above it always hides would be a mistake in the table's order."""
    for said in TEXTS:
        assert error_of(said.text).code == said.code, said.text
    assert {said.code for said in TEXTS} >= LANE_CODES
