// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AgreementId, IRegistry, Role, Standing} from "../interfaces/IRegistry.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";

/// @title Keys
/// @notice Members' storage, their signing keys and sealing keys, and calls by signature.
abstract contract Keys is IRegistry {
    uint256 public constant MAX_ADMINS = 8;
    uint256 public constant MAX_SEALING_KEY = 2048;
    uint64 public constant MIN_SEALING_LIFE_S = 1 days;
    uint64 public constant MAX_SEALING_LIFE_S = 31 days;
    uint64 public constant MAX_KEY_DELAY_BLOCKS = 10_000_000;

    bytes32 private constant KEY_POSSESSION_TYPE = keccak256(
        "KeyPossession(uint32 member,bytes32 code,uint8 role,uint64 validFrom,uint64 validTo)"
    );
    bytes32 private constant CALL_TYPE =
        keccak256("Call(address signer,bytes call,uint256 nonce,uint64 lastBlock)");

    /// @inheritdoc IRegistry
    uint64 public immutable keyDelay_blocks;
    /// @inheritdoc IRegistry
    uint32 public memberCount;

    mapping(uint32 member => Member) internal _members;
    mapping(uint32 member => address[]) internal _admins;
    mapping(address key => Key) internal _keys;
    mapping(address signer => uint256) private _nonces;
    mapping(uint32 member => mapping(AgreementId => uint32)) private _sealingGenerations;
    mapping(uint32 member => mapping(AgreementId => mapping(uint32 generation => SealingKey)))
        private _sealingKeys;

    constructor(uint64 keyDelay) {
        _requireBounds(keyDelay, 1, MAX_KEY_DELAY_BLOCKS);
        keyDelay_blocks = keyDelay;
    }

    // -------------------------------------------------------------------------------------- keys

    /// @inheritdoc IRegistry
    function registerKey(
        address key,
        Role role,
        uint64 validFrom,
        uint64 validTo,
        bytes calldata possession
    ) external {
        uint32 member = _activeCaller(Role.ADMIN);
        if (role == Role.NONE) revert RoleNotAllowed(role);
        if (validFrom != 0 && validFrom < block.number) {
            revert ValidityNotAhead(validFrom, validTo, block.number);
        }
        _requirePossession(key, member, 0, role, validFrom, validTo, possession);
        uint64 earliest = uint64(block.number) + (role == Role.POSTER ? 0 : keyDelay_blocks);
        _addKey(member, key, role, _max(validFrom, earliest), validTo);
    }

    /// @inheritdoc IRegistry
    function endKey(address key, uint64 lastBlock) external {
        (address caller, uint32 member) = _caller(Role.ADMIN);
        Key storage stored = _ownKey(member, key);
        if (lastBlock < block.number) {
            revert ValidityNotAhead(stored.validFrom, lastBlock, block.number);
        }
        bool pending = stored.role == Role.ADMIN && key != caller;
        uint64 last = pending ? _max(lastBlock, uint64(block.number) + keyDelay_blocks) : lastBlock;
        if (last >= stored.validTo) revert EndNotEarlier(key, stored.validTo, last);
        if (stored.role == Role.ADMIN) _requireSurvivor(member, key, last);

        if (stored.role == Role.ADMIN && stored.endingFrom == 0) {
            stored.endingFrom = stored.validTo;
        }
        stored.validTo = last;
        emit KeyEnded(member, key, last, pending);
    }

    /// @inheritdoc IRegistry
    function cancelKey(address key) external {
        uint32 member = _activeCaller(Role.ADMIN);
        Key storage stored = _ownKey(member, key);
        if (stored.validFrom <= block.number || stored.validTo == 0) revert NotPending(key);
        stored.validTo = 0;
        stored.endingFrom = 0;
        emit KeyCancelled(member, key);
    }

    /// @inheritdoc IRegistry
    function cancelEnding(address key) external {
        uint32 member = _activeCaller(Role.ADMIN);
        Key storage stored = _ownKey(member, key);
        if (stored.endingFrom == 0 || stored.validTo < block.number) revert NotPending(key);
        stored.validTo = stored.endingFrom;
        stored.endingFrom = 0;
        emit KeyEndingCancelled(member, key, stored.validTo);
    }

    /// @inheritdoc IRegistry
    function markCompromised(address key, uint64 since_s) external {
        (, uint32 member) = _caller(Role.ADMIN);
        Key storage stored = _ownKey(member, key);
        uint64 marked_s = stored.compromisedSince_s;
        if (since_s == 0 || since_s > block.timestamp || (marked_s != 0 && since_s >= marked_s)) {
            revert CompromiseNotEarlier(key, marked_s, since_s);
        }
        stored.compromisedSince_s = since_s;
        emit KeyCompromised(member, key, since_s);
    }

    // ------------------------------------------------------------------------------- sealing keys

    /// @inheritdoc IRegistry
    function publishSealingKey(
        AgreementId agreement,
        uint32 generation,
        uint64 endsAt_s,
        bytes calldata publicKey
    ) external {
        uint32 member = _activeCaller(Role.POSTER);
        uint32 expected = _sealingGenerations[member][agreement] + 1;
        if (generation != expected) revert SealingKeyOutOfSequence(expected, generation);
        _requireBounds(
            endsAt_s, block.timestamp + MIN_SEALING_LIFE_S, block.timestamp + MAX_SEALING_LIFE_S
        );
        _requireBounds(publicKey.length, 1, MAX_SEALING_KEY);
        _sealingGenerations[member][agreement] = generation;
        _sealingKeys[member][agreement][generation] = SealingKey(keccak256(publicKey), endsAt_s);
        emit SealingKeyPublished(member, agreement, generation, endsAt_s, publicKey);
    }

    // --------------------------------------------------------------------------------- meta-calls

    /// @inheritdoc IRegistry
    function callAs(
        address signer,
        bytes calldata call,
        uint256 nonce,
        uint64 lastBlock,
        bytes calldata signature
    ) external returns (bytes memory result) {
        if (block.number > lastBlock) {
            revert SignatureExpired(lastBlock, block.number);
        }
        uint256 expected = _nonces[signer];
        if (nonce != expected) revert NonceNotNext(signer, expected, nonce);
        bytes32 structHash =
            keccak256(abi.encode(CALL_TYPE, signer, keccak256(call), nonce, lastBlock));
        address recovered = SignatureLib.recover(SignatureLib.digestOf(structHash), signature);
        if (recovered != signer) revert SignatureNotBy(signer, recovered);
        _nonces[signer] = expected + 1;
        // The contract calls itself with the signer's address behind the arguments: see `_sender`.
        bool done;
        (done, result) = address(this).call(abi.encodePacked(call, signer));
        if (!done) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }

    // -------------------------------------------------------------------------------------- views

    /// @inheritdoc IRegistry
    function authorise(address key, Role role) public view returns (uint32 member) {
        Key storage stored = _keys[key];
        member = stored.member;
        if (member == 0) revert KeyUnknown(key);
        if (stored.role != role) revert RoleMissing(key, role, stored.role);
        if (block.number < stored.validFrom || block.number > stored.validTo) {
            revert KeyNotValid(key, stored.validFrom, stored.validTo, block.number);
        }
    }

    /// @inheritdoc IRegistry
    function authoriseActive(address key, Role role) public view returns (uint32 member) {
        member = authorise(key, role);
        requireActive(member);
    }

    /// @inheritdoc IRegistry
    function requireActive(uint32 member) public view {
        Standing standing = _members[member].standing;
        if (standing == Standing.NONE) revert MemberUnknown(member);
        if (standing != Standing.ACTIVE) revert MemberNotActive(member, standing);
    }

    /// @inheritdoc IRegistry
    function requireOpenToAgreements(uint32 member) external view {
        requireActive(member);
        uint32 sponsor = _members[member].sponsor;
        if (sponsor != 0) requireActive(sponsor);
    }

    /// @inheritdoc IRegistry
    function memberOf(uint32 member) external view returns (Member memory) {
        return _members[member];
    }

    /// @inheritdoc IRegistry
    function keyOf(address key) external view returns (Key memory) {
        return _keys[key];
    }

    /// @inheritdoc IRegistry
    function isValidAt(address key, Role role, uint64 blockNumber) external view returns (bool) {
        Key storage stored = _keys[key];
        return stored.member != 0 && stored.role == role && blockNumber >= stored.validFrom
            && blockNumber <= stored.validTo;
    }

    /// @inheritdoc IRegistry
    function adminsOf(uint32 member) external view returns (address[] memory admins) {
        address[] storage stored = _admins[member];
        admins = new address[](stored.length);
        uint256 live = 0;
        for (uint256 i = 0; i < stored.length; i++) {
            if (_keys[stored[i]].validTo >= block.number) admins[live++] = stored[i];
        }
        assembly ("memory-safe") {
            mstore(admins, live)
        }
    }

    /// @inheritdoc IRegistry
    function sealingKeyOf(uint32 member, AgreementId agreement, uint32 generation)
        external
        view
        returns (SealingKey memory)
    {
        return _sealingKeys[member][agreement][generation];
    }

    /// @inheritdoc IRegistry
    function lastSealingGeneration(uint32 member, AgreementId agreement)
        external
        view
        returns (uint32)
    {
        return _sealingGenerations[member][agreement];
    }

    /// @inheritdoc IRegistry
    function nonceOf(address signer) external view returns (uint256) {
        return _nonces[signer];
    }

    /// @inheritdoc IRegistry
    function domainSeparator() external view returns (bytes32) {
        return SignatureLib.domainSeparator();
    }

    // ----------------------------------------------------------------------------------- internal

    /// @dev Who calls: the sender, or behind `callAs` the signer whose address ends the call data.
    function _sender() private view returns (address) {
        if (msg.sender != address(this)) return msg.sender;
        return address(bytes20(msg.data[msg.data.length - 20:]));
    }

    /// @dev Does not look at the member's standing: a suspended member ends and marks its keys.
    function _caller(Role role) internal view returns (address caller, uint32 member) {
        caller = _sender();
        member = authorise(caller, role);
    }

    function _activeCaller(Role role) internal view returns (uint32 member) {
        (, member) = _caller(role);
        requireActive(member);
    }

    function _ownKey(uint32 member, address key) private view returns (Key storage stored) {
        stored = _keys[key];
        if (stored.member == 0) revert KeyUnknown(key);
        if (stored.member != member) revert KeyOfAnotherMember(key, stored.member, member);
    }

    /// @dev Another admin, in force now and not ending itself, has to outlive the one that ends.
    function _requireSurvivor(uint32 member, address ending, uint64 last) private view {
        address[] storage admins = _admins[member];
        for (uint256 i = 0; i < admins.length; i++) {
            Key storage other = _keys[admins[i]];
            if (admins[i] == ending || other.validFrom > block.number) continue;
            if (other.endingFrom != 0) continue;
            if (other.validTo > last) return;
        }
        revert LastAdmin(member, ending);
    }

    function _requirePossession(
        address key,
        uint32 member,
        bytes32 code,
        Role role,
        uint64 validFrom,
        uint64 validTo,
        bytes memory possession
    ) internal view {
        address recovered = _possessor(member, code, role, validFrom, validTo, possession);
        if (recovered != key) revert PossessionNotProven(key, recovered);
    }

    function _possessor(
        uint32 member,
        bytes32 code,
        Role role,
        uint64 validFrom,
        uint64 validTo,
        bytes memory possession
    ) internal view returns (address) {
        bytes32 structHash = keccak256(
            abi.encode(KEY_POSSESSION_TYPE, member, code, role, validFrom, validTo)
        );
        return SignatureLib.recover(SignatureLib.digestOf(structHash), possession);
    }

    function _requireUnregistered(address key) internal view {
        if (_keys[key].member != 0) revert KeyAlreadyRegistered(key, _keys[key].member);
    }

    function _addKey(uint32 member, address key, Role role, uint64 validFrom, uint64 validTo)
        internal
    {
        _requireUnregistered(key);
        if (validTo < validFrom || validTo < block.number) {
            revert ValidityNotAhead(validFrom, validTo, block.number);
        }
        if (role == Role.ADMIN) _addAdmin(member, key);
        _keys[key] = Key(member, role, validFrom, validTo, 0, 0);
        emit KeyRegistered(member, key, role, validFrom, validTo);
    }

    function _addAdmin(uint32 member, address key) private {
        address[] storage admins = _admins[member];
        for (uint256 i = admins.length; i > 0; i--) {
            if (_keys[admins[i - 1]].validTo >= block.number) continue;
            admins[i - 1] = admins[admins.length - 1];
            admins.pop();
        }
        if (admins.length >= MAX_ADMINS) revert TooManyAdmins(member, MAX_ADMINS);
        admins.push(key);
    }

    /// @dev For a vote that replaces a lost admin: all of them end with this block, for good.
    function _endAdmins(uint32 member) internal {
        address[] storage admins = _admins[member];
        for (uint256 i = 0; i < admins.length; i++) {
            Key storage stored = _keys[admins[i]];
            stored.endingFrom = 0;
            if (stored.validTo <= block.number) continue;
            stored.validTo = stored.validFrom > block.number ? 0 : uint64(block.number);
            emit KeyEnded(member, admins[i], stored.validTo, false);
        }
        delete _admins[member];
    }

    function _requireBounds(uint256 given, uint256 minimum, uint256 maximum) internal pure {
        if (given < minimum || given > maximum) revert OutOfBounds(given, minimum, maximum);
    }

    function _max(uint64 a, uint64 b) internal pure returns (uint64) {
        return a > b ? a : b;
    }
}
