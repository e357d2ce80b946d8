// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILookups} from "../src/interfaces/ILookups.sol";
import {IRegistry, Role} from "../src/interfaces/IRegistry.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

contract LookupsTest is BlacklistTestBase {
    bytes32 private constant OTHER_KEY = keccak256("other key");
    bytes32 private constant CONSENT = keccak256("consent");

    function _ahead() private view returns (uint64) {
        return uint64(vm.getBlockNumber()) + 5;
    }

    // --------------------------------------------------------------------------------- key epochs

    function test_approveKeyEpoch_refusesOthersThanAdminsOfFullMembers() public {
        uint64 ahead = _ahead();
        address poster = _addr(1, Role.POSTER);
        _refuse(
            abi.encodeWithSelector(IRegistry.RoleMissing.selector, poster, Role.ADMIN, Role.POSTER)
        );
        _post(1);
        lookups.approveKeyEpoch(2, 2, _committee(), OTHER_KEY, SHARES, ahead);
    }

    function test_approveKeyEpoch_refusesEpochsOutOfOrder(uint32 keyEpoch) public {
        vm.assume(keyEpoch != 1 && keyEpoch != 2);
        uint64 ahead = _ahead();
        _refuse(
            abi.encodeWithSelector(ILookups.KeyEpochOutOfSequence.selector, uint32(1), keyEpoch)
        );
        _approveEpoch(1, keyEpoch, OTHER_KEY, ahead);
    }

    function test_approveKeyEpoch_refusesTheOldKeyForANewEpochAndTheReverse() public {
        uint64 ahead = _ahead();
        uint64 old = lookups.keyEpochOf(1).switchBlock;
        _refuse(abi.encodeWithSelector(ILookups.PublicKeyMismatch.selector, PUBLIC_KEY, PUBLIC_KEY));
        _approveEpoch(1, 2, PUBLIC_KEY, ahead);
        _refuse(abi.encodeWithSelector(ILookups.PublicKeyMismatch.selector, PUBLIC_KEY, OTHER_KEY));
        _approveEpoch(1, 1, OTHER_KEY, old);
        _refuse(abi.encodeWithSelector(ILookups.PublicKeyMismatch.selector, PUBLIC_KEY, bytes32(0)));
        _approveEpoch(1, 2, 0, ahead);
    }

    function test_approveKeyEpoch_refusesSwitchBlocksThatArePast(uint64 at) public {
        at = uint64(_bound(at, 0, vm.getBlockNumber()));
        _refuse(
            abi.encodeWithSelector(ILookups.SwitchBlockNotAhead.selector, at, vm.getBlockNumber())
        );
        _approveEpoch(1, 2, OTHER_KEY, at);
    }

    function test_approveKeyEpoch_refusesShapesWithTwoQuorums(uint32 threshold) public {
        vm.assume(threshold != 2 && threshold != 3);
        uint64 ahead = _ahead();
        uint32[] memory members = _committee();
        _refuse(abi.encodeWithSelector(ILookups.CommitteeMalformed.selector, threshold, members));
        _as(1, Role.ADMIN);
        lookups.approveKeyEpoch(2, threshold, members, OTHER_KEY, SHARES, ahead);
        members[1] = members[0];
        _refuse(abi.encodeWithSelector(ILookups.CommitteeMalformed.selector, uint32(2), members));
        _as(1, Role.ADMIN);
        lookups.approveKeyEpoch(2, 2, members, OTHER_KEY, SHARES, ahead);
    }

    function test_approveKeyEpoch_needsTheCommitteeAndTwoThirds() public {
        uint64 ahead = _ahead();
        // Members 3 to 9 are seven of nine, but 1 and 2 of the committee have not approved.
        for (uint32 member = 3; member <= 9; member++) {
            _approveEpoch(member, 2, OTHER_KEY, ahead);
        }
        _eq(lookups.lastKeyEpoch(), 1);
        _approveEpoch(1, 2, OTHER_KEY, ahead);
        _refuse(abi.encodeWithSelector(ILookups.KeyEpochApproved.selector, uint32(1)));
        _approveEpoch(1, 2, OTHER_KEY, ahead);
        _eq(lookups.lastKeyEpoch(), 1);
        _approveEpoch(2, 2, OTHER_KEY, ahead);
        _eq(lookups.lastKeyEpoch(), 2);
        _eq(lookups.currentKeyEpoch(), 1);
        vm.roll(ahead);
        _eq(lookups.currentKeyEpoch(), 2);
    }

    function test_approveKeyEpoch_countsTheSameWordsAlone() public {
        uint64 ahead = _ahead();
        for (uint32 member = 1; member <= 6; member++) {
            _approveEpoch(member, 2, OTHER_KEY, ahead);
        }
        _approveEpoch(7, 2, keccak256("a third key"), ahead);
        _eq(lookups.lastKeyEpoch(), 1);
        _approveEpoch(7, 2, OTHER_KEY, ahead);
        _eq(lookups.lastKeyEpoch(), 2);
    }

    function test_approveKeyEpoch_sharesTheSameKeyAnew() public {
        uint64 old = lookups.keyEpochOf(1).switchBlock;
        uint32[] memory members = new uint32[](5);
        for (uint32 i = 0; i < 5; i++) {
            members[i] = i + 4;
        }
        for (uint32 member = 2; member <= 8; member++) {
            _as(member, Role.ADMIN);
            lookups.approveKeyEpoch(1, 3, members, PUBLIC_KEY, SHARES, old);
        }
        _eq(lookups.keyEpochOf(1).sharing, 1);
        _eq(lookups.keyEpochOf(1).threshold, 3);
        _eq(lookups.currentKeyEpoch(), 1);
        lookups.requireMember(1, 8);
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(1)));
        lookups.requireMember(1, 1);
    }

    function test_approveKeyEpoch_waitsForTheLastOneToBegin() public {
        uint64 ahead = _ahead();
        for (uint32 member = 1; member <= 7; member++) {
            _approveEpoch(member, 2, OTHER_KEY, ahead);
        }
        _refuse(
            abi.encodeWithSelector(ILookups.KeyEpochOutOfSequence.selector, uint32(2), uint32(3))
        );
        _approveEpoch(1, 3, PUBLIC_KEY, ahead + 1);
    }

    function test_requireSigned_refusesTooFewStrangersAndDoubles() public {
        bytes32 digest = keccak256("digest");
        bytes[] memory one = new bytes[](1);
        one[0] = _signWith(_pk(1, Role.APPROVER), digest);
        _refuse(
            abi.encodeWithSelector(
                ILookups.SignaturesBelowThreshold.selector, uint256(1), uint256(2)
            )
        );
        lookups.requireSigned(1, digest, one);
        _refuse(abi.encodeWithSelector(ILookups.SignersNotAscending.selector, uint32(1), uint32(1)));
        lookups.requireSigned(1, digest, _signedBy(1, 1, digest));
        _refuse(abi.encodeWithSelector(ILookups.SignersNotAscending.selector, uint32(2), uint32(1)));
        lookups.requireSigned(1, digest, _signedBy(2, 1, digest));
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(4)));
        lookups.requireSigned(1, digest, _signedBy(1, 4, digest));
        lookups.requireSigned(1, digest, _signedBy(1, 3, digest));
        _refuse(
            abi.encodeWithSelector(
                ILookups.SignaturesBelowThreshold.selector, uint256(2), uint256(0)
            )
        );
        lookups.requireSigned(7, digest, _signedBy(1, 3, digest));
    }

    function test_speak_refusesLongWords() public {
        bytes memory long = new bytes(65_537);
        _refuse(
            abi.encodeWithSelector(
                IRegistry.OutOfBounds.selector, uint256(65_537), uint256(0), uint256(65_536)
            )
        );
        _post(5);
        lookups.speak(ROOT, 1, long);
        vm.expectEmit(true, true, false, true, address(lookups));
        emit ILookups.CommitteeSpoke(ROOT, 5, 1, "deal");
        _post(5);
        lookups.speak(ROOT, 1, "deal");
    }

    function test_anchorLog_takesDaysThatAreOverInOrder() public {
        uint32 today = _now();
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(4)));
        _post(4);
        lookups.anchorLog(today - 1, ROOT, 1);
        // Half a day's root would be the whole day's word.
        _refuse(abi.encodeWithSelector(ILookups.LogOutOfSequence.selector, uint32(0), today));
        _post(3);
        lookups.anchorLog(today, ROOT, 1);
        _refuse(abi.encodeWithSelector(ILookups.RootMissing.selector));
        _post(3);
        lookups.anchorLog(today - 1, 0, 1);
        _post(3);
        lookups.anchorLog(today - 1, ROOT, 1);
        _refuse(abi.encodeWithSelector(ILookups.LogOutOfSequence.selector, today - 1, today - 1));
        _post(3);
        lookups.anchorLog(today - 1, ROOT, 1);
        vm.warp((uint256(today) + 1) * 1 days);
        _post(3);
        lookups.anchorLog(today, ROOT, 1);
    }

    function test_anchorLog_takesTheLastDayOfWhoLeft() public {
        uint64 old = lookups.keyEpochOf(1).switchBlock;
        uint32[] memory members = new uint32[](3);
        for (uint32 i = 0; i < 3; i++) {
            members[i] = i + 4;
        }
        uint32 today = _now();
        for (uint32 member = 2; member <= 8; member++) {
            _as(member, Role.ADMIN);
            lookups.approveKeyEpoch(1, 2, members, PUBLIC_KEY, SHARES, old);
        }
        vm.warp((uint256(today) + 1) * 1 days);
        _post(3);
        lookups.anchorLog(today, ROOT, 1);
        _post(4);
        lookups.anchorLog(today, ROOT, 1);
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(9)));
        _post(9);
        lookups.anchorLog(today, ROOT, 1);
    }

    // ---------------------------------------------------------------------------------- consents

    function test_consent_isRevokedByItsSecretAlone(bytes32 secret, bytes32 guess) public {
        vm.assume(secret != guess);
        uint64 validTo = uint64(vm.getBlockTimestamp()) + 60;
        bytes32 hash = keccak256(abi.encode(secret));
        _refuse(abi.encodeWithSelector(ILookups.ConsentUnknown.selector, CONSENT));
        _post(7);
        lookups.revokeConsent(READER, CONSENT, secret);
        _post(READER);
        lookups.recordConsent(CONSENT, 3, validTo, hash);
        _refuse(abi.encodeWithSelector(ILookups.ConsentKnown.selector, CONSENT));
        _post(READER);
        lookups.recordConsent(CONSENT, 3, validTo, hash);
        _refuse(
            abi.encodeWithSelector(
                ILookups.SecretMismatch.selector, hash, keccak256(abi.encode(guess))
            )
        );
        _post(7);
        lookups.revokeConsent(READER, CONSENT, guess);
        _post(7);
        lookups.revokeConsent(READER, CONSENT, secret);
        _eq(lookups.consentOf(READER, CONSENT).revokedAt_s, vm.getBlockTimestamp());
        _refuse(abi.encodeWithSelector(ILookups.ConsentRevokedAlready.selector, CONSENT));
        _post(7);
        lookups.revokeConsent(READER, CONSENT, secret);
    }

    function test_recordConsent_byAnotherFirst_takesNothingFromItsReader() public {
        uint64 validTo = uint64(vm.getBlockTimestamp()) + 60;
        bytes32 hash = keccak256(abi.encode(ROOT));
        _post(3);
        lookups.recordConsent(CONSENT, 1, validTo, keccak256(abi.encode(bytes32("another's"))));
        vm.expectEmit(true, true, false, true, address(lookups));
        emit ILookups.ConsentRecorded(CONSENT, READER, 3, validTo + 1);
        _post(READER);
        lookups.recordConsent(CONSENT, 3, validTo + 1, hash);
        _eq(lookups.consentOf(READER, CONSENT).level, 3);
        // Each record is revoked by its own secret alone.
        _post(7);
        lookups.revokeConsent(3, CONSENT, "another's");
        _eq(lookups.consentOf(READER, CONSENT).revokedAt_s, 0);
        vm.expectEmit(true, true, false, true, address(lookups));
        emit ILookups.ConsentRevoked(CONSENT, READER);
        _post(7);
        lookups.revokeConsent(READER, CONSENT, ROOT);
        _eq(lookups.consentOf(READER, CONSENT).revokedAt_s, vm.getBlockTimestamp());
    }

    function test_recordConsent_refusesWhatNobodyCouldUse(uint8 level, uint64 validTo) public {
        uint64 now_ = uint64(vm.getBlockTimestamp());
        validTo = uint64(_bound(validTo, 0, now_ - 1));
        _refuse(
            abi.encodeWithSelector(
                ILookups.ConsentMalformed.selector, uint8(1 + level % 3), validTo
            )
        );
        _post(READER);
        lookups.recordConsent(CONSENT, 1 + level % 3, validTo, ROOT);
        uint8 unknown = level < 4 && level != 0 ? 4 : level;
        _refuse(abi.encodeWithSelector(ILookups.ConsentMalformed.selector, unknown, now_));
        _post(READER);
        lookups.recordConsent(CONSENT, unknown, now_, ROOT);
        _refuse(abi.encodeWithSelector(ILookups.ConsentMalformed.selector, uint8(1), now_));
        _post(READER);
        lookups.recordConsent(CONSENT, 1, now_, 0);
    }
}
