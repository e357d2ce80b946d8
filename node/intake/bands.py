"""Bands of amounts and of days past due: a statement says about how much, never exactly.

The bands are the contract of membership's; a column map may name others. Upper bounds are not part
of their band: nine bounds make the bands 0 to 9.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.screening.listings import MAX_BAND
from reconcile.model import InputError, Where

#: In major units of the list's currency: under 1,000; 5,000; … ; 10 million and more.
AMOUNT_BOUNDS: Final = (
    1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000,
)  # fmt: skip
#: M0 (not overdue), M1 (1 to 30 days), M2, M3 (61 to 90), M4, M5, M6, to a year, two years, more.
DAYS_BOUNDS: Final = (1, 31, 61, 91, 121, 151, 181, 361, 721)


@dataclass(frozen=True, slots=True)
class Bands:
    """Nine ascending upper bounds each; amounts in minor units, days in days."""

    amount_minor: tuple[int, ...] = tuple(100 * bound for bound in AMOUNT_BOUNDS)
    days: tuple[int, ...] = DAYS_BOUNDS

    def amount_band(self, amount_minor: int) -> int:
        """Return the band of an amount in minor units."""
        return bisect_right(self.amount_minor, amount_minor)

    def days_band(self, days: int) -> int:
        """Return the band of days past due."""
        return bisect_right(self.days, days)


def read_bands(amount: Sequence[int] | None, days: Sequence[int] | None) -> Bands:
    """Return the bands of a map, in major units and days; raises `InputError` BANDS_MALFORMED."""
    default = Bands()
    for name, bounds in (("amount", amount), ("days_past_due", days)):
        if bounds is not None and (
            len(bounds) != MAX_BAND or list(bounds) != sorted(set(bounds)) or bounds[0] < 1
        ):
            raise InputError(
                "BANDS_MALFORMED",
                f"the bands of {name} are not {MAX_BAND} ascending bounds",
                where=Where(field=f"bands.{name}"),
                help="name nine upper bounds, or leave the default ones",
            )
    return Bands(
        default.amount_minor if amount is None else tuple(100 * bound for bound in amount),
        default.days if days is None else tuple(days),
    )
