// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Action, IRegistry, MotionId, Role, Standing} from "./interfaces/IRegistry.sol";
import {Keys} from "./registry/Keys.sol";

/// @title Registry
/// @notice Members, keys, motions and sealing keys: see IRegistry.
contract Registry is Keys {
    uint256 public constant MIN_FOUNDERS = 2;
    uint256 public constant MAX_FULL_MEMBERS = 256;
    uint256 public constant MAX_OPEN_MOTIONS = 8;
    uint256 public constant MAX_CODE = 64;
    uint256 public constant MAX_ARGUMENT = 2048;
    uint64 public constant MAX_MOTION_EXPIRY_BLOCKS = 10_000_000;

    /// @inheritdoc IRegistry
    uint64 public immutable motionExpiry_blocks;

    uint32[] private _fullMembers;
    mapping(bytes32 code => uint32) private _memberByCode;
    mapping(uint32 sponsor => mapping(bytes32 commitment => bool)) private _sponsored;
    mapping(MotionId => Motion) private _motions;
    mapping(MotionId => mapping(uint32 member => bool)) private _approvals;
    mapping(bytes32 target => uint32) private _generations;
    mapping(bytes32 motionLessRound => uint32) private _rounds;
    mapping(uint32 proposer => MotionId[]) private _openMotions;

    /// @dev Founders' keys carry no possession signature: the address they would sign for does not
    /// exist yet. Founders read the deployed registry before they use it.
    constructor(Founder[] memory founders, uint64 keyDelay, uint64 motionExpiry) Keys(keyDelay) {
        if (founders.length < MIN_FOUNDERS) revert TooFewFounders(founders.length, MIN_FOUNDERS);
        _requireBounds(motionExpiry, 1, MAX_MOTION_EXPIRY_BLOCKS);
        motionExpiry_blocks = motionExpiry;
        for (uint256 i = 0; i < founders.length; i++) {
            uint32 member = _admitFull(founders[i].code);
            _addKey(
                member, founders[i].admin, Role.ADMIN, uint64(block.number), founders[i].validTo
            );
        }
    }

    // ----------------------------------------------------------------------------------- members

    /// @inheritdoc IRegistry
    function sponsorParticipant(bytes32 commitment, AdminGrant calldata admin)
        external
        returns (uint32 member)
    {
        uint32 sponsor = _activeCaller(Role.ADMIN);
        if (!_members[sponsor].full) revert NotFullMember(sponsor);
        if (commitment == 0 || _sponsored[sponsor][commitment]) {
            revert CodeTaken(commitment, sponsor);
        }
        if (admin.validFrom != 0 && admin.validFrom < block.number) {
            revert ValidityNotAhead(admin.validFrom, admin.validTo, block.number);
        }
        _requireConsentToSponsor(sponsor, commitment, admin);
        _sponsored[sponsor][commitment] = true;
        member = _addMember(false, sponsor, commitment, "");
        _grant(member, admin);
    }

    // ----------------------------------------------------------------------------------- motions

    /// @inheritdoc IRegistry
    function openMotion(Action action, bytes32 target, bytes calldata argument)
        external
        returns (MotionId motion)
    {
        uint32 proposer = _activeVoter();
        _requireBounds(argument.length, 0, MAX_ARGUMENT);
        _requirePossible(action, target, argument);

        uint32 generation = _generations[target];
        uint32 round;
        (motion, round) = _nextRound(action, target, argument, generation);
        if (_isBarred(proposer, action, target)) revert NotEligible(motion, proposer);
        _claimOpenMotion(proposer, motion);
        uint64 expiresAt = uint64(block.number) + motionExpiry_blocks;
        _motions[motion] = Motion(
            action, proposer, expiresAt, generation, round, false, target, keccak256(argument)
        );
        _approvals[motion][proposer] = true;
        emit MotionOpened(motion, action, target, proposer, generation, round, expiresAt, argument);
        emit MotionApproved(motion, proposer);
    }

    /// @inheritdoc IRegistry
    function approveMotion(MotionId motion) external {
        uint32 member = _activeVoter();
        Motion storage stored = _openMotion(motion);
        if (_isBarred(member, stored.action, stored.target)) revert NotEligible(motion, member);
        if (_approvals[motion][member]) revert AlreadyApproved(motion, member);
        _approvals[motion][member] = true;
        emit MotionApproved(motion, member);
    }

    /// @inheritdoc IRegistry
    function executeMotion(MotionId motion, bytes calldata argument) external {
        _activeVoter();
        Motion storage stored = _openMotion(motion);
        Action action = stored.action;
        bytes32 target = stored.target;
        if (keccak256(argument) != stored.argumentHash) revert MotionMalformed(action, target);
        (uint256 approvals, uint256 eligible) = tally(motion);
        if (approvals < 2 || 3 * approvals <= 2 * eligible) {
            revert QuorumMissing(motion, approvals, eligible);
        }
        _requirePossible(action, target, argument);
        stored.executed = true;
        _generations[target] += 1;
        emit MotionExecuted(motion, approvals, eligible);
        _carryOut(action, target, argument);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IRegistry
    function fullMembers() external view returns (uint32[] memory) {
        return _fullMembers;
    }

    /// @inheritdoc IRegistry
    function memberByCode(bytes32 code) external view returns (uint32) {
        return _memberByCode[code];
    }

    /// @inheritdoc IRegistry
    function motionOf(MotionId motion) external view returns (Motion memory) {
        return _motions[motion];
    }

    /// @inheritdoc IRegistry
    function hasApproved(MotionId motion, uint32 member) external view returns (bool) {
        return _approvals[motion][member];
    }

    /// @inheritdoc IRegistry
    function tally(MotionId motion) public view returns (uint256 approvals, uint256 eligible) {
        Motion storage stored = _motions[motion];
        for (uint256 i = 0; i < _fullMembers.length; i++) {
            uint32 member = _fullMembers[i];
            if (_members[member].standing != Standing.ACTIVE) continue;
            if (_isBarred(member, stored.action, stored.target)) continue;
            eligible++;
            if (_approvals[motion][member]) approvals++;
        }
    }

    /// @inheritdoc IRegistry
    function generationOf(bytes32 target) external view returns (uint32) {
        return _generations[target];
    }

    // ---------------------------------------------------------------------------------- internal

    function _activeVoter() private view returns (uint32 member) {
        member = _activeCaller(Role.ADMIN);
        if (!_members[member].full) revert NotFullMember(member);
    }

    /// @dev The target never votes on itself; a sponsor, often the participant's counterparty,
    /// never takes part in replacing its participant's admin.
    function _isBarred(uint32 member, Action action, bytes32 target) private view returns (bool) {
        if (action == Action.ADMIT) return false;
        if (uint256(target) == member) return true;
        return action == Action.REPLACE_ADMIN && _members[uint32(uint256(target))].sponsor == member;
    }

    /// @dev Checked when a motion is opened and again when it is executed.
    function _requirePossible(Action action, bytes32 target, bytes calldata argument) private view {
        if (action == Action.NONE) revert MotionMalformed(action, target);
        if (action == Action.ADMIT) {
            (string memory code, AdminGrant memory first) =
                abi.decode(argument, (string, AdminGrant));
            if (keccak256(bytes(code)) != target) revert MotionMalformed(action, target);
            _requireCodeFree(code, target);
            _requireGrantable(0, target, first);
            return;
        }
        if (uint256(target) == 0 || uint256(target) > memberCount) {
            revert MotionMalformed(action, target);
        }
        uint32 member = uint32(uint256(target));
        if (!_isAllowed(action, _members[member].standing)) {
            revert StandingNotAllowed(member, _members[member].standing, action);
        }
        if (action == Action.REPLACE_ADMIN) {
            _requireGrantable(member, 0, abi.decode(argument, (AdminGrant)));
        }
    }

    function _isAllowed(Action action, Standing standing) private pure returns (bool) {
        if (action == Action.SUSPEND) return standing == Standing.ACTIVE;
        if (action == Action.REINSTATE) return standing == Standing.SUSPENDED;
        return standing != Standing.REVOKED;
    }

    function _requireGrantable(uint32 member, bytes32 code, AdminGrant memory admin) private view {
        _requirePossession(
            admin.key, member, code, Role.ADMIN, admin.validFrom, admin.validTo, admin.possession
        );
        _requireUnregistered(admin.key);
    }

    function _requireCodeFree(string memory code, bytes32 codeHash) private view {
        _requireBounds(bytes(code).length, 1, MAX_CODE);
        uint32 holder = _memberByCode[codeHash];
        if (holder != 0 && _members[holder].standing != Standing.REVOKED) {
            revert CodeTaken(codeHash, holder);
        }
    }

    /// @dev The same motion can be raised again once its last round has expired.
    function _nextRound(Action action, bytes32 target, bytes calldata argument, uint32 generation)
        private
        returns (MotionId motion, uint32 round)
    {
        bytes32 base = keccak256(
            abi.encode(block.chainid, address(this), action, target, argument, generation)
        );
        round = _rounds[base];
        motion = _motionId(action, target, argument, generation, round);
        if (_motions[motion].action == Action.NONE) return (motion, round);
        if (_motions[motion].expiresAt >= block.number) revert MotionAlreadyOpen(motion);
        _rounds[base] = ++round;
        motion = _motionId(action, target, argument, generation, round);
    }

    function _motionId(
        Action action,
        bytes32 target,
        bytes calldata argument,
        uint32 generation,
        uint32 round
    ) private view returns (MotionId) {
        bytes memory preimage = abi.encode(
            block.chainid, address(this), action, target, argument, generation, round
        );
        return MotionId.wrap(keccak256(preimage));
    }

    /// @dev Motions that can no longer be executed give their place back.
    function _claimOpenMotion(uint32 proposer, MotionId motion) private {
        MotionId[] storage mine = _openMotions[proposer];
        for (uint256 i = mine.length; i > 0; i--) {
            Motion storage stored = _motions[mine[i - 1]];
            bool open = !stored.executed && stored.expiresAt >= block.number
                && stored.generation == _generations[stored.target];
            if (open) continue;
            mine[i - 1] = mine[mine.length - 1];
            mine.pop();
        }
        if (mine.length >= MAX_OPEN_MOTIONS) {
            revert TooManyOpenMotions(proposer, MAX_OPEN_MOTIONS);
        }
        mine.push(motion);
    }

    function _openMotion(MotionId motion) private view returns (Motion storage stored) {
        stored = _motions[motion];
        if (stored.action == Action.NONE) revert MotionUnknown(motion);
        if (stored.executed) revert MotionExecutedAlready(motion);
        if (stored.expiresAt < block.number) revert MotionExpired(motion, stored.expiresAt);
        uint32 current = _generations[stored.target];
        if (stored.generation != current) {
            revert MotionOvertaken(motion, stored.generation, current);
        }
    }

    function _carryOut(Action action, bytes32 target, bytes calldata argument) private {
        uint32 member = uint32(uint256(target));
        if (action == Action.ADMIT) {
            (string memory code, AdminGrant memory first) =
                abi.decode(argument, (string, AdminGrant));
            _grant(_admitFull(code), first);
        } else if (action == Action.SUSPEND) {
            _members[member].standing = Standing.SUSPENDED;
            emit MemberSuspended(member);
        } else if (action == Action.REINSTATE) {
            _members[member].standing = Standing.ACTIVE;
            emit MemberReinstated(member);
        } else if (action == Action.REVOKE) {
            _revoke(member);
        } else {
            AdminGrant memory admin = abi.decode(argument, (AdminGrant));
            _endAdmins(member);
            _grant(member, admin);
            emit AdminReplaced(member, admin.key);
        }
    }

    /// @dev Consent names the sponsor, or it is open and serves whichever full member comes first.
    function _requireConsentToSponsor(uint32 sponsor, bytes32 commitment, AdminGrant calldata admin)
        private
        view
    {
        bool named = _possessor(
            sponsor, commitment, Role.ADMIN, admin.validFrom, admin.validTo, admin.possession
        ) == admin.key;
        if (named) _requireUnregistered(admin.key);
        else _requireGrantable(0, commitment, admin);
    }

    function _admitFull(string memory code) private returns (uint32 member) {
        bytes32 codeHash = keccak256(bytes(code));
        _requireCodeFree(code, codeHash);
        if (_fullMembers.length >= MAX_FULL_MEMBERS) {
            revert OutOfBounds(_fullMembers.length + 1, MIN_FOUNDERS, MAX_FULL_MEMBERS);
        }
        member = _addMember(true, 0, codeHash, code);
        _memberByCode[codeHash] = member;
        _fullMembers.push(member);
    }

    function _addMember(bool full, uint32 sponsor, bytes32 code, string memory codeText)
        private
        returns (uint32 member)
    {
        member = ++memberCount;
        _members[member] = Member(Standing.ACTIVE, full, sponsor, code);
        emit MemberAdmitted(member, full, sponsor, code, codeText);
    }

    /// @dev By a vote or a sponsor, hence without the key delay; a vote may have taken longer than
    /// until the first block that the key consented to.
    function _grant(uint32 member, AdminGrant memory admin) private {
        uint64 validFrom = _max(admin.validFrom, uint64(block.number));
        _addKey(member, admin.key, Role.ADMIN, validFrom, admin.validTo);
    }

    function _revoke(uint32 member) private {
        _members[member].standing = Standing.REVOKED;
        for (uint256 i = 0; i < _fullMembers.length; i++) {
            if (_fullMembers[i] != member) continue;
            _fullMembers[i] = _fullMembers[_fullMembers.length - 1];
            _fullMembers.pop();
            break;
        }
        emit MemberRevoked(member);
    }
}
