"""Synthetic entries for the codecs: the same for every run, unlike each other."""

from __future__ import annotations

import random

from reconcile.model import Carrier, Direction, Entry


def make_entries(count: int, seed: int = 1) -> list[Entry]:
    """Return `count` entries of a plausible bank day, each with two references and a party."""
    draw = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return [
        Entry(
            entry_ref=f"NTRY{number:012d}",
            version=0,
            direction=Direction(draw.getrandbits(1)),
            amount_minor=draw.randrange(1, 10_000_000),
            currency="CNY",
            booking_date=20_776,
            value_date=20_776,
            references=(
                (Carrier.END_TO_END_ID, f"E2E{draw.getrandbits(48):015d}"),
                (Carrier.SERVICER_REF, f"SR{draw.getrandbits(40):013d}"),
            ),
            counterparty_name=f"示范客户{draw.randrange(5_000)}",
            counterparty_account=f"9900{draw.randrange(10**12):012d}",
            remittance=f"invoice {draw.randrange(10**6)}",
        )
        for number in range(count)
    ]
