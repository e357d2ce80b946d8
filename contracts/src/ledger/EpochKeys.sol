// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {EpochState, RejectReason} from "../interfaces/ILedgerFacts.sol";
import {AgreementId, Standing} from "../interfaces/IRegistry.sol";
import {LedgerBase} from "./LedgerBase.sol";

/// @title EpochKeys
/// @notice The sealed keys of each side's batches.
abstract contract EpochKeys is LedgerBase {
    /// @inheritdoc ILedger
    function publishKey(
        AgreementId agreement,
        uint8 side,
        uint32 epoch,
        bytes32 keyCommitment,
        Wrap[] calldata wraps
    ) external {
        Agreement storage stored = _live(agreement, side);
        _requireParty(agreement, stored, side);
        SideState storage own = _sides[agreement][side];
        if (epoch != own.lastEpoch + 1) revert EpochOutOfSequence(own.lastEpoch + 1, epoch);
        if (keyCommitment == 0) revert DigestMissing();
        _requireWraps(agreement, stored, wraps);

        // Nobody can answer in a represented side's place: the key is usable at once.
        bool answered = stored.representedSide != NO_SIDE;
        own.lastEpoch = epoch;
        _epochs[agreement][side][epoch] = Epoch(
            answered ? EpochState.ACKNOWLEDGED : EpochState.PUBLISHED,
            uint64(block.timestamp),
            keyCommitment
        );
        emit EpochKeyPublished(agreement, side, epoch, keyCommitment, wraps);
        if (answered) emit EpochKeyAcknowledged(agreement, side, epoch);
    }

    /// @inheritdoc ILedger
    function acknowledgeKey(AgreementId agreement, uint8 side, uint32 epoch) external {
        Epoch storage stored = _answerable(agreement, side, epoch);
        stored.state = EpochState.ACKNOWLEDGED;
        emit EpochKeyAcknowledged(agreement, side, epoch);
    }

    /// @inheritdoc ILedger
    function rejectKey(AgreementId agreement, uint8 side, uint32 epoch, RejectReason reason)
        external
    {
        Epoch storage stored = _answerable(agreement, side, epoch);
        // Once overdue the key is usable, and batches may already be sealed under it.
        if (_isUsable(stored)) revert EpochNotOpen(epoch, stored.state);
        _requireBounds(uint8(reason), 1, uint8(type(RejectReason).max));
        stored.state = EpochState.REJECTED;
        emit EpochKeyRejected(agreement, side, epoch, reason);
    }

    /// @inheritdoc ILedger
    function epochOf(AgreementId agreement, uint8 side, uint32 epoch)
        external
        view
        returns (Epoch memory stored, bool usable)
    {
        stored = _epochs[agreement][side][epoch];
        usable = _isUsable(_epochs[agreement][side][epoch]);
    }

    // ---------------------------------------------------------------------------------- internal

    function _isUsable(Epoch storage stored) internal view returns (bool) {
        if (stored.state == EpochState.ACKNOWLEDGED) return true;
        return
            stored.state == EpochState.PUBLISHED
                && block.timestamp > stored.publishedAt_s + ACK_BY_S;
    }

    function _requireUsable(AgreementId agreement, uint8 side, uint32 epoch) internal view {
        Epoch storage stored = _epochs[agreement][side][epoch];
        if (!_isUsable(stored)) revert EpochNotUsable(epoch, stored.state);
    }

    function _answerable(AgreementId agreement, uint8 side, uint32 epoch)
        private
        view
        returns (Epoch storage stored)
    {
        Agreement storage parties = _live(agreement, side);
        _requireParty(agreement, parties, 1 - side);
        stored = _epochs[agreement][side][epoch];
        if (stored.state != EpochState.PUBLISHED) revert EpochNotOpen(epoch, stored.state);
    }

    function _requireWraps(AgreementId agreement, Agreement storage stored, Wrap[] calldata wraps)
        private
        view
    {
        uint256 next = 0;
        if (stored.servicer != 0) _requireWrapFor(wraps, next++, stored.servicer);
        if (stored.owner != 0) _requireWrapFor(wraps, next++, stored.owner);
        _requireObserverWraps(agreement, stored, wraps, next);
        for (uint256 i = 0; i < wraps.length; i++) {
            _requireBounds(wraps[i].sealedKey.length, 1, MAX_WRAP);
            _requireGeneration(agreement, wraps[i].recipient, wraps[i].generation);
        }
    }

    function _requireWrapFor(Wrap[] calldata wraps, uint256 position, uint32 recipient)
        private
        pure
    {
        uint32 given = position < wraps.length ? wraps[position].recipient : 0;
        if (given != recipient) revert WrapsMalformed(recipient, given);
    }

    /// @dev Both lists ascend, so one walk finds an observer in force that is left out.
    function _requireObserverWraps(
        AgreementId agreement,
        Agreement storage stored,
        Wrap[] calldata wraps,
        uint256 next
    ) private view {
        uint32[] memory inForce = _observersInForce(agreement, stored);
        uint256 due = 0;
        uint32 last = 0;
        for (; next < wraps.length; next++) {
            uint32 given = wraps[next].recipient;
            if (given <= last) revert WrapsMalformed(last, given);
            last = given;
            for (; due < inForce.length && inForce[due] < given; due++) {
                _requireExempt(agreement, inForce[due], given);
            }
            if (due < inForce.length && inForce[due] == given) due++;
            else _requireProposed(agreement, given);
        }
        for (; due < inForce.length; due++) {
            _requireExempt(agreement, inForce[due], 0);
        }
    }

    /// @dev An observer that cannot be sealed to must not stop the stream.
    function _requireExempt(AgreementId agreement, uint32 observer, uint32 given) private view {
        bool active = registry.memberOf(observer).standing == Standing.ACTIVE;
        if (active && registry.lastSealingGeneration(observer, agreement) != 0) {
            revert WrapsMalformed(observer, given);
        }
    }

    function _requireProposed(AgreementId agreement, uint32 observer) private view {
        if (_contains(_observers[agreement], observer)) return;
        if (_contains(_proposals[agreement][0].observers, observer)) return;
        if (_contains(_proposals[agreement][1].observers, observer)) return;
        revert WrapsMalformed(0, observer);
    }

    /// @dev The latest generation always serves, so that nobody blocks a key by letting his own
    /// end; earlier ones serve until they end, so that nobody blocks it by publishing new ones.
    function _requireGeneration(AgreementId agreement, uint32 recipient, uint32 generation)
        private
        view
    {
        uint32 latest = registry.lastSealingGeneration(recipient, agreement);
        if (generation == latest && latest != 0) return;
        uint64 endsAt_s = registry.sealingKeyOf(recipient, agreement, generation).endsAt_s;
        if (endsAt_s < block.timestamp) {
            revert SealingGenerationNotUsable(recipient, generation, latest);
        }
    }

    function _contains(uint32[] storage members, uint32 member) private view returns (bool) {
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i] == member) return true;
        }
        return false;
    }
}
