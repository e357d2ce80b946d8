from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.currency import NO_CURRENCY, digits_of, lacks_minor_unit
from reconcile.model import MAX_AMOUNT_MINOR
from reconcile.statements.dates import day_of, instant_of
from reconcile.statements.money import (
    AmountError,
    decimal_text,
    minor_units,
    signed_minor_units,
)


@given(st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR), st.integers(0, 4))
def test_amounts_written_and_read_are_equal(minor: int, digits: int) -> None:
    """decimal_text and signed_minor_units are inverse at every number of digits."""
    assert signed_minor_units(decimal_text(minor, digits), digits) == minor


@given(st.text(max_size=12), st.integers(0, 4))
def test_any_text_is_an_amount_or_an_amount_error(text: str, digits: int) -> None:
    """No text escapes as another exception, and an amount is never negative."""
    code = None
    try:
        minor = minor_units(text, digits)
    except AmountError as error:
        minor, code = 0, error.code
    assert minor >= 0
    assert code in {None, "AMOUNT_INVALID", "AMOUNT_DIGITS", "AMOUNT_RANGE"}


def test_digits_follow_iso_4217_and_its_withdrawn_codes() -> None:
    """Yen have none, dinars three, marks two; gold and nonsense are no money."""
    known = {
        "JPY": 0,
        "KRW": 0,
        "KWD": 3,
        "BHD": 3,
        "CNY": 2,
        "CLF": 4,
        "DEM": 2,
        "ITL": 0,
    }
    assert {code: digits_of(code) for code in known} == known
    assert digits_of("QQQ") is None
    for code in ("XAU", "XTS", "XDR"):
        assert digits_of(code) is None, "no minor unit"
        assert lacks_minor_unit(code)
    assert lacks_minor_unit(NO_CURRENCY)
    assert not any(lacks_minor_unit(code) for code in (*known, "QQQ"))
    assert digits_of("cny") is None


@pytest.mark.parametrize(
    ("text", "minor"),
    [("1.5", 150), (".5", 50), ("7.", 700), ("0001.10", 110), ("1.500", 150), ("0", 0)],
)
def test_decimals_are_read_exactly(text: str, minor: int) -> None:
    """Leading zeros, a missing side of the dot and trailing zeros change nothing."""
    assert minor_units(text, 2) == minor


@pytest.mark.parametrize(
    "text", ["", ".", "1.2.3", "1,2", "+1", "-1", " 1", "٣", "1e3", "0x1", "nan"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    """No sign, separator, exponent, other digits or words."""
    with pytest.raises(AmountError):
        minor_units(text, 2)


def test_signs_stand_before_behind_or_as_parentheses() -> None:
    """All the ways tables write a negative amount mean the same."""
    assert {signed_minor_units(text, 2) for text in ("-1.00", "1.00-", "(1.00)", "− 1.00")} == {
        -100
    }
    assert signed_minor_units("+1.00", 2) == 100


def test_dates_that_no_calendar_has_are_none() -> None:
    """30 February is never moved; a plain date is read in every order it is written in."""
    assert day_of("2026-02-30") is None
    assert day_of("2024-02-29") is not None
    forms = ["2026-11-20", "2026/11/20", "20261120", "2026年11月20日", "20.11.2026", "20/11/26"]
    assert {day_of(form) for form in forms} == {20_777}
    assert day_of("11/20/2026", month_first=True) == 20_777
    assert day_of("yesterday") is None


def test_an_instant_needs_an_offset() -> None:
    """A local time without offset is no instant unless the profile says where it was written."""
    assert instant_of("2026-11-20T08:00:00+08:00") == 20_777 * 86_400_000
    assert instant_of("2026-11-20T00:00:00.250Z") == 20_777 * 86_400_000 + 250
    assert instant_of("2026-11-20 08:00:00") is None
    assert instant_of("2026-11-20 08:00:00", offset_min=480) == 20_777 * 86_400_000
    assert instant_of("2026-11-20T25:61:00Z") is None


@given(
    st.sampled_from(["2026-11-20T06:45:17.937", "2026-02-30T00:00:00", "1969-12-31T23:59:59"]),
    st.lists(st.tuples(st.integers(0, 22), st.sampled_from("0123456789-:T. +")), max_size=3),
)
def test_a_zulu_time_is_the_offset_of_nought(moment: str, changes: list[tuple[int, str]]) -> None:
    """The commonest form, read by a way of its own, gives what the general way gives."""
    characters = list(moment)
    for index, character in changes:
        if index < len(characters):
            characters[index] = character
    text = "".join(characters)
    assert instant_of(f"{text}Z") == instant_of(f"{text}+00:00")
