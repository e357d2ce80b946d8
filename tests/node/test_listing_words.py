"""The words of a listing, as help, docs and refusals list them, are the protocol's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node.cli import listing_words
from node.intake.bands import AMOUNT_BOUNDS, DAYS_BOUNDS
from node.screening.consents import Purpose, Scope
from node.screening.listings import ActionTaken, Product, ProofLevel, Reason
from node.services.screening import stating

PAGE = Path(__file__).resolve().parents[2] / "docs" / "blacklist.md"


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (listing_words.REASONS, Reason),
        (listing_words.PRODUCTS, Product),
        (listing_words.ACTIONS, ActionTaken),
    ],
)
def test_help_and_docs_name_every_word(says: str, words: type[Reason]) -> None:
    """None is missing, none is left over; the page on the blacklist has each in a table."""
    assert re.findall(r"[A-Z][A-Z_0-9]+", says) == list(words)
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{word}`" in page for word in words)


def test_the_docs_name_levels_bands_purposes_and_scopes() -> None:
    """With the numbers by which they are given."""
    page = PAGE.read_text(encoding="utf-8")
    for level in ProofLevel:
        assert f"`{int(level)}` {level.name.lower()}" in page
    assert all(f"{bound:,}" in page for bound in AMOUNT_BOUNDS)
    assert all(f"{bound - 1}" in page for bound in DAYS_BOUNDS)
    assert all(f"`{word.name}`" in page for word in [*Purpose, *Scope])
    for bound in AMOUNT_BOUNDS:
        assert f"{bound:,}" in listing_words.AMOUNT_BANDS


def test_every_field_that_is_stated_says_what_it_takes() -> None:
    """A refusal by hand names the option; documents are options of their own."""
    assert set(stating.TAKES) == stating.VALUE_FIELDS - {
        "amount", "days_past_due", "event_date", "evidence",
    }  # fmt: skip
