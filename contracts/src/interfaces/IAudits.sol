// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EntryId} from "./IBlacklistFacts.sol";

/// @notice Where an audit stands, computed from the block's time at reading.
enum AuditState {
    NONE,
    /// The accused may still open the evaluation.
    PENDING,
    /// Its days are over; the regulator may have the fine taken.
    DUE,
    /// It was opened, by the regulator's word.
    OPENED,
    FINED,
    /// Nobody ended it for as long again: nobody is fined for it any more.
    LAPSED
}

/// @title IAudits
/// @notice Audit by opening: the regulator names an evaluation that was not opened to it, the
/// member that signed it has 14 days to open it off the ledger, and who does not is fined.
/// @dev Calls are sent by a POSTER (see IRegistry; its errors come through unchanged). The accused
/// signed this under the domain of ILookups:
///   Evaluation(uint64 ticket,bytes32 blinded,bytes32 consent,uint32 keyEpoch)
/// Signed here (name "Kanhe", version "1", the chain id, this contract) by the regulator:
///   EvaluationOpened(bytes32 evaluation)
/// Nothing on the ledger is derived from the person: `blinded` is SHA-256 of an element that is
/// uniformly random to whoever lacks its blind, and what opens it goes to the regulator alone.
interface IAudits {
    // ------------------------------------------------------------------------------------- types

    /// @notice An audit.
    /// @param member the accused: whose APPROVER signed the evaluation.
    /// @param outcome NONE while it is PENDING or DUE.
    /// @param entry what a listing's evaluation was for, 0 for a lookup's.
    /// @param evaluation the EIP-712 digest that the accused signed.
    struct Audit {
        uint32 member;
        uint64 begunAt_s;
        AuditState outcome;
        EntryId entry;
        bytes32 evaluation;
    }

    // ------------------------------------------------------------------------------------ errors

    /// @notice Only the regulator audits.
    error NotAuditor(uint32 member);
    /// @notice The regulator does not audit itself.
    error OwnEvaluation(uint32 member);
    /// @notice What opens an evaluation is kept through the key epoch after its own, no longer.
    error AuditTooLate(uint32 current, uint32 keyEpoch);
    /// @notice The signature leads to no APPROVER of a member that counts, or ever did.
    error SignerUnknown(address key);
    /// @notice Its owner said that the key was in other hands: nobody can tell what it signed.
    error SignerCompromised(address key, uint64 since_s);
    /// @notice A ticket, or an entry in its key epoch, is audited once.
    error AuditedAlready(uint32 member, uint64 ticket, bytes32 subject);
    /// @notice The member has its greatest number of lookups' audits that did not end.
    error TooManyAudits(uint32 member, uint256 maximum);
    /// @notice The entry is over for `OPENABLE_DAYS`: its uploader may have destroyed what opens it.
    error EntryOver(EntryId entry, uint256 since_s);
    /// @notice No audit has this number, or it stands elsewhere.
    error AuditStateNotAllowed(uint64 audit, AuditState state);

    // ------------------------------------------------------------------------------------ events

    /// @notice A member is asked on the ledger to open an evaluation.
    /// @param subject the consent's digest, or for ticket 0 the entry.
    event AuditBegun(
        uint64 indexed audit,
        uint32 indexed member,
        uint64 ticket,
        bytes32 subject,
        bytes32 blinded,
        uint32 keyEpoch
    );
    /// @notice An audit ended: OPENED, FINED or LAPSED.
    event AuditEnded(uint64 indexed audit, AuditState outcome);

    // ----------------------------------------------------------------------------------- the calls

    /// @notice Asks a member on the ledger to open an evaluation; by the regulator.
    /// @dev Whose it is follows from the signature: nobody is accused of what its key did not
    /// sign. A key that ended since counts; one that its owner reported lost does not. A listing's
    /// while `OPENABLE_DAYS` last; what is destroyed after this call is not opened.
    /// @param subject the consent's digest, or for ticket 0 the entry.
    /// @param blinded SHA-256 of the element that was evaluated.
    /// @param keyEpoch not before the one that precedes the present one.
    /// @param signature of the accused's APPROVER over Evaluation.
    function beginAudit(
        uint64 ticket,
        bytes32 subject,
        bytes32 blinded,
        uint32 keyEpoch,
        bytes calldata signature
    ) external returns (uint64 audit);

    /// @notice Says that the evaluation was opened; by the regulator.
    function closeAudit(uint64 audit) external;

    /// @notice Shows the regulator's word that the evaluation was opened: one that took the
    /// opening cannot fine afterwards. The accused sends it, suspended or not, or anybody for it.
    /// @param signature of the regulator's APPROVER over EvaluationOpened, whatever became of
    /// that key since: it takes its word back by no report of its own.
    function answerAudit(uint64 audit, bytes calldata signature) external;

    /// @notice Fines who did not open in time, or ends what lapsed without a fine; by the regulator.
    /// @dev By it alone: a regulator that nobody reached for 14 days has not found that nobody
    /// opened. What exceeds the free points is a debt, as with every fine.
    function settleAudit(uint64 audit) external;

    // ------------------------------------------------------------------------------------- views

    function regulator() external view returns (uint32);
    function lastAudit() external view returns (uint64);
    function auditOf(uint64 audit) external view returns (Audit memory);
    function auditStateOf(uint64 audit) external view returns (AuditState);
    /// @notice A member's audits of lookups that did not end.
    function pendingAudits(uint32 member) external view returns (uint256);
}
