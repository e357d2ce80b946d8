from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources

import pytest

from node.cli import main
from node.screening.notices import SAYS, notices_at, notices_of
from node.screening.profiles import profile_of, profiles, read_profiles
from node.screening.states import Phase
from node.web.blacklist_words import NOTICES
from node.web.i18n import Speaker

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


def test_every_party_that_a_profile_names_is_told_of_something() -> None:
    """Each notice has words here and on the desk, in both languages; an unknown party has none."""
    for name, profile in profiles().items():
        assert {notice.party for notice in notices_of(profile)} == set(profile.notify), name
    assert set(NOTICES) == set(SAYS)
    for notice, says in SAYS.items():
        assert NOTICES[notice] == says
        assert Speaker("zh").gettext(says) != says


@pytest.mark.parametrize(
    ("name", "phase", "outcome", "told"),
    [
        ("CN-2013", Phase.OPEN, None, ["person"]),
        ("US-FCRA", Phase.UNANSWERED, None, ["person", "furnisher"]),
        ("US-FCRA", Phase.REVEAL, None, ["person"]),
        ("EU-GDPR", Phase.ANSWERED, None, ["person"]),
        ("EU-GDPR", Phase.SETTLED, "REMOVED", ["person", "readers"]),
        ("EU-GDPR", Phase.SETTLED, "TIMED_OUT", ["person", "readers"]),
        ("EU-GDPR", Phase.SETTLED, "UPHELD", ["person"]),
        ("US-FCRA", Phase.SETTLED, "UPHELD", ["person", "furnisher"]),
    ],
)
def test_who_is_told_of_where_a_dispute_stands(
    name: str, phase: Phase, outcome: str | None, told: list[str]
) -> None:
    """The furnisher of what was raised and how it ended, readers only of a change."""
    assert [one.party for one in notices_at(profile_of(name), phase, outcome)] == told


def test_profiles_are_shown_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Every number that the contract has and whom to notify, in JSON and in words."""
    assert main(["blacklist", "profiles", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)["profiles"]
    assert [one["name"] for one in found] == list(profiles())
    for one, profile in zip(found, profiles().values(), strict=True):
        days = [int(text) for word, text in one.items() if word.endswith("_days")]
        assert days == list(profile.on_chain)
        assert [notice["says"] for notice in one["notify"]]
        assert {notice["party"] for notice in one["notify"]} == set(profile.notify)
    assert main(["blacklist", "profiles"]) == 0
    told = capsys.readouterr().out
    assert "CN-2013: notice 10 days before the effect, kept 1826 days at most" in told
    assert "to be notified: who read the entry, that it changed: by its recall" in told
