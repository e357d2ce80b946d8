// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBlacklist} from "../interfaces/IBlacklist.sol";
import {EntryId} from "../interfaces/IBlacklistFacts.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {BlacklistBase} from "./BlacklistBase.sol";
import {Listings} from "./Listings.sol";

/// @title IndexRoots
/// @notice Which entries have a leaf in which key epoch, how many there are at a cut, and the roots
/// over them.
/// @dev An entry's flag of an epoch flips; the counter and the entry's expiry day move only then,
/// and days that are over are counted out once.
abstract contract IndexRoots is Listings {
    bytes32 private constant ROOT_TYPE = keccak256(
        "IndexRoot(uint32 version,uint32 keyEpoch,uint64 cutBlock,uint64 leafCount,bytes32 root,"
        "uint8 revision)"
    );

    /// @dev Entries with a leaf, the last day whose expiring entries are counted out, and when the
    /// log was cut last.
    struct Counter {
        uint64 count;
        uint32 expiredThrough;
        uint64 cutAt_s;
    }

    uint32 public lastVersion;

    mapping(uint32 keyEpoch => Counter) private _counters;
    mapping(uint32 keyEpoch => mapping(uint32 day => uint64)) private _expiring;
    /// @dev The block of the tag, 0 for none.
    mapping(uint32 keyEpoch => mapping(EntryId => uint64)) private _tagged;
    mapping(uint32 version => Cut) private _cuts;
    mapping(uint32 version => Root) private _roots;
    mapping(uint32 version => mapping(uint8 revision => mapping(uint32 member => bool))) private
        _challenged;
    /// @dev When a member's last MAX_CHALLENGES were heard, 64 bits each, the oldest first.
    mapping(uint32 member => uint256) private _heardAt_s;

    /// @inheritdoc IBlacklist
    function settleExpiry(uint32 keyEpoch) public {
        Counter storage counter = _counters[keyEpoch];
        uint32 through = counter.expiredThrough;
        uint32 yesterday = _today() - 1;
        if (through == 0) {
            counter.expiredThrough = yesterday;
            return;
        }
        uint64 expired;
        for (uint256 i = 0; i < MAX_EXPIRY_DAYS && through < yesterday; i++) {
            through++;
            expired += _expiring[keyEpoch][through];
        }
        if (through == counter.expiredThrough) return;
        counter.expiredThrough = through;
        counter.count -= expired;
        emit EntriesExpired(keyEpoch, through, counter.count);
    }

    /// @inheritdoc IBlacklist
    function cut(uint32 keyEpoch) external returns (uint32 version) {
        uint32 member = _poster();
        lookups.requireUsable(keyEpoch);
        lookups.requireMember(keyEpoch, member);
        _settleAll(keyEpoch);
        Counter storage counter = _counters[keyEpoch];
        uint256 from_s = counter.cutAt_s + MIN_CUT_S;
        if (block.timestamp < from_s) revert NotYet(from_s);
        counter.cutAt_s = uint64(block.timestamp);
        version = ++lastVersion;
        uint64 count = counter.count;
        _cuts[version] = Cut(keyEpoch, uint64(block.number), count);
        emit IndexCut(version, keyEpoch, count);
    }

    /// @inheritdoc IBlacklist
    function publishRoot(
        uint32 version,
        uint64 leafCount,
        bytes32 root,
        bytes[] calldata signatures
    ) external {
        _poster();
        Cut storage cut_ = _cuts[version];
        if (cut_.blockNumber == 0) revert VersionUnknown(version);
        Root storage stored = _roots[version];
        if (stored.root != 0 && !stored.challenged) revert RootStands(version, stored.root);
        if (leafCount != cut_.leafCount) revert LeafCountMismatch(cut_.leafCount, leafCount);
        if (root == 0) revert RootMissing();
        uint8 revision = stored.revision + 1;
        bytes32 structHash = keccak256(
            abi.encode(
                ROOT_TYPE, version, cut_.keyEpoch, cut_.blockNumber, leafCount, root, revision
            )
        );
        _requireSigned(cut_.keyEpoch, revision, SignatureLib.digestOf(structHash), signatures);
        _roots[version] = Root(root, uint64(block.timestamp), revision, false);
        emit RootPublished(version, root, leafCount, revision, signatures);
    }

    /// @inheritdoc IBlacklist
    function challengeRoot(uint32 version, uint8 revision, EntryId entry) external {
        (, uint32 member) = _own(entry);
        Root storage stored = _roots[version];
        if (stored.root == 0) revert RootNotPublished(version);
        if (stored.revision != revision) {
            revert RevisionNotCurrent(version, stored.revision, revision);
        }
        Cut storage cut_ = _cuts[version];
        uint64 taggedAt = _tagged[cut_.keyEpoch][entry];
        // A leaf of the cut's own block may lie behind it, and is in the next version either way.
        if (taggedAt == 0 || taggedAt >= cut_.blockNumber) {
            revert EntryStateNotAllowed(entry, stateOf(entry));
        }
        uint256 end_s = stored.publishedAt_s + ROOT_CHALLENGE_S;
        if (block.timestamp > end_s || revision >= MAX_REVISIONS) {
            revert ChallengeOver(version, end_s);
        }
        if (_challenged[version][revision][member]) revert ChallengedAlready(version, member);
        _challenged[version][revision][member] = true;
        uint256 heardAt_s = _heardAt_s[member];
        // The oldest: whenever a period begins, it holds no more.
        if (block.timestamp < (heardAt_s >> 192) + CHALLENGE_PERIOD_S) {
            revert TooManyChallenges(member, MAX_CHALLENGES);
        }
        _heardAt_s[member] = heardAt_s << 64 | block.timestamp;
        stored.challenged = true;
        emit RootChallenged(version, member, entry, revision);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IBlacklist
    function isTagged(EntryId entry, uint32 keyEpoch) public view override returns (bool) {
        return _tagged[keyEpoch][entry] != 0;
    }

    /// @inheritdoc IBlacklist
    function indexedCount(uint32 keyEpoch) external view returns (uint64) {
        return _counters[keyEpoch].count;
    }

    /// @inheritdoc IBlacklist
    function cutOf(uint32 version) external view returns (Cut memory) {
        return _cuts[version];
    }

    /// @inheritdoc IBlacklist
    function rootOf(uint32 version) external view returns (Root memory) {
        return _roots[version];
    }

    /// @inheritdoc IBlacklist
    function isLive(uint32 version) external view returns (bool) {
        Root storage stored = _roots[version];
        bool stands = stored.root != 0 && !stored.challenged;
        return stands && block.timestamp > stored.publishedAt_s + ROOT_CHALLENGE_S;
    }

    /// @inheritdoc IBlacklist
    function domainSeparator() external view returns (bytes32) {
        return SignatureLib.domainSeparator();
    }

    // ---------------------------------------------------------------------------------- internal

    /// @dev Nobody challenges the last revision, so that no uploader alone stops a version for
    /// ever; t that collude do not have it either, since it needs the whole committee.
    function _requireSigned(
        uint32 keyEpoch,
        uint8 revision,
        bytes32 digest,
        bytes[] calldata signatures
    ) private view {
        if (revision < MAX_REVISIONS) {
            lookups.requireSigned(keyEpoch, digest, signatures);
        } else {
            lookups.requireSignedByAll(keyEpoch, digest, signatures);
        }
    }

    function _tag(EntryId entry, uint32 expiresDay, uint32 keyEpoch, bytes32 record)
        internal
        override
    {
        _settleAll(keyEpoch);
        _tagged[keyEpoch][entry] = uint64(block.number);
        _count(keyEpoch, expiresDay, true);
        emit EntryTagged(entry, keyEpoch, record);
    }

    function _end(EntryId entry) internal override {
        _move(entry, 0);
        Entry storage stored = _entries[entry];
        if (_today() < stored.expiresDay) stored.expiresDay = _today();
    }

    function _shorten(EntryId entry, uint32 day) internal override {
        if (day >= _entries[entry].expiresDay) return;
        _move(entry, day);
        _entries[entry].expiresDay = day;
        emit EntryShortened(entry, day);
    }

    /// @dev Moves the entry's leaves to an earlier day, or for day 0, which is counted out always, out
    /// of the index.
    function _move(EntryId entry, uint32 day) private {
        uint32 last = lookups.lastKeyEpoch();
        for (uint32 keyEpoch = last == 0 ? 0 : last - 1; keyEpoch <= last; keyEpoch++) {
            if (_tagged[keyEpoch][entry] == 0) continue;
            _count(keyEpoch, _entries[entry].expiresDay, false);
            _count(keyEpoch, day, true);
            if (day != 0) continue;
            _tagged[keyEpoch][entry] = 0;
            emit EntryUntagged(entry, keyEpoch);
        }
    }

    /// @dev Counts a leaf in or out that ends with a day. One whose day is counted out already has
    /// left the counter with it, and enters it no more.
    function _count(uint32 keyEpoch, uint32 day, bool in_) private {
        Counter storage counter = _counters[keyEpoch];
        if (day <= counter.expiredThrough) return;
        if (in_) {
            counter.count += 1;
            _expiring[keyEpoch][day] += 1;
        } else {
            counter.count -= 1;
            _expiring[keyEpoch][day] -= 1;
        }
    }

    /// @dev After a silence of more than `MAX_EXPIRY_DAYS` days, `settleExpiry` is called first.
    function _settleAll(uint32 keyEpoch) private {
        settleExpiry(keyEpoch);
        uint32 through = _counters[keyEpoch].expiredThrough;
        if (through < _today() - 1) revert NotYet(uint256(through) * 1 days);
    }
}
