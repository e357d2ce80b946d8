// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title ILookups
/// @notice Under which key, by which committee and with whose consent people are looked up.
/// @dev Calls are sent by a POSTER (see IRegistry; its errors come through unchanged). What a
/// committee binds carries its members' APPROVERs' EIP-712 signatures over a digest of the contract
/// that asks. Signed off the ledger under this contract's domain (name "Kanhe", version "1", the
/// chain id, this contract):
///   Consent(uint32 reader,uint8 purpose,uint8 scope,uint64 validFrom_s,uint64 validTo_s,bytes32 nonce,bytes32 person,bytes32 blinded,uint8 level)
///   Evaluation(uint64 ticket,bytes32 blinded,bytes32 consent,uint32 keyEpoch)
interface ILookups {
    // ------------------------------------------------------------------------------------- types

    /// @notice A key epoch's committee.
    /// @param sharing how often its key was shared anew.
    /// @param sharesHash SHA-256 over the public shares in order of the members.
    /// @param switchBlock from where on lookups use it.
    struct KeyEpoch {
        uint32 threshold;
        uint32 sharing;
        uint64 switchBlock;
        bytes32 publicKey;
        bytes32 sharesHash;
        uint32[] members;
    }

    /// @notice A consent by its reader and its EIP-712 digest; whose it is nobody sees.
    struct Consent {
        uint32 reader;
        uint8 level;
        uint64 validTo_s;
        uint64 revokedAt_s;
        bytes32 revocationHash;
    }

    // ------------------------------------------------------------------------------------ errors

    /// @notice The key epoch is neither the present nor the next one.
    error KeyEpochNotUsable(uint32 current, uint32 given);
    /// @notice Key epochs follow each other, and a further one waits until the last has begun.
    error KeyEpochOutOfSequence(uint32 last, uint32 given);
    /// @notice Members ascend and are active, t <= n, and 2t > n.
    error CommitteeMalformed(uint32 threshold, uint32[] members);
    /// @notice A re-sharing keeps the public key, a new epoch changes it.
    error PublicKeyMismatch(bytes32 current, bytes32 given);
    /// @notice A new epoch begins ahead; a re-sharing keeps its block.
    error SwitchBlockNotAhead(uint64 switchBlock, uint256 blockNumber);
    /// @notice The member approved these very words before.
    error KeyEpochApproved(uint32 member);
    /// @notice The member holds no share in this key epoch.
    error NotCommitteeMember(uint32 member);
    /// @notice Fewer than t signatures, or no such key epoch.
    error SignaturesBelowThreshold(uint256 given, uint256 threshold);
    /// @notice Signatures come in ascending order of members, each once.
    error SignersNotAscending(uint32 previous, uint32 given);
    /// @notice A node anchors days that are over, in order.
    error LogOutOfSequence(uint32 last, uint32 given);
    /// @notice The reader recorded the consent before.
    error ConsentKnown(bytes32 consent);
    /// @notice This reader recorded no such consent.
    error ConsentUnknown(bytes32 consent);
    /// @notice The consent was revoked before.
    error ConsentRevokedAlready(bytes32 consent);
    /// @notice No such level, past already, or without a digest or a way to revoke it.
    error ConsentMalformed(uint8 level, uint64 validTo_s);
    /// @notice The secret is not the one whose hash was recorded.
    error SecretMismatch(bytes32 expected, bytes32 given);
    /// @notice A root is zero.
    error RootMissing();

    // ------------------------------------------------------------------------------------ events

    /// @notice A member approved the words of this digest.
    event KeyEpochProposed(uint32 indexed keyEpoch, bytes32 digest, uint32 member);
    /// @notice A committee holds the key of this epoch from here on.
    event KeyEpochInstalled(
        uint32 indexed keyEpoch,
        uint32 sharing,
        uint32 threshold,
        uint32[] members,
        bytes32 publicKey,
        bytes32 sharesHash,
        uint64 switchBlock
    );
    /// @notice A word of key generation or re-sharing: a deal, complaint, answer or opening.
    event CommitteeSpoke(bytes32 indexed session, uint32 indexed member, uint8 phase, bytes body);
    /// @notice A node's log of a day's evaluations.
    event LookupLogAnchored(uint32 indexed member, uint32 indexed day, bytes32 root, uint64 count);
    /// @notice A consent, by its digest.
    event ConsentRecorded(
        bytes32 indexed consent, uint32 indexed reader, uint8 level, uint64 validTo_s
    );
    /// @notice The consent counts no longer.
    event ConsentRevoked(bytes32 indexed consent, uint32 indexed reader);

    // --------------------------------------------------------------------------------- key epochs

    /// @notice Proposes or approves a key epoch's committee, or the same key for another one.
    /// @dev By an ADMIN of a full member. Installed by the call that completes it: every member of
    /// the committee approved the same words, and so did more than two thirds of the full members.
    function approveKeyEpoch(
        uint32 keyEpoch,
        uint32 threshold,
        uint32[] calldata members,
        bytes32 publicKey,
        bytes32 sharesHash,
        uint64 switchBlock
    ) external;

    /// @notice Puts a word of key generation or re-sharing on the ledger; the nodes judge it.
    function speak(bytes32 session, uint8 phase, bytes calldata body) external;

    /// @notice Anchors a committee node's log of the evaluations of a day that is over, by whoever is
    /// or was of a committee.
    function anchorLog(uint32 day, bytes32 root, uint64 count) external;

    // ---------------------------------------------------------------------------------- consents

    /// @notice Records a consent by its digest for the caller's member alone: the same digest recorded
    /// by another says nothing here. `revocationHash` is keccak256 of a secret that the
    /// person keeps.
    function recordConsent(bytes32 consent, uint8 level, uint64 validTo_s, bytes32 revocationHash)
        external;

    /// @notice Revokes a consent; any member relays the secret, so nobody sees whose it is.
    /// @param reader whose consent it is; each reader's record has a secret's hash of its own.
    function revokeConsent(uint32 reader, bytes32 consent, bytes32 secret) external;

    // ------------------------------------------------------------------------------------- views

    function currentKeyEpoch() external view returns (uint32);
    function lastKeyEpoch() external view returns (uint32);
    function keyEpochOf(uint32 keyEpoch) external view returns (KeyEpoch memory);
    function consentOf(uint32 reader, bytes32 consent) external view returns (Consent memory);
    /// @notice Reverts unless the key epoch is the present or the next one.
    function requireUsable(uint32 keyEpoch) external view;
    function requireMember(uint32 keyEpoch, uint32 member) external view;
    /// @notice Reverts unless `digest` carries every committee member's signature.
    /// @param signatures of their APPROVERs, ascending by member.
    function requireSignedByAll(uint32 keyEpoch, bytes32 digest, bytes[] calldata signatures)
        external
        view;
    /// @notice Reverts unless `digest` carries signatures of t distinct committee members.
    /// @param signatures of their APPROVERs, ascending by member.
    function requireSigned(uint32 keyEpoch, bytes32 digest, bytes[] calldata signatures)
        external
        view;
    function domainSeparator() external view returns (bytes32);
}
