from __future__ import annotations

import json
from contextlib import nullcontext
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.model import InputError
from reconcile.terms import FeeSchedule, default_terms, parse_terms, terms_json

ROUNDINGS = {
    "floor": ROUND_FLOOR,
    "ceiling": ROUND_CEILING,
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
}


@pytest.mark.parametrize(("cap", "refused"), [("499", True), ("500", False)])
def test_a_cap_below_the_fixed_part_is_refused(cap: str, refused: bool) -> None:
    """Under it the fee would always be the cap, whatever the schedule says."""
    body = terms_json(default_terms(["CNY"]))
    body["passes"][0]["fee"] = {"rate_ppm": "10", "fixed_minor": "500", "cap_minor": cap}
    with pytest.raises(InputError) if refused else nullcontext() as caught:
        parse_terms(json.dumps(body).encode())
    if caught is not None:
        assert caught.value.code == "TERMS_CONTRADICTION"
        assert caught.value.where.field == "passes[0].fee.cap_minor"


@given(
    st.integers(0, 10**15),
    st.integers(0, 999_999),
    st.integers(0, 10**6),
    st.none() | st.integers(0, 10**9),
    st.sampled_from(sorted(ROUNDINGS)),
)
def test_fee_is_rate_plus_fixed_up_to_the_cap(
    gross: int, rate_ppm: int, fixed: int, cap: int | None, rounding: str
) -> None:
    """The fee agrees with decimal arithmetic under the named rounding."""
    scaled = Decimal(gross * rate_ppm).scaleb(-6)
    exact = int(scaled.quantize(Decimal(1), rounding=ROUNDINGS[rounding]))
    expected = exact + fixed if cap is None else min(exact + fixed, cap)
    assert FeeSchedule(rate_ppm, fixed, cap, rounding).fee_of(gross) == expected
