// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EntryId, EntryState, IBlacklistFacts, Phase, Verdict} from "./IBlacklistFacts.sol";
import {ILookups} from "./ILookups.sol";
import {IPoints} from "./IPoints.sol";

/// @title IBlacklist
/// @notice Who listed an entry, which index holds it, how it was disputed: without anything derived
/// from the person on the ledger but salted commitments.
/// @dev Calls are sent by a POSTER (see IRegistry; its errors come through unchanged); what binds a
/// committee carries its members' APPROVERs' EIP-712 signatures: domain name "Kanhe", version "1",
/// the chain id, this contract. Days are UTC days since 1970. Types signed here:
///   RecordHeld(bytes32 entry,uint32 keyEpoch,bytes32 record)
///   IndexRoot(uint32 version,uint32 keyEpoch,uint64 cutBlock,uint64 leafCount,bytes32 root,uint8 revision)
interface IBlacklist is IBlacklistFacts {
    // ---------------------------------------------------------------------------------- listings

    /// @notice Posts a listing ticket: the stake and the statement's commitment, before the
    /// identifier is evaluated.
    /// @param supersedes the uploader's entry that this one corrects, or 0.
    function list(
        EntryId entry,
        bytes32 commitment,
        uint8 profile,
        uint32 noticeDay,
        uint32 effectiveDay,
        uint32 expiresDay,
        EntryId supersedes
    ) external;

    /// @notice States that the entry has a leaf in a key epoch, the present or the next one.
    /// @dev Warning: that the leaf is in the index is the committee's word until the uploader has
    /// checked it in the challenge period.
    /// @param record the salted hash of the sealed record: whose it is nobody sees, and every
    /// replica puts the same one into the index.
    /// @param signatures of t distinct committee members' APPROVERs over RecordHeld, ascending: an
    /// entry counts once as many hold its record as it takes to build an index.
    function tag(EntryId entry, uint32 keyEpoch, bytes32 record, bytes[] calldata signatures)
        external;

    /// @notice Takes an entry back, not while it is disputed. The stake stays bound until it
    /// vests, else listing and withdrawing would be a free look at whom others list.
    function withdraw(EntryId entry) external;

    /// @notice Burns the stake of a ticket that was not used in time; anyone may call.
    function lapse(EntryId entry) external;

    /// @notice Returns the stake after the challenge window; an entry that is still listed counts
    /// as survived. Anyone may call.
    function vest(EntryId entry) external;

    // ------------------------------------------------------------------------------------- index

    /// @notice Counts expired entries out, at most `MAX_EXPIRY_DAYS` days a call.
    function settleExpiry(uint32 keyEpoch) external;

    /// @notice Cuts the log for the next index version; by a committee member, `MIN_CUT_S` after
    /// the epoch's cut before it, so that a version is built before the next one is wanted.
    function cut(uint32 keyEpoch) external returns (uint32 version);

    /// @notice Publishes a version's root; `leafCount` must be the contract's own at the cut.
    /// @param signatures of t distinct committee members' APPROVERs over IndexRoot, ascending; of
    /// all of them for the last revision, which nobody challenges.
    function publishRoot(
        uint32 version,
        uint64 leafCount,
        bytes32 root,
        bytes[] calldata signatures
    ) external;

    /// @notice Stops a root in which an uploader does not find its own leaf, within the challenge
    /// period; each uploader once a revision, and four times in ten days.
    /// @param revision the root that was looked into: a later one is not stopped by mistake.
    /// @param entry tagged in a block before the cut's.
    function challengeRoot(uint32 version, uint8 revision, EntryId entry) external;

    // ---------------------------------------------------------------------------------- disputes

    /// @notice Disputes an entry: for the person through a member that attests her identity, or by a
    /// member that stakes points. Of one entry a member disputes once without a stake.
    function openDispute(EntryId entry, bool byPerson, bytes32 grounds)
        external
        returns (uint64 dispute);

    /// @notice Takes what the profile's days leave beyond two rounds, once, by the uploader.
    function extendAnswer(uint64 dispute) external;

    /// @notice The uploader's answer: UPHELD, CORRECTED or REMOVED, with its reasons' hash.
    function answer(uint64 dispute, Verdict verdict, bytes32 answerHash) external;

    /// @notice Takes an answer to the panel; by the member that opened the dispute, or by another
    /// than the uploader, for the person or with a stake of its own: else a dispute that the
    /// uploader's friend opened would keep the person's out.
    /// @param byPerson says nothing where the caller opened the dispute.
    function contest(uint64 dispute, bool byPerson) external;

    /// @notice Draws the panel from the hash of the second block after the contest; anyone.
    /// @dev A hash is known for 256 blocks; missed, the next second block draws, twice at most, and
    /// the clocks run on: who lets hashes pass until one pleases is left to the regulator.
    function draw(uint64 dispute) external;

    /// @notice A panelist's hidden vote.
    /// @param commitment keccak256(abi.encode(chain id, contract, dispute, member, verdict, salt)).
    function commitBallot(uint64 dispute, bytes32 commitment) external;

    /// @notice Opens a vote; who does not owes a fine.
    function revealBallot(uint64 dispute, Verdict verdict, bytes32 salt) external;

    /// @notice The regulator's verdict where the panel gave none.
    function decide(uint64 dispute, Verdict verdict) external;

    /// @notice Carries out what a dispute came to; anyone. Where the regulator is a party and no
    /// panel decided, the profile's days suspend the entry and stakes return.
    /// @dev A suspended entry ends 90 days after the dispute's own time suspended it, also unsettled
    /// and however late it is settled, and what is said after that revives it no more.
    function settle(uint64 dispute) external;

    // ------------------------------------------------------------------------- recall and erasure

    /// @notice Recalls a changed entry from readers, each by keccak256(abi.encode(entry, secret))
    /// of a secret it got with its release.
    /// @dev By the uploader, or by a committee member in its place.
    function openRecall(EntryId entry, bytes32[] calldata recipients) external;

    /// @notice Acknowledges a recall by its secret; any member relays it.
    function acknowledgeRecall(EntryId entry, bytes32 secret) external;

    /// @notice Records a signed certificate of deletion; the uploader's makes the entry ERASED.
    /// @dev The uploader's not before `OPENABLE_DAYS` are over: until then an audit may ask for what
    /// it destroys (see IAudits).
    function certifyDeletion(EntryId entry, bytes32 certificate) external;

    // ------------------------------------------------------------------------------------- views

    function points() external view returns (IPoints);
    function lookups() external view returns (ILookups);
    function regulator() external view returns (uint32);
    function profileOf(uint8 profile) external view returns (Profile memory);
    function entryOf(EntryId entry) external view returns (Entry memory);
    function stateOf(EntryId entry) external view returns (EntryState);
    function isTagged(EntryId entry, uint32 keyEpoch) external view returns (bool);
    /// @notice Entries with a leaf, as last settled.
    function indexedCount(uint32 keyEpoch) external view returns (uint64);
    function cutOf(uint32 version) external view returns (Cut memory);
    function rootOf(uint32 version) external view returns (Root memory);
    function isLive(uint32 version) external view returns (bool);
    function disputeOf(uint64 dispute) external view returns (Dispute memory);
    function phaseOf(uint64 dispute) external view returns (Phase);
    function ballotOf(uint64 dispute, uint32 member) external view returns (Ballot memory);
    function deletionOf(EntryId entry, uint32 member) external view returns (bytes32);
    function unacknowledged(EntryId entry) external view returns (uint256);
    function domainSeparator() external view returns (bytes32);
}
