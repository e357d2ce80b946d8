// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {AgreementKind, AgreementState} from "../interfaces/ILedgerFacts.sol";
import {AgreementId, Role, Standing} from "../interfaces/IRegistry.sol";
import {LedgerBase} from "./LedgerBase.sol";

/// @title Agreements
/// @notice Opening, accepting, changing and ending agreements.
abstract contract Agreements is LedgerBase {
    bytes32 private constant TERMS_TYPE = keccak256(
        "Terms(bytes32 agreement,bytes32 termsHash,uint32 fromWindow,bytes32 observersHash)"
    );
    bytes32 private constant END_TYPE = keccak256("End(bytes32 agreement,uint32 lastWindow)");

    /// True where the owner opened the agreement, so that the other party accepts it.
    mapping(AgreementId => bool) private _openedByOwner;

    // ----------------------------------------------------------------------------------- opening

    /// @inheritdoc ILedger
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
    ) external returns (AgreementId agreement) {
        Opening memory opening = Opening(
            kind,
            servicer,
            owner,
            observers,
            termsHash,
            utcOffset_min,
            defaultAfter_days,
            representedSide,
            partyCommitment,
            predecessor,
            sealedTerms,
            nonce
        );
        return _open(opening, signature);
    }

    /// @inheritdoc ILedger
    function accept(AgreementId agreement, bytes32 termsHash, bytes calldata signature) external {
        Agreement storage stored = _known(agreement);
        if (stored.state == AgreementState.OPENED) {
            _acceptOpening(agreement, stored, termsHash, signature);
        } else {
            _requireActiveState(agreement, stored);
            _acceptTerms(agreement, stored, termsHash, signature);
        }
    }

    // ------------------------------------------------------------------------------------- terms

    /// @inheritdoc ILedger
    function proposeTerms(
        AgreementId agreement,
        bytes32 termsHash,
        uint32 fromWindow,
        uint32[] calldata observers,
        bytes calldata sealedTerms,
        bytes calldata signature
    ) external {
        Agreement storage stored = _known(agreement);
        _requireActiveState(agreement, stored);
        (uint32 member, uint8 side) = _requireEitherParty(agreement, stored);
        if (termsHash == 0) revert DigestMissing();
        _requireBounds(fromWindow, 1, MAX_WINDOW);
        if (fromWindow <= stored.termsFrom) revert TermsNotAhead(stored.termsFrom, fromWindow);
        _requireObservers(observers, stored.servicer, stored.owner);
        if (sealedTerms.length > MAX_SEALED_TERMS) {
            revert TooLong(sealedTerms.length, MAX_SEALED_TERMS);
        }
        address approver = _requireApprover(
            member, _termsHash(agreement, termsHash, fromWindow, observers), signature
        );

        _proposals[agreement][side] = Proposal(termsHash, fromWindow, observers);
        emit TermsProposed(
            agreement, side, termsHash, fromWindow, observers, approver, sealedTerms, signature
        );
        if (stored.representedSide != NO_SIDE) {
            _changeTerms(agreement, stored, side, approver, signature);
        }
    }

    // ------------------------------------------------------------------------------------ ending

    /// @inheritdoc ILedger
    function end(AgreementId agreement, uint32 lastWindow, bytes calldata signature) external {
        Agreement storage stored = _known(agreement);
        if (stored.state != AgreementState.OPENED) _requireActiveState(agreement, stored);
        (uint32 member, uint8 side) = _requireEitherParty(agreement, stored);
        _requireBounds(lastWindow, 0, MAX_WINDOW);
        bytes32 structHash = keccak256(abi.encode(END_TYPE, agreement, lastWindow));
        address approver = _requireApprover(member, structHash, signature);

        if (stored.state == AgreementState.OPENED) {
            stored.state = AgreementState.WITHDRAWN;
            emit AgreementWithdrawn(agreement, member);
            return;
        }
        Notice storage own = _notices[agreement][side];
        bool repeated = own.givenAt_s != 0 && own.lastWindow == lastWindow;
        if (!repeated) {
            _notices[agreement][side] = Notice(uint64(block.timestamp), lastWindow);
            emit EndNotice(agreement, side, lastWindow, approver, signature);
        }
        if (_mayEnd(agreement, stored, side)) {
            uint40 reach = _reachOf(agreement);
            stored.lastWindow = reach > lastWindow ? uint32(reach - 1) : lastWindow;
            stored.state = AgreementState.ENDED;
            emit AgreementEnded(agreement, stored.lastWindow);
        } else if (repeated) {
            revert NoticeRunning(agreement, own.givenAt_s + END_NOTICE_DAYS * DAY_S);
        }
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc ILedger
    function agreementOf(AgreementId agreement) external view returns (Agreement memory) {
        return _agreements[agreement];
    }

    /// @inheritdoc ILedger
    function successorOf(AgreementId agreement) external view returns (AgreementId) {
        return _successors[agreement];
    }

    /// @inheritdoc ILedger
    function observersOf(AgreementId agreement)
        external
        view
        returns (uint32[] memory inForce, uint32[] memory accepted)
    {
        inForce = _observersInForce(agreement, _known(agreement));
        accepted = _observers[agreement];
    }

    // ---------------------------------------------------------------------------------- internal

    function _open(Opening memory opening, bytes calldata signature)
        private
        returns (AgreementId agreement)
    {
        agreement = _idOf(opening);
        Agreement storage stored = _agreements[agreement];
        if (stored.state != AgreementState.NONE) revert AgreementExists(agreement);
        uint32 member = registry.authoriseActive(msg.sender, Role.POSTER);
        if (member != opening.servicer && member != opening.owner) {
            revert NotAgreementParty(msg.sender, agreement);
        }
        _requireWellFormed(opening);
        address approver = _requireApprover(
            member, _termsHash(agreement, opening.termsHash, 0, opening.observers), signature
        );

        stored.state = AgreementState.OPENED;
        if (member == opening.owner) _openedByOwner[agreement] = true;
        stored.kind = opening.kind;
        stored.servicer = opening.servicer;
        stored.owner = opening.owner;
        stored.representedSide = opening.representedSide;
        stored.utcOffset_min = opening.utcOffset_min;
        stored.defaultAfter_days = opening.defaultAfter_days;
        stored.termsHash = opening.termsHash;
        if (AgreementId.unwrap(opening.predecessor) != 0) stored.predecessor = opening.predecessor;
        if (opening.observers.length != 0) _observers[agreement] = opening.observers;
        emit AgreementOpened(
            agreement, opening.servicer, opening.owner, approver, opening, signature
        );
        if (opening.representedSide != NO_SIDE) _activate(agreement, stored, approver, signature);
    }

    function _idOf(Opening memory o) private view returns (AgreementId) {
        bytes memory preimage = abi.encode(
            block.chainid,
            address(this),
            o.kind,
            o.servicer,
            o.owner,
            o.observers,
            o.termsHash,
            o.utcOffset_min,
            o.defaultAfter_days,
            o.representedSide,
            o.partyCommitment,
            o.predecessor,
            o.sealedTerms,
            o.nonce
        );
        return AgreementId.wrap(keccak256(preimage));
    }

    function _requireWellFormed(Opening memory o) private view {
        bool servicerMissing = o.servicer == 0;
        bool ownerMissing = o.owner == 0;
        if (
            o.servicer == o.owner || o.representedSide > NO_SIDE
                || servicerMissing != (o.representedSide == 0)
                || ownerMissing != (o.representedSide == 1)
        ) revert PartiesMalformed(o.servicer, o.owner, o.representedSide);
        if (o.termsHash == 0) revert DigestMissing();
        if (o.utcOffset_min < MIN_UTC_OFFSET_MIN || o.utcOffset_min > MAX_UTC_OFFSET_MIN) {
            revert UtcOffsetOutOfBounds(o.utcOffset_min);
        }
        _requireBounds(o.defaultAfter_days, 1, MAX_DEFAULT_AFTER_DAYS);
        if (o.sealedTerms.length > MAX_SEALED_TERMS) {
            revert TooLong(o.sealedTerms.length, MAX_SEALED_TERMS);
        }
        _requireObservers(o.observers, o.servicer, o.owner);
        _requirePartiesOpen(o.servicer, o.owner);
        if (AgreementId.unwrap(o.predecessor) != 0) {
            _requirePredecessor(o.predecessor, o.servicer, o.owner);
        }
    }

    function _requirePartiesOpen(uint32 servicer, uint32 owner) private view {
        if (servicer != 0) registry.requireOpenToAgreements(servicer);
        if (owner != 0) registry.requireOpenToAgreements(owner);
    }

    function _requireObservers(uint32[] memory observers, uint32 servicer, uint32 owner)
        private
        view
    {
        if (observers.length > MAX_OBSERVERS) revert ObserversMalformed(observers);
        uint32 last = 0;
        for (uint256 i = 0; i < observers.length; i++) {
            uint32 observer = observers[i];
            if (observer <= last || observer == servicer || observer == owner) {
                revert ObserversMalformed(observers);
            }
            last = observer;
            registry.requireActive(observer);
        }
    }

    /// @dev The same account's earlier agreement: its parties keep their sides, only a represented
    /// one may join; it has to be decided when it ends before another succeeds it.
    function _requirePredecessor(AgreementId predecessor, uint32 servicer, uint32 owner)
        private
        view
    {
        Agreement storage earlier = _agreements[predecessor];
        bool sameParties = (earlier.servicer == 0 || earlier.servicer == servicer)
            && (earlier.owner == 0 || earlier.owner == owner);
        bool free = AgreementId.unwrap(_successors[predecessor]) == 0;
        if (earlier.state != AgreementState.ENDED || !sameParties || !free) {
            revert PredecessorNotAllowed(predecessor);
        }
    }

    function _acceptOpening(
        AgreementId agreement,
        Agreement storage stored,
        bytes32 termsHash,
        bytes calldata signature
    ) private {
        (uint32 member, uint8 side) = _requireEitherParty(agreement, stored);
        if ((side == 1) == _openedByOwner[agreement]) {
            revert NotAgreementParty(msg.sender, agreement);
        }
        if (termsHash != stored.termsHash) revert TermsMismatch(stored.termsHash, termsHash);
        _requirePartiesOpen(stored.servicer, stored.owner);
        address approver = _requireApprover(
            member, _termsHash(agreement, termsHash, 0, _observers[agreement]), signature
        );
        if (AgreementId.unwrap(stored.predecessor) != 0) {
            _requirePredecessor(stored.predecessor, stored.servicer, stored.owner);
        }
        _activate(agreement, stored, approver, signature);
    }

    function _activate(
        AgreementId agreement,
        Agreement storage stored,
        address approver,
        bytes calldata signature
    ) private {
        stored.state = AgreementState.ACTIVE;
        stored.activatedAt_s = uint64(block.timestamp);
        if (AgreementId.unwrap(stored.predecessor) != 0) {
            _successors[stored.predecessor] = agreement;
        }
        emit AgreementActivated(agreement, approver, signature);
    }

    function _acceptTerms(
        AgreementId agreement,
        Agreement storage stored,
        bytes32 termsHash,
        bytes calldata signature
    ) private {
        (uint32 member, uint8 side) = _requireEitherParty(agreement, stored);
        Proposal storage proposal = _proposals[agreement][1 - side];
        if (proposal.fromWindow == 0) revert NothingProposed(agreement);
        if (termsHash != proposal.termsHash) revert TermsMismatch(proposal.termsHash, termsHash);
        bytes32 structHash =
            _termsHash(agreement, termsHash, proposal.fromWindow, proposal.observers);
        address approver = _requireApprover(member, structHash, signature);
        _changeTerms(agreement, stored, 1 - side, approver, signature);
    }

    /// @dev Both sides' proposals end with the change: what is open was made against older terms.
    function _changeTerms(
        AgreementId agreement,
        Agreement storage stored,
        uint8 proposer,
        address approver,
        bytes calldata signature
    ) private {
        Proposal memory proposal = _proposals[agreement][proposer];
        delete _proposals[agreement][0];
        delete _proposals[agreement][1];
        _earlierObservers[agreement] = _observersInForce(agreement, stored);
        _observers[agreement] = proposal.observers;
        stored.termsHash = proposal.termsHash;
        stored.termsFrom = _effectiveFrom(agreement, proposal.fromWindow);
        emit TermsChanged(
            agreement,
            proposal.termsHash,
            stored.termsFrom,
            proposal.fromWindow,
            proposal.observers,
            approver,
            signature
        );
    }

    /// @dev Posting ahead delays a change by days, it never blocks it.
    function _effectiveFrom(AgreementId agreement, uint32 fromWindow)
        private
        view
        returns (uint32)
    {
        uint40 reach = _reachOf(agreement);
        if (reach <= fromWindow) return fromWindow;
        return uint32(((reach - 1) / SESSIONS + 1) * SESSIONS);
    }

    function _mayEnd(AgreementId agreement, Agreement storage stored, uint8 side)
        private
        view
        returns (bool)
    {
        if (stored.representedSide != NO_SIDE) return true;
        Notice storage own = _notices[agreement][side];
        Notice storage other = _notices[agreement][1 - side];
        if (other.givenAt_s != 0 && other.lastWindow == own.lastWindow) return true;
        if (registry.memberOf(_actorOf(stored, 1 - side)).standing == Standing.REVOKED) {
            return true;
        }
        return block.timestamp >= own.givenAt_s + END_NOTICE_DAYS * DAY_S;
    }

    function _requireActiveState(AgreementId agreement, Agreement storage stored) private view {
        if (stored.state != AgreementState.ACTIVE) {
            revert AgreementStateNotAllowed(agreement, stored.state);
        }
    }

    function _termsHash(
        AgreementId agreement,
        bytes32 termsHash,
        uint32 fromWindow,
        uint32[] memory observers
    ) private pure returns (bytes32) {
        bytes32 observersHash = keccak256(abi.encodePacked(observers));
        return keccak256(abi.encode(TERMS_TYPE, agreement, termsHash, fromWindow, observersHash));
    }
}
