"""A suspended entry in its evidence: since when, until when, and what no contract tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from listed_people import TODAY, digest
from test_evidence import POSTED_S, evidence, listing, story, weigh

from node.screening.evidence import Change, change_of
from node.screening.weighing import standing_shown
from node.wallet.facts import entry_of
from node.web.i18n import Speaker
from node.web.wallet_facts import entry_rows
from reconcile.model import day_iso

#: After 11 days the dispute of CN-2013 has run out; its 90 days end on the 100th.
SILENT_S = 11 * 86_400
LAST_DAY = TODAY + 100


def suspended(*, at_s: int = SILENT_S, outcome: int = 5) -> list[Change]:
    """Return a story in which nobody answered, settled so long after the posting."""
    listed, entry = story()[:5], story()[0].args["entry"]
    ends = [
        ("DisputeSettled", {"dispute": 4, "entry": entry, "outcome": outcome}),
        ("EntryShortened", {"entry": entry, "lastDay": LAST_DAY}),
        ("EntryStaged", {"entry": entry, "stage": 3}),
    ]
    return listed + [
        change_of(name, args, (20, number), digest("tx 20"), POSTED_S + at_s)
        for number, (name, args) in enumerate(ends)
    ]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (99, "the entry was SUSPENDED at block 100, suspended on 2026-11-30, ends on 2027-02-28"),
        (102, "the entry was EXPIRED at block 100, suspended on 2026-11-30, ended on 2027-02-28"),
    ],
)
@pytest.mark.parametrize("settled", [True, False])
def test_a_suspended_entry_s_bundle_says_since_when_and_until_when(
    days: int, words: str, *, settled: bool
) -> None:
    """Settled or by time alone, the state and its end follow from the dispute's own clocks."""
    changes = tuple(suspended() if settled else suspended()[:5])
    ok, said = weigh(replace(evidence(), changes=changes, as_of_s=POSTED_S + days * 86_400))
    assert ok, said
    assert words in said


SUSPENSIONS: dict[str, Callable[[list[Change]], object]] = {
    "nothing ends it": lambda c: c.pop(6),
    "a day more": lambda c: c.__setitem__(
        6, replace(c[6], args={**c[6].args, "lastDay": str(LAST_DAY + 1)})
    ),
    "a day less": lambda c: c.__setitem__(
        6, replace(c[6], args={**c[6].args, "lastDay": str(LAST_DAY - 1)})
    ),
    "ended twice": lambda c: c.insert(7, replace(c[6], log_index=2)),
    "in another transaction": lambda c: c.__setitem__(
        slice(6, 8),
        [replace(c[7], log_index=1), replace(c[6], block=21, transaction=digest("tx 21"))],
    ),
    "before it is settled": lambda c: c.__setitem__(
        slice(5, 7), [replace(c[6], log_index=0), replace(c[5], log_index=1)]
    ),
    "of another entry": lambda c: c.__setitem__(
        6, replace(c[6], args={**c[6].args, "entry": f"0x{digest('other').hex()}"})
    ),
    "without a day": lambda c: c.__setitem__(6, replace(c[6], args={"entry": c[6].args["entry"]})),
    "still listed": lambda c: c.pop(7),
    "silent, though contested": lambda c: c.__setitem__(
        slice(4, 5),
        [
            c[4],
            replace(story()[5], log_index=3, block=15),
            replace(c[5], name="DisputeContested", block=16),
        ],
    ),
}


@pytest.mark.parametrize("name", SUSPENSIONS)
def test_a_suspension_that_no_contract_tells_is_found(name: str) -> None:
    """Its end is the dispute's, said once, in the transaction that settles it."""
    changes = suspended()
    SUSPENSIONS[name](changes)
    late = {"as_of_s": POSTED_S + 30 * 86_400}
    ok, said = weigh(replace(evidence(), changes=tuple(changes), **late))  # type: ignore[arg-type]
    assert not ok, name
    assert "proves nothing" in said


def test_nobody_is_silent_before_the_days_are_over() -> None:
    """Ten days to answer are ten days, to the second."""
    for early, holds in ((True, False), (False, True)):
        opened_s = 4
        at_s = 10 * 86_400 + opened_s + (0 if early else 1)
        changes = suspended(at_s=at_s)
        late = {"changes": tuple(changes), "as_of_s": POSTED_S + SILENT_S}
        ok, _ = weigh(replace(evidence(), **late))  # type: ignore[arg-type]
        assert ok is holds


def test_what_is_upheld_after_the_entry_has_ended_revives_nothing() -> None:
    """A verdict that comes too late shortens the entry in the same transaction."""
    answered = replace(story()[5], block=16)
    contested = change_of(
        "DisputeContested",
        {"dispute": 4, "by": 2, "staked": False, "drawAfter": 17},
        (17, 0),
        digest("tx 17"),
        answered.time_s + 60,
    )
    settled = suspended(at_s=111 * 86_400 + 60, outcome=1)[5:7]
    # Answered, the profile's twenty days run out and not the ten.
    settled[1] = replace(settled[1], args={**settled[1].args, "lastDay": str(LAST_DAY + 10)})
    late = {"as_of_s": POSTED_S + 112 * 86_400}
    changes = (*story()[:5], answered, contested, *settled)
    ok, said = weigh(replace(evidence(), changes=changes, **late))  # type: ignore[arg-type]
    assert ok, said
    assert "the entry was EXPIRED at block 100; 1 disputes were raised" in said
    ok, _ = weigh(replace(evidence(), changes=changes[:-1], **late))  # type: ignore[arg-type]
    assert not ok


def test_the_person_reads_since_when_and_until_when() -> None:
    """Her answer says both days in her language; an entry that is not suspended says neither."""
    bundle = replace(evidence(), changes=tuple(suspended()), as_of_s=POSTED_S + 30 * 86_400)
    fact = entry_of(listing(), bundle.salt, bundle, standing_shown(bundle, listing()))
    said = fact.to_json()
    assert (said["state"], said["suspended_at"]) == ("SUSPENDED", "2026-11-30T01:00:05Z")
    assert (said["ends_at"], said["expires_at"]) == ("2027-02-28", day_iso(listing().expires_at))
    for locale, word in (("en", "Suspended"), ("zh", "中止")):
        speaker = Speaker(locale)
        first, last = speaker.day(TODAY + 10), speaker.day(LAST_DAY)
        (row,) = [says for what, says in entry_rows(fact, speaker) if what == word]
        assert first in row
        assert last in row
    plain = entry_of(listing(), evidence().salt, evidence(), standing_shown(evidence(), listing()))
    assert "Suspended" not in dict(entry_rows(plain, Speaker("en")))
    assert plain.to_json()["ends_at"] == plain.to_json()["expires_at"]
