// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "./interfaces/ILedger.sol";
import {AgreementId, IRegistry} from "./interfaces/IRegistry.sol";
import {Agreements} from "./ledger/Agreements.sol";
import {LedgerBase} from "./ledger/LedgerBase.sol";
import {Streams} from "./ledger/Streams.sol";
import {MerkleLib} from "./libraries/MerkleLib.sol";

/// @title Ledger
/// @notice Attested results and proofs, on top of agreements, epoch keys and streams: see ILedger.
contract Ledger is Agreements, Streams {
    bytes32 private constant RESULT_TYPE = keccak256(
        "Result(bytes32 agreement,uint8 side,uint32 window,uint32 revision,bytes32 servicerHead,"
        "bytes32 ownerHead,bytes32 previousAgreedDigest,bytes32 digest,uint8 flags)"
    );
    /// Bit 0: a one-person enterprise signed alone.
    uint8 private constant KNOWN_FLAGS = 1;

    constructor(IRegistry registry_) LedgerBase(registry_) {}

    // ----------------------------------------------------------------------------------- results

    /// @inheritdoc ILedger
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
    ) external {
        Agreement storage stored = _live(agreement, side);
        uint32 member = _requireParty(agreement, stored, side);
        if (stored.representedSide == side) revert RepresentedSide(agreement, side);
        if (stored.agreedCount != 0 && window <= stored.agreedWindow) {
            revert WindowAgreedAlready(stored.agreedWindow, window);
        }
        _requireClosedAt(agreement, 0, window, servicerHead);
        _requireClosedAt(agreement, 1, window, ownerHead);
        if (previousAgreedDigest != stored.agreedDigest) {
            revert PreviousDigestMismatch(stored.agreedDigest, previousAgreedDigest);
        }
        Attestation storage own = _attestations[agreement][side][window];
        if (revision != own.revision + 1) revert RevisionOutOfSequence(own.revision + 1, revision);
        if (digest == 0) revert DigestMissing();
        if (flags & ~KNOWN_FLAGS != 0) revert FlagsUnknown(flags);
        address approver = _requireApprover(
            member,
            keccak256(
                abi.encode(
                    RESULT_TYPE,
                    agreement,
                    side,
                    window,
                    revision,
                    servicerHead,
                    ownerHead,
                    previousAgreedDigest,
                    digest,
                    flags
                )
            ),
            signature
        );

        own.digest = digest;
        own.revision = revision;
        own.previousCount = stored.agreedCount;
        own.flags = flags;
        emit ResultAttested(
            agreement,
            side,
            window,
            revision,
            servicerHead,
            ownerHead,
            previousAgreedDigest,
            digest,
            flags,
            approver,
            signature
        );
        _agreeIfEqual(agreement, stored, side, window, digest);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc ILedger
    function attestationOf(AgreementId agreement, uint8 side, uint32 window)
        external
        view
        returns (Attestation memory)
    {
        return _attestations[agreement][side][window];
    }

    /// @inheritdoc ILedger
    function verifyRecord(RecordProof calldata proof) external view returns (bool) {
        if (proof.links.length > MAX_LINKS) revert TooManyLinks(proof.links.length, MAX_LINKS);
        Closing storage closing = _closings[proof.agreement][proof.side][proof.closedWindow];
        if (closing.closedAt_s == 0) {
            revert WindowNotClosed(proof.agreement, proof.side, proof.closedWindow);
        }
        if (proof.window > proof.closedWindow) return false;
        if (uint256(proof.seq) + proof.links.length != closing.lastSeq) return false;
        (bool fits, bytes32 root) = MerkleLib.rootOf(
            MerkleLib.leafOf(proof.salt, proof.record), proof.index, proof.count, proof.path
        );
        return fits && _walk(proof, MerkleLib.commitmentOf(proof.count, root)) == closing.head;
    }

    /// @inheritdoc ILedger
    function verifyInclusion(
        bytes32 leaf,
        uint64 index,
        uint64 count,
        bytes32[] calldata path,
        bytes32 root
    ) external pure returns (bool) {
        (bool fits, bytes32 computed) = MerkleLib.rootOf(leaf, index, count, path);
        return fits && computed == root;
    }

    // ---------------------------------------------------------------------------------- internal

    function _requireClosedAt(AgreementId agreement, uint8 side, uint32 window, bytes32 head)
        private
        view
    {
        Closing storage closing = _closings[agreement][side][window];
        if (closing.closedAt_s == 0) revert WindowNotClosed(agreement, side, window);
        if (head != closing.head) revert HeadMismatch(closing.head, head);
    }

    /// @dev Only attestations that name the current previous digest are compared.
    function _agreeIfEqual(
        AgreementId agreement,
        Agreement storage stored,
        uint8 side,
        uint32 window,
        bytes32 digest
    ) private {
        bool oneSided = stored.representedSide != NO_SIDE;
        Attestation storage other = _attestations[agreement][1 - side][window];
        bool equal = other.digest == digest && other.previousCount == stored.agreedCount;
        if (!oneSided && !equal) return;
        stored.agreedCount += 1;
        stored.agreedWindow = window;
        stored.agreedDigest = digest;
        emit ResultAgreed(agreement, window, digest, oneSided);
    }

    function _walk(RecordProof calldata proof, bytes32 commitment)
        private
        pure
        returns (bytes32 head)
    {
        head = _headAfter(
            proof.prevHead, proof.seq, proof.window, proof.epoch, commitment, proof.payloadHash
        );
        for (uint256 i = 0; i < proof.links.length; i++) {
            Link calldata link = proof.links[i];
            head = _headAfter(
                head,
                proof.seq + uint64(i) + 1,
                link.window,
                link.epoch,
                link.commitment,
                link.payloadHash
            );
        }
    }
}
