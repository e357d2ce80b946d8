// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EntryId, EntryState, IBlacklistFacts} from "../src/interfaces/IBlacklistFacts.sol";
import {ILookups} from "../src/interfaces/ILookups.sol";
import {IPoints} from "../src/interfaces/IPoints.sol";
import {Action, IRegistry, MotionId, Role, Standing} from "../src/interfaces/IRegistry.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

contract ListingsTest is BlacklistTestBase {
    uint128 private constant STAKE = 5e6;

    function _try(uint8 profile, uint32 notice, uint32 effective, uint32 expires) private {
        _post(UPLOADER);
        blacklist.list(_entry(1), COMMITMENT, profile, notice, effective, expires, NONE_);
    }

    function test_list_refusesUnknownProfile(uint8 profile) public {
        vm.assume(profile == 0 || profile > 2);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.ProfileUnknown.selector, profile));
        _try(profile, 1, _now(), _now() + 1);
    }

    function test_list_refusesBackdating(uint32 day) public {
        day = uint32(_bound(day, 10, _now() - 1));
        _refuse(abi.encodeWithSelector(IBlacklistFacts.Backdated.selector, _now(), day));
        _try(CHINA, day - 10, day, day + 1);
    }

    function test_list_refusesShortNotice(uint32 notice) public {
        uint32 today = _now();
        notice = uint32(_bound(notice, today - 9, today));
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.NoticeTooRecent.selector, notice, today, uint16(10)
            )
        );
        _try(CHINA, notice, today, today + 1);
    }

    /// What takes effect in years would be on the list meanwhile, and years longer than it may.
    function test_list_refusesEffectBeyondTheTicketsDays(uint32 effective) public {
        uint32 today = _now();
        effective = uint32(_bound(effective, today + 8, type(uint32).max - 1));
        _refuse(abi.encodeWithSelector(IBlacklistFacts.EffectTooFar.selector, today + 7, effective));
        _try(CHINA, today - 10, effective, effective + 1);
        _try(CHINA, today - 10, today + 7, today + 7 + 1826);
    }

    function test_list_refusesNoticeThatNobodyGave(uint32 notice) public {
        uint32 today = _now();
        notice = uint32(_bound(notice, today + 1, type(uint32).max));
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NoticeNotGiven.selector, today, notice));
        _try(CHINA, notice, today + 7, today + 8);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NoticeNotGiven.selector, today, uint32(0)));
        _try(CHINA, 0, today, today + 1);
    }

    function test_list_refusesLateExpiry(uint32 expires) public {
        uint32 today = _now();
        expires = uint32(_bound(expires, today + 1827, type(uint32).max));
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.ExpiryTooFar.selector, today + 1826, expires)
        );
        _try(CHINA, today - 10, today, expires);
    }

    function test_list_refusesEmptyPeriod() public {
        uint32 today = _now();
        _refuse(abi.encodeWithSelector(IBlacklistFacts.PeriodEmpty.selector, today, today));
        _try(CHINA, today - 10, today, today);
    }

    function test_list_refusesWhatExistsOrIsEmpty() public {
        EntryId entry = _list(1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.EntryExists.selector, entry));
        _try(CHINA, _now() - 10, _now(), _now() + 1);
        uint32 today = _now();
        _post(READER);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.CommitmentMissing.selector));
        blacklist.list(_entry(2), 0, CHINA, today - 10, today, today + 1, NONE_);
        _post(READER);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.EntryExists.selector, NONE_));
        blacklist.list(NONE_, COMMITMENT, CHINA, today - 10, today, today + 1, NONE_);
    }

    function test_list_refusesStrangersAndTheSuspended() public {
        uint32 today = _now();
        _refuse(abi.encodeWithSelector(IRegistry.KeyUnknown.selector, address(this)));
        blacklist.list(_entry(1), COMMITMENT, CHINA, today - 10, today, today + 1, NONE_);
        _suspendOfNine(UPLOADER);
        _refuse(
            abi.encodeWithSelector(IRegistry.MemberNotActive.selector, UPLOADER, Standing.SUSPENDED)
        );
        _try(CHINA, today - 10, today, today + 1);
    }

    /// @dev Base votes with members 1 to 4; of nine it takes six of the eight others.
    function _suspendOfNine(uint32 member) private {
        MotionId motion = _motion(READER, Action.SUSPEND, _target(member), "");
        for (uint32 voter = 3; voter <= 8; voter++) {
            _approve(voter, motion);
        }
        _as(READER, Role.ADMIN);
        registry.executeMotion(motion, "");
    }

    function test_list_refusesWithoutPoints() public {
        for (uint256 n = 1; n <= 4; n++) {
            _list(n);
        }
        _refuse(abi.encodeWithSelector(IPoints.PointsShort.selector, UPLOADER, STAKE, 0));
        uint32 today = _now();
        _post(UPLOADER);
        blacklist.list(_entry(5), COMMITMENT, CHINA, today - 10, today, today + 1, NONE_);
    }

    function test_list_bindsStakeAndStoresCommitment() public {
        EntryId entry = _list(1);
        IBlacklistFacts.Entry memory stored = blacklist.entryOf(entry);
        _eq(stored.commitment, COMMITMENT);
        _eq(stored.uploader, UPLOADER);
        _eq(points.accountOf(UPLOADER).staked, STAKE);
        _state(entry, EntryState.TICKETED);
    }

    function test_tag_refusesOthersStrangersAndTwice() public {
        EntryId entry = _list(1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotUploader.selector, entry, READER));
        _tag(READER, entry, 1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.EntryUnknown.selector, _entry(9)));
        _tag(UPLOADER, _entry(9), 1);
        _refuse(abi.encodeWithSelector(ILookups.KeyEpochNotUsable.selector, uint32(1), uint32(2)));
        _tag(UPLOADER, entry, 2);
        _tag(UPLOADER, entry, 1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.TaggedAlready.selector, entry, uint32(1)));
        _tag(UPLOADER, entry, 1);
        _state(entry, EntryState.LISTED);
        _eq(blacklist.indexedCount(1), 1);
    }

    function test_lapse_burnsUnusedTickets() public {
        EntryId entry = _list(1);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.TICKETED
            )
        );
        _post(READER);
        blacklist.lapse(entry);
        _pass(8);
        _state(entry, EntryState.LAPSED);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.LAPSED
            )
        );
        _tag(UPLOADER, entry, 1);
        _post(READER);
        blacklist.lapse(entry);
        _eq(points.accountOf(UPLOADER).balance, 20e6 - STAKE);
        _eq(points.accountOf(UPLOADER).staked, 0);
        _state(entry, EntryState.REMOVED);
    }

    function test_tag_refusesATicketThatExpired() public {
        EntryId entry = _listAs(UPLOADER, 1, _now() + 1);
        _pass(2);
        _state(entry, EntryState.TICKETED);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.EXPIRED
            )
        );
        _tag(UPLOADER, entry, 1);
        _eq(blacklist.indexedCount(1), 0);
    }

    function test_withdraw_keepsTheStakeBound() public {
        EntryId entry = _list(1);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.TICKETED
            )
        );
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _tag(UPLOADER, entry, 1);
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _state(entry, EntryState.REMOVED);
        _eq(blacklist.indexedCount(1), 0);
        _eq(points.accountOf(UPLOADER).staked, STAKE);
        _pass(90);
        _post(READER);
        blacklist.vest(entry);
        _eq(points.accountOf(UPLOADER).staked, 0);
        _eq(points.accountOf(UPLOADER).upheld, 0);
    }

    function test_vest_returnsTheStakeAndNoMore() public {
        EntryId entry = _tagged(1);
        uint256 from_s = vm.getBlockTimestamp() + 90 days;
        vm.warp(from_s - 1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotYet.selector, from_s));
        _post(READER);
        blacklist.vest(entry);
        vm.warp(from_s);
        _post(READER);
        blacklist.vest(entry);
        _eq(points.accountOf(UPLOADER).balance, 20e6);
        _eq(points.accountOf(UPLOADER).staked, 0);
        _eq(points.accountOf(UPLOADER).upheld, 1);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.LISTED
            )
        );
        _post(READER);
        blacklist.vest(entry);
    }

    function test_supersede_movesTheLeaf() public {
        EntryId old = _tagged(1);
        EntryId entry = _entry(2);
        uint32 today = _now();
        _post(READER);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotUploader.selector, old, READER));
        blacklist.list(entry, COMMITMENT, CHINA, today - 10, today, today + 5, old);
        _post(UPLOADER);
        blacklist.list(entry, COMMITMENT, CHINA, today - 10, today, today + 5, old);
        _state(old, EntryState.LISTED);
        _tag(UPLOADER, entry, 1);
        _state(old, EntryState.CORRECTED);
        _state(entry, EntryState.LISTED);
        _eq(blacklist.indexedCount(1), 1);
    }

    function test_state_expiresByItself(uint16 days_) public {
        days_ = uint16(_bound(days_, 1, 300));
        EntryId entry = _listAs(UPLOADER, 1, _now() + days_);
        _tag(UPLOADER, entry, 1);
        _pass(days_);
        _state(entry, EntryState.LISTED);
        _pass(1);
        _state(entry, EntryState.EXPIRED);
        _eq(blacklist.indexedCount(1), 1);
        blacklist.settleExpiry(1);
        _eq(blacklist.indexedCount(1), 0);
        // Counted out once: taking it back does not count it out again.
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _eq(blacklist.indexedCount(1), 0);
    }

    function test_certifyDeletion_erases() public {
        EntryId entry = _tagged(1);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.LISTED
            )
        );
        _post(UPLOADER);
        blacklist.certifyDeletion(entry, ROOT);
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _post(READER);
        blacklist.certifyDeletion(entry, ROOT);
        _state(entry, EntryState.REMOVED);
        uint256 from_s = (_now() + 3) * 1 days;
        vm.warp(from_s - 1);
        _post(UPLOADER);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotYet.selector, from_s));
        blacklist.certifyDeletion(entry, ROOT);
        vm.warp(from_s);
        _post(UPLOADER);
        blacklist.certifyDeletion(entry, ROOT);
        _state(entry, EntryState.ERASED);
        _eq(blacklist.deletionOf(entry, READER), ROOT);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.DeletionCertified.selector, entry, UPLOADER));
        _post(UPLOADER);
        blacklist.certifyDeletion(entry, ROOT);
        _post(3);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.CommitmentMissing.selector));
        blacklist.certifyDeletion(entry, 0);
    }

    function test_recall_isAcknowledgedBySecret(bytes32 secret) public {
        EntryId entry = _tagged(1);
        bytes32[] memory recipients = new bytes32[](2);
        recipients[0] = keccak256(abi.encode(entry, secret));
        recipients[1] = keccak256("another");
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.LISTED
            )
        );
        _post(UPLOADER);
        blacklist.openRecall(entry, recipients);
        _post(UPLOADER);
        blacklist.withdraw(entry);
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(5)));
        _post(5);
        blacklist.openRecall(entry, recipients);
        _post(UPLOADER);
        blacklist.openRecall(entry, recipients);
        _eq(blacklist.unacknowledged(entry), 2);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.RecallKnown.selector, entry, recipients[0]));
        _post(READER);
        blacklist.openRecall(entry, recipients);
        _post(7);
        blacklist.acknowledgeRecall(entry, secret);
        _eq(blacklist.unacknowledged(entry), 1);
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.RecallUnknown.selector, entry, recipients[0])
        );
        _post(7);
        blacklist.acknowledgeRecall(entry, secret);
        _refuse(
            abi.encodeWithSelector(
                IRegistry.OutOfBounds.selector, uint256(0), uint256(1), uint256(256)
            )
        );
        _post(UPLOADER);
        blacklist.openRecall(entry, new bytes32[](0));
    }
}
