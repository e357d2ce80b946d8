"""A pass may guard: its differing values forbid a pair. What it must not say is refused."""

from __future__ import annotations

from typing import Any

import pytest

from reconcile.model import InputError
from reconcile.terms import default_terms, parse_terms, terms_hash, terms_json

# The default terms before a pass could guard, which agreements may have accepted.
UNGUARDED_CNY_HASH = "1838f5235d8517467846188cf4c134bb19e89ba37086792e91768ce427b8a2b2"
VOUCHER = {
    "servicer": "end_to_end_id",
    "owner": "voucher_no",
    "normalise": ["trim"],
    "min_length": "8",
}


def body(**changes: object) -> dict[str, Any]:
    """Return the default terms as JSON, changed."""
    return {**terms_json(default_terms(["CNY"])), **changes}


def test_terms_without_a_guard_keep_their_hash() -> None:
    """What was accepted before a pass could guard has the same bytes; `false` says nothing."""
    plain = body()
    for rule in plain["passes"]:
        rule.pop("guards", None)
    assert terms_hash(parse_terms(plain)).hex() == UNGUARDED_CNY_HASH
    said = body(passes=[{**rule, "guards": False} for rule in plain["passes"]])
    assert terms_hash(parse_terms(said)).hex() == UNGUARDED_CNY_HASH
    guarding = [rule.name for rule in default_terms(["CNY"]).passes if rule.guards]
    assert guarding == ["srvref"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"confirm": "always", "guards": True}, "TERMS_CONTRADICTION"),
        ({"keys": [], "confirm": "never", "guards": True}, "TERMS_CONTRADICTION"),
        ({"keys": [VOUCHER], "confirm": "unique", "guards": True}, "TERMS_CONTRADICTION"),
        ({"confirm": "unique", "guards": "yes"}, "TERMS_FIELD_TYPE"),
    ],
)
def test_a_guard_that_says_nothing_or_forbids_all_is_refused(
    changes: dict[str, Any], code: str
) -> None:
    """An `always` pass guards anyway, no key never differs, two carriers always do."""
    first = body()["passes"][0]
    with pytest.raises(InputError) as refused:
        parse_terms(body(passes=[{**first, **changes}]))
    assert (refused.value.code, refused.value.where.field) == (code, "passes[0].guards")
