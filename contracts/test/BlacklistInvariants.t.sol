// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    EntryId,
    EntryState,
    IBlacklistFacts,
    Phase,
    Verdict
} from "../src/interfaces/IBlacklistFacts.sol";
import {AuditState, IAudits} from "../src/interfaces/IAudits.sol";
import {IPoints, TicketKind} from "../src/interfaces/IPoints.sol";
import {Role} from "../src/interfaces/IRegistry.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";
import {Vm} from "./Vm.sol";

/// @notice Drives listings, disputes, tickets and settlements by random calls, right and wrong.
contract BlacklistHandler is BlacklistTestBase {
    uint256 public entries;
    uint256 public disputes;
    uint256 public succeeded;
    uint256 public cutsChecked;
    uint256 public falseCuts;
    uint256 public fined;
    uint256 public falseFines;
    mapping(uint64 dispute => Verdict) public outcomes;

    function start() external {
        setUp();
    }

    function entryAt(uint256 n) external pure returns (EntryId) {
        return _entry(n);
    }

    // -------------------------------------------------------------------------------------- calls

    function list(uint8 who, uint16 days_) external {
        uint32 expires = _now() + 1 + days_ % 400;
        uint32 today = _now();
        uint32 member = _member(who);
        _post(member);
        try blacklist.list(
            _entry(entries + 1), COMMITMENT, CHINA, today - 10, today, expires, NONE_
        ) {
            entries++;
        } catch {}
    }

    function tag(uint8 which, bool wrong, bool next) external {
        EntryId entry = _any(which);
        uint32 uploader = blacklist.entryOf(entry).uploader;
        uint32 keyEpoch = next ? lookups.lastKeyEpoch() : lookups.currentKeyEpoch();
        bytes[] memory signatures = _signedBy(1, 2, _heldDigest(entry, keyEpoch, RECORD));
        _post(wrong ? _member(which) : uploader == 0 ? READER : uploader);
        try blacklist.tag(entry, keyEpoch, RECORD, signatures) {
            succeeded++;
        } catch {}
    }

    /// @dev The next key epoch is announced, or begins: entries are tagged and counted in both.
    function nextEpoch(uint8 how) external {
        uint32 last = lookups.lastKeyEpoch();
        if (lookups.currentKeyEpoch() != last) {
            vm.roll(lookups.keyEpochOf(last).switchBlock);
            return;
        }
        if (how % 3 != 0) return;
        uint64 from = uint64(vm.getBlockNumber()) + 2000;
        for (uint32 member = 1; member <= 7; member++) {
            _approveEpoch(member, last + 1, keccak256(abi.encode("key", last)), from);
        }
    }

    function endEntry(uint8 which, uint8 how) external {
        EntryId entry = _any(which);
        uint32 uploader = blacklist.entryOf(entry).uploader;
        _post(uploader == 0 ? READER : uploader);
        if (how % 4 == 0) {
            try blacklist.withdraw(entry) {} catch {}
        } else if (how % 4 == 1) {
            try blacklist.vest(entry) {} catch {}
        } else if (how % 4 == 2) {
            try blacklist.lapse(entry) {} catch {}
        } else {
            try blacklist.certifyDeletion(entry, ROOT) {} catch {}
        }
    }

    function dispute(uint8 who, uint8 which, bool byPerson) external {
        _post(_member(who));
        try blacklist.openDispute(_any(which), byPerson, 0) {
            disputes++;
        } catch {}
    }

    /// @dev Another than the opener takes the answer to the panel, with or without a stake.
    function contestAsAnother(uint8 who, uint8 which, bool byPerson) external {
        if (disputes == 0) return;
        uint64 id = 1 + uint64(which % disputes);
        _post(_member(who));
        try blacklist.contest(id, byPerson) {
            succeeded++;
        } catch {}
    }

    /// @dev A dispute as far as its contest in one call: by random calls alone hardly one gets
    /// there. Every fourth is about the regulator's entry, which ends without its word.
    function contested(uint8 who, uint8 by, uint8 beside, bool byPerson, bool forPerson) external {
        uint32 uploader = who % 4 == 0 ? REGULATOR : _member(who);
        uint32 raiser = _member(by) == uploader ? 1 + uploader % 4 : _member(by);
        uint32 second = _member(beside) == uploader ? raiser : _member(beside);
        EntryId entry = _entry(entries + 1);
        uint32 today = _now();
        _post(uploader);
        try blacklist.list(entry, COMMITMENT, CHINA, today - 10, today, today + 300, NONE_) {
            entries++;
        } catch {
            return;
        }
        _tag(uploader, entry, lookups.currentKeyEpoch());
        _post(raiser);
        try blacklist.openDispute(entry, byPerson, 0) returns (uint64 id) {
            disputes++;
            _post(uploader);
            blacklist.answer(id, Verdict.UPHELD, 0);
            _post(second);
            try blacklist.contest(id, forPerson) {
                succeeded++;
            } catch {}
        } catch {}
    }

    /// @dev An uploader stays silent; who settles that comes at once, late, or never.
    function silent(uint8 who, uint8 by, uint16 days_, uint16 late, bool next) external {
        uint32 uploader = _member(who);
        EntryId entry = _entry(entries + 1);
        uint32 today = _now();
        _post(uploader);
        try blacklist.list(
            entry, COMMITMENT, CHINA, today - 10, today, today + 1 + days_ % 200, NONE_
        ) {
            entries++;
        } catch {
            return;
        }
        _tag(uploader, entry, lookups.currentKeyEpoch());
        uint32 last = lookups.lastKeyEpoch();
        if (next && lookups.currentKeyEpoch() != last) _tag(uploader, entry, last);
        _post(_member(by) == uploader ? 5 : _member(by));
        try blacklist.openDispute(entry, true, 0) returns (uint64 id) {
            disputes++;
            if (late % 4 == 0) return;
            vm.warp(vm.getBlockTimestamp() + (11 + (late % 4 == 1 ? late % 130 : 0)) * 1 days);
            _post(READER);
            try blacklist.settle(id) {
                outcomes[id] = blacklist.disputeOf(id).outcome;
            } catch {}
        } catch {}
    }

    /// @dev The profile's days go by, and whoever may ends the dispute.
    function finish(uint8 which, uint8 vote) external {
        vm.warp(vm.getBlockTimestamp() + 21 days);
        vm.roll(vm.getBlockNumber() + 1);
        if (disputes == 0) return;
        uint64 id = 1 + uint64(which % disputes);
        _post(READER);
        try blacklist.settle(id) {
            outcomes[id] = blacklist.disputeOf(id).outcome;
        } catch {
            _post(REGULATOR);
            try blacklist.decide(id, Verdict(1 + vote % 4)) {
                outcomes[id] = Verdict(1 + vote % 4);
            } catch {}
        }
    }

    function moveDispute(uint8 which, uint8 how, uint8 vote) external {
        if (disputes == 0) return;
        uint64 id = 1 + uint64(which % disputes);
        IBlacklistFacts.Dispute memory d = blacklist.disputeOf(id);
        Verdict verdict = Verdict(1 + vote % 4);
        if (how % 6 == 0) {
            _post(d.target);
            try blacklist.answer(id, verdict, 0) {} catch {}
        } else if (how % 6 == 1) {
            _post(d.by);
            try blacklist.contest(id, false) {} catch {}
            // Some draws come when the hash is not known any more.
            vm.roll(vm.getBlockNumber() + (vote % 4 == 0 ? 300 : 3));
            _post(d.by);
            try blacklist.draw(id) {} catch {}
        } else if (how % 6 == 2) {
            _ballots(id, d, verdict);
        } else if (how % 6 == 3) {
            _post(REGULATOR);
            try blacklist.decide(id, verdict) {
                outcomes[id] = verdict;
            } catch {}
        } else {
            _post(READER);
            try blacklist.settle(id) {
                outcomes[id] = blacklist.disputeOf(id).outcome;
            } catch {}
        }
    }

    function _ballots(uint64 id, IBlacklistFacts.Dispute memory d, Verdict verdict) private {
        for (uint256 i = 0; i < d.panel.length; i++) {
            bytes32 commitment = keccak256(
                abi.encode(block.chainid, blacklist, id, d.panel[i], verdict, bytes32("salt"))
            );
            _post(d.panel[i]);
            try blacklist.commitBallot(id, commitment) {} catch {}
            _post(d.panel[i]);
            try blacklist.revealBallot(id, verdict, bytes32("salt")) {} catch {}
        }
    }

    function buy(uint8 who, uint8 kind, uint8 count) external {
        _post(_member(who));
        try points.buyTickets(TicketKind(kind % 3), count) {} catch {}
        _post(_member(who));
        try points.buyDetailTicket(bytes32(uint256(kind))) {} catch {}
    }

    function settlePeriod(uint8 who, uint8 target, uint32 hits, uint64 burned) external {
        uint32 period = points.currentPeriod();
        if (period == 0) return;
        IPoints.Row[] memory rows = new IPoints.Row[](1);
        rows[0] = IPoints.Row(_member(target), 1 + hits % 1000, burned % 20e6);
        uint32 reader = _member(who);
        bytes[] memory signatures =
            _signedBy(1, 2, _settlementDigest(period - 1, reader, ROOT, rows));
        _post(READER);
        try points.settle(period - 1, reader, ROOT, rows, signatures) {} catch {}
    }

    function claim(uint8 who) external {
        _post(_member(who));
        try points.claimAllowance() {} catch {}
    }

    /// @dev A cut's count is that of the entries that are tagged and not expired.
    function cut(bool next) external {
        uint32 keyEpoch = next ? lookups.lastKeyEpoch() : lookups.currentKeyEpoch();
        uint256 expected;
        for (uint256 n = 1; n <= entries; n++) {
            bool live = blacklist.entryOf(_entry(n)).expiresDay >= _now();
            if (live && blacklist.isTagged(_entry(n), keyEpoch)) expected++;
        }
        _post(1);
        try blacklist.cut(keyEpoch) returns (uint32 version) {
            cutsChecked++;
            if (blacklist.cutOf(version).leafCount != expected) falseCuts++;
        } catch {
            blacklist.settleExpiry(keyEpoch);
        }
    }

    /// @dev Lookups and listings of any member, the regulator's own and unsigned ones among them.
    function audit(uint8 who, uint8 ticket, bool forged) external {
        uint32 member = who % 5 == 4 ? REGULATOR : _member(who);
        bytes32 subject = ticket % 8 == 0 ? EntryId.unwrap(_any(who)) : ROOT;
        uint256 key = forged ? uint256(keccak256("stranger")) : _pk(member, Role.APPROVER);
        uint32 current = lookups.currentKeyEpoch();
        bytes memory signature = _signWith(key, _evaluation(ticket % 8, subject, current));
        _post(REGULATOR);
        try audits.beginAudit(ticket % 8, subject, BLINDED, current, signature) {
            succeeded++;
        } catch {}
    }

    /// @dev What a fine takes is its amount, burned or owed, and of the accused alone.
    function endAudit(uint8 which, uint8 how, bool late) external {
        if (audits.lastAudit() == 0) return;
        if (late) this.passTime(type(uint32).max);
        uint64 id = 1 + uint64(which % audits.lastAudit());
        uint32 member = audits.auditOf(id).member;
        IPoints.Account memory own = points.accountOf(member);
        bool due = audits.auditStateOf(id) == AuditState.DUE;
        if (how % 4 == 0) {
            _post(REGULATOR);
            try audits.closeAudit(id) {} catch {}
        } else if (how % 4 == 1) {
            bytes memory word =
                _signWith(_pk(REGULATOR, Role.APPROVER), _openedDigest(audits.auditOf(id)));
            _post(member);
            try audits.answerAudit(id, word) {} catch {}
        } else {
            _post(REGULATOR);
            try audits.settleAudit(id) {} catch {}
        }
        IPoints.Account memory after_ = points.accountOf(member);
        uint256 taken = own.balance - after_.balance + after_.debt - own.debt;
        if (taken == 0) return;
        fined++;
        if (!due || taken != 200e6 || how % 4 < 2) falseFines++;
    }

    /// @dev Each member's audits that did not end, as counted one by one.
    function auditsCounted() external view returns (bool) {
        uint256[] memory pending = new uint256[](MEMBERS + 1);
        for (uint64 id = 1; id <= audits.lastAudit(); id++) {
            IAudits.Audit memory one = audits.auditOf(id);
            bool lookup = EntryId.unwrap(one.entry) == 0;
            if (lookup && one.outcome == AuditState.NONE) pending[one.member]++;
        }
        for (uint32 member = 1; member <= MEMBERS; member++) {
            bool many = pending[member] > 5;
            if (many || pending[member] != audits.pendingAudits(member)) return false;
        }
        return pending[REGULATOR] == 0;
    }

    function passTime(uint32 seconds_) external {
        vm.warp(vm.getBlockTimestamp() + _bound(seconds_, 1, 6 days));
        vm.roll(vm.getBlockNumber() + 1);
    }

    // ------------------------------------------------------------------------------------ helpers

    function sum() external view returns (uint256 balances, uint256 net, bool staked) {
        staked = true;
        for (uint32 member = 1; member <= MEMBERS; member++) {
            IPoints.Account memory own = points.accountOf(member);
            balances += own.balance;
            if (own.staked > own.balance) staked = false;
        }
        net = points.totalMinted() - points.totalBurned();
    }

    function stakesHeld() external view returns (uint256 held, uint256 bound) {
        for (uint256 n = 1; n <= entries; n++) {
            if (blacklist.entryOf(_entry(n)).stakeHeld) held += 5e6;
        }
        for (uint64 id = 1; id <= disputes; id++) {
            IBlacklistFacts.Dispute memory d = blacklist.disputeOf(id);
            if (!d.byPerson && d.outcome == Verdict.NONE) held += 5e6;
            if (d.contestStaked && d.outcome == Verdict.NONE) held += 5e6;
        }
        for (uint32 member = 1; member <= MEMBERS; member++) {
            bound += points.accountOf(member).staked;
        }
    }

    /// @dev The regulator's own case, its days over, that waits for its word all the same.
    function endless() external view returns (bool) {
        for (uint64 id = 1; id <= disputes; id++) {
            IBlacklistFacts.Dispute memory d = blacklist.disputeOf(id);
            bool own = d.target == REGULATOR || (d.by == REGULATOR && !d.byPerson);
            bool over = vm.getBlockTimestamp() > d.openedAt_s + 20 days;
            if (own && over && blacklist.phaseOf(id) == Phase.REGULATOR) return true;
        }
        return false;
    }

    /// @dev An entry that time suspended stands for 90 days more, whoever settles it when; only an
    /// outcome for it before that gives it its days back.
    function suspendedTooLong() external view returns (bool) {
        for (uint64 id = 1; id <= disputes; id++) {
            IBlacklistFacts.Dispute memory d = blacklist.disputeOf(id);
            IBlacklistFacts.Entry memory one = blacklist.entryOf(d.entry);
            bool suspends = one.dispute == id || d.outcome == Verdict.TIMED_OUT
                || d.outcome == Verdict.UNDECIDED;
            uint32 from =
                uint32((d.openedAt_s + (d.answeredAt_s == 0 ? 10 days : 20 days)) / 1 days);
            if (!suspends || _now() <= from + 90) continue;
            EntryState state = blacklist.stateOf(d.entry);
            bool stands = state == EntryState.LISTED || state == EntryState.UNTAGGED
                || state == EntryState.DISPUTED || state == EntryState.SUSPENDED;
            if (stands) return true;
        }
        return false;
    }

    function outcomeOf(uint64 id) external view returns (Verdict) {
        return blacklist.disputeOf(id).outcome;
    }

    function _any(uint8 which) private view returns (EntryId) {
        return _entry(1 + (entries == 0 ? 0 : which % entries));
    }

    function _member(uint8 seed) private pure returns (uint32) {
        return 1 + seed % 4;
    }
}

/// @notice What no sequence of calls can change.
contract BlacklistInvariantsTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    BlacklistHandler private handler;

    error Broken(string what);

    function setUp() public {
        handler = BlacklistHandler(vm.deployCode("BlacklistInvariants.t.sol:BlacklistHandler"));
        handler.start();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](17);
        selectors[0] = BlacklistHandler.list.selector;
        selectors[1] = BlacklistHandler.tag.selector;
        selectors[2] = BlacklistHandler.endEntry.selector;
        selectors[3] = BlacklistHandler.dispute.selector;
        selectors[4] = BlacklistHandler.moveDispute.selector;
        selectors[5] = BlacklistHandler.buy.selector;
        selectors[6] = BlacklistHandler.settlePeriod.selector;
        selectors[7] = BlacklistHandler.claim.selector;
        selectors[8] = BlacklistHandler.cut.selector;
        selectors[9] = BlacklistHandler.passTime.selector;
        selectors[10] = BlacklistHandler.contestAsAnother.selector;
        selectors[11] = BlacklistHandler.contested.selector;
        selectors[12] = BlacklistHandler.finish.selector;
        selectors[13] = BlacklistHandler.nextEpoch.selector;
        selectors[14] = BlacklistHandler.silent.selector;
        selectors[15] = BlacklistHandler.audit.selector;
        selectors[16] = BlacklistHandler.endAudit.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function _require(bool condition, string memory what) private pure {
        if (!condition) revert Broken(what);
    }

    /// The sum of balances is what was minted less what was burned; no balance is below its stake,
    /// and so none is negative.
    function invariant_pointsAreConserved() public view {
        (uint256 balances, uint256 net, bool staked) = handler.sum();
        _require(balances == net, "balances are not minted less burned");
        _require(staked, "a stake above its balance");
    }

    /// What is staked is what entries and open disputes hold, no more and no less.
    function invariant_stakesAreHeldByEntriesAndDisputes() public view {
        (uint256 held, uint256 bound) = handler.stakesHeld();
        _require(held == bound, "a stake without a holder, or the reverse");
    }

    /// Every cut counts exactly the entries that are tagged and not expired.
    function invariant_cutsCountTheIndexedEntries() public view {
        _require(handler.falseCuts() == 0, "a cut with another count");
    }

    /// Nothing waits for ever for who may not speak.
    function invariant_noCaseOfTheRegulatorsOwnWaitsForIt() public view {
        _require(!handler.endless(), "a dispute that nobody can end");
    }

    /// No entry is shown as suspended for ever.
    function invariant_suspensionsEndByThemselves() public view {
        _require(!handler.suspendedTooLong(), "a suspension that does not end");
    }

    /// A fine is the fine, of who is due, and no regulator or stranger is ever accused.
    function invariant_finesAreOfThoseWhoDidNotOpenInTime() public view {
        _require(handler.falseFines() == 0, "another fine, or another's");
        _require(handler.auditsCounted(), "pending audits miscounted");
    }

    /// A settled dispute never changes.
    function invariant_settledDisputesStay() public view {
        for (uint64 id = 1; id <= handler.disputes(); id++) {
            Verdict first = handler.outcomes(id);
            _require(first == handler.outcomeOf(id), "a settled dispute changed");
        }
    }
}
