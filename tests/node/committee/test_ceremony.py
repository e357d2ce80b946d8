"""Key generation and re-sharing by nodes: over the ledger, over mutual TLS, through crashes."""

from __future__ import annotations

import json

import msgspec
import pytest
from committee_town import COMMITTEE, OUTSIDER, PHRASE, Town
from sqlalchemy import select

from node.cli import main
from node.crypto.oprf import group, shamir
from node.crypto.oprf.group import Element
from node.lookup_calls import LookupCalls
from node.peers.client import PeerRefusal
from node.services.committee.messages import ShareMessage
from node.services.committee.parts import Part
from node.tables import CommitteeRun, DealtShare, Incident, ShareDelivery
from reconcile.model import KanheError, ProtocolError, UsageError
from tests.node.services.test_screening_rest import good, program
from tests.node.web.desk_town import served

SHARE = "/peer/v1/committee/share"


def secrets_of(town: Town, run: bytes, members: tuple[int, ...]) -> dict[int, group.Scalar]:
    """Every member's share by its index, out of the key stores."""
    found = {}
    for member in members:
        kept = town.node(member).keys.require_files().share(run)
        assert kept is not None
        found[kept.index] = group.scalar(kept.secret)
    return found


def opens(shares: dict[int, group.Scalar], pair: tuple[int, ...]) -> bytes:
    """The public key of what two shares give."""
    return group.scale_base(shamir.recover({index: shares[index] for index in pair}))


def disqualified(town: Town, member: int, run: bytes) -> list[str]:
    """What a member's incidents say of a run's dealers."""
    with town.node(member).sessions() as session:
        rows = session.scalars(select(Incident).where(Incident.kind == "DEALER_DISQUALIFIED"))
        return [row.says for row in rows if run.hex() in row.fingerprint]


def rows(town: Town, member: int, run: bytes) -> tuple[CommitteeRun, int]:
    """A run's row, and how many received shares lie in the database."""
    with town.node(member).sessions() as session:
        row = session.get_one(CommitteeRun, run)
        assert row.secret is None or len(row.secret) > 32
        dealt = session.scalars(select(DealtShare).where(DealtShare.run == run)).all()
        return row, len(dealt)


def test_a_committee_holds_a_key_that_nobody_holds(keyed: Town) -> None:
    """Shares go over mutual TLS, words over the ledger; any two shares give the approved key."""
    (epoch,) = keyed.node(OUTSIDER).committee.epochs()[-1:]
    (run,) = [view.run for view in keyed.node(1).committee.runs() if view.key_epoch == 1]
    shares = secrets_of(keyed, run, COMMITTEE)
    for pair in ((1, 2), (1, 3), (2, 3)):
        assert opens(shares, pair) == Element(epoch.public_key)
    assert (epoch.key_epoch, epoch.threshold, epoch.members) == (1, 2, COMMITTEE)
    assert epoch.for_demonstration
    assert not epoch.held
    assert keyed.node(1).committee.epochs()[-1].held
    # Nothing of it is left in any database, nor anything that gives it.
    for member in COMMITTEE:
        row, dealt = rows(keyed, member, run)
        assert (row.state, row.secret, dealt) == ("INSTALLED", None, 0)
        key_store = keyed.node(member).keys.require_files()
        for path in keyed.folder.joinpath(f"m{member}").rglob("*"):
            if path.is_file():
                assert key_store.share(run).secret not in path.read_bytes()  # type: ignore[union-attr]


def test_undelivered_shares_crashes_and_a_silent_dealer_end_in_a_key(keyed: Town) -> None:
    """Who is refused a share complains; who does not answer is named; a killed node goes on."""
    town = keyed
    third = town.node(3).peers.own.certificate()
    town.node(1).peers.unpin(3)
    run = town.run()
    town.settle()
    assert rows(town, 1, run)[1] == 2, "node 1 has its own share and that of node 2"
    with town.node(3).sessions() as session:
        taken = session.scalars(select(ShareDelivery.receiver).where(ShareDelivery.run == run))
        assert sorted(taken) == [2, 3]
    town.chain.mine(8)
    town.settle()
    town.node(1).peers.pin(third, url=town.urls[3])
    with pytest.MonkeyPatch.context() as patch:
        honest = Part.reveals
        silent = lambda part: () if part.member == 3 else honest(part)  # noqa: E731 - one dealer
        patch.setattr(Part, "reveals", silent)
        for member in (1, 2):
            # Wherever it is killed, the polynomials it dealt are those it goes on with.
            town.reopen(member)
            town.settle()
            town.chain.mine(4)
        town.finish(run)
    for member in COMMITTEE:
        (says,) = disqualified(town, member, run)
        assert "member 3" in says
        assert "did not answer the complaint of node 1" in says
    epoch = town.node(OUTSIDER).committee.epochs()[0]
    shares = secrets_of(town, run, COMMITTEE)
    assert opens(shares, (1, 2)) == opens(shares, (2, 3)) == Element(epoch.public_key)
    restart_servers(town, (1, 2))


def restart_servers(town: Town, members: tuple[int, ...]) -> None:
    """Serve reopened nodes again, at their new addresses."""
    for member in members:
        town.stops[member].set()
        town.threads[member].join(20)
        town.serve(member)
    town.introduce()


def test_a_key_shared_anew_stays_and_old_shares_are_destroyed(keyed: Town) -> None:
    """Member 4 takes member 1's place: the same key, and no old share is left anywhere."""
    town = keyed
    before = town.node(1).committee.epochs()[0]
    old_run = next(v.run for v in town.node(1).committee.runs() if v.ours == "INSTALLED")
    old = secrets_of(town, old_run, COMMITTEE)
    run = town.run((2, 3, 4), reshare=True)
    town.finish(run, (2, 3, 4))
    town.until(lambda: town.state(1, old_run) == "RETIRED", "the old share's end")
    after = town.node(1).committee.epochs()[0]
    assert (after.public_key, after.key_epoch) == (before.public_key, before.key_epoch)
    assert (after.sharing, after.members) == (before.sharing + 1, (2, 3, 4))
    assert town.state(1, run) == "DEALT"
    shares = secrets_of(town, run, (2, 3, 4))
    assert opens(shares, (1, 3)) == Element(before.public_key)
    assert not set(old.values()) & set(shares.values())
    for member in COMMITTEE:
        assert old_run not in town.node(member).keys.require_files().sessions()
        left = [p.name for p in (town.folder / f"m{member}/backup/keystore").glob("share-*")]
        assert len(left) == len(town.node(member).keys.require_files().sessions())
    # The regulator's node, which joined later, tells the same committee from the ledger alone.
    back = town.run(COMMITTEE, reshare=True)
    town.finish(back)


def test_a_run_whose_state_is_lost_ends_without_a_key(
    keyed: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that lost what it dealt says so; with too few left there is no key, and nobody's."""
    town = keyed
    run = town.run()
    town.settle()
    for member in (2, 3):
        with town.node(member).sessions.begin() as session:
            session.get_one(CommitteeRun, run).secret = None
    town.until(
        lambda: all(town.state(m, run) == "FAILED" for m in COMMITTEE), "the run to end", blocks=4
    )
    codes = {m: rows(town, m, run)[0].error_code for m in COMMITTEE}
    assert codes[1] == "OPRF_GENERATION_FAILED"
    assert codes[2] == codes[3] == "COMMITTEE_STATE_LOST"
    for member in COMMITTEE:
        assert town.node(member).keys.require_files().share(run) is None
        assert rows(town, member, run)[1] == 0
    # The next attempt has another id.
    assert town.node(1).committee.runs()[0].attempt == 0
    monkeypatch.setenv("KANHE_PASSPHRASE", PHRASE)
    words = ["committee", "generate", "1", "2", "3", "-t", "2", "--phase-blocks", "8", "--no-wait"]
    assert main([*words, "--home", str(town.node(1).home), "--json", "-"]) == 0
    again = json.loads(capsys.readouterr().out)["run"]
    assert again != run.hex()
    town.settle()
    joined_by_command_and_over_rest(town, again)


def joined_by_command_and_over_rest(town: Town, run: str) -> None:
    """Members 2 and 3 join what member 1 proposed, each in its own way."""
    node = town.node(2)
    with served({"two": node}) as base, program(node, base, "two", "operator") as operator:
        key = {"Idempotency-Key": "join"}
        for _ in range(2):
            joined = operator.post(f"/committee/runs/{run[:12]}/join", headers=key)
            assert good(joined) == {"run": run}
    words = ["committee", "join", run[:12], "--no-wait"]
    assert main([*words, "--home", str(town.node(3).home)]) == 0
    town.settle()
    view = town.node(1).committee.runs()[0]
    assert (view.run.hex(), view.joined) == (run, COMMITTEE)


def _share(run: bytes, dealer: int, receiver: int) -> bytes:
    one = group.ONE.hex()
    return msgspec.json.encode(ShareMessage(run.hex(), dealer, receiver, one, one))


def test_what_others_send_as_shares_is_checked(keyed: Town) -> None:
    """Noise, a share in another's name, one for another receiver, and one out of time."""
    town = keyed
    run = town.run()
    town.settle()
    call = town.node(3).peers.client.call
    outsider = town.node(OUTSIDER).peers.client.call
    bad = _share(run, 3, 1).replace(b'"' + group.ONE.hex().encode(), b'"' + b"ff" * 32)
    for sender, body, code in [
        (call, b"{", "SHARE_MALFORMED"),
        (call, bad, "SHARE_MALFORMED"),
        (call, _share(bytes(32), 3, 1), "RUN_NOT_JOINED"),
        (call, _share(run, 2, 1), "SHARE_FOREIGN"),
        (call, _share(run, 3, 2), "SHARE_FOREIGN"),
        (outsider, _share(run, 3, 1), "SHARE_FOREIGN"),
        (call, _share(run, 3, 1), "SHARE_DIFFERS"),
    ]:
        with pytest.raises(PeerRefusal) as caught:
            sender(1, SHARE, body)
        assert caught.value.code == code
    town.chain.mine(10)
    town.node(1).step()
    with pytest.raises(PeerRefusal) as caught:
        call(1, SHARE, _share(run, 3, 1))
    assert caught.value.code == "SHARE_LATE"
    town.until(lambda: town.state(1, run) != "JOINED", "the run's end", blocks=4)


def test_only_a_run_that_is_next_is_joined(keyed: Town) -> None:
    """Shapes, members, phases too short, runs nobody knows: each has its own words."""
    service = keyed.node(1).committee
    cases: list[tuple[tuple[int, ...], int, int, type[KanheError], str]] = [
        ((1, 2, 3), 1, 8, ProtocolError, "OPRF_COMMITTEE_SHAPE"),
        ((1, 2, 9), 2, 8, UsageError, "COMMITTEE_MEMBER"),
        ((2, 3, 4), 2, 8, UsageError, "COMMITTEE_MEMBER"),
        ((1, 2, 3), 2, 7, UsageError, "PHASE_TOO_SHORT"),
    ]
    for members, threshold, blocks, kind, code in cases:
        with pytest.raises(kind) as caught:
            service.propose(members, threshold, phase_blocks=blocks)
        assert caught.value.code == code
    with pytest.raises(UsageError) as unknown:
        service.join(bytes(32))
    assert unknown.value.code == "RUN_UNKNOWN"
    stale = next(view.run for view in service.runs() if view.key_epoch == 1)
    with pytest.raises(ProtocolError) as old:
        service.join(stale)
    assert old.value.code == "PLAN_STALE"


def test_an_outcome_that_too_few_approve_is_given_up(keyed: Town) -> None:
    """A member outside approves the same words, from the ledger; its word alone installs nothing.

    After the block by which it had to be approved the shares are destroyed.
    """
    town, outsider = keyed, keyed.node(OUTSIDER)
    asked: list[tuple[object, ...]] = []

    def silent(_calls: LookupCalls, _session: object, *args: object, **more: object) -> None:
        asked.append((*args, *more.values()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LookupCalls, "approve_key_epoch", silent)
        run = town.run()
        with pytest.raises(ProtocolError) as early:
            outsider.committee.approve(run)
        assert early.value.code == "RUN_NOT_OVER"
        held = lambda: all(town.state(m, run) == "HELD" for m in COMMITTEE)  # noqa: E731
        town.until(held, "the shares", blocks=4)
        outsider.committee.approve(run)
    assert len(asked) == 4
    assert all(words == asked[0] for words in asked)
    failed = lambda: all(town.state(m, run) == "FAILED" for m in COMMITTEE)  # noqa: E731
    town.until(failed, "the end of the time to approve", blocks=16)
    assert rows(town, 1, run)[0].error_code == "KEY_EPOCH_NOT_APPROVED"
    assert all(run not in town.node(m).keys.require_files().sessions() for m in COMMITTEE)
    installed = next(v.run for v in town.node(1).committee.runs() if v.ours == "INSTALLED")
    with pytest.raises(UsageError) as late:
        outsider.committee.approve(installed)
    assert late.value.code == "KEY_EPOCH_INSTALLED"
