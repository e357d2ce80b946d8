// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBlacklist} from "../interfaces/IBlacklist.sol";
import {EntryId, EntryState, Stage} from "../interfaces/IBlacklistFacts.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {BlacklistBase} from "./BlacklistBase.sol";

/// @title Listings
/// @notice Tickets, tagging, withdrawal, lapse and vesting of entries.
abstract contract Listings is BlacklistBase {
    bytes32 private constant RECORD_TYPE =
        keccak256("RecordHeld(bytes32 entry,uint32 keyEpoch,bytes32 record)");

    // ---------------------------------------------------------------------------------- listings

    /// @inheritdoc IBlacklist
    function list(
        EntryId entry,
        bytes32 commitment,
        uint8 profile,
        uint32 noticeDay,
        uint32 effectiveDay,
        uint32 expiresDay,
        EntryId supersedes
    ) external {
        uint32 member = _poster();
        if (_entries[entry].stage != Stage.NONE || EntryId.unwrap(entry) == 0) {
            revert EntryExists(entry);
        }
        if (commitment == 0) revert CommitmentMissing();
        _requirePeriod(profile, noticeDay, effectiveDay, expiresDay);
        if (EntryId.unwrap(supersedes) != 0) {
            Entry storage old = _known(supersedes);
            if (old.uploader != member) revert NotUploader(supersedes, member);
        }
        if (_entryCount[member] >= MAX_ENTRIES) revert TooManyEntries(member, MAX_ENTRIES);

        points.stake(member, LISTING_STAKE, true);
        _entryCount[member] += 1;
        _entries[entry] = Entry(
            member,
            profile,
            Stage.TICKETED,
            true,
            effectiveDay,
            expiresDay,
            uint64(block.timestamp),
            0,
            commitment,
            supersedes
        );
        emit EntryPosted(
            entry, member, profile, commitment, noticeDay, effectiveDay, expiresDay, supersedes
        );
    }

    /// @inheritdoc IBlacklist
    function tag(EntryId entry, uint32 keyEpoch, bytes32 record, bytes[] calldata signatures)
        external
    {
        (Entry storage stored,) = _own(entry);
        EntryState state = _requireState(
            entry,
            _bit(EntryState.TICKETED) | _bit(EntryState.UNTAGGED) | _bit(EntryState.LISTED)
                | _bit(EntryState.DISPUTED) | _bit(EntryState.SUSPENDED)
        );
        // A ticket's state does not look at the expiry: a day that is counted out takes no leaf.
        if (_today() > stored.expiresDay) revert EntryStateNotAllowed(entry, EntryState.EXPIRED);
        if (isTagged(entry, keyEpoch)) revert TaggedAlready(entry, keyEpoch);
        if (record == 0) revert CommitmentMissing();
        lookups.requireUsable(keyEpoch);
        bytes32 held = keccak256(abi.encode(RECORD_TYPE, entry, keyEpoch, record));
        lookups.requireSigned(keyEpoch, SignatureLib.digestOf(held), signatures);

        _tag(entry, stored.expiresDay, keyEpoch, record);
        if (state != EntryState.TICKETED) return;
        _stageTo(entry, Stage.LISTED);
        _supersede(stored.supersedes);
    }

    /// @inheritdoc IBlacklist
    function withdraw(EntryId entry) external {
        (Entry storage stored,) = _own(entry);
        if (stored.dispute != 0) revert DisputeOpen(entry, stored.dispute);
        _requireState(
            entry,
            _bit(EntryState.LISTED) | _bit(EntryState.UNTAGGED) | _bit(EntryState.SUSPENDED)
                | _bit(EntryState.EXPIRED)
        );
        _end(entry);
        _stageTo(entry, Stage.REMOVED);
    }

    /// @inheritdoc IBlacklist
    function lapse(EntryId entry) external {
        _poster();
        Entry storage stored = _known(entry);
        _requireState(entry, _bit(EntryState.LAPSED));
        stored.stakeHeld = false;
        _end(entry);
        _stageTo(entry, Stage.REMOVED);
        points.slash(stored.uploader, LISTING_STAKE, "ticket lapsed");
    }

    /// @inheritdoc IBlacklist
    function vest(EntryId entry) external {
        _poster();
        Entry storage stored = _known(entry);
        bool bound = stored.stakeHeld && stored.stage != Stage.TICKETED && stored.dispute == 0;
        if (!bound) revert EntryStateNotAllowed(entry, stateOf(entry));
        uint256 from_s = stored.postedAt_s + CHALLENGE_WINDOW_S;
        if (block.timestamp < from_s) revert NotYet(from_s);
        stored.stakeHeld = false;
        points.release(stored.uploader, LISTING_STAKE);
        if (stored.stage == Stage.LISTED) points.countEntry(stored.uploader, true);
        emit EntryVested(entry);
    }

    // ---------------------------------------------------------------------------------- internal

    function _tag(EntryId entry, uint32 expiresDay, uint32 keyEpoch, bytes32 record)
        internal
        virtual;

    function _requirePeriod(uint8 profile, uint32 noticeDay, uint32 effectiveDay, uint32 expiresDay)
        private
        view
    {
        Profile storage p = _profiles[profile];
        if (p.retentionDays == 0) revert ProfileUnknown(profile);
        uint32 today = _today();
        if (effectiveDay < today) revert Backdated(today, effectiveDay);
        uint32 latest = today + uint32(TICKET_S / 1 days);
        if (effectiveDay > latest) revert EffectTooFar(latest, effectiveDay);
        if (noticeDay == 0 || noticeDay > today) revert NoticeNotGiven(today, noticeDay);
        if (uint256(noticeDay) + p.noticeDays > effectiveDay) {
            revert NoticeTooRecent(noticeDay, effectiveDay, p.noticeDays);
        }
        if (expiresDay <= effectiveDay) revert PeriodEmpty(effectiveDay, expiresDay);
        if (uint256(expiresDay) > uint256(effectiveDay) + p.retentionDays) {
            revert ExpiryTooFar(effectiveDay + p.retentionDays, expiresDay);
        }
    }

    /// @dev The old entry leaves the index with the tagging of the new one, unless it is disputed,
    /// removed or erased: then it goes its own way.
    function _supersede(EntryId old) private {
        if (EntryId.unwrap(old) == 0) return;
        Entry storage stored = _entries[old];
        bool live = stored.stage == Stage.LISTED || stored.stage == Stage.SUSPENDED;
        if (!live || stored.dispute != 0) return;
        _end(old);
        _stageTo(old, Stage.CORRECTED);
    }
}
