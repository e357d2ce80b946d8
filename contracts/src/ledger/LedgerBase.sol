// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {AgreementState} from "../interfaces/ILedgerFacts.sol";
import {AgreementId, IRegistry, Role} from "../interfaces/IRegistry.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";

/// @title LedgerBase
/// @notice The ledger's storage, limits, and who may call for which side.
abstract contract LedgerBase is ILedger {
    uint256 public constant MAX_PAYLOAD = 120_000;
    uint256 public constant MAX_OBSERVERS = 8;
    uint256 public constant MAX_SEALED_TERMS = 65_536;
    uint256 public constant MAX_WRAP = 1280;
    uint256 public constant MAX_LINKS = 4096;
    uint256 public constant MAX_AHEAD_DAYS = 15;
    uint256 public constant END_NOTICE_DAYS = 30;
    uint256 public constant MAX_DEFAULT_AFTER_DAYS = 60;
    uint256 public constant ACK_BY_S = 1 days;
    int16 public constant MIN_UTC_OFFSET_MIN = -720;
    int16 public constant MAX_UTC_OFFSET_MIN = 840;
    /// The greatest uint32 is left out, so that window + 1 and "above every window" stay
    /// expressible.
    uint32 public constant MAX_WINDOW = type(uint32).max - 1;
    uint8 public constant NO_SIDE = 2;

    uint256 internal constant SESSIONS = 8;
    uint256 internal constant DAY_S = 1 days;

    IRegistry public immutable registry;

    /// @dev A proposal of one side; `fromWindow` 0 means none.
    struct Proposal {
        bytes32 termsHash;
        uint32 fromWindow;
        uint32[] observers;
    }

    /// @dev A side's notice of ending; `givenAt_s` 0 means none.
    struct Notice {
        uint64 givenAt_s;
        uint32 lastWindow;
    }

    mapping(AgreementId => Agreement) internal _agreements;
    mapping(AgreementId => AgreementId) internal _successors;
    /// Observers of the last accepted terms, and those in force until these begin.
    mapping(AgreementId => uint32[]) internal _observers;
    mapping(AgreementId => uint32[]) internal _earlierObservers;
    mapping(AgreementId => mapping(uint8 side => Proposal)) internal _proposals;
    mapping(AgreementId => mapping(uint8 side => Notice)) internal _notices;
    mapping(AgreementId => mapping(uint8 side => SideState)) internal _sides;
    mapping(AgreementId => mapping(uint8 side => mapping(uint32 epoch => Epoch))) internal _epochs;
    mapping(AgreementId => mapping(uint8 side => mapping(uint32 window => Closing))) internal
        _closings;
    mapping(AgreementId => mapping(uint8 side => mapping(uint32 window => Attestation))) internal
        _attestations;

    constructor(IRegistry registry_) {
        registry = registry_;
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc ILedger
    function localDay(AgreementId agreement) external view returns (uint256) {
        return _dayOf(_known(agreement), block.timestamp);
    }

    /// @inheritdoc ILedger
    function zeroHead(AgreementId agreement, uint8 side) public view returns (bytes32) {
        return
            sha256(abi.encodePacked("kanhe/head/1", block.chainid, address(this), agreement, side));
    }

    /// @inheritdoc ILedger
    function domainSeparator() external view returns (bytes32) {
        return SignatureLib.domainSeparator();
    }

    // ---------------------------------------------------------------------------------- internal

    function _known(AgreementId agreement) internal view returns (Agreement storage stored) {
        stored = _agreements[agreement];
        if (stored.state == AgreementState.NONE) revert AgreementUnknown(agreement);
    }

    /// @dev An ended agreement stays live up to its last window: see `_requireNotAboveLast`.
    function _live(AgreementId agreement, uint8 side)
        internal
        view
        returns (Agreement storage stored)
    {
        stored = _known(agreement);
        if (stored.state != AgreementState.ACTIVE && stored.state != AgreementState.ENDED) {
            revert AgreementStateNotAllowed(agreement, stored.state);
        }
        if (side > 1) revert SideUnknown(side);
    }

    /// @dev Key and role, then the member's standing, then the party: always in this order.
    function _requireParty(AgreementId agreement, Agreement storage stored, uint8 side)
        internal
        view
        returns (uint32 member)
    {
        member = registry.authoriseActive(msg.sender, Role.POSTER);
        if (_actorOf(stored, side) != member) revert NotAgreementParty(msg.sender, agreement);
    }

    /// @dev The caller's member and its own side, whichever that is.
    function _requireEitherParty(AgreementId agreement, Agreement storage stored)
        internal
        view
        returns (uint32 member, uint8 side)
    {
        member = registry.authoriseActive(msg.sender, Role.POSTER);
        if (stored.servicer == member) return (member, 0);
        if (stored.owner == member) return (member, 1);
        revert NotAgreementParty(msg.sender, agreement);
    }

    /// @dev Who acts for a side: its party, or for a represented side the other party.
    function _actorOf(Agreement storage stored, uint8 side) internal view returns (uint32) {
        return (side == 0) != (stored.representedSide == side) ? stored.servicer : stored.owner;
    }

    function _requireApprover(uint32 member, bytes32 structHash, bytes memory signature)
        internal
        view
        returns (address approver)
    {
        approver = SignatureLib.recover(SignatureLib.digestOf(structHash), signature);
        uint32 signing = registry.authorise(approver, Role.APPROVER);
        if (signing != member) revert ApproverOfAnotherMember(approver, signing, member);
    }

    function _requireNotAboveLast(Agreement storage stored, uint32 window) internal view {
        if (stored.state == AgreementState.ENDED && window > stored.lastWindow) {
            revert WindowAboveLast(stored.lastWindow, window);
        }
    }

    function _requireNotAhead(Agreement storage stored, uint32 window, uint256 aheadDays)
        internal
        view
    {
        uint256 lastAllowedDay = _dayOf(stored, block.timestamp) + aheadDays;
        uint256 day = window / SESSIONS;
        if (day > lastAllowedDay) revert WindowAhead(day, lastAllowedDay);
    }

    /// @dev Block times lie after 1970-01-02, so the sum is positive at every offset.
    function _dayOf(Agreement storage stored, uint256 time_s) internal view returns (uint256) {
        return uint256(int256(time_s) + int256(stored.utcOffset_min) * 60) / DAY_S;
    }

    /// @dev The highest window that a side has posted to or closed, + 1; 0 for none.
    function _reachOf(AgreementId agreement) internal view returns (uint40 reach) {
        for (uint8 side = 0; side < 2; side++) {
            SideState storage own = _sides[agreement][side];
            if (own.postedUpTo > reach) reach = own.postedUpTo;
            if (own.closedUpTo > reach) reach = own.closedUpTo;
        }
    }

    function _observersInForce(AgreementId agreement, Agreement storage stored)
        internal
        view
        returns (uint32[] storage)
    {
        bool begun = stored.termsFrom / SESSIONS <= _dayOf(stored, block.timestamp);
        return begun ? _observers[agreement] : _earlierObservers[agreement];
    }

    function _requireBounds(uint256 given, uint256 minimum, uint256 maximum) internal pure {
        if (given < minimum || given > maximum) revert OutOfBounds(given, minimum, maximum);
    }
}
