// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    EntryId,
    EntryState,
    IBlacklistFacts,
    Phase,
    Verdict
} from "../src/interfaces/IBlacklistFacts.sol";
import {IPoints} from "../src/interfaces/IPoints.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

/// @notice What colluding parties try with a dispute, and what a case of the regulator's own comes to.
contract ContestsTest is BlacklistTestBase {
    uint128 private constant STAKE = 5e6;
    /// The member that a person who was kept out goes to.
    uint32 private constant HONEST = 3;
    EntryId private entry;

    function setUp() public override {
        super.setUp();
        entry = _tagged(1);
    }

    function _answered(uint32 by, bool byPerson) private returns (uint64 dispute) {
        dispute = _dispute(by, entry, byPerson);
        _answer(dispute, Verdict.UPHELD);
    }

    function _contest(uint64 dispute, uint32 member, bool byPerson) private {
        _post(member);
        blacklist.contest(dispute, byPerson);
    }

    function _draw(uint64 dispute) private returns (uint32[] memory) {
        _post(READER);
        blacklist.draw(dispute);
        return blacklist.disputeOf(dispute).panel;
    }

    function _vote(uint64 dispute, uint32[] memory panel, Verdict verdict) private {
        for (uint256 i = 0; i < 3; i++) {
            _commit(dispute, panel[i], verdict);
        }
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        for (uint256 i = 0; i < 3; i++) {
            _reveal(dispute, panel[i], verdict);
        }
        vm.warp(vm.getBlockTimestamp() + 2 days);
    }

    // ----------------------------------------------------------------------------- opening anew

    function test_openDispute_ofOneEntryIsFreeOnceAMember() public {
        uint64 first = _answered(READER, true);
        _pass(3);
        _settle(first);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.StakeNeeded.selector, entry, READER));
        _dispute(READER, entry, true);
        // Another member's is its own, and so is another entry's.
        uint64 other = _answered(HONEST, true);
        _pass(3);
        _settle(other);
        EntryId second = _tagged(2);
        _dispute(READER, second, true);
        // A further one about the same entry takes the stake, and loses it with the dispute.
        uint64 staked = _answered(READER, false);
        _eq(points.accountOf(READER).staked, STAKE);
        _pass(3);
        _settle(staked);
        _eq(points.accountOf(READER).balance, 15e6);
    }

    // ------------------------------------------------------------------------- contest by others

    function test_contest_byAnotherForThePerson_takesAFriendsDisputeToThePanel() public {
        uint64 dispute = _answered(READER, true);
        vm.expectEmit(true, true, false, true, address(blacklist));
        emit IBlacklistFacts.DisputeContested(dispute, HONEST, false, uint64(vm.getBlockNumber()));
        _contest(dispute, HONEST, true);
        _eq(blacklist.disputeOf(dispute).contestedBy, HONEST);
        vm.roll(vm.getBlockNumber() + 3);
        uint32[] memory panel = _draw(dispute);
        // Parties are the opener, the uploader and who contested: 4 to 8 are left, one round seats
        // three of them and the second one.
        _eq(panel.length, 4);
        for (uint256 i = 0; i < panel.length; i++) {
            _true(panel[i] >= 4 && panel[i] <= 8);
        }
        _vote(dispute, panel, Verdict.REMOVED);
        _settle(dispute);
        _state(entry, EntryState.REMOVED);
        _eq(points.accountOf(UPLOADER).overturned, 1);
        _eq(points.accountOf(HONEST).balance, 20e6);
    }

    function test_contest_byAnotherWithAStake_sharesTheOpenersOutcome() public {
        uint64 won = _answered(READER, false);
        _contest(won, HONEST, false);
        _eq(points.accountOf(READER).staked, STAKE);
        _eq(points.accountOf(HONEST).staked, STAKE);
        vm.roll(vm.getBlockNumber() + 3);
        _vote(won, _draw(won), Verdict.UNVERIFIABLE);
        _settle(won);
        for (uint32 member = READER; member <= HONEST; member++) {
            _eq(points.accountOf(member).staked, 0);
            _eq(points.accountOf(member).balance, 20e6);
        }
        _pass(30);
        _claim(UPLOADER);
        entry = _tagged(2);
        uint64 lost = _answered(READER, false);
        _contest(lost, HONEST, false);
        vm.roll(vm.getBlockNumber() + 3);
        _vote(lost, _draw(lost), Verdict.UPHELD);
        _settle(lost);
        for (uint32 member = READER; member <= HONEST; member++) {
            _eq(points.accountOf(member).staked, 0);
            _eq(points.accountOf(member).balance, 15e6);
        }
    }

    function test_contest_byTheOpenerBindsNoSecondStake() public {
        uint64 dispute = _answered(READER, false);
        _contest(dispute, READER, false);
        _true(!blacklist.disputeOf(dispute).contestStaked);
        _eq(points.accountOf(READER).staked, STAKE);
    }

    function test_contest_isNotTheUploadersAndComesOnce() public {
        uint64 dispute = _dispute(READER, entry, true);
        _refusePhase(dispute, Phase.OPEN);
        _contest(dispute, HONEST, true);
        _answer(dispute, Verdict.UPHELD);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotParty.selector, dispute, UPLOADER));
        _contest(dispute, UPLOADER, true);
        _contest(dispute, HONEST, true);
        _refusePhase(dispute, Phase.COMMIT);
        _contest(dispute, READER, false);
    }

    function test_contest_takesAFreeStakeOrRefuses() public {
        uint64 dispute = _answered(READER, true);
        for (uint256 n = 11; n <= 14; n++) {
            _listAs(HONEST, n, _now() + 9);
        }
        _refuse(
            abi.encodeWithSelector(IPoints.PointsShort.selector, HONEST, uint256(STAKE), uint256(0))
        );
        _contest(dispute, HONEST, false);
    }

    function test_decide_isNotTheRegulatorsWhereItContestedWithAStake() public {
        uint64 dispute = _answered(READER, true);
        _contest(dispute, REGULATOR, false);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _phase(dispute, Phase.REGULATOR);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotRegulator.selector, REGULATOR));
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.REMOVED);
    }

    // --------------------------------------------------------------------------------- late draws

    /// The first round is over: nobody is seated who could not vote, and nobody is fined.
    function test_draw_whenTheFirstRoundIsOver_isRefused() public {
        uint64 dispute = _answered(READER, true);
        _contest(dispute, READER, false);
        vm.roll(vm.getBlockNumber() + 3);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _refusePhase(dispute, Phase.REGULATOR);
        _draw(dispute);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        for (uint32 member = 3; member <= 8; member++) {
            _eq(points.accountOf(member).balance, 20e6);
        }
        _refusePhase(dispute, Phase.SETTLED);
        _draw(dispute);
    }

    /// With half of the commit time left a seat is fined, a second later it is not; the second
    /// round begins after every draw and is fined.
    function testFuzz_draw_fines_theFirstRoundOnlyWhereHalfOfItsTimeWasLeft(uint32 wait) public {
        wait = uint32(_bound(wait, 0, 4 days));
        uint64 dispute = _answered(READER, true);
        _contest(dispute, READER, false);
        uint64 contested = uint64(vm.getBlockTimestamp());
        vm.warp(contested + wait);
        vm.roll(vm.getBlockNumber() + 3);
        uint32[] memory panel = _draw(dispute);
        vm.warp(contested + 8 days + 1);
        _phase(dispute, Phase.REGULATOR);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        for (uint256 i = 0; i < 6; i++) {
            bool fined = i >= 3 || wait <= 1 days;
            _eq(points.accountOf(panel[i]).balance, fined ? 18e6 : 20e6);
        }
    }

    /// Three hashes at most, then the regulator decides: nobody waits for one that pleases.
    function test_draw_missedThreeTimes_isTheRegulators() public {
        uint64 dispute = _answered(READER, true);
        _contest(dispute, READER, false);
        for (uint256 i = 0; i < 2; i++) {
            vm.roll(vm.getBlockNumber() + 300);
            vm.expectEmit(true, false, false, true, address(blacklist));
            emit IBlacklistFacts.DrawMissed(dispute, uint64(vm.getBlockNumber()));
            _draw(dispute);
            _phase(dispute, Phase.COMMIT);
            _eq(blacklist.disputeOf(dispute).drawnAt_s, 0);
        }
        vm.roll(vm.getBlockNumber() + 300);
        _eq(_draw(dispute).length, 0);
        _phase(dispute, Phase.REGULATOR);
        _refusePhase(dispute, Phase.REGULATOR);
        _draw(dispute);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.REMOVED);
        _state(entry, EntryState.REMOVED);
    }

    // ----------------------------------------------------------------------- the regulator's case

    function _regulatorsEntry() private returns (EntryId own, uint64 dispute) {
        own = _listAs(REGULATOR, 5, _now() + 1000);
        _tag(REGULATOR, own, 1);
        dispute = _dispute(READER, own, false);
        _post(REGULATOR);
        blacklist.answer(dispute, Verdict.UPHELD, keccak256("answer"));
        _contest(dispute, READER, false);
    }

    function test_undecided_endsADisputeAboutTheRegulatorsEntry() public {
        (EntryId own, uint64 dispute) = _regulatorsEntry();
        vm.warp(vm.getBlockTimestamp() + 20 days);
        _refusePhase(dispute, Phase.REGULATOR);
        _settle(dispute);
        vm.warp(vm.getBlockTimestamp() + 1);
        _phase(dispute, Phase.UNDECIDED);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotRegulator.selector, REGULATOR));
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        _post(8);
        blacklist.settle(dispute);
        _eq(uint256(blacklist.disputeOf(dispute).outcome), uint256(Verdict.UNDECIDED));
        _state(own, EntryState.SUSPENDED);
        _eq(points.accountOf(READER).staked, 0);
        _eq(points.accountOf(READER).balance, 20e6);
        _eq(points.accountOf(REGULATOR).upheld, 0);
        _eq(points.accountOf(REGULATOR).overturned, 0);
        _eq(points.accountOf(REGULATOR).balance, 20e6);
        // The listing's stake returns when it vests, and counts for nothing.
        _pass(90);
        _post(8);
        blacklist.vest(own);
        _eq(points.accountOf(REGULATOR).staked, 0);
        _eq(points.accountOf(REGULATOR).upheld, 0);
    }

    function test_undecided_waitsForAPanelThatDecides() public {
        (EntryId own, uint64 dispute) = _regulatorsEntry();
        vm.roll(vm.getBlockNumber() + 3);
        _vote(dispute, _draw(dispute), Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 30 days);
        _phase(dispute, Phase.DECIDED);
        _settle(dispute);
        _state(own, EntryState.REMOVED);
        _eq(points.accountOf(REGULATOR).overturned, 1);
    }

    function test_undecided_endsWhatTheRegulatorRaisedOrContestedForItself() public {
        uint64 raised = _answered(REGULATOR, false);
        _contest(raised, HONEST, false);
        vm.warp(vm.getBlockTimestamp() + 20 days + 1);
        _phase(raised, Phase.UNDECIDED);
        _settle(raised);
        _state(entry, EntryState.SUSPENDED);
        _eq(points.accountOf(REGULATOR).staked, 0);
        _eq(points.accountOf(HONEST).staked, 0);
        entry = _tagged(2);
        uint64 contested = _answered(READER, true);
        _contest(contested, REGULATOR, false);
        vm.warp(vm.getBlockTimestamp() + 20 days + 1);
        _phase(contested, Phase.UNDECIDED);
        _settle(contested);
        _eq(points.accountOf(REGULATOR).staked, 0);
        _eq(points.accountOf(REGULATOR).balance, 20e6);
    }

    /// Where the regulator may decide, its time is not over with the profile's days.
    function test_undecided_isNoWayAroundTheRegulator() public {
        uint64 dispute = _answered(READER, false);
        _contest(dispute, READER, false);
        vm.warp(vm.getBlockTimestamp() + 40 days);
        _refusePhase(dispute, Phase.REGULATOR);
        _settle(dispute);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        _state(entry, EntryState.LISTED);
    }

    function test_undecided_isNobodysVote() public {
        uint64 dispute = _answered(READER, true);
        vm.roll(vm.getBlockNumber() + 1);
        _contest(dispute, READER, false);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.VerdictNotAllowed.selector, Verdict.UNDECIDED)
        );
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UNDECIDED);
    }
}
