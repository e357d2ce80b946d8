"""Profiles: what a jurisdiction allows, as data (`profile_data/profiles.toml`).

The contract takes the same numbers when it is deployed, so that its clocks are these.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final

import msgspec

from reconcile.model import InputError, Where

_NOTIFIED: Final = frozenset({"person", "readers", "furnisher"})


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One jurisdiction's periods, in days; on time-out an entry is suspended in all of them."""

    number: int
    notice_days: int
    dispute_days: int
    extension_days: int
    answer_days: int
    contest_days: int
    commit_days: int
    reveal_days: int
    retention_days: int
    notify: tuple[str, ...]

    @property
    def on_chain(self) -> tuple[int, ...]:
        """Return the numbers in the order of the contract's `Profile`."""
        return (
            self.notice_days,
            self.dispute_days,
            self.extension_days,
            self.answer_days,
            self.contest_days,
            self.commit_days,
            self.reveal_days,
            self.retention_days,
        )


def read_profiles(text: str) -> dict[str, Profile]:
    """Read profiles from TOML, numbered from 1 in order; raises `InputError` PROFILE_MALFORMED."""
    try:
        found = msgspec.convert(tomllib.loads(text), dict[str, Profile])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _refuse(str(error)) from None
    for position, (name, profile) in enumerate(found.items(), 1):
        if profile.number != position:
            raise _refuse("is not numbered in order", name)
        if min(profile.on_chain[3:]) < 1 or min(profile.on_chain) < 0:
            raise _refuse("has an empty period", name)
        rounds = 2 * (profile.commit_days + profile.reveal_days)
        allowed = profile.dispute_days + profile.extension_days
        if profile.answer_days + profile.contest_days + rounds > allowed:
            raise _refuse("does not fit two rounds into the days of a dispute", name)
        if not profile.notify or not set(profile.notify) <= _NOTIFIED:
            raise _refuse("notifies nobody, or an unknown party", name)
    return found


@functools.cache
def profiles() -> Mapping[str, Profile]:
    """Return the profiles that are delivered, by name."""
    found = resources.files("node.screening").joinpath("profile_data", "profiles.toml")
    return read_profiles(found.read_text(encoding="utf-8"))


def profile_of(name: str) -> Profile:
    """Return a profile by name; raises `InputError` PROFILE_UNKNOWN."""
    found = profiles().get(name)
    if found is None:
        raise InputError(
            "PROFILE_UNKNOWN",
            f"no profile is called {name!r}",
            where=Where(field="policy"),
            help="Choose one of " + ", ".join(profiles()) + ".",
        )
    return found


def profile_numbered(number: int) -> Profile:
    """Return the profile of a number, as the contract was deployed with; LookupError for none."""
    return {profile.number: profile for profile in profiles().values()}[number]


def _refuse(says: str, name: str | None = None) -> InputError:
    return InputError(
        "PROFILE_MALFORMED",
        f"a profile {says}",
        where=Where(field=name),
        help="Mend node/screening/profile_data/profiles.toml.",
    )
