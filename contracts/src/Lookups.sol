// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILookups} from "./interfaces/ILookups.sol";
import {IRegistry, Role, Standing} from "./interfaces/IRegistry.sol";
import {SignatureLib} from "./libraries/SignatureLib.sol";

/// @title Lookups
/// @notice See ILookups.
contract Lookups is ILookups {
    uint256 public constant MAX_COMMITTEE = 16;
    uint256 public constant MAX_WORD = 65_536;
    uint8 private constant MAX_LEVEL = 3;

    IRegistry public immutable registry;
    uint32 public lastKeyEpoch;

    mapping(uint32 keyEpoch => KeyEpoch) internal _keyEpochs;
    mapping(bytes32 digest => mapping(uint32 member => bool)) private _approved;
    mapping(uint32 member => uint32) private _lastLogDay;
    /// Who ever was of a committee: its last day's log is over only when another one may sit.
    mapping(uint32 member => bool) private _sat;
    /// By reader and digest: who sees a digest on its way cannot record it in the reader's place.
    mapping(uint32 reader => mapping(bytes32 consent => Consent)) private _consents;

    constructor(IRegistry registry_) {
        registry = registry_;
    }

    // --------------------------------------------------------------------------------- key epochs

    /// @inheritdoc ILookups
    function approveKeyEpoch(
        uint32 keyEpoch,
        uint32 threshold,
        uint32[] calldata members,
        bytes32 publicKey,
        bytes32 sharesHash,
        uint64 switchBlock
    ) external {
        uint32 member = registry.authoriseActive(msg.sender, Role.ADMIN);
        if (!registry.memberOf(member).full) revert IRegistry.NotFullMember(member);
        _requireNext(keyEpoch, publicKey, switchBlock);
        _requireShape(threshold, members);
        uint32 sharing = keyEpoch == lastKeyEpoch ? _keyEpochs[keyEpoch].sharing + 1 : 0;
        bytes32 digest = keccak256(
            abi.encode(keyEpoch, sharing, threshold, members, publicKey, sharesHash, switchBlock)
        );
        if (_approved[digest][member]) revert KeyEpochApproved(member);

        _approved[digest][member] = true;
        emit KeyEpochProposed(keyEpoch, digest, member);
        if (!_isComplete(digest, members)) return;
        lastKeyEpoch = keyEpoch;
        for (uint256 i = 0; i < members.length; i++) {
            _sat[members[i]] = true;
        }
        _keyEpochs[keyEpoch] =
            KeyEpoch(threshold, sharing, switchBlock, publicKey, sharesHash, members);
        emit KeyEpochInstalled(
            keyEpoch, sharing, threshold, members, publicKey, sharesHash, switchBlock
        );
    }

    /// @inheritdoc ILookups
    function speak(bytes32 session, uint8 phase, bytes calldata body) external {
        uint32 member = _poster();
        if (body.length > MAX_WORD) revert IRegistry.OutOfBounds(body.length, 0, MAX_WORD);
        emit CommitteeSpoke(session, member, phase, body);
    }

    /// @inheritdoc ILookups
    function anchorLog(uint32 day, bytes32 root, uint64 count) external {
        uint32 member = _poster();
        if (!_sat[member]) revert NotCommitteeMember(member);
        uint32 last = _lastLogDay[member];
        if (day <= last || day >= block.timestamp / 1 days) revert LogOutOfSequence(last, day);
        if (root == 0) revert RootMissing();
        _lastLogDay[member] = day;
        emit LookupLogAnchored(member, day, root, count);
    }

    // ---------------------------------------------------------------------------------- consents

    /// @inheritdoc ILookups
    function recordConsent(bytes32 consent, uint8 level, uint64 validTo_s, bytes32 revocationHash)
        external
    {
        uint32 member = _poster();
        if (_consents[member][consent].reader != 0) revert ConsentKnown(consent);
        bool malformed = consent == 0 || level == 0 || level > MAX_LEVEL || revocationHash == 0;
        if (malformed || validTo_s < block.timestamp) revert ConsentMalformed(level, validTo_s);
        _consents[member][consent] = Consent(member, level, validTo_s, 0, revocationHash);
        emit ConsentRecorded(consent, member, level, validTo_s);
    }

    /// @inheritdoc ILookups
    function revokeConsent(uint32 reader, bytes32 consent, bytes32 secret) external {
        _poster();
        Consent storage stored = _consents[reader][consent];
        if (stored.reader == 0) revert ConsentUnknown(consent);
        if (stored.revokedAt_s != 0) revert ConsentRevokedAlready(consent);
        bytes32 given = keccak256(abi.encode(secret));
        if (given != stored.revocationHash) revert SecretMismatch(stored.revocationHash, given);
        stored.revokedAt_s = uint64(block.timestamp);
        emit ConsentRevoked(consent, reader);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc ILookups
    function currentKeyEpoch() public view returns (uint32) {
        uint32 last = lastKeyEpoch;
        bool begun = last == 0 || _keyEpochs[last].switchBlock <= block.number;
        return begun ? last : last - 1;
    }

    /// @inheritdoc ILookups
    function keyEpochOf(uint32 keyEpoch) external view returns (KeyEpoch memory) {
        return _keyEpochs[keyEpoch];
    }

    /// @inheritdoc ILookups
    function consentOf(uint32 reader, bytes32 consent) external view returns (Consent memory) {
        return _consents[reader][consent];
    }

    /// @inheritdoc ILookups
    function domainSeparator() external view returns (bytes32) {
        return SignatureLib.domainSeparator();
    }

    /// @inheritdoc ILookups
    function requireSigned(uint32 keyEpoch, bytes32 digest, bytes[] calldata signatures)
        external
        view
    {
        _requireSigned(keyEpoch, digest, signatures, _keyEpochs[keyEpoch].threshold);
    }

    /// @inheritdoc ILookups
    function requireSignedByAll(uint32 keyEpoch, bytes32 digest, bytes[] calldata signatures)
        external
        view
    {
        _requireSigned(keyEpoch, digest, signatures, _keyEpochs[keyEpoch].members.length);
    }

    /// @inheritdoc ILookups
    function requireMember(uint32 keyEpoch, uint32 member) public view {
        if (!_isOf(_keyEpochs[keyEpoch].members, member)) revert NotCommitteeMember(member);
    }

    /// @inheritdoc ILookups
    function requireUsable(uint32 keyEpoch) external view {
        uint32 current = currentKeyEpoch();
        if (keyEpoch == 0 || keyEpoch < current || keyEpoch > lastKeyEpoch) {
            revert KeyEpochNotUsable(current, keyEpoch);
        }
    }

    // ---------------------------------------------------------------------------------- internal

    function _poster() private view returns (uint32) {
        return registry.authoriseActive(msg.sender, Role.POSTER);
    }

    function _requireNext(uint32 keyEpoch, bytes32 publicKey, uint64 switchBlock) private view {
        uint32 last = lastKeyEpoch;
        bool reshared = keyEpoch == last && last != 0;
        // A further epoch waits until the last one has begun, so that at most two are in use.
        bool next = keyEpoch == last + 1 && currentKeyEpoch() == last;
        if (!reshared && !next) revert KeyEpochOutOfSequence(last, keyEpoch);
        bytes32 current = _keyEpochs[last].publicKey;
        if (publicKey == 0 || reshared != (publicKey == current)) {
            revert PublicKeyMismatch(current, publicKey);
        }
        uint64 old = _keyEpochs[last].switchBlock;
        bool ahead = reshared ? switchBlock == old : switchBlock > block.number;
        if (!ahead) revert SwitchBlockNotAhead(switchBlock, block.number);
    }

    /// @dev 2t > n: no two disjoint parts of a committee answer or sign apart.
    function _requireShape(uint32 threshold, uint32[] calldata members) private view {
        bool wrong = members.length == 0 || members.length > MAX_COMMITTEE
            || threshold > members.length || 2 * uint256(threshold) <= members.length;
        for (uint256 i = 0; i < members.length && !wrong; i++) {
            wrong = i != 0 && members[i] <= members[i - 1];
            registry.requireActive(members[i]);
        }
        if (wrong) revert CommitteeMalformed(threshold, members);
    }

    function _isComplete(bytes32 digest, uint32[] calldata members) private view returns (bool) {
        for (uint256 i = 0; i < members.length; i++) {
            bool full = registry.memberOf(members[i]).full;
            if (full && !_approved[digest][members[i]]) return false;
        }
        uint32[] memory full_ = registry.fullMembers();
        uint256 eligible;
        uint256 approvals;
        for (uint256 i = 0; i < full_.length; i++) {
            if (registry.memberOf(full_[i]).standing != Standing.ACTIVE) continue;
            eligible++;
            if (_approved[digest][full_[i]]) approvals++;
        }
        return 3 * approvals > 2 * eligible;
    }

    function _requireSigned(
        uint32 keyEpoch,
        bytes32 digest,
        bytes[] calldata signatures,
        uint256 least
    ) private view {
        if (signatures.length < least || least == 0) {
            revert SignaturesBelowThreshold(signatures.length, least);
        }
        uint32[] storage members = _keyEpochs[keyEpoch].members;
        uint32 previous;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = SignatureLib.recover(digest, signatures[i]);
            uint32 member = registry.authoriseActive(signer, Role.APPROVER);
            if (member <= previous) revert SignersNotAscending(previous, member);
            if (!_isOf(members, member)) revert NotCommitteeMember(member);
            previous = member;
        }
    }

    function _isOf(uint32[] storage members, uint32 member) private view returns (bool) {
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i] == member) return true;
        }
        return false;
    }
}
