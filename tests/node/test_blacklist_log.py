"""The blacklist's log becomes rows: the contract's state at every time, on every fork, again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blacklist_world import REGULATOR, BlacklistWorld, found_blacklist
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from ledger_party import derived_rows
from sqlalchemy import select

from devnet.local import EmbeddedChain
from node.blacklist import changes_of, now_of, state_of
from node.chain.codec import BLACKLIST, LOOKUPS, POINTS
from node.projections.points import DEBT
from node.screening.auditing import OPENED_FIELDS
from node.screening.consents import EVALUATION_FIELDS
from node.screening.history import read_history
from node.screening.profiles import profile_numbered
from node.screening.states import OPENABLE_DAYS, EntryFacts, Verdict, entry_state
from node.tables import (
    Ballot,
    BlacklistFact,
    DeletionCertificate,
    Dispute,
    EntryTag,
    EvaluationAudit,
    Incident,
    IndexCut,
    IndexRoot,
    KeyEpoch,
    ListedEntry,
    LookupLog,
    PointMovement,
    Recall,
    RecordedConsent,
    RootChallenge,
    Settlement,
    SettlementRow,
    TicketRange,
)

SALT = b"\x07" * 32
SECRET = b"\x09" * 32
GROUNDS = keccak(b"grounds")
ROOT_FIELDS = (
    ("uint32", "version"),
    ("uint32", "keyEpoch"),
    ("uint64", "cutBlock"),
    ("uint64", "leafCount"),
    ("bytes32", "root"),
    ("uint8", "revision"),
)
SETTLEMENT_FIELDS = (
    ("uint32", "period"),
    ("uint32", "reader"),
    ("bytes32", "attestationsRoot"),
    ("bytes32", "rowsHash"),
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlacklistWorld]:
    """A blacklist whose life was lived once: every event of every contract happened."""
    with EmbeddedChain(block_time_s=0) as chain:
        made = found_blacklist(chain, tmp_path_factory.mktemp("blacklist"))
        live(made)
        yield made
        made.close()


def live(town: BlacklistWorld) -> None:
    """Let every kind of event happen, and hold rows beside views at each turn of time."""
    assert town.check_against_views() == []
    standing, wrong, contested = (town.list(1, name) for name in ("standing", "wrong", "contested"))
    town.list(2, "unused")
    town.settle()
    assert town.check_against_views() == ["TICKETED"] * 4
    for entry in (standing, wrong, contested):
        town.tag(1, entry, 1)
    consents = [keccak(b"consent"), keccak(b"kept")]
    for consent in consents:
        until = town.world.client.head().time_s + 86_400
        town.ask(2, LOOKUPS, "recordConsent", consent, 3, until, keccak(SECRET))
    town.ask(2, POINTS, "buyTickets", 0, 3)
    town.ask(3, LOOKUPS, "anchorLog", town.today() - 1, keccak(b"log"), 1)
    town.ask(3, LOOKUPS, "speak", keccak(b"session"), 1, b"a word")
    town.settle()
    town.ask(3, LOOKUPS, "revokeConsent", 2, consents[0], SECRET)
    index(town, standing)
    dispute(town, wrong, contested)
    panel(town)
    audits(town, standing, wrong)
    end(town, standing, wrong)
    own_case(town)


def index(town: BlacklistWorld, entry: bytes) -> None:
    """Cut the log, publish a root, challenge it, publish again."""
    town.ask(1, BLACKLIST, "cut", 1)
    town.settle()
    cut = town.view(BLACKLIST, "cutOf", 1)
    for revision in (1, 2):
        root = keccak(bytes([revision]))
        values = (1, 1, cut["blockNumber"], cut["leafCount"], root, revision)
        signed = town.sign((1, 3), BLACKLIST, "IndexRoot", ROOT_FIELDS, values)
        town.ask(2, BLACKLIST, "publishRoot", 1, cut["leafCount"], root, signed)
        town.settle()
        if revision == 1:
            town.ask(1, BLACKLIST, "challengeRoot", 1, 1, entry)
            town.settle()


def dispute(town: BlacklistWorld, wrong: bytes, contested: bytes) -> None:
    """Open two disputes; one is answered and contested, the other times out."""
    town.ask(2, BLACKLIST, "openDispute", wrong, False, GROUNDS)
    town.settle()
    town.ask(2, BLACKLIST, "openDispute", contested, True, GROUNDS)
    town.settle()
    assert town.check_against_views() == ["LISTED", "DISPUTED", "DISPUTED", "TICKETED"]
    # Unsettled, the silent one is over 90 days after its suspension, on the day of the contract.
    assert "EXPIRED" not in town.check_the_future((89, 90, 98, 99))
    assert {"SUSPENDED", "EXPIRED"} <= town.check_the_future((100, 101, 109, 110, 111, 112))
    seen = town.check_the_future((1, 7, 9, 10, 11, 20, 299, 300, 301))
    assert seen >= {"OPEN", "UNANSWERED", "DISPUTED", "SUSPENDED", "LAPSED", "EXPIRED"}
    town.ask(1, BLACKLIST, "answer", 2, int(Verdict.UPHELD), keccak(b"answer"))
    town.settle()
    town.check_against_views()
    town.ask(2, BLACKLIST, "contest", 2, False)
    town.settle()
    town.chain.mine(3)
    assert "REGULATOR" in town.check_the_future(range(12))
    town.ask(3, BLACKLIST, "draw", 2)
    town.settle()
    town.check_against_views()


def panel(town: BlacklistWorld) -> None:
    """One panelist commits and reveals; the other dispute runs out meanwhile."""
    contracts = town.world.deployed.contracts
    words = (contracts.chain_id, contracts.blacklist, 2, 3, int(Verdict.REMOVED), SALT)
    types = ("uint256", "address", "uint64", "uint32", "uint8", "bytes32")
    town.ask(3, BLACKLIST, "commitBallot", 2, keccak(abi_encode(types, words)))
    town.settle()
    for days, settled in ((2.1, False), (2.1, True)):
        town.pass_days(days)
        town.check_against_views()
        assert "DECIDED" in town.check_the_future((0, 1, 2, 3)) or not settled
        if not settled:
            town.ask(3, BLACKLIST, "revealBallot", 2, int(Verdict.REMOVED), SALT)
            town.settle()
    town.ask(1, BLACKLIST, "settle", 2)
    town.settle()
    town.pass_days(6)
    # The ticket that nobody used lapsed, the unanswered dispute suspends: by time alone.
    assert town.check_against_views() == ["LISTED", "SUSPENDED", "REMOVED", "LAPSED"]
    town.ask(3, BLACKLIST, "settle", 1)
    town.ask(3, BLACKLIST, "lapse", keccak(text="unused"))
    town.settle()
    town.check_against_views()
    assert {"SUSPENDED", "EXPIRED"} <= town.check_the_future(range(80, 100))


def audits(town: BlacklistWorld, standing: bytes, wrong: bytes) -> None:
    """Accuse two members: one opens, one shows the regulator's word, two are fined, one lapses."""
    for number, (member, ticket, subject) in enumerate(
        [(2, 1, keccak(b"consent")), (2, 2, keccak(b"kept")), (2, 3, keccak(b"kept")),
         (1, 0, standing), (1, 0, wrong)], 1
    ):  # fmt: skip
        blinded = keccak(bytes([number]))
        values = (ticket, blinded, subject, 1)
        (signed,) = town.sign((member,), LOOKUPS, "Evaluation", EVALUATION_FIELDS, values)
        town.ask(REGULATOR, POINTS, "beginAudit", ticket, subject, blinded, 1, signed)
        town.settle()
    town.ask(REGULATOR, POINTS, "closeAudit", 1)
    evaluation = town.view(POINTS, "auditOf", 2)["evaluation"]
    (word,) = town.sign((REGULATOR,), POINTS, "EvaluationOpened", OPENED_FIELDS, (evaluation,))
    town.ask(2, POINTS, "answerAudit", 2, word)
    town.settle()
    town.ask(1, BLACKLIST, "withdraw", wrong)
    town.settle()
    assert town.check_audits((0, 13, 14, 15)) == {"OPENED", "PENDING", "DUE"}


def end(town: BlacklistWorld, standing: bytes, wrong: bytes) -> None:
    """Recall, acknowledge, withdraw and erase; settle a period; vest and expire."""
    recipients = [keccak(abi_encode(("bytes32", "bytes32"), (wrong, s))) for s in (SECRET, SALT)]
    town.ask(1, BLACKLIST, "openRecall", wrong, recipients)
    town.settle()
    town.ask(2, BLACKLIST, "acknowledgeRecall", wrong, SECRET)
    town.settle()
    town.pass_days(OPENABLE_DAYS)
    town.ask(1, BLACKLIST, "certifyDeletion", wrong, keccak(b"certificate"))
    pay(town)
    town.settle()
    town.check_against_views()
    assert town.check_audits((0, 15, 29)) == {"OPENED", "PENDING", "DUE", "LAPSED"}
    town.begin_epoch(2)
    assert town.check_against_views() == ["UNTAGGED", "ERASED", "REMOVED", "REMOVED"]
    town.tag(1, standing, 2)
    town.settle()
    for days, audits_ in ((20, (3, 4)), (60, (5,))):
        town.pass_days(days)
        for audit in audits_:
            town.ask(REGULATOR, POINTS, "settleAudit", audit)
        town.settle()
    assert town.check_audits((0,)) == {"OPENED", "FINED", "LAPSED"}
    town.check_against_views()
    town.ask(2, BLACKLIST, "vest", standing)
    town.ask(1, POINTS, "claimAllowance")
    town.settle()
    assert town.check_against_views() == ["LISTED", "ERASED", "REMOVED", "REMOVED"]
    town.pass_days(300)
    assert town.check_against_views() == ["EXPIRED", "ERASED", "REMOVED", "REMOVED"]
    town.ask(1, BLACKLIST, "settleExpiry", 2)
    town.settle()


def own_case(town: BlacklistWorld) -> None:
    """The regulator's own entry: another contests beside who raised it, nobody decides."""
    for member in (2, 3, REGULATOR):
        town.ask(member, POINTS, "claimAllowance")
    own = town.list(REGULATOR, "own")
    town.settle()
    town.tag(REGULATOR, own, 2)
    town.settle()
    town.ask(2, BLACKLIST, "openDispute", own, False, GROUNDS)
    town.settle()
    town.ask(REGULATOR, BLACKLIST, "answer", 3, int(Verdict.UPHELD), keccak(b"answer"))
    town.settle()
    town.ask(3, BLACKLIST, "contest", 3, False)
    town.settle()
    town.check_against_views()
    town.chain.mine(260)
    town.ask(1, BLACKLIST, "draw", 3)
    town.settle()
    town.chain.mine(3)
    town.ask(1, BLACKLIST, "draw", 3)
    town.settle()
    town.check_against_views()
    assert {"REGULATOR", "UNDECIDED"} <= town.check_the_future((1, 3, 4, 19, 20, 21))
    town.pass_days(20.1)
    assert town.check_against_views()[-1] == "SUSPENDED"
    town.ask(1, BLACKLIST, "settle", 3)
    town.settle()
    assert town.check_against_views(party=1)[-1] == "SUSPENDED"
    assert {"SUSPENDED", "EXPIRED"} <= town.check_the_future((85, 88, 89, 90, 91))


def pay(town: BlacklistWorld) -> None:
    """Settle the period in which member 2 bought its tickets."""
    with town.parties[0].database.reading() as session:
        bought = session.scalars(select(TicketRange)).one()
    period = bought.day // 10
    rows = [(1, 2, 2_000_000)]
    hashed = keccak(abi_encode(("(uint32,uint32,uint128)[]",), (rows,)))
    values = (period, 2, keccak(b"attestations"), hashed)
    signed = town.sign((1, 2, 3), POINTS, "Settlement", SETTLEMENT_FIELDS, values)
    town.ask(3, POINTS, "settle", period, 2, keccak(b"attestations"), rows, signed)


def test_every_event_became_a_row(town: BlacklistWorld) -> None:
    """After a whole life every table holds what happened, with its transaction and its block."""
    every = (Ballot, BlacklistFact, DeletionCertificate, Dispute, EntryTag, IndexCut, IndexRoot)
    every += (KeyEpoch, ListedEntry, LookupLog, PointMovement, Recall, RecordedConsent)
    every += (RootChallenge, Settlement, SettlementRow, TicketRange, EvaluationAudit)
    with town.parties[1].database.reading() as session:
        for model in every:
            rows = session.scalars(select(model)).all()
            assert rows, model.__name__
            assert all(any(row.tx_hash) and row.block_number for row in rows)
        assert session.scalars(select(Incident)).all() == []
        outcomes = {row.dispute: row.outcome for row in session.scalars(select(Dispute))}
        assert outcomes == {1: "TIMED_OUT", 2: "REMOVED", 3: "UNDECIDED"}
        open_recalls = select(Recall).where(Recall.acknowledged_at_s.is_(None))
        assert len(session.scalars(open_recalls).all()) == 1
        revoked = select(RecordedConsent).where(RecordedConsent.revoked_tx.is_not(None))
        assert len(session.scalars(revoked).all()) == 1
        reasons = {row.reason for row in session.scalars(select(PointMovement))}
    said = {"allowance", "settlement", "tickets", "entry overturned", "ticket lapsed"}
    assert said <= reasons
    assert DEBT in reasons, "the allowance paid the debt first"


def test_an_entry_s_evidence_tells_its_whole_story(town: BlacklistWorld) -> None:
    """Each entry's changes, with their transactions, fold to the state that the contract shows."""
    consents = [(2, keccak(b"consent")), (2, keccak(b"kept"))]
    with town.parties[0].database.reading() as session:
        now = now_of(session)
        for row in session.scalars(select(ListedEntry)):
            changes = changes_of(session, row.entry, consents)
            history = read_history(changes, row.entry)
            facts = EntryFacts(
                history.stage,
                history.posted.time_s,
                history.ends_day,
                tagged=history.tagged,
                dispute=history.open_dispute,
            )
            state = entry_state(facts, profile_numbered(row.profile), now.time_s)
            assert state is state_of(session, row, now)
            names = [change.name for change in changes]
            assert names.count("ConsentRecorded") == 2
            assert names.count("ConsentRevoked") == 1
            assert all(any(change.transaction) for change in changes)
        (overturned,) = [
            read_history(changes_of(session, row.entry), row.entry)
            for row in session.scalars(select(Dispute).where(Dispute.dispute == 2))
        ]
    assert (overturned.disputes, overturned.overturned) == (1, 1)


def test_everyone_has_the_same_rows_and_a_replay_gives_them_again(town: BlacklistWorld) -> None:
    """Rows are a function of the log: equal at every member, and after dropping them all."""
    first, *others = town.parties
    for party in town.parties:
        party.step()
    before = first.derived()
    assert {table for table, rows in before.items() if rows} >= {"disputes", "point_accounts"}
    assert all(party.derived() == before for party in others)
    with first.database.writing.begin() as session:
        first.projections.drop_derived(session)
    assert first.count(ListedEntry) == 0
    first.follower.catch_up()
    assert first.derived() == before


def test_a_rewind_to_any_block_and_back_gives_the_same_rows(town: BlacklistWorld) -> None:
    """Taken back to before each fact in turn, rows equal those of a log that ends there."""
    party = town.parties[2]
    party.step()
    whole = party.derived()
    with party.database.reading() as session:
        facts = session.scalars(select(BlacklistFact.block_number).distinct())
        points = session.scalars(select(PointMovement.block_number).distinct())
        begun = session.scalars(select(EvaluationAudit.block_number))
        ended = session.scalars(select(EvaluationAudit.ended_block)).all()
        blocks = sorted({*facts, *points, *begun, *(b for b in ended if b)}, reverse=True)
    assert len(blocks) > REGULATOR * 5
    # Backwards through what changed anything, in one transaction that is given up.
    with party.database.writing() as session:
        seen = {}
        for block in blocks[::5]:
            party.projections.rewind(session, block - 1)
            seen[block - 1] = derived_rows(session)
        session.rollback()
    assert party.derived() == whole
    logs = town.logs(up_to=blocks[0])
    times = town.times(logs)
    with party.database.writing() as session:
        party.projections.drop_derived(session)
        done = 0
        for block in sorted(seen):
            new = [log for log in logs if done < log.block_number <= block]
            party.projections.apply(session, new, times)
            assert derived_rows(session) == seen[block]
            done = block
        session.rollback()


def test_a_reorg_takes_back_what_it_dropped(town: BlacklistWorld) -> None:
    """A dispute that a fork dropped is open no more, and is again once it is mined anew."""
    entry = town.list(3, "forked")
    town.settle()
    town.tag(3, entry, 2)
    town.settle()
    town.parties[0].step()
    before = town.parties[0].derived(places=False)
    town.ask(2, BLACKLIST, "openDispute", entry, True, GROUNDS)
    for party in town.parties:
        party.step()
    town.parties[0].step()
    open_now = Dispute.entry == entry
    assert town.parties[0].count(Dispute, open_now) == 1
    assert town.check_against_views()[-1] == "DISPUTED"
    town.chain.reorg(1)
    assert town.parties[0].follower.step().rewound_to is not None
    assert town.parties[0].count(Dispute, open_now) == 0
    town.parties[0].follower.catch_up()
    assert town.parties[0].derived(places=False) == before
    town.settle()
    assert town.check_against_views()[-1] == "DISPUTED"
    assert town.parties[0].count(Dispute, open_now) == 1
