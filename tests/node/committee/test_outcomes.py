"""What a lookup comes to: what stands now, not what stood at the index's cut."""

from __future__ import annotations

import msgspec
import pytest
from committee_town import OUTSIDER, Town
from listed_people import make_listing, person_of

from node.cli import main
from node.screening.listings import ActionTaken, Reason
from node.screening.states import DAY_S
from node.services.lookups import Found
from node.services.lookups.outcomes import FoundEntry, outcome_of
from node.services.screening.listing import Candidate
from node.tables import KnownStatement
from reconcile.model import ZERO32, KanheError, day_iso
from tests.node.services.test_screening_rest import good, program, refused
from tests.node.web.desk_town import Reader, invite, served

READER = 2


def next_day(town: Town) -> None:
    """Let a day go by, and everybody take its allowance."""
    town.pass_s(DAY_S)
    town.claim()


def knows(town: Town, entry: bytes) -> bool:
    """Say whether the reader holds an entry's statement."""
    with town.node(READER).sessions() as session:
        return session.get(KnownStatement, entry) is not None


def test_an_entry_that_is_over_since_the_cut_is_no_hit(indexed: Town) -> None:
    """Taken back to be erased, while its record is in the live index: a miss, and not kept."""
    next_day(indexed)
    entry = indexed.list(OUTSIDER, 60)
    indexed.publish()
    indexed.node(OUTSIDER).screening.erase(entry)
    indexed.settle()
    found = indexed.found(READER, 60)
    assert found.outcome == "MISS"
    (item,) = found.entries
    assert (item.entry, item.state, item.reason, item.stands) == (entry, "REMOVED", None, False)
    assert not knows(indexed, entry)
    # Soon the next version follows by itself, and shows nothing of it.
    before = indexed.node(1).parts.index.versions()[0].version
    indexed.pass_s(7_200)
    indexed.until(
        lambda: indexed.node(1).parts.index.versions()[0].version > before, "a cut", blocks=20
    )


def test_an_entry_that_protects_is_told_apart_from_a_hit(indexed: Town) -> None:
    """Somebody used her identity: the outcome says so, not that anything stands against her."""
    next_day(indexed)
    today = indexed.time_s() // DAY_S
    listing = msgspec.structs.replace(
        make_listing(
            61,
            entry_id=ZERO32,
            uploader=OUTSIDER,
            effective_from=today,
            expires_at=today + 900,
            notice_at=today - 30,
            event_month=day_iso(today - 90)[:7],
        ),
        reason=Reason.IDENTITY_STOLEN,
        action=ActionTaken.PROTECTED,
    )
    entry = indexed.node(OUTSIDER).screening.list_person(Candidate(person_of(61), listing))
    indexed.settle()
    indexed.publish()
    found = indexed.found(READER, 61)
    assert found.outcome == "PROTECTED"
    (item,) = found.entries
    assert (item.entry, item.protects, item.uploader) == (entry, True, OUTSIDER)
    assert item.reason == "IDENTITY_STOLEN"
    assert knows(indexed, entry)


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ((), "MISS"),
        (("ERASED",), "MISS"),
        (("SUSPENDED",), "SUSPENDED"),
        (("PROTECTED",), "PROTECTED"),
        (("PROTECTED", "SUSPENDED"), "SUSPENDED"),
        (("LISTED", "SUSPENDED", "PROTECTED"), "HIT"),
        (("DISPUTED",), "HIT"),
        (("LATER",), "MISS"),
    ],
)
def test_the_word_that_a_program_goes_by(words: tuple[str, ...], outcome: str) -> None:
    """What stands against her comes first, what is over or not yet in effect counts nothing."""
    entries = [
        FoundEntry(
            bytes(32),
            "LISTED" if word in {"PROTECTED", "LATER"} else word,
            1,
            None if word == "ERASED" else "OVERDUE_M3",
            101 if word == "LATER" else 100,
            900,
            900,
            word == "PROTECTED",
        )
        for word in words
    ]
    assert outcome_of(entries, 100 * DAY_S + 5) == outcome


def test_a_refused_lookup_says_so_in_the_list(indexed: Town) -> None:
    """Why it was refused last stands beside it, until it is done."""
    next_day(indexed)
    lookups = indexed.node(READER).lookups
    lookup = indexed.consented(READER, 3)
    assert next(v for v in lookups.lookups() if v.lookup == lookup).refusal is None
    lookups.revoke(lookup)
    indexed.settle()
    indexed.tickets(READER)
    (refused,) = lookups.look_up([lookup])
    assert isinstance(refused, KanheError)
    view = next(item for item in lookups.lookups() if item.lookup == lookup)
    assert (view.refusal, view.outcome) == ("CONSENT_REVOKED", None)
    done = indexed.found(READER, 3)
    assert isinstance(done, Found)
    assert next(v for v in lookups.lookups() if v.lookup == done.lookup).refusal is None


def test_the_desk_shows_lookups_refusals_and_versions(
    indexed: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader's desk its outcomes, a committee node's what it refused; in either language."""
    next_day(indexed)
    indexed.found(READER, 1)
    lookup = indexed.consented(READER, 3)
    indexed.node(READER).lookups.revoke(lookup)
    indexed.settle()
    indexed.tickets(READER)
    indexed.node(READER).lookups.look_up([lookup])
    for member, words, chinese in [
        (READER, ("hit: an entry stands", "the consent was revoked", "live, read by"), "命中"),
        (1, ("Refused by this node", "CONSENT_REVOKED", "TEST-2"), "授权已撤销"),
    ]:
        node = indexed.node(member)
        with served({"bank": node}) as base:
            maker = Reader(base, "bank")
            maker.enter(invite(node, "maker"))
            page = maker.get("/blacklist/lookups")
            assert all(text in page for text in words), page
            assert person_of(1).value not in page
            assert 'href="/bank/blacklist/lookups"' in maker.get("/blacklist")
            assert chinese in maker.client.get("/bank/blacklist/lookups?lang=zh").text
            maker.client.close()
            with program(node, base, "bank", "auditor") as auditor:
                codes = {item["code"] for item in good(auditor.get("/committee/refusals"))}
                assert "CONSENT_REVOKED" in codes
                assert len(good(auditor.get("/committee/refusals?limit=1"))) == 1
                none = auditor.get("/committee/refusals?limit=0")
                assert refused(none) == (422, "REQUEST_MALFORMED")
    home = str(indexed.node(1).home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KANHE_DATABASE_URL", indexed.node(1).settings.database_url)
        assert main(["committee", "refusals", "--home", home, "--json", "-"]) == 0
    assert "CONSENT_REVOKED" in capsys.readouterr().out
