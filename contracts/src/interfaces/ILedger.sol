// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AgreementKind, ILedgerFacts, RejectReason} from "./ILedgerFacts.sol";
import {AgreementId} from "./IRegistry.sol";

/// @title ILedger
/// @notice The shared ledger: agreements, epoch keys, batches, windows, attested results.
/// @dev Every call is sent by a POSTER (see IRegistry; its errors come through unchanged). What
/// binds the member carries an APPROVER's EIP-712 signature: domain name "Kanhe", version "1", the
/// chain id, this contract; 65 bytes r, s, v with v 27 or 28 and low s. Types signed here:
///   Terms(bytes32 agreement,bytes32 termsHash,uint32 fromWindow,bytes32 observersHash)
///   End(bytes32 agreement,uint32 lastWindow)
///   Result(bytes32 agreement,uint8 side,uint32 window,uint32 revision,bytes32 servicerHead,bytes32 ownerHead,bytes32 previousAgreedDigest,bytes32 digest,uint8 flags)
/// observersHash = keccak256 of the observers, each as 32 bytes big-endian
/// (abi.encodePacked(uint32[])).
/// Sides: 0 account servicer, 1 account owner. window = days since 1970 × 8 + session; 0 is the
/// opening position. Checks run in one order: agreement, key and role, member active, party, then
/// the call's own.
interface ILedger is ILedgerFacts {
    // -------------------------------------------------------------------------------- agreements

    /// @notice Opens an agreement; the caller's member is one of its parties.
    /// @dev Parties, their sponsors and observers must be active. `signature`: an approver of the
    /// caller's member over Terms(agreement, termsHash, 0, observersHash).
    function open(
        AgreementKind kind,
        uint32 servicer,
        uint32 owner,
        uint32[] calldata observers,
        bytes32 termsHash,
        int16 utcOffset_min,
        uint8 defaultAfter_days,
        uint8 representedSide,
        bytes32 partyCommitment,
        AgreementId predecessor,
        bytes calldata sealedTerms,
        uint256 nonce,
        bytes calldata signature
    ) external returns (AgreementId agreement);

    /// @notice Accepts an opened agreement, or the terms that the other side last proposed.
    /// @param signature an approver of the accepting member over the same Terms as the proposer's.
    function accept(AgreementId agreement, bytes32 termsHash, bytes calldata signature) external;

    /// @notice Proposes new terms from a window on; replaces the caller's earlier proposal. Where a
    /// side is represented they are in force without acceptance.
    function proposeTerms(
        AgreementId agreement,
        bytes32 termsHash,
        uint32 fromWindow,
        uint32[] calldata observers,
        bytes calldata sealedTerms,
        bytes calldata signature
    ) external;

    /// @notice Withdraws or declines an opened agreement; else gives notice, or ends.
    /// @dev Ends when both sides named the same window, when the caller alone did so
    /// `END_NOTICE_DAYS` before, when the other party is revoked, or where a side is represented.
    /// Posting cannot block it: the last window is raised to the highest that a side has posted to
    /// or closed.
    /// @param signature an approver over End(agreement, lastWindow).
    function end(AgreementId agreement, uint32 lastWindow, bytes calldata signature) external;

    // -------------------------------------------------------------------------------- epoch keys

    /// @notice Publishes a side's next epoch key.
    /// @dev Wraps: the parties (servicer, owner; a represented one left out), then observers,
    /// ascending. Observers in force must be there unless they are not active or have no sealing
    /// key for this agreement, so that no observer can stop a stream; proposed ones may be there.
    function publishKey(
        AgreementId agreement,
        uint8 side,
        uint32 epoch,
        bytes32 keyCommitment,
        Wrap[] calldata wraps
    ) external;

    /// @notice Says that the other side's key opened and matched. `side` is the key's side.
    function acknowledgeKey(AgreementId agreement, uint8 side, uint32 epoch) external;

    /// @notice Refuses the other side's key, before it is acknowledged and within `ACK_BY_S`.
    function rejectKey(AgreementId agreement, uint8 side, uint32 epoch, RejectReason reason)
        external;

    // ----------------------------------------------------------------------------------- batches

    /// @notice Posts a side's next batch.
    /// @dev Order of checks: agreement, key and role, member active, party, sequence, previous
    /// head, window (closed, last, ahead), epoch (behind, usable), payload size.
    /// @param payload sealed bytes, 1 … `MAX_PAYLOAD`.
    function post(
        AgreementId agreement,
        uint8 side,
        uint64 seq,
        uint32 window,
        bytes32 prevHead,
        bytes32 commitment,
        uint32 epoch,
        bytes calldata payload
    ) external;

    /// @notice Posts several batches, all or none.
    function postMany(Batch[] calldata batches) external;

    // ----------------------------------------------------------------------------------- windows

    /// @notice "This is all I have": closes a window of the caller's side at its stored head.
    function closeWindow(
        AgreementId agreement,
        uint8 side,
        uint32 window,
        uint64 lastSeq,
        bytes32 head
    ) external;

    /// @notice Closes a silent side's window at its head, by the other side.
    /// @dev Only where that side closed window 0 and has the usable epoch named, the window's day
    /// is not before the local day of activation, and `defaultAfter_days` × 86,400 s have passed
    /// since the later of that local day's end and the caller's own closing of the window.
    function closeByDefault(AgreementId agreement, uint8 side, uint32 window, uint32 epoch) external;

    // ----------------------------------------------------------------------------------- results

    /// @notice Records a side's signed result of a window that both sides closed.
    /// @dev Equal digests of both sides' latest attestations, both naming the current previous
    /// digest, make the result agreed, for ever. Where a side is represented the other's alone
    /// does.
    /// @param revision the side's last for this window + 1; the first is 1.
    /// @param signature an approver of the side's member over Result(…).
    function attest(
        AgreementId agreement,
        uint8 side,
        uint32 window,
        uint32 revision,
        bytes32 servicerHead,
        bytes32 ownerHead,
        bytes32 previousAgreedDigest,
        bytes32 digest,
        uint8 flags,
        bytes calldata signature
    ) external;

    // ------------------------------------------------------------------------------------- views

    function agreementOf(AgreementId agreement) external view returns (Agreement memory);
    /// @notice Observers in force today, and those of the last accepted terms.
    function observersOf(AgreementId agreement)
        external
        view
        returns (uint32[] memory inForce, uint32[] memory accepted);
    function sideOf(AgreementId agreement, uint8 side) external view returns (SideState memory);
    function epochOf(AgreementId agreement, uint8 side, uint32 epoch)
        external
        view
        returns (Epoch memory stored, bool usable);
    /// @notice A closed window; `closedAt_s` is 0 where it is not closed.
    function closingOf(AgreementId agreement, uint8 side, uint32 window)
        external
        view
        returns (Closing memory);
    function attestationOf(AgreementId agreement, uint8 side, uint32 window)
        external
        view
        returns (Attestation memory);
    /// @notice The agreement that succeeded this one, 0 for none.
    function successorOf(AgreementId agreement) external view returns (AgreementId);
    /// @notice Days since 1970 at the agreement's offset, in this block.
    function localDay(AgreementId agreement) external view returns (uint256);
    /// @notice The head before a side's first batch:
    /// sha256("kanhe/head/1" ‖ uint256 chain id ‖ contract ‖ agreement ‖ uint8 side).
    function zeroHead(AgreementId agreement, uint8 side) external view returns (bytes32);
    function domainSeparator() external view returns (bytes32);

    /// @notice True if re-hashing leads from the record to the stored closing head, and the
    /// record's window is not above the closed one.
    function verifyRecord(RecordProof calldata proof) external view returns (bool);
    /// @notice RFC 6962 inclusion of a hashed leaf.
    function verifyInclusion(
        bytes32 leaf,
        uint64 index,
        uint64 count,
        bytes32[] calldata path,
        bytes32 root
    ) external pure returns (bool);
}
