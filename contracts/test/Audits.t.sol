// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AuditState, IAudits} from "../src/interfaces/IAudits.sol";
import {EntryId, IBlacklistFacts, Verdict} from "../src/interfaces/IBlacklistFacts.sol";
import {IRegistry, Role} from "../src/interfaces/IRegistry.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

contract AuditsTest is BlacklistTestBase {
    uint256 private constant FINE = 200e6;
    bytes32 private constant CONSENT = keccak256("consent");

    event AuditBegun(
        uint64 indexed audit,
        uint32 indexed member,
        uint64 ticket,
        bytes32 subject,
        bytes32 blinded,
        uint32 keyEpoch
    );

    function _standsAs(uint64 audit, AuditState expected) private view {
        _eq(uint256(audits.auditStateOf(audit)), uint256(expected));
    }

    function _refuseState(uint64 audit, AuditState state) private {
        _refuse(abi.encodeWithSelector(IAudits.AuditStateNotAllowed.selector, audit, state));
    }

    function _settleAudit(uint64 audit) private {
        _post(REGULATOR);
        audits.settleAudit(audit);
    }

    function _wordOf(uint256 key, uint64 audit) private view returns (bytes memory) {
        return _signWith(key, _openedDigest(audits.auditOf(audit)));
    }

    /// @dev External, so that an expected revert is the call's.
    function begin(uint256 key, uint64 ticket, bytes32 subject, uint32 keyEpoch) external {
        _auditWith(key, ticket, subject, keyEpoch);
    }

    function _refuseBegin(bytes memory error_, uint32 member, uint64 ticket, bytes32 subject)
        private
    {
        _refuse(error_);
        this.begin(_pk(member, Role.APPROVER), ticket, subject, 1);
    }

    // ------------------------------------------------------------------------------- its whole way

    function test_whoDoesNotOpen_isFinedOnce() public {
        vm.expectEmit(true, true, true, true, address(audits));
        emit AuditBegun(1, READER, 7, CONSENT, BLINDED, 1);
        uint64 audit = _audit(READER, 7, CONSENT);
        IAudits.Audit memory stored = audits.auditOf(audit);
        _true(stored.evaluation == _evaluation(7, CONSENT, 1));
        _eq(uint256(EntryId.unwrap(stored.entry)), 0);
        _eq(audits.pendingAudits(READER), 1);
        _refuseState(audit, AuditState.PENDING);
        this.settleAudit(audit);
        vm.warp(vm.getBlockTimestamp() + 14 days);
        _standsAs(audit, AuditState.PENDING);
        vm.warp(vm.getBlockTimestamp() + 1);
        _standsAs(audit, AuditState.DUE);
        _settleAudit(audit);
        _standsAs(audit, AuditState.FINED);
        // A day's allowance is all that it had; the rest is owed, and bars listing.
        _eq(points.accountOf(READER).balance, 0);
        _eq(points.accountOf(READER).debt, FINE - 20e6);
        _eq(audits.pendingAudits(READER), 0);
        _refuseState(audit, AuditState.FINED);
        this.settleAudit(audit);
    }

    function settleAudit(uint64 audit) external {
        _settleAudit(audit);
    }

    function test_whoOpens_isNot() public {
        uint64 audit = _audit(READER, 7, CONSENT);
        _post(REGULATOR);
        audits.closeAudit(audit);
        _standsAs(audit, AuditState.OPENED);
        _pass(15);
        _refuseState(audit, AuditState.OPENED);
        this.settleAudit(audit);
        _post(REGULATOR);
        _refuseState(audit, AuditState.OPENED);
        audits.closeAudit(audit);
        _eq(points.accountOf(READER).balance, 20e6);
        // Opened late is opened too, as long as nobody was fined.
        audit = _audit(READER, 8, CONSENT);
        _pass(15);
        _post(REGULATOR);
        audits.closeAudit(audit);
        _standsAs(audit, AuditState.OPENED);
    }

    /// To the second: the last one in which it is fined, and the first in which nobody is.
    function test_whatNobodyEnds_lapses() public {
        uint64 late = _audit(READER, 7, CONSENT);
        uint64 lapsed = _audit(READER, 8, CONSENT);
        uint256 begun_s = vm.getBlockTimestamp();
        vm.warp(begun_s + 28 days);
        _standsAs(late, AuditState.DUE);
        _settleAudit(late);
        _standsAs(late, AuditState.FINED);
        vm.warp(begun_s + 28 days + 1);
        _standsAs(lapsed, AuditState.LAPSED);
        uint256 owed = points.accountOf(READER).debt;
        _settleAudit(lapsed);
        _standsAs(lapsed, AuditState.LAPSED);
        _eq(points.accountOf(READER).debt, owed);
        _eq(audits.pendingAudits(READER), 0);
        _refuseState(lapsed, AuditState.LAPSED);
        this.settleAudit(lapsed);
    }

    function test_theRegulatorsWord_standsAgainstIt() public {
        uint64 audit = _audit(READER, 7, CONSENT);
        uint256 key = _pk(REGULATOR, Role.APPROVER);
        bytes memory word = _wordOf(key, audit);
        // It reports its own key lost, as if its word were nobody's.
        _as(REGULATOR, Role.ADMIN);
        registry.markCompromised(vm.addr(key), uint64(vm.getBlockTimestamp()));
        _pass(15);
        _post(READER);
        audits.answerAudit(audit, word);
        _standsAs(audit, AuditState.OPENED);
        _refuseState(audit, AuditState.OPENED);
        this.settleAudit(audit);
    }

    function test_aWord_isTheRegulatorsAndOfThisEvaluation() public {
        uint64 audit = _audit(READER, 7, CONSENT);
        uint64 other = _audit(READER, 8, CONSENT);
        bytes memory word = _wordOf(_pk(READER, Role.APPROVER), audit);
        _post(READER);
        _refuse(abi.encodeWithSelector(IAudits.NotAuditor.selector, READER));
        audits.answerAudit(audit, word);
        word = _wordOf(_pk(REGULATOR, Role.POSTER), audit);
        _post(READER);
        vm.expectPartialRevert(IAudits.SignerUnknown.selector);
        audits.answerAudit(audit, word);
        word = _wordOf(_pk(REGULATOR, Role.APPROVER), other);
        _post(READER);
        vm.expectPartialRevert(IAudits.SignerUnknown.selector);
        audits.answerAudit(audit, word);
        // Who is no member sends nothing.
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        audits.answerAudit(audit, word);
        // A word of an audit that is none ends none.
        word = _wordOf(_pk(REGULATOR, Role.APPROVER), 9);
        _post(READER);
        _refuseState(9, AuditState.NONE);
        audits.answerAudit(9, word);
    }

    // --------------------------------------------------------------------------- who is accused

    function test_onlyTheRegulator_audits() public {
        bytes memory signature = _signWith(_pk(READER, Role.APPROVER), _evaluation(7, CONSENT, 1));
        uint64 audit = _audit(READER, 6, CONSENT);
        bytes memory refused = abi.encodeWithSelector(IAudits.NotAuditor.selector, UPLOADER);
        _post(UPLOADER);
        _refuse(refused);
        audits.beginAudit(7, CONSENT, BLINDED, 1, signature);
        _post(UPLOADER);
        _refuse(refused);
        audits.closeAudit(audit);
        _pass(15);
        // Nor does another have the fine taken: a regulator that is away has found nothing.
        _post(UPLOADER);
        _refuse(refused);
        audits.settleAudit(audit);
        _as(REGULATOR, Role.APPROVER);
        vm.expectPartialRevert(IRegistry.RoleMissing.selector);
        audits.beginAudit(7, CONSENT, BLINDED, 1, signature);
    }

    function test_onlyWhatItSigned_isHeldAgainstAMember() public {
        bytes memory signature = _signWith(_pk(READER, Role.APPROVER), _evaluation(7, CONSENT, 1));
        // Another ticket, subject, element or key epoch: the signature leads to nobody.
        for (uint256 n = 0; n < 4; n++) {
            _post(REGULATOR);
            vm.expectPartialRevert(IAudits.SignerUnknown.selector);
            audits.beginAudit(
                n == 0 ? 8 : 7,
                n == 1 ? ROOT : CONSENT,
                n == 2 ? ROOT : BLINDED,
                n == 3 ? 2 : 1,
                signature
            );
        }
        bytes memory twin = _twin(signature);
        _post(REGULATOR);
        _refuse(abi.encodeWithSelector(IRegistry.SignatureMalformed.selector));
        audits.beginAudit(7, CONSENT, BLINDED, 1, twin);
        vm.expectPartialRevert(IAudits.SignerUnknown.selector);
        this.begin(_pk(READER, Role.POSTER), 7, CONSENT, 1);
        _refuseBegin(
            abi.encodeWithSelector(IAudits.OwnEvaluation.selector, REGULATOR), REGULATOR, 7, CONSENT
        );
    }

    function test_aKeyCountsAfterItsEnd_notOnceItsOwnerReportedIt() public {
        address key = _addr(READER, Role.APPROVER);
        _as(READER, Role.ADMIN);
        registry.endKey(key, uint64(vm.getBlockNumber()));
        vm.roll(vm.getBlockNumber() + 2);
        _audit(READER, 7, CONSENT);
        uint64 since_s = uint64(vm.getBlockTimestamp());
        _as(READER, Role.ADMIN);
        registry.markCompromised(key, since_s);
        _refuseBegin(
            abi.encodeWithSelector(IAudits.SignerCompromised.selector, key, since_s),
            READER,
            8,
            CONSENT
        );
    }

    function test_aKeyThatNeverCounted_signedNothing() public {
        uint256 key = uint256(keccak256("another")) >> 1;
        _register(READER, key, Role.APPROVER);
        vm.expectPartialRevert(IAudits.SignerUnknown.selector);
        this.begin(key, 7, CONSENT, 1);
        _as(READER, Role.ADMIN);
        registry.cancelKey(vm.addr(key));
        vm.roll(vm.getBlockNumber() + DELAY + 1);
        vm.expectPartialRevert(IAudits.SignerUnknown.selector);
        this.begin(key, 7, CONSENT, 1);
    }

    function test_eachEvaluation_isAuditedOnce() public {
        uint64 audit = _audit(READER, 7, CONSENT);
        bytes memory again =
            abi.encodeWithSelector(IAudits.AuditedAlready.selector, READER, uint64(7), CONSENT);
        _refuseBegin(again, READER, 7, CONSENT);
        _post(REGULATOR);
        audits.closeAudit(audit);
        _refuseBegin(again, READER, 7, CONSENT);
        // A ticket is one, whatever consent is named with it; another member's is another.
        again = abi.encodeWithSelector(IAudits.AuditedAlready.selector, READER, uint64(7), ROOT);
        _refuseBegin(again, READER, 7, ROOT);
        _audit(UPLOADER, 7, CONSENT);
        // An entry is evaluated anew in each key epoch.
        bytes32 entry = EntryId.unwrap(_tagged(1));
        _audit(UPLOADER, 0, entry);
        again = abi.encodeWithSelector(IAudits.AuditedAlready.selector, UPLOADER, uint64(0), entry);
        _refuseBegin(again, UPLOADER, 0, entry);
        _installEpoch(2, keccak256("second key"));
        _auditWith(_pk(UPLOADER, Role.APPROVER), 0, entry, 2);
    }

    function test_afterTheNextKeyEpoch_itIsTooLate() public {
        _installEpoch(2, keccak256("second key"));
        _audit(READER, 7, CONSENT);
        _installEpoch(3, keccak256("third key"));
        _refuseBegin(
            abi.encodeWithSelector(IAudits.AuditTooLate.selector, uint32(3), uint32(1)),
            READER,
            8,
            CONSENT
        );
        _auditWith(_pk(READER, Role.APPROVER), 8, CONSENT, 2);
    }

    function test_fiveAtATime_notMore() public {
        for (uint64 ticket = 1; ticket <= 5; ticket++) {
            _audit(READER, ticket, CONSENT);
        }
        _refuseBegin(
            abi.encodeWithSelector(IAudits.TooManyAudits.selector, READER, uint256(5)),
            READER,
            6,
            CONSENT
        );
        _audit(UPLOADER, 6, CONSENT);
        // Nor does it keep a ghost's waiting until its days are over.
        EntryId ghost = _listAs(READER, 1, _now() + 20);
        uint64 audit = _audit(READER, 0, EntryId.unwrap(ghost));
        _eq(audits.pendingAudits(READER), 5);
        _pass(15);
        _settleAudit(audit);
        _eq(audits.pendingAudits(READER), 5);
        _settleAudit(3);
        _eq(audits.pendingAudits(READER), 4);
        _audit(READER, 6, CONSENT);
    }

    // ---------------------------------------------------------------------------------- erasure

    /// @dev External, so that an expected revert is the call's.
    function certify(EntryId entry) external {
        _post(UPLOADER);
        blacklist.certifyDeletion(entry, ROOT);
    }

    function _certifies(EntryId entry) private returns (bool) {
        uint256 before = vm.snapshotState();
        try this.certify(entry) {
            vm.revertToState(before);
            return true;
        } catch {
            return false;
        }
    }

    function _isAudited(EntryId entry) private returns (bool) {
        uint256 before = vm.snapshotState();
        uint256 key = _pk(UPLOADER, Role.APPROVER);
        try this.begin(key, 0, EntryId.unwrap(entry), 1) {
            vm.revertToState(before);
            return true;
        } catch {
            return false;
        }
    }

    function _withdraw(EntryId entry) private {
        _post(UPLOADER);
        blacklist.withdraw(entry);
    }

    /// A ghost that is listed, evaluated, taken back: whoever hurries erases nothing before it can
    /// be asked, and what was asked in time is not erased away.
    function test_whoErasesAtOnce_isAskedAndFined() public {
        EntryId entry = _tagged(1);
        _withdraw(entry);
        uint256 until_s = (_now() + 3) * 1 days;
        _refuse(abi.encodeWithSelector(IBlacklistFacts.NotYet.selector, until_s));
        this.certify(entry);
        vm.warp(until_s - 1);
        uint64 audit = _audit(UPLOADER, 0, EntryId.unwrap(entry));
        vm.warp(until_s);
        this.certify(entry);
        _standsAs(audit, AuditState.PENDING);
        _pass(15);
        _settleAudit(audit);
        _standsAs(audit, AuditState.FINED);
    }

    function test_whatIsOver_isNotAccused() public {
        EntryId entry = _tagged(1);
        _withdraw(entry);
        uint256 until_s = (_now() + 3) * 1 days;
        vm.warp(until_s);
        bytes memory over = abi.encodeWithSelector(IAudits.EntryOver.selector, entry, until_s);
        _refuseBegin(over, UPLOADER, 0, EntryId.unwrap(entry));
        this.certify(entry);
        _refuseBegin(over, UPLOADER, 0, EntryId.unwrap(entry));
        // A lookup on a consent of the same bytes is no listing; of what is none, none is asked.
        _audit(UPLOADER, 7, EntryId.unwrap(entry));
        vm.expectPartialRevert(IAudits.EntryOver.selector);
        this.begin(_pk(UPLOADER, Role.APPROVER), 0, ROOT, 1);
    }

    /// @dev Six ends, from 0: taken back, expired, superseded, conceded, taken back once expired,
    /// lapsed. @return its last day.
    function _endedBy(uint256 how, EntryId entry) private returns (uint32) {
        uint32 expires = blacklist.entryOf(entry).expiresDay;
        if (how == 1 || how == 4) vm.warp((expires + 1) * 1 days);
        if (how == 0 || how == 4) _withdraw(entry);
        if (how == 2) {
            _post(UPLOADER);
            blacklist.list(_entry(2), COMMITMENT, CHINA, _now() - 10, _now(), _now() + 5, entry);
            _tag(UPLOADER, _entry(2), 1);
        }
        if (how == 3) {
            uint64 dispute = _dispute(READER, entry, false);
            _answer(dispute, Verdict.REMOVED);
            _pass(3);
            _settle(dispute);
        }
        if (how == 5) {
            _pass(8);
            _post(READER);
            blacklist.lapse(entry);
        }
        return expires < _now() ? expires : _now();
    }

    /// However an entry ends: at each time it is either audited or erased, never both.
    function testFuzz_atEachTime_auditedOrErased(uint8 how, uint32 runs_s, uint32 later_s) public {
        how = how % 6;
        EntryId entry = _listAs(UPLOADER, 1, _now() + 20);
        if (how != 5) _tag(UPLOADER, entry, 1);
        vm.warp(vm.getBlockTimestamp() + _bound(runs_s, 0, 6 days));
        uint32 last = _endedBy(how, entry);
        vm.warp(vm.getBlockTimestamp() + _bound(later_s, 0, 5 days));
        bool over = _now() >= last + 3;
        _true(_certifies(entry) == over);
        _true(_isAudited(entry) != over);
    }

    // ------------------------------------------------------------------------------------- fuzz

    /// What is taken is the fine: free points first, the rest a debt that bars listing.
    function testFuzz_fine_isBurnedOrOwed(uint16 days_, uint8 staked) public {
        uint256 stakes = staked % 4;
        for (uint256 n = 1; n <= stakes; n++) {
            _listAs(READER, n, _now() + 1000);
        }
        uint64 audit = _audit(READER, 7, CONSENT);
        _pass(_bound(days_, 15, 28));
        _claim(READER);
        uint256 free = points.freeOf(READER);
        uint256 net = points.totalMinted() - points.totalBurned();
        _settleAudit(audit);
        uint256 burned = free < FINE ? free : FINE;
        _eq(points.freeOf(READER), free - burned);
        _eq(points.accountOf(READER).debt, FINE - burned);
        _eq(points.accountOf(READER).staked, stakes * 5e6);
        _eq(points.totalMinted() - points.totalBurned(), net - burned);
        if (burned == FINE) return;
        vm.expectPartialRevert(bytes4(keccak256("DebtOpen(uint32,uint256)")));
        this.list(READER);
    }

    function list(uint32 member) external {
        _listAs(member, 99, _now() + 9);
    }
}
