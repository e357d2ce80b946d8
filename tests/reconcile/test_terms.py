from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.model import Direction, Entry, InputError, Side, window_of
from reconcile.terms import (
    Calendar,
    Terms,
    canonical_terms,
    common_calendar,
    default_terms,
    parse_terms,
    terms_hash,
    terms_json,
)

FRIDAY = 20_777  # 2026-11-20
SATURDAY, MONDAY = FRIDAY + 1, FRIDAY + 3
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Pins the bytes of the default terms: agreements hash them, so they may never change unseen.
DEFAULT_CNY_HASH = "6b1a2d37be7a6671ff8030a65699ba63c2ab6347529d40833ce6cf258e00158e"
days = st.integers(FRIDAY - 60, FRIDAY + 60)


def body(**changes: object) -> dict[str, Any]:
    """Return the default terms as JSON, changed."""
    return {**terms_json(default_terms(["CNY"])), **changes}


def one_pass(**changes: object) -> dict[str, Any]:
    """Return terms with one pass, changed."""
    return body(passes=[{**body()["passes"][0], **changes}])


def calendars() -> st.SearchStrategy[Calendar]:
    """Draw a calendar with some holidays and worked weekends."""

    def build(holidays: set[int], weekends: set[int]) -> Calendar:
        worked = {day for day in weekends if (day + 3) % 7 >= 5} - holidays
        return Calendar(tuple(sorted(holidays)), tuple(sorted(worked)))

    return st.builds(build, st.sets(days, max_size=12), st.sets(days, max_size=12))


def works(calendar: Calendar, day: int) -> bool:
    """Say by the words of the terms whether a day is worked."""
    weekday = (day + 3) % 7 < 5
    return day not in calendar.holidays and (weekday or day in calendar.working_weekends)


def entry(**fields: object) -> Entry:
    """Return an entry of one yuan on the Friday."""
    base: dict[str, Any] = {"booking_date": FRIDAY, "currency": "CNY", **fields}
    return Entry(entry_ref="a", version=0, direction=Direction.IN, amount_minor=100, **base)


# --------------------------------------------------------------------- canonical bytes
def test_default_terms_have_pinned_bytes() -> None:
    """The default terms of an account in yuan hash to a fixed value."""
    assert terms_hash(default_terms(["CNY"])).hex() == DEFAULT_CNY_HASH


def test_default_terms_follow_the_documented_passes() -> None:
    """The nine passes stand in order, each alternative right behind its first."""
    rules = default_terms(["CNY"]).passes
    assert [rule.name for rule in rules] == [
        "e2e", "uetr", "tx", "tx_instr", "order", "order_trace", "group", "srvref",
        "srvref_voucher", "account", "name", "bare",
    ]  # fmt: skip
    assert [rule.confirm for rule in rules] == 7 * ["always"] + 3 * ["unique"] + 2 * ["never"]
    assert [rule.value_date_days for rule in rules] == 9 * [3] + 3 * [1]
    assert all(rule.amount.exact and rule.fee is None for rule in rules)


@given(st.permutations(sorted(body())))
def test_canonical_bytes_do_not_depend_on_the_order_of_fields(names: list[str]) -> None:
    """Terms written in any order of fields hash alike, as RFC 8785 bytes of every field."""
    shuffled = json.dumps({name: body()[name] for name in names}).encode()
    terms = parse_terms(shuffled)
    assert canonical_terms(terms) == rfc8785.dumps(body())
    assert parse_terms(canonical_terms(terms)) == terms


def test_left_out_fields_take_their_defaults() -> None:
    """Currencies alone make the default terms; integers may be written as numbers."""
    assert parse_terms({"currencies": {"CNY": 2}}) == default_terms(["CNY"])
    assert parse_terms(b'{"currencies":{"CNY":"2"},"grace_days":1}') == default_terms(["CNY"])


def test_every_field_survives() -> None:
    """What differs from every default is read back as it was written."""
    full = body(
        currencies={"JPY": "0", "KWD": "3"},
        utc_offset_min=[{"from": "1970-01-01", "min": "-60"}, {"from": "2026-03-29", "min": "0"}],
        calendar={
            "servicer": {"holidays": ["2026-10-01"], "working_weekends": ["2026-10-10"]},
            "owner": {"holidays": [], "working_weekends": []},
        },
        cut_off="16:30", close_at="00:05", grace_days="2", stale_after_days="7",
        settlement_lag_days="1", rounding_minor="9", tolerance_budget_minor="10000",
        timeout_allowance_s="60", posting_interval_ms="50", compression="none",
    )  # fmt: skip
    full["passes"][0] |= {
        "amount": {"tolerance_minor": "5", "tolerance_ppm": "100"},
        "fee": {"rate_ppm": "6000", "fixed_minor": "10", "cap_minor": "5000", "rounding": "floor"},
        "shape": ["1:1", "1:N"],
        "keys": [
            {
                "servicer": "remittance",
                "owner": "order_no",
                "normalise": ["extract(ORD([0-9]{8}))", "first(6)", "strip_zeros"],
                "min_length": "3",
            }
        ],
    }
    assert terms_json(parse_terms(full)) == full


def test_the_limits_of_a_subset_search_survive() -> None:
    """Left out they take their defaults; the canonical form states them, other passes have none."""
    full = one_pass(shape=["N:M"], confirm="unique")
    written = terms_json(parse_terms(full))["passes"][0]
    assert written["subset"] == {"max_states": "100000", "max_parts": "6", "max_solutions": "8"}
    assert terms_json(parse_terms(one_pass(**written)))["passes"][0] == written
    assert "subset" not in body()["passes"][0]


# -------------------------------------------------------------------------- refusals
REFUSED = [
    (b"{", "TERMS_NOT_JSON", None),
    (b"[]", "TERMS_NOT_JSON", None),
    (b"\xff\xfe", "TERMS_NOT_JSON", None),
    (b'{"grace_days":NaN}', "TERMS_NOT_JSON", None),
    (b'{"currencies":{"CNY":"2"},"engine":"a","engine":"b"}', "TERMS_FIELD_REPEATED", "engine"),
    (b" " * 70_000, "TERMS_TOO_LARGE", None),
    (body(grace="1"), "TERMS_FIELD_UNKNOWN", "grace"),
    (body(passes=[{**body()["passes"][0], "when": "x"}]), "TERMS_FIELD_UNKNOWN", "passes[0].when"),
    ({}, "TERMS_FIELD_MISSING", "currencies"),
    (body(currencies={}), "TERMS_CURRENCY", "currencies"),
    (body(currencies={"cny": "2"}), "TERMS_CURRENCY", "currencies.cny"),
    (body(currencies={"CNY": None}), "TERMS_CURRENCY_DIGITS", "currencies.CNY"),
    (body(currencies={"CNY": "3"}), "TERMS_CONTRADICTION", "currencies.CNY"),
    (body(grace_days=1.0), "TERMS_INTEGER", "grace_days"),
    (body(grace_days=True), "TERMS_INTEGER", "grace_days"),
    (body(grace_days="01"), "TERMS_INTEGER", "grace_days"),
    (body(grace_days="-1"), "TERMS_RANGE", "grace_days"),
    (body(tolerance_budget_minor="9" * 23), "TERMS_RANGE", "tolerance_budget_minor"),
    (body(tolerance_budget_minor="9" * 5_000), "TERMS_RANGE", "tolerance_budget_minor"),
    (body(currencies={"XAU": "0"}), "TERMS_CURRENCY_NO_MINOR_UNIT", "currencies.XAU"),
    (body(currencies={"X" * 3: "2"}), "TERMS_CURRENCY_NO_MINOR_UNIT", "currencies." + "X" * 3),
    (body(entry_format="2"), "TERMS_FORMAT_UNKNOWN", "entry_format"),
    (body(engine="kanhe/match/9"), "TERMS_FORMAT_UNKNOWN", "engine"),
    (body(cut_off="25:00"), "TERMS_TIME", "cut_off"),
    (body(cut_off="24:01"), "TERMS_TIME", "cut_off"),
    (body(cut_off="00:00"), "TERMS_CONTRADICTION", "cut_off"),
    (body(compression="gzip"), "TERMS_WORD_UNKNOWN", "compression"),
    (body(utc_offset_min=[]), "TERMS_CONTRADICTION", "utc_offset_min"),
    (
        body(utc_offset_min=[{"from": "2026-01-01", "min": "480"}]),
        "TERMS_CONTRADICTION",
        "utc_offset_min",
    ),
    (
        body(calendar={"owner": {"holidays": ["2026-02-30"]}}),
        "TERMS_DATE",
        "calendar.owner.holidays",
    ),
    (
        body(calendar={"owner": {"holidays": ["2026-10-01", "2026-10-01"]}}),
        "TERMS_CALENDAR",
        "calendar.owner.holidays",
    ),
    (
        body(calendar={"owner": {"working_weekends": ["2026-11-20"]}}),
        "TERMS_CONTRADICTION",
        "calendar.owner.working_weekends",
    ),
    (body(passes=[]), "TERMS_CONTRADICTION", "passes"),
    (body(passes=2 * [body()["passes"][0]]), "TERMS_NAME", "passes[1].name"),
    (one_pass(name="decision"), "TERMS_NAME", "passes[0].name"),
    (one_pass(name="E2E"), "TERMS_NAME", "passes[0].name"),
    (one_pass(keys=[]), "TERMS_CONTRADICTION", "passes[0].confirm"),
    (one_pass(keys=[], confirm="unique", shape=["1:N"]), "TERMS_CONTRADICTION", "passes[0].shape"),
    (
        one_pass(keys=[], confirm="never", amount={"tolerance_minor": "1"}),
        "TERMS_CONTRADICTION",
        "passes[0].amount",
    ),
    (
        one_pass(amount={"tolerance_ppm": "100001"}),
        "TERMS_CONTRADICTION",
        "passes[0].amount.tolerance_ppm",
    ),
    (one_pass(fee={"rounding": "floor"}), "TERMS_CONTRADICTION", "passes[0].fee"),
    (one_pass(fee={"rate_ppm": "1000000"}), "TERMS_RANGE", "passes[0].fee.rate_ppm"),
    (one_pass(shape=["2:2"]), "TERMS_WORD_UNKNOWN", "passes[0].shape"),
    (one_pass(shape=["N:M"]), "TERMS_CONTRADICTION", "passes[0].confirm"),
    (
        one_pass(shape=["1:1", "N:M"], confirm="unique"),
        "TERMS_CONTRADICTION",
        "passes[0].shape",
    ),
    (
        one_pass(shape=["N:M"], confirm="unique", amount={"tolerance_minor": "1"}),
        "TERMS_CONTRADICTION",
        "passes[0].amount",
    ),
    (
        one_pass(shape=["N:M"], confirm="unique", fee={"fixed_minor": "1"}),
        "TERMS_CONTRADICTION",
        "passes[0].amount",
    ),
    (one_pass(keys=[], shape=["N:M"], confirm="never"), "TERMS_CONTRADICTION", "passes[0].shape"),
    (one_pass(subset={}), "TERMS_CONTRADICTION", "passes[0].subset"),
    (
        one_pass(shape=["N:M"], confirm="never", subset={"max_states": "2000001"}),
        "TERMS_RANGE",
        "passes[0].subset.max_states",
    ),
    (
        one_pass(shape=["N:M"], confirm="never", subset={"max_parts": "13"}),
        "TERMS_RANGE",
        "passes[0].subset.max_parts",
    ),
    (
        one_pass(shape=["N:M"], confirm="never", subset={"max_ms": "13"}),
        "TERMS_FIELD_UNKNOWN",
        "passes[0].subset.max_ms",
    ),
    (one_pass(shape=["1:1", "1:1"]), "TERMS_CONTRADICTION", "passes[0].shape"),
    (one_pass(confirm="maybe"), "TERMS_WORD_UNKNOWN", "passes[0].confirm"),
    (one_pass(value_date_days="367"), "TERMS_RANGE", "passes[0].value_date_days"),
]


@pytest.mark.parametrize(("data", "code", "field"), REFUSED, ids=lambda item: str(item)[:40])
def test_what_cannot_be_meant_is_refused(
    data: bytes | dict[str, Any], code: str, field: str | None
) -> None:
    """Each contradiction has its own code and names the field it stands in."""
    with pytest.raises(InputError) as caught:
        parse_terms(data)
    assert caught.value.code == code
    if field is not None:
        assert caught.value.where.field == field


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"servicer": "iban"}, "TERMS_CARRIER"),
        ({"normalise": ["lower"]}, "TERMS_NORMALISATION"),
        ({"normalise": ["extract(()"]}, "TERMS_NORMALISATION"),
        ({"normalise": ["extract((?=a))"]}, "TERMS_NORMALISATION"),
        ({"normalise": ["extract((a)(b))"]}, "TERMS_NORMALISATION"),
        ({"normalise": ["extract()"]}, "TERMS_NORMALISATION"),
        ({"normalise": ["first(0)"]}, "TERMS_RANGE"),
        ({"normalise": ["first(x)"]}, "TERMS_INTEGER"),
        ({"normalise": [7]}, "TERMS_NORMALISATION"),
        ({"min_length": "0"}, "TERMS_RANGE"),
        ({"min_length": None}, "TERMS_FIELD_MISSING"),
    ],
)
def test_keys_are_checked(changes: dict[str, Any], code: str) -> None:
    """A key needs a known carrier, known normalisations, a pattern RE2 takes and a length."""
    key = {**body()["passes"][0]["keys"][0], **changes}
    with pytest.raises(InputError) as caught:
        parse_terms(one_pass(keys=[key]))
    assert caught.value.code == code


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(body())), json_values)
def test_any_value_is_read_or_refused(name: str, value: object) -> None:
    """Whatever stands in a field, the terms are read or refused with a TERMS code."""
    try:
        terms = parse_terms(body(**{name: value}))
    except InputError as error:
        assert error.code.startswith("TERMS_")  # noqa: PT017 - most values are refused
    else:
        assert parse_terms(canonical_terms(terms)) == terms


def test_unknown_currency_has_no_default_digits() -> None:
    """A code that ISO 4217 does not know needs terms that state its digits."""
    with pytest.raises(InputError, match="TERMS_CURRENCY_DIGITS"):
        default_terms(["QQQ"])


# -------------------------------------------------------------------------- calendar
@given(calendars(), days, days)
def test_ordinals_count_business_days(calendar: Calendar, first: int, second: int) -> None:
    """The distance of two ordinals is the number of worked days between them."""
    low, high = sorted((first, second))
    counted = sum(works(calendar, day) for day in range(low + 1, high + 1))
    assert calendar.ordinal(high) - calendar.ordinal(low) == counted
    assert calendar.is_business_day(low) == works(calendar, low)


@given(calendars(), days, st.integers(-20, 20))
def test_add_walks_business_days(calendar: Calendar, day: int, count: int) -> None:
    """Adding n days ends on a worked day n worked days away; zero changes nothing."""
    found = calendar.add(day, count)
    if count == 0:
        assert found == day
        return
    assert works(calendar, found)
    steps = range(day + 1, found + 1) if count > 0 else range(found, day)
    assert sum(works(calendar, item) for item in steps) == abs(count)


@given(calendars(), days)
def test_next_business_day_is_the_first_from_here(calendar: Calendar, day: int) -> None:
    """The next business day is the day itself where it is worked, else the first after it."""
    found = calendar.next_business_day(day)
    assert found >= day
    assert works(calendar, found)
    assert not any(works(calendar, item) for item in range(day, found))


@given(calendars(), calendars(), days)
def test_common_days_are_worked_by_both(first: Calendar, second: Calendar, day: int) -> None:
    """A day is common exactly where both sides work."""
    both = works(first, day) and works(second, day)
    assert common_calendar(first, second).is_business_day(day) == both


# --------------------------------------------------------------------------- windows
def test_window_is_the_booking_day_and_session() -> None:
    """A plain date is never shifted, whatever the cut-off; its session is added."""
    terms = parse_terms(body(cut_off="12:00"))
    assert terms.window_for(entry()) == window_of(FRIDAY)
    assert terms.window_for(entry(session=3)) == window_of(FRIDAY, 3)


def test_closed_days_belong_to_the_next_business_day() -> None:
    """What is booked on a Saturday counts in Monday's window."""
    assert default_terms(["CNY"]).window_for(entry(booking_date=SATURDAY)) == window_of(MONDAY)


def test_moment_after_the_cut_off_counts_the_next_day() -> None:
    """Only a known moment is converted: local 16:30 stays before, 17:00 is past the cut-off."""
    terms = parse_terms(body(cut_off="17:00"))
    start = FRIDAY * DAY_MS - 8 * HOUR_MS
    assert terms.window_for(entry(occurred_at=start + 16 * HOUR_MS)) == window_of(FRIDAY)
    assert terms.window_for(entry(occurred_at=start + 17 * HOUR_MS)) == window_of(MONDAY)
    # A moment of another day than the booking's says nothing about the booking's cut-off.
    assert terms.window_for(entry(occurred_at=start - HOUR_MS)) == window_of(FRIDAY)


def test_settlement_date_decides_and_else_the_lag() -> None:
    """A stated settlement date is the window's day; else the lag leads there."""
    terms = parse_terms(body(settlement_lag_days="1"))
    assert terms.window_for(entry(settlement_date=FRIDAY)) == window_of(FRIDAY)
    assert terms.window_for(entry()) == window_of(MONDAY)


def test_closing_time_is_local_and_skips_closed_days() -> None:
    """Friday's window closes on Monday at 10:00 by the offset in force on Monday."""
    terms = default_terms(["CNY"])
    assert terms.close_at_ms(window_of(FRIDAY, 2)) == MONDAY * DAY_MS + 2 * HOUR_MS
    moved = parse_terms(
        body(
            utc_offset_min=[
                {"from": "1970-01-01", "min": "60"},
                {"from": "2026-11-23", "min": "0"},
            ]
        )
    )
    assert moved.close_at_ms(window_of(FRIDAY)) == MONDAY * DAY_MS + 10 * HOUR_MS
    assert moved.greatest_offset_min == 60


@given(calendars(), calendars(), days)
def test_sides_have_their_own_calendars(first: Calendar, second: Calendar, day: int) -> None:
    """Each side's calendar is found by its side."""
    terms = Terms(currencies={}, passes=(), servicer_calendar=first, owner_calendar=second)
    assert terms.calendar(Side.SERVICER) is first
    assert terms.calendar(Side.OWNER) is second
    assert terms.common_calendar.is_business_day(day) == (works(first, day) and works(second, day))
