from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import pytest

from node.screening.profiles import profile_of, profiles, read_profiles

TEXT = (resources.files("node.screening") / "profile_data" / "profiles.toml").read_text()


def test_the_delivered_profiles_are_the_page_s() -> None:
    """Dispute days and retention are those of the four jurisdictions."""
    found = {name: (p.dispute_days, p.retention_days // 365) for name, p in profiles().items()}
    assert found == {"CN-2013": (20, 5), "EU-GDPR": (28, 5), "US-FCRA": (30, 7), "UK": (56, 6)}
    assert all(profile.notice_days > 0 for profile in profiles().values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("answer_days = 10", "answer_days = 11"),
        ("number = 2", "number = 5"),
        ("commit_days = 2", "commit_days = 0"),
        ("notice_days = 28", "notice_days = -1"),
        ('notify = ["person"]', "notify = []"),
        ('notify = ["person"]', 'notify = ["press"]'),
        ("retention_days = 2192", 'retention_days = "six years"'),
        ("[UK]", "[UK"),
        ("[UK]", "[UK]\nextra = 1"),
    ],
)
def test_a_profile_that_does_not_hold_is_refused(
    code_of: Callable[..., str], old: str, new: str
) -> None:
    """Clocks that do not fit, wrong numbers and unknown fields are refused."""
    assert TEXT.count(old) >= 1
    assert code_of(read_profiles, TEXT.replace(old, new, 1)) == "PROFILE_MALFORMED"


def test_an_unknown_profile_is_refused(code_of: Callable[..., str]) -> None:
    """A name that no profile has is refused with those there are."""
    assert code_of(profile_of, "ATLANTIS") == "PROFILE_UNKNOWN"
