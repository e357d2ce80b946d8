"""Custody: what is kept, by whom, through crashes, and how it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from node.crypto.keys import SealingPublicKey
from node.crypto.oprf.group import Scalar, random_scalar
from node.crypto.oprf.shamir import commit, share_of
from node.screening.custody import (
    begin,
    detail_hash,
    read_manifest,
    seal_detail,
    share_info,
    write_manifest,
)
from node.screening.custody_messages import (
    MAX_GENERATIONS,
    Deposit,
    Deposits,
    Drop,
    Taken,
    pack,
    read_destroyed,
    unpack,
)
from node.services.screening.detail import general_key
from node.services.screening.watching import Watch
from node.tables import (
    CustodyAsk,
    CustodyDelivery,
    HeldCustody,
    OwnCustody,
)
from reconcile.model import KanheError, OutsideError
from tests.node.services.blacklist_looking import look
from tests.node.services.blacklist_town import BlacklistTown
from tests.node.services.custody_tools import (
    KEEPERS,
    READER,
    UPLOADER,
    afford,
    beta,
    connect,
    detail,
    go_silent,
    holds,
    install,
    kept,
    refused,
    ticket_of,
    waiting,
    wire,
)


@pytest.fixture(scope="module", autouse=True)
def wired(town: BlacklistTown) -> None:
    """Everybody has points, and reaches everybody."""
    wire(town)


def test_what_is_over_is_destroyed_and_acknowledged(town: BlacklistTown) -> None:
    """Withdrawn: each custodian destroys by itself, and its signed word reaches the uploader."""
    entry = kept(town, 5)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    uploader = town.node(UPLOADER).screening
    uploader.withdraw(entry)
    town.settle()
    town.chain.mine(20)
    town.settle()
    assert not any(holds(town, member, entry) for member in KEEPERS)
    with town.node(1).database.reading() as session:
        assert session.get_one(CustodyAsk, ticket).enclosed == b""
    assert [one.destroyed for one in uploader.trace(entry).custody.keepers] == [False] * 3
    with pytest.raises(OutsideError, match="CUSTODY_DESTROYED"):
        beta(town).ask_detail(entry, ticket, receipt)
    connect(town)
    town.settle()
    assert [one.destroyed for one in uploader.trace(entry).custody.keepers] == [True] * 3
    with town.node(UPLOADER).database.reading() as session:
        word = session.get_one(CustodyDelivery, (entry, 1, 3)).certificate
    assert word is not None
    assert read_destroyed(word)[0]["member"] == "3"
    assert town.node(3).screening.trace(entry).custody.held == ((1, True),)
    # Whoever is not its uploader takes nothing back; a deposit that comes late finds it destroyed.
    drop = pack(Drop(entry, 9))
    assert refused(town.node(3).screening.drop_custody, READER, drop) == "CUSTODY_FOREIGN"
    town.node(3).screening.drop_custody(UPLOADER, drop)
    with town.node(3).database.reading() as session:
        assert session.get_one(HeldCustody, (entry, 9)).certificate is not None


def test_a_revoked_consent_of_the_listing_ends_its_custody(
    town: BlacklistTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person takes back what the listing rests on: custodians keep nothing of it."""
    entry = kept(town, 6)
    receipt = look(town, READER, UPLOADER, entry)
    late, early = ticket_of(town, entry), ticket_of(town, entry)
    assert detail(town, entry, early, receipt).complete
    uploader = town.node(UPLOADER).screening
    with monkeypatch.context() as patched:
        for part in ("keeping", "depositing"):
            patched.setattr(f"node.services.screening.{part}.is_final", lambda *_: False)
        patched.setattr(Watch, "looked", lambda *_: None)
        revoked_and_not_final(town, entry, receipt, (early, late))
    connect(town)
    town.settle()
    town.chain.mine(20)
    town.settle()
    assert not any(holds(town, member, entry) for member in KEEPERS)
    keepers = uploader.trace(entry).custody.keepers
    assert [one.destroyed for one in keepers] == [True] * 3


def revoked_and_not_final(
    town: BlacklistTown, entry: bytes, receipt: bytes, tickets: tuple[int, int]
) -> None:
    """Neither the uploader nor a custodian gives anything any more, nor again."""
    town.node(UPLOADER).screening.revoke_listing_consent(entry)
    town.settle()
    for ticket in tickets:
        with pytest.raises(KanheError, match="LISTING_CONSENT_REVOKED"):
            beta(town).ask_detail(entry, ticket, receipt)
    connect(town, UPLOADER)
    assert holds(town, 1, entry)
    with pytest.raises(OutsideError, match="LISTING_CONSENT_REVOKED"):
        beta(town).ask_detail(entry, tickets[1], receipt)


def test_a_custodian_keeps_only_what_its_uploader_signed(town: BlacklistTown) -> None:
    """Wrong share, wrong detail, another's entry, another manifest: refused, each by itself."""
    entry = kept(town, 7)
    gamma = town.node(3)
    with town.node(UPLOADER).database.reading() as session:
        data = session.get_one(OwnCustody, (entry, 1)).manifest
        key = general_key(session, 3)
    manifest, _ = read_manifest(data)
    signer, public = town.node(UPLOADER).keys.approver, SealingPublicKey.parse(key.public_key)

    def deposit(generation: int, *, wrong: str = "", caller: int = UPLOADER) -> str:
        polynomial = begin(2)
        made = replace(manifest, generation=generation, commitments=commit(polynomial))
        body = seal_detail([b"x"], polynomial[0], made.place)
        made = replace(made, detail=detail_hash(body))
        share = Scalar(random_scalar()) if wrong == "share" else share_of(polynomial, 3)
        sealed = public.seal(share, share_info(made, receiver=3))
        envelope = write_manifest(made, signer)
        given = Deposit(
            envelope,
            key.generation + (9 if wrong == "key" else 0),
            sealed,
            body + b"!" if wrong == "detail" else body,
        )
        (code,) = unpack(gamma.screening.take_custody(caller, pack(Deposits([given]))), Taken).codes
        return code

    assert deposit(2, wrong="share") == "CUSTODY_SHARE_WRONG"
    assert deposit(2, wrong="detail") == "CUSTODY_DETAIL_FALSE"
    assert deposit(2, wrong="key") == "CUSTODY_KEY"
    assert deposit(2, caller=1) == "CUSTODY_FOREIGN"
    assert deposit(1) == "CUSTODY_DIFFERS"
    assert [deposit(n) for n in range(2, MAX_GENERATIONS + 1)] == [""] * (MAX_GENERATIONS - 1)
    assert deposit(MAX_GENERATIONS + 1) == "CUSTODY_TOO_MANY"
    unknown = write_manifest(replace(manifest, entry=b"\x06" * 32), signer)
    given = pack(Deposits([Deposit(unknown, 1, b"", b"")]))
    assert unpack(gamma.screening.take_custody(UPLOADER, given), Taken).codes == ["ENTRY_UNKNOWN"]
    assert refused(gamma.screening.take_custody, UPLOADER, b"{}") == "CUSTODY_MALFORMED"
    town.node(UPLOADER).screening.withdraw(entry)


def test_a_restored_uploader_counts_on(town: BlacklistTown) -> None:
    """Its backup knows of no custody: what custodians keep differs, so the next is made."""
    entry = kept(town, 12)
    with town.node(UPLOADER).database.writing.begin() as session:
        session.execute(delete(CustodyDelivery).where(CustodyDelivery.entry == entry))
        session.execute(delete(OwnCustody).where(OwnCustody.entry == entry))
    for _ in range(2):
        town.settle()
        connect(town)
    town.settle()
    assert [holds(town, member, entry, 2) for member in KEEPERS] == [True] * 3


def test_a_crash_at_each_line_loses_nothing(town: BlacklistTown) -> None:
    """Sent and not noted, released and not kept: asked again, the bytes are the same."""
    afford(town)
    connect(town, 3)
    entry = town.list(UPLOADER, 8)
    town.settle()
    assert (holds(town, 1, entry), holds(town, 3, entry)) == (True, False)
    # Taken by the custodian, and the uploader died before it noted that.
    with town.node(UPLOADER).database.writing.begin() as session:
        assert session.get_one(OwnCustody, (entry, 1)).secret, "one custodian lacks its share"
        session.get_one(CustodyDelivery, (entry, 1, 1)).taken_at_ms = None
    with town.node(1).database.reading() as session:
        before = session.get_one(HeldCustody, (entry, 1)).share
    town.reopen(UPLOADER)
    connect(town)
    town.settle()
    assert holds(town, 3, entry)
    with town.node(1).database.reading() as session:
        assert session.get_one(HeldCustody, (entry, 1)).share == before
    with town.node(UPLOADER).database.reading() as session:
        assert session.get_one(OwnCustody, (entry, 1)).secret == b""
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    town.reopen(1)
    town.reopen(READER)
    connect(town, UPLOADER)
    go_silent(town)
    service = beta(town)
    with pytest.MonkeyPatch.context() as patch:
        # Shares came, and the reader dies before it keeps what they open.
        patch.setattr(service, "_keep_opened", lambda *_: (_ for _ in ()).throw(ValueError("died")))
        with pytest.raises(ValueError, match="died"):
            service.ask_detail(entry, ticket, receipt)
    with town.node(1).database.reading() as session:
        assert session.get_one(CustodyAsk, ticket).released_at_ms is not None
    town.reopen(1)
    town.reopen(READER)
    connect(town, UPLOADER)
    assert detail(town, entry, ticket, receipt).documents == (b"the evidence against 8",)
    with town.node(1).database.reading() as session:
        asks = session.scalars(select(CustodyAsk).where(CustodyAsk.entry == entry)).all()
    assert len(asks) == 1


def test_other_custodians_take_over_and_the_old_ones_destroy(town: BlacklistTown) -> None:
    """The next committee has other members: a new custody is complete before the old one ends."""
    entry = kept(town, 11)
    receipt = look(town, READER, UPLOADER, entry)
    ticket = ticket_of(town, entry)
    connect(town, 3)
    install(town, 2, [1, 3])
    assert holds(town, 1, entry, 2)
    assert [holds(town, member, entry) for member in KEEPERS] == [True] * 3
    connect(town)
    town.settle()
    assert [holds(town, member, entry, 2) for member in KEEPERS] == [True, False, True]
    town.chain.mine(20)
    town.settle()
    assert not any(holds(town, member, entry) for member in KEEPERS)
    connect(town, UPLOADER)
    waiting(town, entry, ticket, receipt)
    go_silent(town)
    assert detail(town, entry, ticket, receipt).custodians == (1, 3)
