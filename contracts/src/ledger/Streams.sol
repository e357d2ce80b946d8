// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {AgreementId} from "../interfaces/IRegistry.sol";
import {EpochKeys} from "./EpochKeys.sol";

/// @title Streams
/// @notice Each side's numbered, chained batches, and the windows they are closed by.
abstract contract Streams is EpochKeys {
    // ----------------------------------------------------------------------------------- batches

    /// @inheritdoc ILedger
    function post(
        AgreementId agreement,
        uint8 side,
        uint64 seq,
        uint32 window,
        bytes32 prevHead,
        bytes32 commitment,
        uint32 epoch,
        bytes calldata payload
    ) external {
        _post(agreement, side, seq, window, prevHead, commitment, epoch, payload);
    }

    /// @inheritdoc ILedger
    function postMany(Batch[] calldata batches) external {
        if (batches.length == 0) revert NothingToPost();
        for (uint256 i = 0; i < batches.length; i++) {
            Batch calldata b = batches[i];
            _post(
                b.agreement, b.side, b.seq, b.window, b.prevHead, b.commitment, b.epoch, b.payload
            );
        }
    }

    // ----------------------------------------------------------------------------------- windows

    /// @inheritdoc ILedger
    function closeWindow(
        AgreementId agreement,
        uint8 side,
        uint32 window,
        uint64 lastSeq,
        bytes32 head
    ) external {
        Agreement storage stored = _live(agreement, side);
        _requireParty(agreement, stored, side);
        SideState storage own = _sides[agreement][side];
        if (own.closedUpTo == 0 && window != 0) revert OpeningNotClosed(agreement, side);
        _requireCloseable(stored, own, window);
        _requireNotAhead(stored, window, 0);
        if (lastSeq != own.seq) revert LastSeqMismatch(own.seq, lastSeq);
        bytes32 expected = _headOf(agreement, side, own);
        if (head != expected) revert HeadMismatch(expected, head);
        _close(agreement, side, window, expected, false);
    }

    /// @inheritdoc ILedger
    function closeByDefault(AgreementId agreement, uint8 side, uint32 window, uint32 epoch)
        external
    {
        Agreement storage stored = _live(agreement, side);
        _requireParty(agreement, stored, 1 - side);
        if (stored.representedSide != NO_SIDE) revert RepresentedSide(agreement, side);
        SideState storage own = _sides[agreement][side];
        if (own.closedUpTo == 0) revert OpeningNotClosed(agreement, side);
        _requireCloseable(stored, own, window);
        _requireDefaultDue(agreement, stored, 1 - side, window);
        _requireUsable(agreement, side, epoch);
        _close(agreement, side, window, _headOf(agreement, side, own), true);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc ILedger
    function sideOf(AgreementId agreement, uint8 side)
        external
        view
        returns (SideState memory own)
    {
        own = _sides[agreement][side];
        if (own.seq == 0) own.head = zeroHead(agreement, side);
    }

    /// @inheritdoc ILedger
    function closingOf(AgreementId agreement, uint8 side, uint32 window)
        external
        view
        returns (Closing memory)
    {
        return _closings[agreement][side][window];
    }

    // ---------------------------------------------------------------------------------- internal

    function _post(
        AgreementId agreement,
        uint8 side,
        uint64 seq,
        uint32 window,
        bytes32 prevHead,
        bytes32 commitment,
        uint32 epoch,
        bytes calldata payload
    ) private {
        Agreement storage stored = _live(agreement, side);
        _requireParty(agreement, stored, side);
        SideState storage own = _sides[agreement][side];
        if (seq != own.seq + 1) revert BatchOutOfSequence(own.seq + 1, seq);
        bytes32 expected = _headOf(agreement, side, own);
        if (prevHead != expected) revert HeadMismatch(expected, prevHead);
        _requireCloseable(stored, own, window);
        _requireNotAhead(stored, window, MAX_AHEAD_DAYS);
        if (epoch < own.postedEpoch) revert EpochBehind(own.postedEpoch, epoch);
        _requireUsable(agreement, side, epoch);
        if (payload.length == 0 || payload.length > MAX_PAYLOAD) {
            revert PayloadSize(payload.length, MAX_PAYLOAD);
        }

        bytes32 head = _headAfter(expected, seq, window, epoch, commitment, sha256(payload));
        own.seq = seq;
        own.postedEpoch = epoch;
        if (uint40(window) + 1 > own.postedUpTo) own.postedUpTo = uint40(window) + 1;
        own.head = head;
        emit BatchPosted(agreement, side, seq, window, epoch, commitment, head, payload);
    }

    /// @dev Windows above the last closed one may interleave; one above the agreement's last is
    /// refused.
    function _requireCloseable(Agreement storage stored, SideState storage own, uint32 window)
        private
        view
    {
        _requireBounds(window, 0, MAX_WINDOW);
        if (window < own.closedUpTo) {
            revert WindowClosedAlready(uint32(own.closedUpTo - 1), window);
        }
        _requireNotAboveLast(stored, window);
    }

    /// @dev The grace runs from the later of the local day's end and the caller's own closing, so
    /// nobody shortens it by closing late or early.
    function _requireDefaultDue(
        AgreementId agreement,
        Agreement storage stored,
        uint8 callerSide,
        uint32 window
    ) private view {
        uint256 day = window / SESSIONS;
        uint256 activationDay = _dayOf(stored, stored.activatedAt_s);
        if (day < activationDay) revert WindowBeforeActivation(day, activationDay);
        uint256 since_s = _closings[agreement][callerSide][window].closedAt_s;
        if (since_s == 0) revert WindowNotClosed(agreement, callerSide, window);
        uint256 dayEnd_s = uint256(int256((day + 1) * DAY_S) - int256(stored.utcOffset_min) * 60);
        if (dayEnd_s > since_s) since_s = dayEnd_s;
        uint256 due_s = since_s + stored.defaultAfter_days * DAY_S;
        if (block.timestamp < due_s) revert DefaultNotDue(due_s);
    }

    function _close(AgreementId agreement, uint8 side, uint32 window, bytes32 head, bool byDefault)
        private
    {
        SideState storage own = _sides[agreement][side];
        own.closedUpTo = uint40(window) + 1;
        _closings[agreement][side][window] =
            Closing(head, own.seq, uint64(block.timestamp), byDefault);
        emit WindowClosed(agreement, side, window, own.seq, head, byDefault);
    }

    function _headOf(AgreementId agreement, uint8 side, SideState storage own)
        private
        view
        returns (bytes32)
    {
        return own.seq == 0 ? zeroHead(agreement, side) : own.head;
    }

    function _headAfter(
        bytes32 head,
        uint64 seq,
        uint32 window,
        uint32 epoch,
        bytes32 commitment,
        bytes32 payloadHash
    ) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(head, seq, window, epoch, commitment, payloadHash));
    }
}
