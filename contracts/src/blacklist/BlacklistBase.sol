// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Points} from "../Points.sol";
import {IBlacklist} from "../interfaces/IBlacklist.sol";
import {EntryId, EntryState, Phase, Stage} from "../interfaces/IBlacklistFacts.sol";
import {ILookups} from "../interfaces/ILookups.sol";
import {IPoints} from "../interfaces/IPoints.sol";
import {IRegistry, Role} from "../interfaces/IRegistry.sol";

/// @title BlacklistBase
/// @notice The blacklist's storage, limits, and an entry's state as of the block's time.
abstract contract BlacklistBase is IBlacklist {
    uint128 public constant LISTING_STAKE = 5e6;
    uint128 public constant DISPUTE_STAKE = 5e6;
    uint128 public constant PANEL_FINE = 2e6;
    uint256 public constant MAX_ENTRIES = 1_000_000;
    uint256 public constant MAX_DISPUTES = 5;
    uint256 public constant MAX_EXPIRY_DAYS = 400;
    uint256 public constant MAX_RECIPIENTS = 256;
    /// A ticket that is not tagged by then has lost its stake.
    uint256 public constant TICKET_S = 7 days;
    /// An entry that nobody overturned by then has survived.
    uint256 public constant CHALLENGE_WINDOW_S = 90 days;
    /// A suspended entry is over after so many days: every reader has looked again by then.
    uint256 public constant SUSPENSION_DAYS = 90;
    /// Uploaders look for their leaves before a root is live.
    uint256 public constant ROOT_CHALLENGE_S = 1 hours;
    /// A version is built and signed before the next one is cut.
    uint256 public constant MIN_CUT_S = 30 minutes;
    /// A challenge proves nothing: of a member that is right, two a version are heard; one that stops
    /// true roots stops few of them, two in any such period.
    uint256 public constant MAX_CHALLENGES = 4;
    uint256 public constant CHALLENGE_PERIOD_S = 10 days;
    /// The last revision of a root cannot be challenged, so that a version ends; all sign it.
    uint8 public constant MAX_REVISIONS = 3;

    IRegistry public immutable registry;
    ILookups public immutable lookups;
    IPoints public immutable points;
    uint32 public immutable regulator;

    mapping(uint8 profile => Profile) internal _profiles;
    mapping(EntryId => Entry) internal _entries;
    mapping(uint32 member => uint256) internal _entryCount;
    mapping(uint64 dispute => Dispute) internal _disputes;

    /// @param profiles_ numbered from 1 in order.
    constructor(
        IRegistry registry_,
        ILookups lookups_,
        uint32 regulator_,
        Profile[] memory profiles_
    ) {
        registry = registry_;
        lookups = lookups_;
        regulator = regulator_;
        points = new Points(registry_, lookups_, regulator_);
        for (uint256 i = 0; i < profiles_.length; i++) {
            Profile memory p = profiles_[i];
            uint256 rounds = 2 * (uint256(p.commitDays) + p.revealDays);
            uint256 allowed = uint256(p.disputeDays) + p.extensionDays;
            bool fits = uint256(p.answerDays) + p.contestDays + rounds <= allowed;
            bool filled = p.answerDays != 0 && p.contestDays != 0 && p.commitDays != 0;
            if (!fits || !filled || p.revealDays == 0 || p.retentionDays == 0) {
                revert ProfileMalformed(i);
            }
            _profiles[uint8(i + 1)] = p;
        }
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IBlacklist
    function profileOf(uint8 profile) external view returns (Profile memory) {
        return _profiles[profile];
    }

    /// @inheritdoc IBlacklist
    function entryOf(EntryId entry) external view returns (Entry memory) {
        return _entries[entry];
    }

    /// @inheritdoc IBlacklist
    /// @dev No keeper: what time has done is computed here.
    function stateOf(EntryId entry) public view returns (EntryState) {
        Entry storage stored = _entries[entry];
        Stage stage = stored.stage;
        if (stage == Stage.NONE) return EntryState.NONE;
        if (stage == Stage.ERASED) return EntryState.ERASED;
        if (stage == Stage.REMOVED) return EntryState.REMOVED;
        if (stage == Stage.CORRECTED) return EntryState.CORRECTED;
        if (stage == Stage.TICKETED) {
            return block.timestamp > stored.postedAt_s + TICKET_S
                ? EntryState.LAPSED
                : EntryState.TICKETED;
        }
        if (_today() > _lastDay(stored)) return EntryState.EXPIRED;
        if (stage == Stage.SUSPENDED) return EntryState.SUSPENDED;
        if (stored.dispute != 0) {
            return block.timestamp > _suspendsAfter_s(_disputes[stored.dispute])
                ? EntryState.SUSPENDED
                : EntryState.DISPUTED;
        }
        return isTagged(entry, lookups.currentKeyEpoch()) ? EntryState.LISTED : EntryState.UNTAGGED;
    }

    // ---------------------------------------------------------------------------------- internal

    function isTagged(EntryId entry, uint32 keyEpoch) public view virtual returns (bool);

    function phaseOf(uint64 dispute) public view virtual returns (Phase);

    /// @dev An entry is over: its last day is today, or an earlier one, and its leaf is taken out of
    /// the counters of every key epoch that may hold one.
    function _end(EntryId entry) internal virtual;

    /// @dev Brings an entry's end forward, in the counters of every key epoch that may hold a leaf.
    function _shorten(EntryId entry, uint32 day) internal virtual;

    /// @dev The last second before an open dispute suspends its entry: unanswered, or over the
    /// profile's days without an outcome.
    function _suspendsAfter_s(Dispute storage d) internal view returns (uint256) {
        Profile storage p = _profiles[_entries[d.entry].profile];
        uint256 days_ = uint256(p.disputeDays) + p.extensionDays;
        if (d.answeredAt_s == 0) days_ = p.answerDays + (d.extended ? _slackDays(d) : 0);
        return d.openedAt_s + days_ * 1 days;
    }

    /// @dev What a profile's days leave beyond answer, contest and two rounds; the constructor
    /// checked that it is not negative.
    function _slackDays(Dispute storage d) internal view returns (uint256) {
        Profile storage p = _profiles[_entries[d.entry].profile];
        uint256 rounds = 2 * (uint256(p.commitDays) + p.revealDays);
        uint256 allowed = uint256(p.disputeDays) + p.extensionDays;
        return allowed - p.answerDays - p.contestDays - rounds;
    }

    /// @dev An open dispute ends its entry by its own clocks, whoever settles it when: nobody
    /// draws a suspension out.
    function _lastDay(Entry storage stored) internal view returns (uint32 day) {
        day = stored.expiresDay;
        if (stored.dispute == 0) return day;
        uint256 ends = _suspendsAfter_s(_disputes[stored.dispute]) / 1 days + SUSPENSION_DAYS;
        if (ends < day) day = uint32(ends);
    }

    function _poster() internal view returns (uint32) {
        return registry.authoriseActive(msg.sender, Role.POSTER);
    }

    function _known(EntryId entry) internal view returns (Entry storage stored) {
        stored = _entries[entry];
        if (stored.stage == Stage.NONE) revert EntryUnknown(entry);
    }

    function _own(EntryId entry) internal view returns (Entry storage stored, uint32 member) {
        member = _poster();
        stored = _known(entry);
        if (stored.uploader != member) revert NotUploader(entry, member);
    }

    /// @param allowed the states' `_bit`s.
    function _requireState(EntryId entry, uint256 allowed)
        internal
        view
        returns (EntryState state)
    {
        state = stateOf(entry);
        if (allowed & _bit(state) == 0) revert EntryStateNotAllowed(entry, state);
    }

    function _bit(EntryState state) internal pure returns (uint256) {
        return 1 << uint256(state);
    }

    function _stageTo(EntryId entry, Stage stage) internal {
        _entries[entry].stage = stage;
        emit EntryStaged(entry, stage);
    }

    function _today() internal view returns (uint32) {
        return uint32(block.timestamp / 1 days);
    }
}
