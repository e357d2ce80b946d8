// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBlacklist} from "../interfaces/IBlacklist.sol";
import {EntryId, EntryState, Phase, Stage, Verdict} from "../interfaces/IBlacklistFacts.sol";
import {BlacklistBase} from "./BlacklistBase.sol";
import {Panels} from "./Panels.sol";

/// @title Disputes
/// @notice Opening, answering, contesting and settling; the panel is in Panels.
abstract contract Disputes is Panels {
    uint64 public lastDispute;

    mapping(uint32 member => mapping(uint32 target => uint256)) private _openDisputes;
    /// For the person, without a stake: once a member and entry.
    mapping(EntryId => mapping(uint32 member => bool)) private _raisedFree;

    /// @inheritdoc IBlacklist
    function openDispute(EntryId entry, bool byPerson, bytes32 grounds)
        external
        returns (uint64 dispute)
    {
        uint32 member = _poster();
        Entry storage stored = _known(entry);
        if (stored.dispute != 0) revert DisputeOpen(entry, stored.dispute);
        _requireState(entry, _bit(EntryState.LISTED) | _bit(EntryState.UNTAGGED));
        uint32 target = stored.uploader;
        if (target == member) revert OwnEntry(member);
        if (_openDisputes[member][target] >= MAX_DISPUTES) {
            revert TooManyDisputes(member, target, MAX_DISPUTES);
        }

        _speak(member, !byPerson);
        if (byPerson) {
            if (_raisedFree[entry][member]) revert StakeNeeded(entry, member);
            _raisedFree[entry][member] = true;
        }
        _openDisputes[member][target] += 1;
        dispute = ++lastDispute;
        stored.dispute = dispute;
        Dispute storage d = _disputes[dispute];
        d.entry = entry;
        d.by = member;
        d.target = target;
        d.byPerson = byPerson;
        d.openedAt_s = uint64(block.timestamp);
        emit DisputeOpened(dispute, entry, member, byPerson, grounds);
    }

    /// @inheritdoc IBlacklist
    function extendAnswer(uint64 dispute) external {
        Dispute storage d = _asTarget(dispute);
        _requirePhase(dispute, Phase.OPEN);
        if (d.extended || _slackDays(d) == 0) revert NoExtension(dispute);
        d.extended = true;
        emit DisputeExtended(dispute);
    }

    /// @inheritdoc IBlacklist
    function answer(uint64 dispute, Verdict verdict, bytes32 answerHash) external {
        Dispute storage d = _asTarget(dispute);
        _requirePhase(dispute, Phase.OPEN);
        bool allowed =
            verdict == Verdict.UPHELD || verdict == Verdict.CORRECTED || verdict == Verdict.REMOVED;
        if (!allowed) revert VerdictNotAllowed(verdict);
        d.answer = verdict;
        d.answeredAt_s = uint64(block.timestamp);
        emit DisputeAnswered(dispute, verdict, answerHash);
    }

    /// @inheritdoc IBlacklist
    function contest(uint64 dispute, bool byPerson) external {
        uint32 member = _poster();
        Dispute storage d = _disputes[dispute];
        _requirePhase(dispute, Phase.ANSWERED);
        if (d.target == member) revert NotParty(dispute, member);
        bool staked = d.by != member && !byPerson;
        _speak(member, staked);
        d.contestStaked = staked;
        d.contestedBy = member;
        d.contestedAt_s = uint64(block.timestamp);
        d.drawAfter = uint64(block.number);
        emit DisputeContested(dispute, member, staked, uint64(block.number));
    }

    /// @inheritdoc IBlacklist
    function settle(uint64 dispute) external {
        _poster();
        Dispute storage d = _disputes[dispute];
        Phase phase = phaseOf(dispute);
        Verdict outcome;
        if (phase == Phase.UNANSWERED) outcome = Verdict.TIMED_OUT;
        else if (phase == Phase.ACCEPTED) outcome = d.answer;
        else if (phase == Phase.DECIDED) outcome = _panelVerdict(dispute);
        else if (phase == Phase.UNDECIDED) outcome = Verdict.UNDECIDED;
        else revert PhaseNotAllowed(dispute, phase);
        _settle(dispute, d, outcome);
    }

    /// @inheritdoc IBlacklist
    function decide(uint64 dispute, Verdict verdict) external {
        uint32 member = _poster();
        Dispute storage d = _disputes[dispute];
        if (member != regulator || _isRegulators(d)) revert NotRegulator(member);
        _requirePhase(dispute, Phase.REGULATOR);
        _requireVote(verdict);
        _settle(dispute, d, verdict);
    }

    // ------------------------------------------------------------------------------------- views

    /// @inheritdoc IBlacklist
    function disputeOf(uint64 dispute) external view returns (Dispute memory) {
        return _disputes[dispute];
    }

    /// @inheritdoc IBlacklist
    function phaseOf(uint64 dispute) public view override returns (Phase) {
        Dispute storage d = _disputes[dispute];
        if (d.openedAt_s == 0) return Phase.NONE;
        if (d.outcome != Verdict.NONE) return Phase.SETTLED;
        Profile storage p = _profiles[_entries[d.entry].profile];
        if (d.answeredAt_s == 0) {
            return block.timestamp > _suspendsAfter_s(d) ? Phase.UNANSWERED : Phase.OPEN;
        }
        if (d.contestedAt_s == 0) {
            return _passed(d.answeredAt_s, p.contestDays) ? Phase.ACCEPTED : Phase.ANSWERED;
        }
        Phase phase = _panelPhase(dispute, d, p);
        bool undecided =
            phase == Phase.REGULATOR && _isRegulators(d) && block.timestamp > _suspendsAfter_s(d);
        return undecided ? Phase.UNDECIDED : phase;
    }

    // ---------------------------------------------------------------------------------- internal

    /// @dev The regulator may have raised or contested for the person, but does not judge a case of
    /// its own.
    function _isRegulators(Dispute storage d) private view returns (bool) {
        bool raised = d.by == regulator && !d.byPerson;
        bool contested = d.contestedBy == regulator && d.contestStaked;
        return d.target == regulator || raised || contested;
    }

    function _asTarget(uint64 dispute) private view returns (Dispute storage d) {
        uint32 member = _poster();
        d = _disputes[dispute];
        if (d.openedAt_s == 0) revert DisputeUnknown(dispute);
        if (d.target != member) revert NotParty(dispute, member);
    }

    function _requirePhase(uint64 dispute, Phase needed) private view {
        Phase phase = phaseOf(dispute);
        if (phase == Phase.NONE) revert DisputeUnknown(dispute);
        if (phase != needed) revert PhaseNotAllowed(dispute, phase);
    }

    function _settle(uint64 dispute, Dispute storage d, Verdict outcome) private {
        d.outcome = outcome;
        _openDisputes[d.by][d.target] -= 1;
        Entry storage stored = _entries[d.entry];
        uint32 lastDay = _lastDay(stored);
        stored.dispute = 0;
        emit DisputeSettled(dispute, d.entry, outcome);
        _fineSilent(dispute, d);
        // Whatever is said of an entry that has ended meanwhile, it stays over.
        bool suspended = outcome == Verdict.TIMED_OUT || outcome == Verdict.UNDECIDED;
        if (suspended || _today() > lastDay) _shorten(d.entry, lastDay);
        if (suspended) _stageTo(d.entry, Stage.SUSPENDED);
        if (outcome == Verdict.UPHELD) {
            // Only a panel's word counts: an answer that a friend does not contest proves nothing.
            if (d.contestedAt_s != 0) points.countEntry(d.target, true);
        } else if (outcome != Verdict.UNDECIDED) {
            _overturned(d, stored, outcome);
        }
        bool lost = outcome == Verdict.UPHELD;
        if (!d.byPerson) _unstake(d.by, lost);
        if (d.contestStaked) _unstake(d.contestedBy, lost);
    }

    /// @dev Full members speak, with a stake or for the person.
    function _speak(uint32 member, bool staked) private {
        if (staked) points.stake(member, DISPUTE_STAKE, false);
        else points.requireFull(member);
    }

    function _unstake(uint32 member, bool lost) private {
        if (lost) points.slash(member, DISPUTE_STAKE, "dispute lost");
        else points.release(member, DISPUTE_STAKE);
    }

    /// @dev An uploader concedes by an answer that nobody has to contest.
    function _overturned(Dispute storage d, Entry storage stored, Verdict outcome) private {
        bool conceded = d.contestedAt_s == 0 && outcome != Verdict.TIMED_OUT;
        bool held = stored.stakeHeld;
        stored.stakeHeld = false;
        points.overturn(d.target, LISTING_STAKE, held, conceded);
        if (outcome == Verdict.TIMED_OUT) return;
        _end(d.entry);
        _stageTo(d.entry, outcome == Verdict.CORRECTED ? Stage.CORRECTED : Stage.REMOVED);
    }

    function _passed(uint256 since_s, uint256 days_) internal view override returns (bool) {
        return block.timestamp > since_s + days_ * 1 days;
    }
}
