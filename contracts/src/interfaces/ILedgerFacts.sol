// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AgreementId} from "./IRegistry.sol";

/// @notice The relation that is reconciled.
enum AgreementKind {
    BANK_ENTERPRISE,
    HEAD_BRANCH,
    CLEARING
}

/// @notice Where an agreement stands.
enum AgreementState {
    NONE,
    /// Opened by one party, not accepted yet.
    OPENED,
    ACTIVE,
    /// Nothing is posted or closed above `lastWindow`; up to it everything stays possible.
    ENDED,
    /// Withdrawn or declined before it was ever active.
    WITHDRAWN
}

/// @notice Where an epoch key stands.
enum EpochState {
    NONE,
    /// Published; usable once acknowledged, or unanswered after `ACK_BY_S`.
    PUBLISHED,
    ACKNOWLEDGED,
    REJECTED
}

/// @notice Why a counterparty refuses an epoch key.
enum RejectReason {
    NONE,
    /// The wrap does not open with the named sealing generation.
    DOES_NOT_OPEN,
    /// The opened key does not match its commitment.
    DOES_NOT_MATCH,
    /// Anything else, to be settled between the parties.
    OTHER
}

/// @title ILedgerFacts
/// @notice The ledger's types, errors and events.
interface ILedgerFacts {
    // ------------------------------------------------------------------------------------- types

    /// @notice What `open` takes, less the signature; the agreement's id is
    /// keccak256(abi.encode(chain id, contract, kind, servicer, …, nonce)) in this order.
    /// @param kind the relation.
    /// @param servicer who keeps the account; 0 where that side is represented.
    /// @param owner who keeps the mirror; 0 where that side is represented.
    /// @param observers members that may read, ascending, no parties, at most `MAX_OBSERVERS`.
    /// @param termsHash hash of the canonical terms.
    /// @param utcOffset_min the account's business days start at this offset from UTC.
    /// @param defaultAfter_days days after which a silent side may be closed by the other (1 … 60).
    /// @param representedSide 0 or 1 for a side that runs no node, 2 for none.
    /// @param partyCommitment salted commitment to the account and, where represented, to the
    /// party.
    /// @param predecessor the agreement this one succeeds, or 0.
    /// @param sealedTerms the terms, sealed to the parties' and observers' general keys.
    /// @param nonce makes otherwise equal agreements differ.
    struct Opening {
        AgreementKind kind;
        uint32 servicer;
        uint32 owner;
        uint32[] observers;
        bytes32 termsHash;
        int16 utcOffset_min;
        uint8 defaultAfter_days;
        uint8 representedSide;
        bytes32 partyCommitment;
        AgreementId predecessor;
        bytes sealedTerms;
        uint256 nonce;
    }

    /// @notice An agreement as stored.
    /// @param termsFrom the window from which `termsHash` is in force; 0 for the first terms.
    /// @param lastWindow meaningful when ENDED.
    /// @param activatedAt_s block time of activation, 0 before.
    /// @param agreedCount windows agreed so far.
    /// @param agreedWindow the last agreed window, meaningful when agreedCount > 0.
    /// @param agreedDigest its digest, 0 before the first.
    struct Agreement {
        AgreementState state;
        AgreementKind kind;
        uint32 servicer;
        uint32 owner;
        uint8 representedSide;
        int16 utcOffset_min;
        uint8 defaultAfter_days;
        uint32 termsFrom;
        uint32 lastWindow;
        uint64 activatedAt_s;
        uint32 agreedCount;
        uint32 agreedWindow;
        bytes32 termsHash;
        bytes32 agreedDigest;
        AgreementId predecessor;
    }

    /// @notice A side's stream.
    /// @param seq the last posted batch's number, 0 before the first.
    /// @param closedUpTo the last closed window + 1, 0 before the first.
    /// @param postedUpTo the highest window posted to + 1, 0 before the first.
    /// @param lastEpoch the last published epoch, rejected ones included.
    /// @param postedEpoch the last batch's epoch.
    /// @param head the hash chain's tip; the zero head before the first batch.
    struct SideState {
        uint64 seq;
        uint40 closedUpTo;
        uint40 postedUpTo;
        uint32 lastEpoch;
        uint32 postedEpoch;
        bytes32 head;
    }

    /// @notice One batch as `postMany` takes it.
    struct Batch {
        AgreementId agreement;
        uint8 side;
        uint64 seq;
        uint32 window;
        bytes32 prevHead;
        bytes32 commitment;
        uint32 epoch;
        bytes payload;
    }

    /// @notice An epoch key for one recipient.
    /// @param recipient a party or an observer.
    /// @param generation of its sealing key for this agreement.
    /// @param sealedKey HPKE bytes, at most `MAX_WRAP`.
    struct Wrap {
        uint32 recipient;
        uint32 generation;
        bytes sealedKey;
    }

    /// @notice An epoch key.
    struct Epoch {
        EpochState state;
        uint64 publishedAt_s;
        bytes32 keyCommitment;
    }

    /// @notice A closed window of a side.
    struct Closing {
        bytes32 head;
        uint64 lastSeq;
        uint64 closedAt_s;
        bool byDefault;
    }

    /// @notice A side's latest attestation of a window.
    /// @param previousCount the agreement's `agreedCount` when it was given; one that no longer
    /// names the current previous digest is made again.
    struct Attestation {
        bytes32 digest;
        uint32 revision;
        uint32 previousCount;
        uint8 flags;
    }

    /// @notice A batch that follows the record's own on its side.
    struct Link {
        uint32 window;
        uint32 epoch;
        bytes32 commitment;
        bytes32 payloadHash;
    }

    /// @notice A record, its place in its batch, and the way from there to a closing head.
    /// @param closedWindow the closed window whose stored head is the anchor.
    /// @param salt the record's own salt.
    /// @param record its bytes.
    /// @param index its leaf number; 0 is the header.
    /// @param count leaves of the batch, header included.
    /// @param path RFC 6962 audit path, leaf to root.
    /// @param prevHead the head its batch was posted on.
    /// @param seq its batch's number.
    /// @param window its batch's window.
    /// @param epoch its batch's epoch.
    /// @param payloadHash SHA-256 of its batch's payload.
    /// @param links the following batches, at most `MAX_LINKS`.
    struct RecordProof {
        AgreementId agreement;
        uint8 side;
        uint32 closedWindow;
        bytes16 salt;
        bytes record;
        uint64 index;
        uint64 count;
        bytes32[] path;
        bytes32 prevHead;
        uint64 seq;
        uint32 window;
        uint32 epoch;
        bytes32 payloadHash;
        Link[] links;
    }

    // ------------------------------------------------------------------------------------ errors

    /// @notice A number is outside its bounds.
    error OutOfBounds(uint256 given, uint256 minimum, uint256 maximum);
    /// @notice A byte string is longer than its limit.
    error TooLong(uint256 given, uint256 maximum);
    /// @notice A side is 0 or 1.
    error SideUnknown(uint8 side);
    error AgreementUnknown(AgreementId agreement);
    error AgreementExists(AgreementId agreement);
    /// @notice The agreement's state does not allow the call.
    error AgreementStateNotAllowed(AgreementId agreement, AgreementState state);
    /// @notice The caller's member is not (or does not stand for) the party that this call needs.
    error NotAgreementParty(address caller, AgreementId agreement);
    /// @notice Exactly the represented side is member 0, and the parties differ.
    error PartiesMalformed(uint32 servicer, uint32 owner, uint8 representedSide);
    /// @notice Observers are ascending, none a party, at most `MAX_OBSERVERS`.
    error ObserversMalformed(uint32[] observers);
    /// @notice The predecessor is unknown, concerns other parties, is not ended, or has a
    /// successor.
    error PredecessorNotAllowed(AgreementId predecessor);
    /// @notice The approver's key belongs to another member.
    error ApproverOfAnotherMember(address approver, uint32 member, uint32 expected);
    /// @notice Offsets from UTC lie between −720 and 840 minutes.
    error UtcOffsetOutOfBounds(int16 given);
    /// @notice The accepted hash is not the opened or proposed one.
    error TermsMismatch(bytes32 expected, bytes32 given);
    /// @notice The other side has proposed nothing.
    error NothingProposed(AgreementId agreement);
    /// @notice New terms begin above the window from which the present ones are in force.
    error TermsNotAhead(uint32 termsFrom, uint32 fromWindow);
    /// @notice Ending alone is possible from then on.
    error NoticeRunning(AgreementId agreement, uint256 until_s);

    /// @notice Epochs are last + 1, rejected ones included.
    error EpochOutOfSequence(uint32 expected, uint32 given);
    /// @notice The wraps are not: the parties, then the observers in force or proposed, ascending.
    error WrapsMalformed(uint32 expected, uint32 given);
    /// @notice The recipient's sealing generation is unknown, or ended and not its latest.
    error SealingGenerationNotUsable(uint32 recipient, uint32 generation, uint32 latest);
    /// @notice The epoch is unknown, was rejected or answered, or its answer is overdue.
    error EpochNotOpen(uint32 epoch, EpochState state);
    /// @notice The epoch was not acknowledged and can still be rejected, was rejected, or is
    /// unknown.
    error EpochNotUsable(uint32 epoch, EpochState state);
    /// @notice A batch's epoch is never lower than its predecessor's.
    error EpochBehind(uint32 last, uint32 given);

    /// @notice The side's next batch has another number; for a re-sent batch: it is posted already.
    error BatchOutOfSequence(uint64 expected, uint64 given);
    error HeadMismatch(bytes32 expected, bytes32 given);
    /// @notice A side closes at its last batch.
    error LastSeqMismatch(uint64 expected, uint64 given);
    /// @notice The window is closed on this side; its late entries belong to the next.
    error WindowClosedAlready(uint32 lastClosed, uint32 given);
    /// @notice The agreement ended with this last window.
    error WindowAboveLast(uint32 lastWindow, uint32 given);
    /// @notice The window's day is too far ahead of the block's local day.
    error WindowAhead(uint256 day, uint256 lastAllowedDay);
    /// @notice The payload is empty or longer than `MAX_PAYLOAD`.
    error PayloadSize(uint256 given, uint256 maximum);
    /// @notice `postMany` needs at least one batch.
    error NothingToPost();
    /// @notice Window 0 is the first that a side closes.
    error OpeningNotClosed(AgreementId agreement, uint8 side);
    /// @notice A window is not closed on this side.
    error WindowNotClosed(AgreementId agreement, uint8 side, uint32 window);
    /// @notice The window's day lies before the agreement's activation.
    error WindowBeforeActivation(uint256 day, uint256 activationDay);
    /// @notice The other side may be closed by default from then on.
    error DefaultNotDue(uint256 due_s);
    /// @notice A represented side neither is closed by default nor attests.
    error RepresentedSide(AgreementId agreement, uint8 side);

    /// @notice The window lies at or below the last agreed one.
    error WindowAgreedAlready(uint32 agreedWindow, uint32 given);
    error RevisionOutOfSequence(uint32 expected, uint32 given);
    error PreviousDigestMismatch(bytes32 expected, bytes32 given);
    /// @notice A digest of zero says nothing.
    error DigestMissing();
    /// @notice Only bit 0 is defined.
    error FlagsUnknown(uint8 flags);
    /// @notice A proof has more links than `MAX_LINKS`.
    error TooManyLinks(uint256 given, uint256 maximum);

    // ------------------------------------------------------------------------------------ events

    /// @notice Opened by `approver`'s member. A represented agreement is active at once.
    event AgreementOpened(
        AgreementId indexed agreement,
        uint32 indexed servicer,
        uint32 indexed owner,
        address approver,
        Opening opening,
        bytes signature
    );
    /// @notice Active from this block on: accepted by the other party, or opened as represented.
    event AgreementActivated(AgreementId indexed agreement, address approver, bytes signature);
    event AgreementWithdrawn(AgreementId indexed agreement, uint32 indexed member);
    event TermsProposed(
        AgreementId indexed agreement,
        uint8 indexed side,
        bytes32 termsHash,
        uint32 fromWindow,
        uint32[] observers,
        address approver,
        bytes sealedTerms,
        bytes signature
    );
    /// @notice New terms are in force from `fromWindow`, which is the signed `proposedFrom` or
    /// later. `signature` is the accepting approver's; where a side is represented, the proposing
    /// one's again.
    event TermsChanged(
        AgreementId indexed agreement,
        bytes32 termsHash,
        uint32 fromWindow,
        uint32 proposedFrom,
        uint32[] observers,
        address approver,
        bytes signature
    );
    event EndNotice(
        AgreementId indexed agreement,
        uint8 indexed side,
        uint32 lastWindow,
        address approver,
        bytes signature
    );
    /// @notice `lastWindow` is the noticed one, or the highest a side has posted to or closed.
    event AgreementEnded(AgreementId indexed agreement, uint32 lastWindow);

    event EpochKeyPublished(
        AgreementId indexed agreement,
        uint8 indexed side,
        uint32 indexed epoch,
        bytes32 keyCommitment,
        Wrap[] wraps
    );
    event EpochKeyAcknowledged(
        AgreementId indexed agreement, uint8 indexed side, uint32 indexed epoch
    );
    event EpochKeyRejected(
        AgreementId indexed agreement, uint8 indexed side, uint32 indexed epoch, RejectReason reason
    );

    event BatchPosted(
        AgreementId indexed agreement,
        uint8 indexed side,
        uint64 seq,
        uint32 window,
        uint32 epoch,
        bytes32 commitment,
        bytes32 head,
        bytes payload
    );
    event WindowClosed(
        AgreementId indexed agreement,
        uint8 indexed side,
        uint32 indexed window,
        uint64 lastSeq,
        bytes32 head,
        bool byDefault
    );
    event ResultAttested(
        AgreementId indexed agreement,
        uint8 indexed side,
        uint32 indexed window,
        uint32 revision,
        bytes32 servicerHead,
        bytes32 ownerHead,
        bytes32 previousAgreedDigest,
        bytes32 digest,
        uint8 flags,
        address approver,
        bytes signature
    );
    /// @notice Final. `oneSided`: the other side is represented and attested nothing.
    event ResultAgreed(
        AgreementId indexed agreement, uint32 indexed window, bytes32 digest, bool oneSided
    );
}
