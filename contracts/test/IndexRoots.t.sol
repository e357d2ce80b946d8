// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EntryId, EntryState, IBlacklistFacts} from "../src/interfaces/IBlacklistFacts.sol";
import {ILookups} from "../src/interfaces/ILookups.sol";
import {Role} from "../src/interfaces/IRegistry.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

contract IndexRootsTest is BlacklistTestBase {
    bytes32 private constant OTHER_KEY = keccak256("other key");

    function test_cut_refusesOthersThanTheCommitteeOfAUsableEpoch() public {
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(4)));
        _post(4);
        blacklist.cut(1);
        _refuse(abi.encodeWithSelector(ILookups.KeyEpochNotUsable.selector, uint32(1), uint32(2)));
        _post(1);
        blacklist.cut(2);
    }

    function test_publishRoot_needsTheContractsOwnCount(uint64 given) public {
        vm.assume(given != 2);
        _tagged(1);
        _tagged(2);
        uint32 version = _cut();
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.LeafCountMismatch.selector, uint64(2), given)
        );
        this.publish(version, given, 1);
        _publish(version, 2, 1);
        _eq(blacklist.rootOf(version).root, ROOT);
    }

    function test_publishRoot_countsAtTheCut() public {
        _tagged(1);
        uint32 version = _cut();
        _tagged(2);
        _publish(version, 1, 1);
        uint32 next = _cut();
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.LeafCountMismatch.selector, uint64(2), uint64(1))
        );
        this.publish(next, 1, 1);
        _publish(next, 2, 1);
    }

    function test_publishRoot_refusesUnknownVersionsEmptyRootsAndForeignSignatures() public {
        _refuse(abi.encodeWithSelector(IBlacklistFacts.VersionUnknown.selector, uint32(1)));
        this.publish(1, 0, 1);
        uint32 version = _cut();
        _post(READER);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.RootMissing.selector));
        blacklist.publishRoot(version, 0, 0, new bytes[](0));
        bytes[] memory signatures = _signedBy(1, 4, _rootDigest(version, 0, ROOT, 1));
        _post(READER);
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(4)));
        blacklist.publishRoot(version, 0, ROOT, signatures);
        // A signature for another revision recovers to a stranger.
        signatures = _signedBy(1, 2, _rootDigest(version, 0, ROOT, 2));
        _post(READER);
        vm.expectPartialRevert(bytes4(keccak256("KeyUnknown(address)")));
        blacklist.publishRoot(version, 0, ROOT, signatures);
        _publish(version, 0, 1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.RootStands.selector, version, ROOT));
        this.publish(version, 0, 2);
    }

    function _challenge(uint32 member, uint32 version, uint8 revision, EntryId entry) private {
        _post(member);
        blacklist.challengeRoot(version, revision, entry);
    }

    function test_challenge_stopsARootUntilItsNextRevision() public {
        EntryId entry = _tagged(1);
        uint32 version = _cut();
        _refuse(abi.encodeWithSelector(IBlacklistFacts.RootNotPublished.selector, version));
        _challenge(UPLOADER, version, 1, entry);
        _publish(version, 1, 1);
        _true(!blacklist.isLive(version));
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotUploader.selector, entry, READER));
        _challenge(READER, version, 1, entry);
        vm.expectEmit(true, true, true, true, address(blacklist));
        emit IBlacklistFacts.RootChallenged(version, UPLOADER, entry, 1);
        _challenge(UPLOADER, version, 1, entry);
        _refuse(
            abi.encodeWithSelector(IBlacklistFacts.ChallengedAlready.selector, version, UPLOADER)
        );
        _challenge(UPLOADER, version, 1, entry);
        vm.warp(vm.getBlockTimestamp() + 1 hours + 1);
        _true(!blacklist.isLive(version));
        _publish(version, 1, 2);
        vm.warp(vm.getBlockTimestamp() + 1 hours);
        _true(!blacklist.isLive(version));
        vm.warp(vm.getBlockTimestamp() + 1);
        _true(blacklist.isLive(version));
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.ChallengeOver.selector, version, vm.getBlockTimestamp() - 1
            )
        );
        _challenge(UPLOADER, version, 2, entry);
    }

    function test_challenge_stopsEachRevisionAndTheLastNeedsEverybody() public {
        EntryId entry = _tagged(1);
        uint32 version = _cut();
        for (uint8 revision = 1; revision <= 2; revision++) {
            _publish(version, 1, revision);
            // A challenge of the root before does not stop this one by mistake.
            _refuse(
                abi.encodeWithSelector(
                    IBlacklistFacts.RevisionNotCurrent.selector, version, revision, revision - 1
                )
            );
            _challenge(UPLOADER, version, revision - 1, entry);
            _challenge(UPLOADER, version, revision, entry);
        }
        _refuse(
            abi.encodeWithSelector(
                ILookups.SignaturesBelowThreshold.selector, uint256(2), uint256(3)
            )
        );
        this.publish(version, 1, 3);
        bytes32 digest = _rootDigest(version, 1, ROOT, 3);
        bytes[] memory signatures = new bytes[](3);
        for (uint32 member = 1; member <= 3; member++) {
            signatures[member - 1] = _signWith(_pk(member, Role.APPROVER), digest);
        }
        _post(READER);
        blacklist.publishRoot(version, 1, ROOT, signatures);
        uint256 end_s = vm.getBlockTimestamp() + 1 hours;
        _refuse(abi.encodeWithSelector(IBlacklistFacts.ChallengeOver.selector, version, end_s));
        _challenge(UPLOADER, version, 3, entry);
    }

    function test_challenge_byOneMemberStopsFewVersions() public {
        EntryId entry = _tagged(1);
        // On both sides of a multiple of the period: no place in time gives more.
        vm.warp((block.timestamp / 10 days + 1) * 10 days - 1 days);
        uint256 first = vm.getBlockTimestamp() + 30 minutes;
        for (uint256 i = 0; i < 2; i++) {
            uint32 stopped = _cut();
            for (uint8 revision = 1; revision <= 2; revision++) {
                _publish(stopped, 1, revision);
                _challenge(UPLOADER, stopped, revision, entry);
            }
            vm.warp(vm.getBlockTimestamp() + 1 days);
        }
        bytes memory tooMany = abi.encodeWithSelector(
            IBlacklistFacts.TooManyChallenges.selector, UPLOADER, uint256(4)
        );
        uint32 version = _cut();
        _publish(version, 1, 1);
        _refuse(tooMany);
        _challenge(UPLOADER, version, 1, entry);
        vm.warp(vm.getBlockTimestamp() + 1 hours + 1);
        _true(blacklist.isLive(version));
        // Each is heard again ten days after the fourth before it, to the second.
        vm.warp(first + 10 days - 31 minutes);
        version = _cut();
        _publish(version, 1, 1);
        vm.warp(first + 10 days - 1);
        _refuse(tooMany);
        _challenge(UPLOADER, version, 1, entry);
        vm.warp(first + 10 days);
        _challenge(UPLOADER, version, 1, entry);
        _publish(version, 1, 2);
        _challenge(UPLOADER, version, 2, entry);
        version = _cut();
        _publish(version, 1, 1);
        _refuse(tooMany);
        _challenge(UPLOADER, version, 1, entry);
    }

    function test_challenge_needsALeafOfThatEpoch() public {
        _tagged(1);
        uint32 version = _cut();
        _publish(version, 1, 1);
        EntryId entry = _list(2);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.TICKETED
            )
        );
        _challenge(UPLOADER, version, 1, entry);
        // Tagged after the cut: that the version has no leaf of it is right.
        _tag(UPLOADER, entry, 1);
        _refuse(
            abi.encodeWithSelector(
                IBlacklistFacts.EntryStateNotAllowed.selector, entry, EntryState.LISTED
            )
        );
        _challenge(UPLOADER, version, 1, entry);
    }

    function test_cut_waitsUntilAVersionCanBeBuilt() public {
        _tagged(1);
        uint32 version = _cut();
        uint256 from_s = vm.getBlockTimestamp() + 30 minutes;
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotYet.selector, from_s));
        _post(2);
        blacklist.cut(1);
        vm.warp(from_s - 1);
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotYet.selector, from_s));
        _post(2);
        blacklist.cut(1);
        vm.warp(from_s);
        _post(2);
        _eq(blacklist.cut(1), version + 1);
    }

    function test_tag_needsAsManyHoldersOfOneRecordAsSignARoot() public {
        EntryId entry = _list(1);
        bytes[] memory signatures = _signedBy(1, 2, _heldDigest(entry, 1, RECORD));
        _refused(entry, 0, signatures, IBlacklistFacts.CommitmentMissing.selector);
        bytes[] memory one = new bytes[](1);
        one[0] = signatures[0];
        _refused(entry, RECORD, one, ILookups.SignaturesBelowThreshold.selector);
        one = _signedBy(2, 1, _heldDigest(entry, 1, RECORD));
        _refused(entry, RECORD, one, ILookups.SignersNotAscending.selector);
        one = _signedBy(1, 1, _heldDigest(entry, 1, RECORD));
        _refused(entry, RECORD, one, ILookups.SignersNotAscending.selector);
        one = _signedBy(1, 4, _heldDigest(entry, 1, RECORD));
        _refused(entry, RECORD, one, ILookups.NotCommitteeMember.selector);
        // Of another record, entry or key epoch: the signatures recover to strangers.
        bytes4 unknown = bytes4(keccak256("KeyUnknown(address)"));
        _refused(entry, keccak256("another record"), signatures, unknown);
        one = _signedBy(1, 2, _heldDigest(_entry(2), 1, RECORD));
        _refused(entry, RECORD, one, unknown);
        one = _signedBy(1, 2, _heldDigest(entry, 2, RECORD));
        _refused(entry, RECORD, one, unknown);
        vm.expectEmit(true, true, true, true, address(blacklist));
        emit IBlacklistFacts.EntryTagged(entry, 1, RECORD);
        _post(UPLOADER);
        blacklist.tag(entry, 1, RECORD, signatures);
        _eq(blacklist.indexedCount(1), 1);
    }

    function _refused(EntryId entry, bytes32 record, bytes[] memory signatures, bytes4 error_)
        private
    {
        _post(UPLOADER);
        vm.expectPartialRevert(error_);
        blacklist.tag(entry, 1, record, signatures);
    }

    function test_epochs_countApart() public {
        EntryId one = _tagged(1);
        EntryId two = _tagged(2);
        uint64 at = uint64(vm.getBlockNumber()) + 5;
        for (uint32 member = 1; member <= 7; member++) {
            _approveEpoch(member, 2, OTHER_KEY, at);
        }
        // Re-tagged ahead of the switch, while lookups stay on the old key.
        _tag(UPLOADER, one, 2);
        _state(one, EntryState.LISTED);
        _eq(blacklist.indexedCount(1), 2);
        _eq(blacklist.indexedCount(2), 1);
        vm.roll(at);
        _state(one, EntryState.LISTED);
        _state(two, EntryState.UNTAGGED);
        EntryId late = _list(3);
        _refuse(abi.encodeWithSelector(ILookups.KeyEpochNotUsable.selector, uint32(2), uint32(1)));
        _tag(UPLOADER, late, 1);
        _tag(UPLOADER, two, 2);
        _state(two, EntryState.LISTED);
        _post(UPLOADER);
        blacklist.withdraw(one);
        _eq(blacklist.indexedCount(1), 1);
        _eq(blacklist.indexedCount(2), 1);
    }

    function testFuzz_counter_isWhatAModelCounts(uint256 seed) public {
        uint256 live;
        for (uint256 n = 1; n <= 4; n++) {
            uint32 expires = _now() + 1 + uint32(uint256(keccak256(abi.encode(seed, n))) % 5);
            _tag(UPLOADER, _listAs(UPLOADER, n, expires), 1);
        }
        _pass(seed % 6);
        for (uint256 n = 1; n <= 4; n++) {
            if (blacklist.entryOf(_entry(n)).expiresDay >= _now()) live++;
        }
        if (seed % 2 == 0) {
            bool counted = blacklist.entryOf(_entry(1)).expiresDay >= _now();
            _post(UPLOADER);
            blacklist.withdraw(_entry(1));
            if (counted) live--;
        }
        uint32 version = _cut();
        _eq(blacklist.cutOf(version).leafCount, live);
    }

    function test_settleExpiry_isBoundedAndComplete() public {
        _tagged(1);
        _pass(1500);
        _post(1);
        vm.expectPartialRevert(IBlacklistFacts.NotYet.selector);
        blacklist.cut(1);
        for (uint256 i = 0; i < 4; i++) {
            blacklist.settleExpiry(1);
        }
        uint32 version = _cut();
        _eq(blacklist.cutOf(version).leafCount, 0);
    }
}
