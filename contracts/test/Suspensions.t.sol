// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    EntryId,
    EntryState,
    IBlacklistFacts,
    Phase,
    Stage,
    Verdict
} from "../src/interfaces/IBlacklistFacts.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

/// @notice A suspended entry ends by itself, by its dispute's clocks alone, and leaves the counters
/// of every key epoch once.
contract SuspensionsTest is BlacklistTestBase {
    bytes32 private constant OTHER_KEY = keccak256("other key");
    uint32 private constant ANSWER_DAYS = 10;
    uint32 private constant SUSPENSION_DAYS = 90;

    EntryId private entry;
    uint32 private posted;

    function setUp() public override {
        super.setUp();
        entry = _tagged(1);
        posted = blacklist.entryOf(entry).expiresDay;
    }

    /// @dev Nobody answers; the last day of the entry follows from the day of the dispute.
    function _silent() private returns (uint64 dispute, uint32 lastDay) {
        dispute = _dispute(READER, entry, true);
        lastDay = _now() + ANSWER_DAYS + SUSPENSION_DAYS;
        vm.warp(vm.getBlockTimestamp() + ANSWER_DAYS * 1 days + 1);
    }

    function _goTo(uint32 day) private {
        vm.warp(uint256(day) * 1 days);
        vm.roll(vm.getBlockNumber() + 1);
    }

    /// @dev Key epoch 2 is installed and usable, its switch lies ahead.
    function _announce() private returns (uint64 at_) {
        at_ = uint64(vm.getBlockNumber()) + 1000;
        for (uint32 member = 1; member <= 7; member++) {
            _approveEpoch(member, 2, OTHER_KEY, at_);
        }
    }

    function _countAt(uint32 keyEpoch) private returns (uint64) {
        vm.warp(vm.getBlockTimestamp() + 30 minutes);
        vm.roll(vm.getBlockNumber() + 1);
        _post(UPLOADER);
        return blacklist.cutOf(blacklist.cut(keyEpoch)).leafCount;
    }

    function _endsOn(uint32 day) private view {
        _eq(blacklist.entryOf(entry).expiresDay, day);
    }

    function test_silence_endsTheEntryWithoutAnyFurtherCall() public {
        (uint64 dispute, uint32 lastDay) = _silent();
        vm.expectEmit(true, true, true, true, address(blacklist));
        emit IBlacklistFacts.EntryShortened(entry, lastDay);
        vm.expectEmit(true, true, true, true, address(blacklist));
        emit IBlacklistFacts.EntryStaged(entry, Stage.SUSPENDED);
        _settle(dispute);
        _endsOn(lastDay);
        _goTo(lastDay);
        _state(entry, EntryState.SUSPENDED);
        _eq(_countAt(1), 1);
        _goTo(lastDay + 1);
        _state(entry, EntryState.EXPIRED);
        _eq(_countAt(1), 0);
        _goTo(lastDay + 3);
        _post(UPLOADER);
        blacklist.certifyDeletion(entry, ROOT);
        _state(entry, EntryState.ERASED);
        _eq(_countAt(1), 0);
    }

    function test_silence_neverLengthensAnEntry() public {
        EntryId short = _listAs(UPLOADER, 2, _now() + 20);
        _tag(UPLOADER, short, 1);
        entry = short;
        posted = _now() + 20;
        (uint64 dispute,) = _silent();
        _settle(dispute);
        _endsOn(posted);
        _goTo(posted + 1);
        _state(entry, EntryState.EXPIRED);
        _eq(_countAt(1), 1);
    }

    function test_unsettledSilence_endsTheEntryOnTheSameDay() public {
        (uint64 dispute, uint32 lastDay) = _silent();
        _goTo(lastDay);
        _state(entry, EntryState.SUSPENDED);
        _goTo(lastDay + 1);
        _state(entry, EntryState.EXPIRED);
        _endsOn(posted);
        // The counter follows whoever settles; what was over stays over.
        _eq(_countAt(1), 1);
        _goTo(lastDay + 50);
        _settle(dispute);
        _endsOn(lastDay);
        _state(entry, EntryState.EXPIRED);
        _eq(blacklist.indexedCount(1), 0);
        _eq(_countAt(1), 0);
    }

    function test_settledLate_countsAnEndedEntryOutOnce() public {
        (uint64 dispute, uint32 lastDay) = _silent();
        _tagged(2);
        // Each day is counted out in turn, the statement's own last day among them.
        _goTo(posted + 5);
        for (uint256 i = 0; i < 3; i++) {
            blacklist.settleExpiry(1);
        }
        _eq(blacklist.indexedCount(1), 1);
        _settle(dispute);
        _endsOn(lastDay);
        _eq(blacklist.indexedCount(1), 1);
        _goTo(posted + 30);
        _eq(_countAt(1), 0);
    }

    function test_settlingNeedsNoExpirySettledFirst() public {
        (uint64 dispute, uint32 lastDay) = _silent();
        _pass(900);
        _settle(dispute);
        _endsOn(lastDay);
        for (uint256 i = 0; i < 3; i++) {
            blacklist.settleExpiry(1);
        }
        _eq(_countAt(1), 0);
    }

    function test_everyKeyEpochThatHoldsALeaf_losesIt() public {
        uint64 at_ = _announce();
        _tag(UPLOADER, entry, 2);
        EntryId other = _tagged(2);
        _tag(UPLOADER, other, 2);
        (uint64 dispute, uint32 lastDay) = _silent();
        _settle(dispute);
        _goTo(lastDay);
        _eq(_countAt(1), 2);
        _eq(_countAt(2), 2);
        _goTo(lastDay + 1);
        _eq(_countAt(1), 1);
        vm.roll(at_);
        _state(entry, EntryState.EXPIRED);
        _eq(_countAt(2), 1);
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _eq(_countAt(2), 1);
    }

    function test_aSuspendedEntryIsTaggedAnewUntilItsLastDay() public {
        (uint64 dispute, uint32 lastDay) = _silent();
        _settle(dispute);
        _announce();
        _goTo(lastDay);
        _tag(UPLOADER, entry, 2);
        _eq(_countAt(2), 1);
        _goTo(lastDay + 1);
        _eq(_countAt(2), 0);
        _eq(_countAt(1), 0);
    }

    function test_anEndedSuspensionTakesNoLeaf() public {
        (, uint32 lastDay) = _silent();
        _announce();
        _goTo(lastDay + 1);
        bytes[] memory signatures = _signedBy(1, 2, _heldDigest(entry, 2, RECORD));
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.EXPIRED
            )
        );
        _post(UPLOADER);
        blacklist.tag(entry, 2, RECORD, signatures);
    }

    function test_aSuspendedEntryTakenBack_isCountedOutOnce() public {
        _tagged(2);
        (uint64 dispute, uint32 lastDay) = _silent();
        _settle(dispute);
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _state(entry, EntryState.REMOVED);
        _eq(_countAt(1), 1);
        _goTo(lastDay + 1);
        _eq(_countAt(1), 1);
    }

    function test_aSuspendedEntryCorrected_isCountedOutOnce() public {
        (uint64 dispute, uint32 lastDay) = _silent();
        uint32 today = _now();
        _post(UPLOADER);
        blacklist.list(_entry(2), COMMITMENT, CHINA, today - 10, today, posted, entry);
        _settle(dispute);
        _tag(UPLOADER, _entry(2), 1);
        _state(entry, EntryState.CORRECTED);
        _eq(_countAt(1), 1);
        _goTo(lastDay + 1);
        _eq(_countAt(1), 1);
    }

    function test_undecided_endsTheEntryToo() public {
        _post(REGULATOR);
        entry = _entry(7);
        blacklist.list(entry, COMMITMENT, CHINA, _now() - 10, _now(), _now() + 1000, NONE_);
        _tag(REGULATOR, entry, 1);
        uint32 lastDay = _now() + 20 + SUSPENSION_DAYS;
        uint64 dispute = _dispute(READER, entry, true);
        _post(REGULATOR);
        blacklist.answer(dispute, Verdict.UPHELD, 0);
        _post(READER);
        blacklist.contest(dispute, false);
        vm.warp(vm.getBlockTimestamp() + 20 days + 1);
        _settle(dispute);
        _eq(uint256(blacklist.disputeOf(dispute).outcome), uint256(Verdict.UNDECIDED));
        _endsOn(lastDay);
        _state(entry, EntryState.SUSPENDED);
        _goTo(lastDay + 1);
        _state(entry, EntryState.EXPIRED);
        _eq(_countAt(1), 1);
    }

    /// @dev The regulator's word comes after the profile's days, but before the entry has ended.
    function test_upheldInTime_givesTheEntryItsDaysBack() public {
        uint64 dispute = _contested();
        vm.warp(vm.getBlockTimestamp() + 60 days);
        _state(entry, EntryState.SUSPENDED);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        _endsOn(posted);
        _state(entry, EntryState.LISTED);
        _eq(_countAt(1), 1);
    }

    function test_upheldTooLate_revivesNothing() public {
        uint32 lastDay = _now() + 20 + SUSPENSION_DAYS;
        uint64 dispute = _contested();
        _goTo(lastDay + 1);
        _state(entry, EntryState.EXPIRED);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.UPHELD);
        _endsOn(lastDay);
        _state(entry, EntryState.EXPIRED);
        _eq(_countAt(1), 0);
    }

    function test_removedTooLate_isCountedOutOnce() public {
        _tagged(2);
        uint64 dispute = _contested();
        _goTo(_now() + 200);
        _post(REGULATOR);
        blacklist.decide(dispute, Verdict.REMOVED);
        _state(entry, EntryState.REMOVED);
        _eq(_countAt(1), 1);
    }

    /// @dev Nobody draws, so that the regulator decides.
    function _contested() private returns (uint64 dispute) {
        dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        _post(READER);
        blacklist.contest(dispute, false);
        vm.warp(vm.getBlockTimestamp() + 8 days + 1);
        _phase(dispute, Phase.REGULATOR);
    }

    /// @dev Entries of random ends, disputed and settled at random times, in two key epochs: each
    /// is counted on each day exactly while it is tagged and its last day is not over.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_countersAreWhatAModelCounts(uint256 seed) public {
        uint256 count = 3;
        uint32[4] memory last;
        _announce();
        _pass(30);
        _claim(UPLOADER);
        for (uint256 n = 1; n <= count; n++) {
            last[n] = _now() + 1 + uint32(_random(seed, n, "ends") % 220);
            EntryId one = _listAs(UPLOADER, 10 + n, last[n]);
            _tag(UPLOADER, one, 1);
            if (_random(seed, n, "tagged") % 2 == 0) _tag(UPLOADER, one, 2);
        }
        entry = _entry(11);
        (uint64 dispute, uint32 end) = _silent();
        uint32 settled = _now() + 1 + uint32(_random(seed, 0, "settled") % 240);
        for (uint32 day = _now() + 1; day <= settled + 100; day += 1 + uint32(seed % 17)) {
            _goTo(day);
            if (day >= settled && blacklist.disputeOf(dispute).outcome == Verdict.NONE) {
                _settle(dispute);
                if (end < last[1]) last[1] = end;
                _endsOn(last[1]);
            }
            for (uint32 keyEpoch = 1; keyEpoch <= 2; keyEpoch++) {
                _eq(_countAt(keyEpoch), _expected(keyEpoch, count, last, day));
            }
        }
    }

    function _expected(uint32 keyEpoch, uint256 count, uint32[4] memory last, uint32 day)
        private
        view
        returns (uint256 expected)
    {
        // The entry of setUp ends later than any of these days.
        if (keyEpoch == 1) expected = posted >= day ? 1 : 0;
        for (uint256 n = 1; n <= count; n++) {
            bool tagged = blacklist.isTagged(_entry(10 + n), keyEpoch);
            if (tagged && last[n] >= day) expected++;
        }
    }

    function _random(uint256 seed, uint256 n, string memory what) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, n, what)));
    }
}
