from __future__ import annotations

from typing import Any

import pytest

from reconcile.model import InputError
from reconcile.terms import Terms, default_terms, explain, parse_terms, risks, terms_json


def body(**changes: object) -> dict[str, Any]:
    """Return the default terms as JSON, changed."""
    return {**terms_json(default_terms(["CNY"])), **changes}


def with_pass(**changes: object) -> Terms:
    """Return terms of one pass by end_to_end_id, changed."""
    more = changes.pop("terms", {})
    assert isinstance(more, dict)
    return parse_terms(body(passes=[{**body()["passes"][0], **changes}], **more))


def key(carrier: str, *steps: str, least: int = 6) -> list[dict[str, Any]]:
    """Return one key of the same carrier on both sides."""
    pair = {"servicer": carrier, "owner": carrier, "normalise": list(steps)}
    return [pair | {"min_length": str(least)}]


# ------------------------------------------------------------------------------ words
def test_every_pass_is_said_in_both_languages() -> None:
    """Keys, amount, dates, shape and confirmation stand in each sentence."""
    terms = default_terms(["CNY"])
    said = [item for item in explain(terms) if item.pass_name]
    assert [item.pass_name for item in said] == [rule.name for rule in terms.passes]
    e2e = said[0]
    assert "end_to_end_id (full-width made ASCII, trimmed, upper case, at least 4" in e2e.en
    assert "at most 3 business days apart; one to one." in e2e.en
    assert e2e.zh.startswith("e2e：按端到端标识（全角转半角、去首尾空格、转大写、至少4位）直接确认")
    assert "不超过3个工作日；一对一。" in e2e.zh
    assert all(item.en and any("\u4e00" <= c <= "\u9fff" for c in item.zh) for item in said)


def test_tolerance_fee_and_search_are_said_with_their_figures() -> None:
    """What a person must judge stands as a number, rounding and cap by name."""
    terms = with_pass(
        amount={"tolerance_minor": "5", "tolerance_ppm": "100"},
        fee={"rate_ppm": "6000", "fixed_minor": "10", "cap_minor": "500", "rounding": "floor"},
    )
    (said,) = [item for item in explain(terms) if item.pass_name]
    for word in ("5 minor units", "100 millionths", "6000 millionths + 10, at most 500", "floor"):
        assert word in said.en
    for word in ("相差5最小", "百万分之100", "百万分之6000", "封顶500"):
        assert word in said.zh
    search = with_pass(shape=["N:M"], confirm="never", subset={"max_states": "77"})
    (said,) = [item for item in explain(search) if item.pass_name]
    assert "sums of up to 6 entries a side" in said.en
    assert "within 77 states" in said.en


# ------------------------------------------------------------------------------ risks
def codes(terms: Terms) -> set[str]:
    """Return the codes of what could go wrong, calendars apart."""
    return {item.code for item in risks(terms)} - {"NO_HOLIDAYS"}


RISKY: list[tuple[dict[str, Any], str]] = [
    ({"keys": key("counterparty_name")}, "PARTY_KEY_ALWAYS"),
    ({"keys": key("counterparty_account"), "confirm": "unique"}, "PARTY_KEY_UNIQUE"),
    ({"keys": [], "confirm": "unique"}, "NO_KEY"),
    ({"keys": key("order_no", least=2)}, "SHORT_KEY"),
    ({"keys": key("order_no", "first(16)")}, "CUT_KEY"),
    ({"keys": key("remittance", "extract(INV[0-9]{6})")}, "CUT_KEY"),
    ({"keys": key("order_no", "digits")}, "DIGITS_KEY"),
    ({"value_date_days": "11"}, "WIDE_DATES"),
    ({"shape": ["N:M"], "confirm": "unique"}, "SUMS_BY_CHANCE"),
    ({"amount": {"tolerance_minor": "1"}}, "TOLERANCE_WITHOUT_BUDGET"),
    (
        {"amount": {"tolerance_minor": "1"}, "terms": {"tolerance_budget_minor": "9"}},
        "TOLERANCE",
    ),
    ({"fee": {"fixed_minor": "9"}, "confirm": "unique"}, "FEE_BY_CANDIDATE"),
    ({"terms": {"grace_days": "9"}}, "STALE_BEFORE_MISSING"),
]


@pytest.mark.parametrize(("changes", "code"), RISKY, ids=lambda item: str(item)[:50])
def test_what_could_falsely_confirm_is_named(changes: dict[str, Any], code: str) -> None:
    """Each risk has a code and both languages; a pass by a plain reference has none."""
    assert code in codes(with_pass(**dict(changes)))
    assert codes(with_pass()) == set()
    (said,) = [item for item in risks(with_pass(**dict(changes))) if item.code == code]
    assert said.en != said.zh


def test_a_pass_that_only_proposes_cannot_falsely_confirm() -> None:
    """`never` warns of nothing, whatever its key."""
    assert codes(with_pass(keys=key("counterparty_name"), confirm="never")) == set()


def test_a_pass_hidden_by_an_earlier_one_is_named() -> None:
    """The narrower pass behind a wider one of the same key finds nothing."""
    wide, narrow = dict(body()["passes"][0]), dict(body()["passes"][0], name="again")
    narrow["value_date_days"] = "1"
    assert "UNREACHED" in codes(parse_terms(body(passes=[wide, narrow])))
    assert "UNREACHED" not in codes(parse_terms(body(passes=[narrow, wide])))


# --------------------------------------------------------------------- contradictions
def twice(**changes: object) -> dict[str, Any]:
    """Return terms with the first pass and a changed copy of it."""
    first = body()["passes"][0]
    return body(passes=[first, {**first, "name": "again", **changes}])


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    (
        body(passes=[{**body()["passes"][0], "fee": {"fixed_minor": "9", "cap_minor": "0"}}]),
        "passes[0].fee",
    ),
    (twice(), "passes[1]"),
    (twice(confirm="never"), "passes[1]"),
    (
        body(passes=[{**body()["passes"][0], "amount": {"tolerance_minor": "1000001"}}]),
        "passes[0].amount.tolerance_minor",
    ),
    (body(rounding_minor="1000001"), "rounding_minor"),
    (
        body(passes=[{**body()["passes"][0], "keys": key("order_no", "last(4)")}]),
        "passes[0].keys[0].min_length",
    ),
]


@pytest.mark.parametrize(("data", "field"), CONTRADICTIONS, ids=lambda item: str(item)[-40:])
def test_rules_at_odds_are_refused(data: dict[str, Any], field: str) -> None:
    """Equal passes, limits that let everything match and keys that never match are refused."""
    with pytest.raises(InputError) as caught:
        parse_terms(data)
    assert caught.value.code == "TERMS_CONTRADICTION"
    assert caught.value.where.field == field
    assert caught.value.help


def test_a_second_pass_with_other_limits_is_no_contradiction() -> None:
    """A wider fallback behind a narrow pass is how rules are meant to be written."""
    parse_terms(twice(value_date_days="5"))
