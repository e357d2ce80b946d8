// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IBlacklist} from "../interfaces/IBlacklist.sol";
import {Phase, Verdict} from "../interfaces/IBlacklistFacts.sol";
import {BlacklistBase} from "./BlacklistBase.sol";

/// @title Panels
/// @notice Drawing a panel, votes by commit and reveal, and what a round came to.
/// @dev One draw seats both rounds: the second begins at the end of the first without a call.
abstract contract Panels is BlacklistBase {
    /// The hash of the second block after the contest, which neither party chose.
    uint256 private constant DRAW_BLOCKS = 2;
    uint256 private constant KNOWN_HASHES = 256;
    uint8 private constant MAX_REDRAWS = 2;

    mapping(uint64 dispute => mapping(uint32 member => Ballot)) private _ballots;

    /// @inheritdoc IBlacklist
    function draw(uint64 dispute) external {
        _poster();
        Dispute storage d = _disputes[dispute];
        Phase phase = phaseOf(dispute);
        // Undrawn, a dispute leaves these two with its first round, and is the regulator's.
        if (phase != Phase.COMMIT && phase != Phase.REVEAL) revert PhaseNotAllowed(dispute, phase);
        if (d.drawnAt_s != 0) revert DrawnAlready(dispute);
        uint256 drawBlock = d.drawAfter + DRAW_BLOCKS;
        if (block.number <= drawBlock) revert DrawNotDue(dispute, drawBlock + 1);
        bool missed = block.number > drawBlock + KNOWN_HASHES;
        if (missed && d.redraws < MAX_REDRAWS) {
            d.redraws += 1;
            d.drawAfter = uint64(block.number);
            emit DrawMissed(dispute, uint64(block.number));
            return;
        }
        uint32[] memory eligible = missed
            ? new uint32[](0)
            : points.strangersTo([d.by, d.target, d.contestedBy], regulator);
        _shuffle(eligible, keccak256(abi.encode(blockhash(drawBlock), dispute)));
        uint256 first = _seats(eligible.length);
        uint256 all = first + _seats(eligible.length - first);
        for (uint256 i = 0; i < all; i++) {
            d.panel.push(eligible[i]);
        }
        d.seats = uint8(first);
        d.drawnAt_s = uint64(block.timestamp);
        emit PanelDrawn(dispute, d.panel, d.seats);
    }

    /// @inheritdoc IBlacklist
    function commitBallot(uint64 dispute, bytes32 commitment) external {
        (uint32 member, Ballot storage ballot) = _asPanelist(dispute, Phase.COMMIT);
        if (ballot.commitment != 0) revert BallotCast(dispute, member);
        if (commitment == 0) revert CommitmentMissing();
        ballot.commitment = commitment;
        emit BallotCommitted(dispute, member, commitment);
    }

    /// @inheritdoc IBlacklist
    function revealBallot(uint64 dispute, Verdict verdict, bytes32 salt) external {
        (uint32 member, Ballot storage ballot) = _asPanelist(dispute, Phase.REVEAL);
        _requireVote(verdict);
        if (ballot.revealed != Verdict.NONE) revert BallotCast(dispute, member);
        bytes32 given =
            keccak256(abi.encode(block.chainid, address(this), dispute, member, verdict, salt));
        if (given != ballot.commitment) revert BallotMismatch(ballot.commitment, given);
        ballot.revealed = verdict;
        emit BallotRevealed(dispute, member, verdict);
    }

    /// @inheritdoc IBlacklist
    function ballotOf(uint64 dispute, uint32 member) external view returns (Ballot memory) {
        return _ballots[dispute][member];
    }

    // ---------------------------------------------------------------------------------- internal

    function _passed(uint256 since_s, uint256 days_) internal view virtual returns (bool);

    function _requireVote(Verdict verdict) internal pure {
        if (verdict == Verdict.NONE || verdict >= Verdict.TIMED_OUT) {
            revert VerdictNotAllowed(verdict);
        }
    }

    function _panelPhase(uint64 dispute, Dispute storage d, Profile storage p)
        internal
        view
        returns (Phase)
    {
        uint256 roundDays = uint256(p.commitDays) + p.revealDays;
        bool firstOver = _passed(d.contestedAt_s, roundDays);
        if (!firstOver) {
            if (d.drawnAt_s != 0 && d.seats == 0) return Phase.REGULATOR;
            return _passed(d.contestedAt_s, p.commitDays) ? Phase.REVEAL : Phase.COMMIT;
        }
        if (_roundVerdict(dispute, d, 0) != Verdict.NONE) return Phase.DECIDED;
        if (d.drawnAt_s == 0 || d.panel.length == d.seats) return Phase.REGULATOR;
        if (!_passed(d.contestedAt_s, 2 * roundDays)) {
            bool revealing = _passed(d.contestedAt_s, roundDays + p.commitDays);
            return revealing ? Phase.REVEAL : Phase.COMMIT;
        }
        return _roundVerdict(dispute, d, 1) != Verdict.NONE ? Phase.DECIDED : Phase.REGULATOR;
    }

    function _panelVerdict(uint64 dispute) internal view returns (Verdict verdict) {
        Dispute storage d = _disputes[dispute];
        verdict = _roundVerdict(dispute, d, 0);
        if (verdict == Verdict.NONE) verdict = _roundVerdict(dispute, d, 1);
    }

    /// @dev Who was drawn in time, whose round is over, and who revealed nothing. Who was seated
    /// with less than half of the first round's commit time left may have had no way to vote; the
    /// second round begins after every draw.
    function _fineSilent(uint64 dispute, Dispute storage d) internal {
        if (d.drawnAt_s == 0) return;
        Profile storage p = _profiles[_entries[d.entry].profile];
        uint256 roundDays = uint256(p.commitDays) + p.revealDays;
        bool second =
            _roundVerdict(dispute, d, 0) == Verdict.NONE && _passed(d.contestedAt_s, 2 * roundDays);
        uint256 end = second ? d.panel.length : d.seats;
        bool late = 2 * uint256(d.drawnAt_s - d.contestedAt_s) > uint256(p.commitDays) * 1 days;
        for (uint256 i = late ? d.seats : 0; i < end; i++) {
            if (_ballots[dispute][d.panel[i]].revealed != Verdict.NONE) continue;
            points.fine(d.panel[i], PANEL_FINE, "panelist silent");
        }
    }

    /// @dev First whether the entry stands, by a majority of the seats; then the code that most of
    /// those against it gave, and of equals the one that removes.
    function _roundVerdict(uint64 dispute, Dispute storage d, uint256 round)
        private
        view
        returns (Verdict)
    {
        (uint256 from, uint256 to) = _seatsOf(d, round);
        uint256[6] memory votes;
        for (uint256 i = from; i < to; i++) {
            votes[uint256(_ballots[dispute][d.panel[i]].revealed)]++;
        }
        uint256 corrected = votes[uint256(Verdict.CORRECTED)];
        uint256 removed = votes[uint256(Verdict.REMOVED)];
        uint256 unverifiable = votes[uint256(Verdict.UNVERIFIABLE)];
        if (2 * votes[uint256(Verdict.UPHELD)] > to - from) return Verdict.UPHELD;
        if (2 * (corrected + removed + unverifiable) <= to - from) return Verdict.NONE;
        if (removed >= corrected && removed >= unverifiable) return Verdict.REMOVED;
        return unverifiable >= corrected ? Verdict.UNVERIFIABLE : Verdict.CORRECTED;
    }

    function _seatsOf(Dispute storage d, uint256 round)
        private
        view
        returns (uint256 from, uint256 to)
    {
        return round == 0 ? (0, uint256(d.seats)) : (uint256(d.seats), d.panel.length);
    }

    function _asPanelist(uint64 dispute, Phase needed)
        private
        view
        returns (uint32 member, Ballot storage ballot)
    {
        member = _poster();
        Phase phase = phaseOf(dispute);
        if (phase != needed) revert PhaseNotAllowed(dispute, phase);
        Dispute storage d = _disputes[dispute];
        Profile storage p = _profiles[_entries[d.entry].profile];
        bool second = _passed(d.contestedAt_s, uint256(p.commitDays) + p.revealDays);
        (uint256 from, uint256 to) = _seatsOf(d, second ? 1 : 0);
        bool seated;
        for (uint256 i = from; i < to; i++) {
            if (d.panel[i] == member) seated = true;
        }
        if (!seated) revert NotPanelist(dispute, member);
        ballot = _ballots[dispute][member];
    }

    /// @dev Three, else one: with two a tie would be likelier than not.
    function _seats(uint256 eligible) private pure returns (uint256) {
        if (eligible >= 3) return 3;
        return eligible == 0 ? 0 : 1;
    }

    function _shuffle(uint32[] memory members, bytes32 seed) private pure {
        for (uint256 i = members.length; i > 1; i--) {
            uint256 j = uint256(keccak256(abi.encode(seed, i))) % i;
            (members[i - 1], members[j]) = (members[j], members[i - 1]);
        }
    }
}
