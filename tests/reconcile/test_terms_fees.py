from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconcile.terms import FeeSchedule

ROUNDINGS = {
    "floor": ROUND_FLOOR,
    "ceiling": ROUND_CEILING,
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
}


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
