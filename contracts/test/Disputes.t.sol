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

contract DisputesTest is BlacklistTestBase {
    uint128 private constant STAKE = 5e6;
    EntryId private entry;

    function setUp() public override {
        super.setUp();
        entry = _tagged(1);
    }

    /// @dev All of a round's seats vote the same.
    function _round(uint64 dispute, uint32[] memory panel, uint256 from, Verdict[3] memory votes)
        private
    {
        for (uint256 i = 0; i < 3; i++) {
            _commit(dispute, panel[from + i], votes[i]);
        }
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        for (uint256 i = 0; i < 3; i++) {
            _reveal(dispute, panel[from + i], votes[i]);
        }
        vm.warp(vm.getBlockTimestamp() + 2 days);
    }

    function _all(Verdict verdict) private pure returns (Verdict[3] memory) {
        return [verdict, verdict, verdict];
    }

    // ------------------------------------------------------------------------------------ opening

    function test_openDispute_refusesTheUploaderTheUnknownAndASecond() public {
        _refuse(abi.encodeWithSelector(IBlacklistFacts.EntryUnknown.selector, _entry(9)));
        _dispute(READER, _entry(9), false);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.OwnEntry.selector, UPLOADER));
        _dispute(UPLOADER, entry, true);
        uint64 dispute = _dispute(READER, entry, false);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.DisputeOpen.selector, entry, dispute));
        _dispute(3, entry, true);
        EntryId ticket = _list(2);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, ticket, EntryState.TICKETED
            )
        );
        _dispute(READER, ticket, true);
    }

    function test_openDispute_isCappedByMemberAndTarget() public {
        _pass(30);
        _claim(UPLOADER);
        for (uint256 n = 2; n <= 7; n++) {
            _tagged(n);
        }
        for (uint256 n = 2; n <= 6; n++) {
            _dispute(READER, _entry(n), true);
        }
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.TooManyDisputes.selector, READER, UPLOADER, uint256(5)
            )
        );
        _dispute(READER, _entry(7), true);
        _dispute(3, _entry(7), true);
    }

    function test_openDispute_bindsAMembersPointsAndNotAPersons() public {
        _dispute(READER, entry, false);
        _eq(points.accountOf(READER).staked, STAKE);
        _state(entry, EntryState.DISPUTED);
        _pass(30);
        _claim(UPLOADER);
        _dispute(3, _tagged(2), true);
        _eq(points.accountOf(3).staked, 0);
    }

    function test_disputedEntries_keepTheirLeafAndAreNotWithdrawn() public {
        uint64 dispute = _dispute(READER, entry, true);
        _eq(blacklist.indexedCount(1), 1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.DisputeOpen.selector, entry, dispute));
        _post(UPLOADER);
        blacklist.withdraw(entry);
    }

    // ------------------------------------------------------------------------------------- clocks

    function test_timeOut_suspendsWithoutAnyCall() public {
        uint64 dispute = _dispute(READER, entry, true);
        vm.warp(vm.getBlockTimestamp() + 10 days);
        _phase(dispute, Phase.OPEN);
        _state(entry, EntryState.DISPUTED);
        vm.warp(vm.getBlockTimestamp() + 1);
        _phase(dispute, Phase.UNANSWERED);
        _state(entry, EntryState.SUSPENDED);
        _refusePhase(dispute, Phase.UNANSWERED);
        _answer(dispute, Verdict.UPHELD);
        _settle(dispute);
        _state(entry, EntryState.SUSPENDED);
        _eq(uint256(blacklist.disputeOf(dispute).outcome), uint256(Verdict.TIMED_OUT));
        // The stake, then ten stakes: 15 points of balance go, the rest is debt.
        _eq(points.accountOf(UPLOADER).overturned, 1);
        _eq(points.accountOf(UPLOADER).balance, 0);
        _eq(points.accountOf(UPLOADER).debt, 10 * STAKE - 15e6);
        uint32 today = _now();
        _refuse(abi.encodeWithSelector(IPoints.DebtOpen.selector, UPLOADER, uint256(35e6)));
        _post(UPLOADER);
        blacklist.list(_entry(2), COMMITMENT, CHINA, today - 10, today, today + 1, NONE_);
        // Later mintings pay the debt first.
        vm.warp(vm.getBlockTimestamp() + 1 days);
        _claim(UPLOADER);
        _eq(points.accountOf(UPLOADER).debt, 0);
    }

    function test_extendAnswer_givesTheSlackOnce() public {
        EntryId european = _entry(5);
        uint32 today = _now();
        _post(UPLOADER);
        blacklist.list(european, COMMITMENT, 2, today - 30, today, today + 9, NONE_);
        _tag(UPLOADER, european, 1);
        uint64 chinese = _dispute(READER, entry, true);
        uint64 dispute = _dispute(READER, european, true);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NoExtension.selector, chinese));
        _post(UPLOADER);
        blacklist.extendAnswer(chinese);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotParty.selector, dispute, READER));
        _post(READER);
        blacklist.extendAnswer(dispute);
        _post(UPLOADER);
        blacklist.extendAnswer(dispute);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NoExtension.selector, dispute));
        _post(UPLOADER);
        blacklist.extendAnswer(dispute);
        vm.warp(vm.getBlockTimestamp() + (14 + 61) * 1 days);
        _phase(dispute, Phase.OPEN);
        vm.warp(vm.getBlockTimestamp() + 1);
        _phase(dispute, Phase.UNANSWERED);
    }

    function test_answer_refusesOthersAndOtherVerdicts() public {
        uint64 dispute = _dispute(READER, entry, true);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.DisputeUnknown.selector, uint64(9)));
        _answer(9, Verdict.UPHELD);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotParty.selector, dispute, uint32(3)));
        _post(3);
        blacklist.answer(dispute, Verdict.UPHELD, 0);
        Verdict[3] memory refused = [Verdict.NONE, Verdict.UNVERIFIABLE, Verdict.TIMED_OUT];
        for (uint256 i = 0; i < 3; i++) {
            _refuse(abi.encodeWithSelector(IBlacklistFacts.VerdictNotAllowed.selector, refused[i]));
            _answer(dispute, refused[i]);
        }
    }

    function test_concession_losesTheStakeAlone() public {
        uint64 dispute = _dispute(READER, entry, false);
        _answer(dispute, Verdict.REMOVED);
        _refusePhase(dispute, Phase.ANSWERED);
        _settle(dispute);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        _settle(dispute);
        _state(entry, EntryState.REMOVED);
        _eq(blacklist.indexedCount(1), 0);
        _eq(points.accountOf(UPLOADER).balance, 15e6);
        _eq(points.accountOf(UPLOADER).debt, 0);
        _eq(points.accountOf(READER).staked, 0);
        _eq(points.accountOf(READER).balance, 20e6);
    }

    function test_uncontestedAnswer_countsNothingForTheUploader() public {
        uint64 dispute = _dispute(READER, entry, false);
        _answer(dispute, Verdict.UPHELD);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        _settle(dispute);
        _state(entry, EntryState.LISTED);
        _eq(points.accountOf(UPLOADER).upheld, 0);
        _eq(points.accountOf(READER).balance, 15e6);
        _refusePhase(dispute, Phase.SETTLED);
        _settle(dispute);
    }

    // -------------------------------------------------------------------------------------- panel

    function test_contest_isTooLateAfterItsDays() public {
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        _refusePhase(dispute, Phase.ACCEPTED);
        _post(READER);
        blacklist.contest(dispute, false);
    }

    function test_draw_seatsSixWithoutPartiesAndRegulator(bytes32 hash) public {
        uint64 dispute = _dispute(READER, entry, true);
        _refusePhase(dispute, Phase.OPEN);
        _post(3);
        blacklist.draw(dispute);
        _answer(dispute, Verdict.UPHELD);
        _post(READER);
        blacklist.contest(dispute, false);
        uint256 at = vm.getBlockNumber() + 2;
        _refuse(abi.encodeWithSelector(IBlacklistFacts.DrawNotDue.selector, dispute, at + 1));
        _post(3);
        blacklist.draw(dispute);
        vm.roll(at + 1);
        vm.setBlockhash(at, hash);
        _post(3);
        blacklist.draw(dispute);
        IBlacklistFacts.Dispute memory d = blacklist.disputeOf(dispute);
        _eq(d.panel.length, 6);
        _eq(d.seats, 3);
        uint256 seen;
        for (uint256 i = 0; i < 6; i++) {
            _true(d.panel[i] >= 3 && d.panel[i] <= 8);
            seen |= 1 << d.panel[i];
        }
        _eq(seen, 0x1f8);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.DrawnAlready.selector, dispute));
        _post(3);
        blacklist.draw(dispute);
    }

    function test_draw_missedIsDrawnLater() public {
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        _post(READER);
        blacklist.contest(dispute, false);
        vm.roll(vm.getBlockNumber() + 300);
        _post(3);
        blacklist.draw(dispute);
        _eq(blacklist.disputeOf(dispute).drawnAt_s, 0);
        vm.roll(vm.getBlockNumber() + 3);
        _post(3);
        blacklist.draw(dispute);
        _true(blacklist.disputeOf(dispute).drawnAt_s != 0);
    }

    function test_ballots_refuseStrangersDoublesAndOtherWords() public {
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        uint32[] memory panel = _contestAndDraw(dispute, READER);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotPanelist.selector, dispute, READER));
        _commit(dispute, READER, Verdict.REMOVED);
        // The second round's seats wait for their round.
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotPanelist.selector, dispute, panel[3]));
        _commit(dispute, panel[3], Verdict.REMOVED);
        _commit(dispute, panel[0], Verdict.REMOVED);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.BallotCast.selector, dispute, panel[0]));
        _commit(dispute, panel[0], Verdict.UPHELD);
        _refusePhase(dispute, Phase.COMMIT);
        _reveal(dispute, panel[0], Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        vm.expectPartialRevert(IBlacklistFacts.BallotMismatch.selector);
        _reveal(dispute, panel[0], Verdict.UPHELD);
        vm.expectPartialRevert(IBlacklistFacts.BallotMismatch.selector);
        _reveal(dispute, panel[1], Verdict.UPHELD);
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.VerdictNotAllowed.selector, Verdict.TIMED_OUT)
        );
        _reveal(dispute, panel[0], Verdict.TIMED_OUT);
        _reveal(dispute, panel[0], Verdict.REMOVED);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.BallotCast.selector, dispute, panel[0]));
        _reveal(dispute, panel[0], Verdict.REMOVED);
        _refusePhase(dispute, Phase.REVEAL);
        _commit(dispute, panel[1], Verdict.REMOVED);
    }

    function testFuzz_majority_decidesStandingFirstThenTheCode(uint8[3] memory drawn) public {
        Verdict[3] memory votes;
        uint256 upheld;
        uint256[6] memory count;
        for (uint256 i = 0; i < 3; i++) {
            votes[i] = Verdict(1 + drawn[i] % 4);
            count[uint256(votes[i])]++;
            if (votes[i] == Verdict.UPHELD) upheld++;
        }
        uint64 dispute = _dispute(READER, entry, false);
        _answer(dispute, Verdict.UPHELD);
        uint32[] memory panel = _contestAndDraw(dispute, READER);
        _round(dispute, panel, 0, votes);
        _phase(dispute, Phase.DECIDED);
        _settle(dispute);
        Verdict outcome = blacklist.disputeOf(dispute).outcome;
        if (upheld >= 2) {
            _eq(uint256(outcome), uint256(Verdict.UPHELD));
            _state(entry, EntryState.LISTED);
            _eq(points.accountOf(UPLOADER).upheld, 1);
            _eq(points.accountOf(READER).balance, 15e6);
        } else {
            _true(outcome != Verdict.UPHELD);
            for (uint256 code = 2; code <= 4; code++) {
                _true(count[uint256(outcome)] >= count[code]);
            }
            _true(blacklist.stateOf(entry) != EntryState.LISTED);
            _eq(blacklist.indexedCount(1), 0);
            _eq(points.accountOf(UPLOADER).overturned, 1);
            _eq(points.accountOf(READER).staked, 0);
        }
    }

    function test_silentPanelists_oweAFineAndTheMajorityDecides() public {
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        uint32[] memory panel = _contestAndDraw(dispute, READER);
        _commit(dispute, panel[0], Verdict.REMOVED);
        _commit(dispute, panel[1], Verdict.REMOVED);
        _commit(dispute, panel[2], Verdict.UPHELD);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        _reveal(dispute, panel[0], Verdict.REMOVED);
        _reveal(dispute, panel[1], Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _settle(dispute);
        _state(entry, EntryState.REMOVED);
        _eq(points.accountOf(panel[0]).balance, 20e6);
        _eq(points.accountOf(panel[2]).balance, 18e6);
        _eq(points.accountOf(panel[3]).balance, 20e6);
    }

    function test_noMajority_seatsTheNextThenTheRegulator() public {
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        uint32[] memory panel = _contestAndDraw(dispute, READER);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _phase(dispute, Phase.COMMIT);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotPanelist.selector, dispute, panel[0]));
        _commit(dispute, panel[0], Verdict.UPHELD);
        _commit(dispute, panel[3], Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _phase(dispute, Phase.REVEAL);
        _reveal(dispute, panel[3], Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _phase(dispute, Phase.REGULATOR);
        _refusePhase(dispute, Phase.REGULATOR);
        _settle(dispute);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotRegulator.selector, uint32(3)));
        _post(3);
        blacklist.decide(dispute, Verdict.UPHELD);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        _state(entry, EntryState.LISTED);
        _eq(points.accountOf(UPLOADER).upheld, 1);
        for (uint256 i = 0; i < 6; i++) {
            _eq(points.accountOf(panel[i]).balance, i == 3 ? 20e6 : 18e6);
        }
    }

    function test_overdueWithoutOutcome_isSuspendedButCountsForNobody() public {
        uint64 dispute = _dispute(READER, entry, true);
        vm.warp(vm.getBlockTimestamp() + 9 days);
        _answer(dispute, Verdict.UPHELD);
        _contestAndDraw(dispute, READER);
        vm.warp(vm.getBlockTimestamp() + 11 days);
        _phase(dispute, Phase.REGULATOR);
        _state(entry, EntryState.DISPUTED);
        vm.warp(vm.getBlockTimestamp() + 1);
        _state(entry, EntryState.SUSPENDED);
        _eq(points.accountOf(UPLOADER).overturned, 0);
        _eq(points.accountOf(UPLOADER).upheld, 0);
    }

    function test_undrawnContest_goesToTheRegulator() public {
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        _post(READER);
        blacklist.contest(dispute, false);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _phase(dispute, Phase.REGULATOR);
    }

    function test_decide_isNotTheRegulatorsInItsOwnCase() public {
        uint64 own = _dispute(REGULATOR, entry, false);
        _answer(own, Verdict.UPHELD);
        _post(REGULATOR);
        blacklist.contest(own, false);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _phase(own, Phase.REGULATOR);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotRegulator.selector, REGULATOR));
        _post(REGULATOR);
        blacklist.decide(own, Verdict.REMOVED);
        _pass(30);
        _claim(UPLOADER);
        uint64 persons = _dispute(REGULATOR, _tagged(2), true);
        _answer(persons, Verdict.UPHELD);
        _post(REGULATOR);
        blacklist.contest(persons, false);
        vm.warp(vm.getBlockTimestamp() + 4 days + 1);
        _post(REGULATOR);
        blacklist.decide(persons, Verdict.REMOVED);
        _state(_entry(2), EntryState.REMOVED);
    }
}
