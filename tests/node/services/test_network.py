from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.bootstrap import init_home, open_node
from node.crypto.keys import SealingKey
from node.identity import Place
from node.services.network.sealed_terms import Recipient, open_terms, seal_terms
from reconcile.model import AgreementKind, OutsideError, ProtocolError, UsageError
from reconcile.terms import canonical_terms, default_terms, terms_hash
from tests.node.services.conftest import PHRASE, WEAK_SCRYPT, WINDOW, Pair

PLACE = Place(20_251, b"\x01" * 20, b"\x02" * 20)
TERMS = canonical_terms(default_terms(["CNY"]))
HASH = terms_hash(default_terms(["CNY"]))
KEYS = {member: SealingKey.generate() for member in (1, 2, 3)}
SEALED = seal_terms(TERMS, [Recipient(m, 1, KEYS[m].public) for m in (1, 2)], PLACE)


def test_terms_open_for_their_readers_alone() -> None:
    """Both recipients read the terms; a third member, or another chain's place, does not."""
    for member in (1, 2):
        assert open_terms(SEALED, HASH, member, {1: KEYS[member]}, PLACE) == TERMS
    with pytest.raises(ProtocolError, match="TERMS_NOT_OPENED"):
        open_terms(SEALED, HASH, 3, {1: KEYS[3]}, PLACE)
    with pytest.raises(ProtocolError):
        open_terms(SEALED, HASH, 1, {1: KEYS[1]}, replace(PLACE, chain_id=1))


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_no_changed_byte_of_sealed_terms_opens_to_others(at: int, flip: int) -> None:
    """A changed byte never opens to other terms: it is refused, or sits in another's wrap."""
    changed = SEALED[:at] + bytes([SEALED[at] ^ flip]) + SEALED[at + 1 :]
    try:
        assert open_terms(changed, HASH, 1, {1: KEYS[1]}, PLACE) == TERMS
    except ProtocolError:
        return


def test_an_agreement_opens_on_both_sides(pair: Pair) -> None:
    """Accepted, each side has a usable epoch key, and both read the same terms."""
    agreement = pair.agreement(opened=False)
    views = [node.network.agreement(agreement) for node in pair.nodes]
    assert [view.state for view in views] == ["ACTIVE", "ACTIVE"]
    assert all(side.epoch_usable for view in views for side in view.sides)
    assert [view.our_side for view in views] == [0, 1]
    hashes = {terms_hash(node.network.terms_of(agreement)) for node in pair.nodes}
    assert hashes == {views[0].terms_hash}
    assert pair.owner.network.find_agreement(agreement.hex()[:10]).agreement == agreement
    with pytest.raises(UsageError, match="AGREEMENT_ACTIVE"):
        pair.owner.network.accept_agreement(agreement)


def test_an_agreement_is_accepted_by_its_hash(pair: Pair) -> None:
    """Accepting names the terms that were looked at: another hash is refused."""
    members = [node.member for node in pair.nodes]
    assert members[0] is not None
    assert members[1] is not None
    agreement = pair.servicer.network.open_agreement(
        AgreementKind.HEAD_BRANCH,
        servicer=members[0],
        owner=members[1],
        terms=default_terms(["CNY"]),
        label="by hash",
    )
    with pytest.raises(UsageError, match="AGREEMENT_UNKNOWN"):
        pair.owner.network.accept_agreement(agreement)
    pair.settle()
    assert pair.servicer.network.find_agreement("by hash").agreement == agreement
    assert pair.servicer.network.find_agreement("By has").agreement == agreement
    assert pair.servicer.network.find_agreement("B").agreement == agreement
    for text in ("", "has", agreement.hex()[:5]):
        with pytest.raises(UsageError, match="AGREEMENT_UNKNOWN"):
            pair.servicer.network.find_agreement(text)
    assert pair.servicer.network.find_agreement(agreement.hex()[:6]).agreement == agreement
    with pytest.raises(ProtocolError, match="TERMS_MISMATCH"):
        pair.owner.network.accept_agreement(agreement, terms_hash=bytes(32))
    assert pair.owner.network.agreement(agreement).state == "OFFERED"


def test_new_terms_rule_from_their_window(pair: Pair, agreement: bytes) -> None:
    """Proposed and accepted terms rule from their window on, the old ones before it."""
    new = replace(default_terms(["CNY"]), grace_days=3)
    pair.servicer.network.propose_terms(agreement, new, WINDOW)
    pair.settle()
    with pytest.raises(UsageError, match="NOTHING_PROPOSED"):
        pair.owner.network.accept_terms(agreement, bytes(32))
    pair.owner.network.accept_terms(agreement, terms_hash(new))
    pair.settle()
    for node in pair.nodes:
        assert node.network.terms_of(agreement, WINDOW).grace_days == 3
        assert node.network.terms_of(agreement, WINDOW - 8).grace_days == 1


def test_a_third_member_is_admitted_by_both(pair: Pair, tmp_path: Path) -> None:
    """A motion passes with two approvals, and only then; the new member is listed."""
    home = tmp_path / "third"
    init_home(home, name="third", passphrase=PHRASE, code="TEST-3", scrypt_n=WEAK_SCRYPT)
    third = open_node(home, passphrase=PHRASE, target=pair.target)
    try:
        grant = third.network.grant_for("TEST-3")
        motion = pair.servicer.network.propose_admission("TEST-3", grant)
        pair.settle()
        view = pair.owner.network.motions()[0]
        assert (view.motion, view.target_name, view.passes) == (motion, "TEST-3", False)
        pair.owner.network.approve_motion(motion)
        pair.settle()
        assert pair.owner.network.find_motion(motion.hex()[:8]) == motion
        assert pair.owner.network.motions()[0].passes
        pair.owner.network.execute_motion(motion)
        pair.settle()
        assert pair.servicer.network.motions()[0].state == "EXECUTED"
        assert pair.servicer.network.members()[-1].code_text == "TEST-3"
        third.follower.catch_up()
        assert third.member == pair.servicer.network.members()[-1].member
        assert not third.network.ready()
        _opens_no_agreement_yet(pair, third.member)
    finally:
        third.close()


def _opens_no_agreement_yet(pair: Pair, member: int | None) -> None:
    """A member without a general sealing key cannot be sent terms; an unknown one even less."""
    assert pair.servicer.member is not None
    for owner, code in ((member, "SEALING_KEY_MISSING"), (999, "MEMBER_UNKNOWN")):
        assert owner is not None
        with pytest.raises((OutsideError, UsageError), match=code):
            pair.servicer.network.open_agreement(
                AgreementKind.CLEARING,
                servicer=pair.servicer.member,
                owner=owner,
                terms=default_terms(["CNY"]),
                label="too early",
            )


def test_names_stay_here(pair: Pair) -> None:
    """What a member is called is this node's alone."""
    pair.servicer.network.set_name(2, "our owner")
    assert pair.servicer.network.member(2).name == "our owner"
    assert pair.owner.network.member(2).name != "our owner"
