// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AuditState, IAudits} from "../interfaces/IAudits.sol";
import {IBlacklist} from "../interfaces/IBlacklist.sol";
import {EntryId, OPENABLE_DAYS} from "../interfaces/IBlacklistFacts.sol";
import {ILookups} from "../interfaces/ILookups.sol";
import {IRegistry, Role} from "../interfaces/IRegistry.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";

/// @title Audits
/// @notice See IAudits.
abstract contract Audits is IAudits {
    /// An evaluation that nobody can open saves its maker a lookup's price, 1 point, at most: as a
    /// listing's it costs nothing. One of a hundred is drawn: at 100 points it would come out
    /// even, at twice that it does not pay even where only every other day is audited. That holds
    /// for as many as are fined, five in 14 days: who does it by the thousand is to be suspended.
    uint128 public constant AUDIT_FINE = 200e6;
    uint256 public constant AUDIT_S = 14 days;
    /// Beyond them nobody has to keep what opens it: a regulator that comes back later finds nothing.
    uint256 public constant LAPSE_S = 2 * AUDIT_S;
    /// Of lookups, per member: a lost database or a regulator gone astray is no endless debt at once.
    uint256 public constant MAX_AUDITS = 5;

    bytes32 private constant EVALUATION_TYPE =
        keccak256("Evaluation(uint64 ticket,bytes32 blinded,bytes32 consent,uint32 keyEpoch)");
    bytes32 private constant OPENED_TYPE = keccak256("EvaluationOpened(bytes32 evaluation)");
    bytes32 private constant NOT_OPENED = "evaluation not opened";

    IRegistry public immutable registry;
    ILookups public immutable lookups;
    address public immutable blacklist;
    uint32 public immutable regulator;

    uint64 public lastAudit;
    mapping(uint32 member => uint256) public pendingAudits;
    mapping(uint64 audit => Audit) private _audits;
    /// By ticket, or by entry and key epoch; each of a member, so that nobody uses up another's.
    mapping(bytes32 evaluated => bool) private _audited;

    constructor(IRegistry registry_, ILookups lookups_, uint32 regulator_) {
        registry = registry_;
        lookups = lookups_;
        regulator = regulator_;
        blacklist = msg.sender;
    }

    // --------------------------------------------------------------------------------- the calls

    /// @inheritdoc IAudits
    function beginAudit(
        uint64 ticket,
        bytes32 subject,
        bytes32 blinded,
        uint32 keyEpoch,
        bytes calldata signature
    ) external returns (uint64 audit) {
        _requireAuditor();
        uint32 current = lookups.currentKeyEpoch();
        if (uint256(keyEpoch) + 1 < current) revert AuditTooLate(current, keyEpoch);
        bytes32 structHash =
            keccak256(abi.encode(EVALUATION_TYPE, ticket, blinded, subject, keyEpoch));
        bytes32 evaluation =
            keccak256(abi.encodePacked("\x19\x01", lookups.domainSeparator(), structHash));
        uint32 member = _accused(evaluation, signature);
        _once(member, ticket, subject, keyEpoch);
        EntryId entry = EntryId.wrap(ticket == 0 ? subject : bytes32(0));
        // A listing's waits for no other: its days run out, and it staked for each.
        if (ticket == 0) _requireOpenable(entry);
        else if (++pendingAudits[member] > MAX_AUDITS) revert TooManyAudits(member, MAX_AUDITS);

        audit = ++lastAudit;
        _audits[audit] = Audit(member, uint64(block.timestamp), AuditState.NONE, entry, evaluation);
        emit AuditBegun(audit, member, ticket, subject, blinded, keyEpoch);
    }

    /// @inheritdoc IAudits
    function closeAudit(uint64 audit) external {
        _requireAuditor();
        _end(audit, AuditState.OPENED);
    }

    /// @inheritdoc IAudits
    function answerAudit(uint64 audit, bytes calldata signature) external {
        registry.authorise(msg.sender, Role.POSTER);
        bytes32 opened = keccak256(abi.encode(OPENED_TYPE, _audits[audit].evaluation));
        (, IRegistry.Key memory signer) = _approver(SignatureLib.digestOf(opened), signature);
        if (signer.member != regulator) revert NotAuditor(signer.member);
        _end(audit, AuditState.OPENED);
    }

    /// @inheritdoc IAudits
    function settleAudit(uint64 audit) external {
        _requireAuditor();
        AuditState state = auditStateOf(audit);
        if (state == AuditState.LAPSED) return _end(audit, AuditState.LAPSED);
        if (state != AuditState.DUE) revert AuditStateNotAllowed(audit, state);
        _end(audit, AuditState.FINED);
        _fine(_audits[audit].member, AUDIT_FINE, NOT_OPENED);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IAudits
    function auditOf(uint64 audit) external view returns (Audit memory) {
        return _audits[audit];
    }

    /// @inheritdoc IAudits
    function auditStateOf(uint64 audit) public view returns (AuditState) {
        Audit storage stored = _audits[audit];
        if (stored.member == 0) return AuditState.NONE;
        if (stored.outcome != AuditState.NONE) return stored.outcome;
        uint256 since_s = block.timestamp - stored.begunAt_s;
        if (since_s > LAPSE_S) return AuditState.LAPSED;
        return since_s > AUDIT_S ? AuditState.DUE : AuditState.PENDING;
    }

    // ---------------------------------------------------------------------------------- internal

    /// @dev Burns free points; what exceeds them is a debt.
    function _fine(uint32 member, uint256 amount, bytes32 reason) internal virtual;

    function _requireAuditor() private view {
        uint32 member = registry.authoriseActive(msg.sender, Role.POSTER);
        if (member != regulator) revert NotAuditor(member);
    }

    /// @dev Whatever became of the key since, but that it was in other hands; the regulator alone
    /// is not accused.
    function _accused(bytes32 evaluation, bytes calldata signature)
        private
        view
        returns (uint32 member)
    {
        (address key, IRegistry.Key memory signer) = _approver(evaluation, signature);
        uint64 since_s = signer.compromisedSince_s;
        if (since_s != 0) revert SignerCompromised(key, since_s);
        member = signer.member;
        if (member == regulator) revert OwnEvaluation(member);
    }

    /// @dev An APPROVER that counts now or once did; a cancelled one never.
    function _approver(bytes32 digest, bytes calldata signature)
        private
        view
        returns (address key, IRegistry.Key memory signer)
    {
        key = SignatureLib.recover(digest, signature);
        signer = registry.keyOf(key);
        bool never = signer.validTo < signer.validFrom || signer.validFrom > block.number;
        if (signer.role != Role.APPROVER || never) revert SignerUnknown(key);
    }

    function _once(uint32 member, uint64 ticket, bytes32 subject, uint32 keyEpoch) private {
        bytes32 evaluated = ticket == 0
            ? keccak256(abi.encode(member, subject, keyEpoch))
            : keccak256(abi.encode(member, ticket));
        if (_audited[evaluated]) revert AuditedAlready(member, ticket, subject);
        _audited[evaluated] = true;
    }

    /// @dev The very days in which the uploader destroys nothing: who keeps them opens in time
    /// whatever it is asked for, and who erases before is asked in time.
    function _requireOpenable(EntryId entry) private view {
        uint256 until_s = (IBlacklist(blacklist).entryOf(entry).expiresDay + OPENABLE_DAYS) * 1 days;
        if (block.timestamp >= until_s) revert EntryOver(entry, until_s);
    }

    function _end(uint64 audit, AuditState outcome) private {
        Audit storage stored = _audits[audit];
        if (stored.member == 0 || stored.outcome != AuditState.NONE) {
            revert AuditStateNotAllowed(audit, auditStateOf(audit));
        }
        stored.outcome = outcome;
        if (EntryId.unwrap(stored.entry) == 0) pendingAudits[stored.member] -= 1;
        emit AuditEnded(audit, outcome);
    }
}
