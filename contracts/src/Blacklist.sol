// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {BlacklistBase} from "./blacklist/BlacklistBase.sol";
import {Disputes} from "./blacklist/Disputes.sol";
import {IndexRoots} from "./blacklist/IndexRoots.sol";
import {IBlacklist} from "./interfaces/IBlacklist.sol";
import {EntryId, EntryState, OPENABLE_DAYS, Stage} from "./interfaces/IBlacklistFacts.sol";
import {ILookups} from "./interfaces/ILookups.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";

/// @title Blacklist
/// @notice Recalls and erasure, on top of listings, index and disputes: see IBlacklist.
contract Blacklist is IndexRoots, Disputes {
    /// 1 while a recipient has not acknowledged, 2 after.
    mapping(EntryId => mapping(bytes32 recipient => uint8)) private _recalls;
    mapping(EntryId => uint256) private _unacknowledged;
    mapping(EntryId => mapping(uint32 member => bytes32)) private _deletions;

    constructor(
        IRegistry registry_,
        ILookups lookups_,
        uint32 regulator_,
        Profile[] memory profiles_
    ) BlacklistBase(registry_, lookups_, regulator_, profiles_) {}

    // ------------------------------------------------------------------------- recall and erasure

    /// @inheritdoc IBlacklist
    function openRecall(EntryId entry, bytes32[] calldata recipients) external {
        uint32 member = _poster();
        Entry storage stored = _known(entry);
        if (stored.uploader != member) lookups.requireMember(lookups.currentKeyEpoch(), member);
        _requireState(
            entry,
            _bit(EntryState.SUSPENDED) | _bit(EntryState.CORRECTED) | _bit(EntryState.REMOVED)
                | _bit(EntryState.ERASED)
        );
        if (recipients.length == 0 || recipients.length > MAX_RECIPIENTS) {
            revert IRegistry.OutOfBounds(recipients.length, 1, MAX_RECIPIENTS);
        }
        for (uint256 i = 0; i < recipients.length; i++) {
            if (_recalls[entry][recipients[i]] != 0) revert RecallKnown(entry, recipients[i]);
            _recalls[entry][recipients[i]] = 1;
        }
        _unacknowledged[entry] += recipients.length;
        emit RecallOpened(entry, recipients);
    }

    /// @inheritdoc IBlacklist
    function acknowledgeRecall(EntryId entry, bytes32 secret) external {
        _poster();
        bytes32 recipient = keccak256(abi.encode(entry, secret));
        if (_recalls[entry][recipient] != 1) revert RecallUnknown(entry, recipient);
        _recalls[entry][recipient] = 2;
        _unacknowledged[entry] -= 1;
        emit RecallAcknowledged(entry, recipient);
    }

    /// @inheritdoc IBlacklist
    function certifyDeletion(EntryId entry, bytes32 certificate) external {
        uint32 member = _poster();
        Entry storage stored = _known(entry);
        if (_deletions[entry][member] != 0) revert DeletionCertified(entry, member);
        if (certificate == 0) revert CommitmentMissing();
        EntryState state = _requireState(
            entry,
            _bit(EntryState.REMOVED) | _bit(EntryState.CORRECTED) | _bit(EntryState.EXPIRED)
                | _bit(EntryState.ERASED)
        );
        if (stored.dispute != 0) revert EntryStateNotAllowed(entry, state);
        _deletions[entry][member] = certificate;
        emit DeletionCertifiedBy(entry, member, certificate);
        if (member != stored.uploader) return;
        uint256 from_s = (stored.expiresDay + OPENABLE_DAYS) * 1 days;
        if (block.timestamp < from_s) revert NotYet(from_s);
        _end(entry);
        _stageTo(entry, Stage.ERASED);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IBlacklist
    function deletionOf(EntryId entry, uint32 member) external view returns (bytes32) {
        return _deletions[entry][member];
    }

    /// @inheritdoc IBlacklist
    function unacknowledged(EntryId entry) external view returns (uint256) {
        return _unacknowledged[entry];
    }
}
