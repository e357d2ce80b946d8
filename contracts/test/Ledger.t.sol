// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {IRegistry, Role} from "../src/interfaces/IRegistry.sol";
import {LedgerTestBase} from "./LedgerBase.sol";

/// @notice Attested results, and records proven against a closing head.
contract LedgerTest is LedgerTestBase {
    bytes32 private constant DIGEST = keccak256("digest");
    bytes32 private constant OTHER = keccak256("other digest");
    /// Written out: the optimizer reads `block.chainid` anew after it was changed.
    uint256 private constant FORGE_CHAIN_ID = 31_337;

    function setUp() public override {
        super.setUp();
        _post(SERVICER, 0);
        _post(OWNER, 0);
        _closeBoth(0);
    }

    function _agree(uint32 window, bytes32 digest) private {
        _attest(SERVICER, window, digest);
        _attest(OWNER, window, digest);
    }

    function _expect(Result memory r, bytes memory error_) private {
        uint32 member = _member(r.side);
        bytes memory signature = _resultSignature(_pk(member, Role.APPROVER), r);
        vm.expectRevert(error_);
        _send(member, r, signature);
    }

    // ----------------------------------------------------------------------------------- attesting

    function test_attest_refusesTheOtherParty() public {
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(BANK, Role.APPROVER), r);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        _send(BANK, r, signature);
    }

    /// A result is signed off-line by an approver; the poster that relays it is not enough.
    function test_attest_refusesThePostersSignature() public {
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(SHOP, Role.POSTER), r);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRegistry.RoleMissing.selector, _addr(SHOP, Role.POSTER), Role.APPROVER, Role.POSTER
            )
        );
        _send(SHOP, r, signature);
    }

    function test_attest_refusesTheCounterpartysApprover() public {
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(BANK, Role.APPROVER), r);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.ApproverOfAnotherMember.selector,
                _addr(BANK, Role.APPROVER),
                BANK,
                SHOP
            )
        );
        _send(SHOP, r, signature);
    }

    function test_attest_refusesAnEndedApprover() public {
        uint64 number = uint64(vm.getBlockNumber());
        _as(SHOP, Role.ADMIN);
        registry.endKey(_addr(SHOP, Role.APPROVER), number);
        vm.roll(number + 1);
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(SHOP, Role.APPROVER), r);
        vm.expectPartialRevert(IRegistry.KeyNotValid.selector);
        _send(SHOP, r, signature);
    }

    /// Changing any signed field breaks the signature.
    function test_attest_signatureBindsEveryField(uint8 field) public {
        Result memory r = _result(OWNER, 0, DIGEST);
        Result memory signed = _result(OWNER, 0, DIGEST);
        uint256 which = field % 8;
        if (which == 0) signed.side = SERVICER;
        if (which == 1) signed.window = 8;
        if (which == 2) signed.revision = 2;
        if (which == 3) signed.servicerHead = OTHER;
        if (which == 4) signed.ownerHead = OTHER;
        if (which == 5) signed.previous = OTHER;
        if (which == 6) signed.digest = OTHER;
        if (which == 7) signed.flags = 1;
        bytes memory signature = _resultSignature(_pk(SHOP, Role.APPROVER), signed);
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        _send(SHOP, r, signature);
    }

    /// A signature given on one chain is worth nothing on another, nor has it a second form.
    function test_attest_refusesReplayAndTwins() public {
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(SHOP, Role.APPROVER), r);
        vm.chainId(77);
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        _send(SHOP, r, signature);
        vm.chainId(FORGE_CHAIN_ID);
        bytes memory twin = _twin(signature);
        vm.expectPartialRevert(IRegistry.SignatureMalformed.selector);
        _send(SHOP, r, twin);
        _send(SHOP, r, signature);
        vm.expectPartialRevert(ILedgerFacts.RevisionOutOfSequence.selector);
        _send(SHOP, r, signature);
    }

    function test_attest_refusesWindowsThatAreNotClosedOnBothSides() public {
        _close(OWNER, NOW_WINDOW);
        Result memory r = _result(OWNER, NOW_WINDOW, DIGEST);
        _expect(
            r,
            abi.encodeWithSelector(
                ILedgerFacts.WindowNotClosed.selector, agreement, SERVICER, NOW_WINDOW
            )
        );
    }

    function test_attest_refusesOtherHeads(bytes32 head, bool servicer) public {
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes32 stored = servicer ? r.servicerHead : r.ownerHead;
        vm.assume(head != stored);
        if (servicer) r.servicerHead = head;
        else r.ownerHead = head;
        _expect(r, abi.encodeWithSelector(ILedgerFacts.HeadMismatch.selector, stored, head));
    }

    function test_attest_refusesAnotherPreviousDigest(bytes32 previous) public {
        vm.assume(previous != 0);
        Result memory r = _result(OWNER, 0, DIGEST);
        r.previous = previous;
        _expect(
            r, abi.encodeWithSelector(ILedgerFacts.PreviousDigestMismatch.selector, 0, previous)
        );
    }

    function test_attest_refusesOtherRevisions(uint32 revision) public {
        _attest(OWNER, 0, DIGEST);
        vm.assume(revision != 2);
        Result memory r = _result(OWNER, 0, DIGEST);
        r.revision = revision;
        _expect(r, abi.encodeWithSelector(ILedgerFacts.RevisionOutOfSequence.selector, 2, revision));
    }

    function test_attest_refusesNoDigestAndUnknownFlags(uint8 flags) public {
        Result memory r = _result(OWNER, 0, 0);
        _expect(r, abi.encodeWithSelector(ILedgerFacts.DigestMissing.selector));
        vm.assume(flags > 1);
        r = _result(OWNER, 0, DIGEST);
        r.flags = flags;
        _expect(r, abi.encodeWithSelector(ILedgerFacts.FlagsUnknown.selector, flags));
    }

    function test_attest_refusesAgreedWindows() public {
        _agree(0, DIGEST);
        Result memory r = _result(OWNER, 0, OTHER);
        _expect(r, abi.encodeWithSelector(ILedgerFacts.WindowAgreedAlready.selector, 0, 0));
    }

    function test_attest_refusesASuspendedMember() public {
        _suspend(SHOP);
        Result memory r = _result(OWNER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(SHOP, Role.APPROVER), r);
        vm.expectPartialRevert(IRegistry.MemberNotActive.selector);
        _send(SHOP, r, signature);
    }

    // ------------------------------------------------------------------------------------ agreeing

    function test_attest_differentDigestsDoNotAgree(bytes32 a, bytes32 b) public {
        vm.assume(a != 0 && b != 0 && a != b);
        _attest(SERVICER, 0, a);
        _attest(OWNER, 0, b);
        _eq(ledger.agreementOf(agreement).agreedCount, 0);
    }

    function test_attest_equalDigestsAgree(bytes32 digest, bool ownerFirst) public {
        vm.assume(digest != 0);
        _attest(ownerFirst ? OWNER : SERVICER, 0, digest);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedgerFacts.ResultAgreed(agreement, 0, digest, false);
        // The expected event is the last one of the next call.
        _attestSecond(ownerFirst ? SERVICER : OWNER, digest);
        ILedgerFacts.Agreement memory stored = ledger.agreementOf(agreement);
        _eq(stored.agreedCount, 1);
        _eq(stored.agreedDigest, digest);
    }

    function _attestSecond(uint8 side, bytes32 digest) private {
        Result memory r = _result(side, 0, digest);
        bytes memory signature = _resultSignature(_pk(_member(side), Role.APPROVER), r);
        _send(_member(side), r, signature);
    }

    /// Only a side's latest word counts.
    function test_attest_revisionReplacesTheEarlierDigest() public {
        _attest(SERVICER, 0, DIGEST);
        _attest(SERVICER, 0, OTHER);
        _attest(OWNER, 0, DIGEST);
        _eq(ledger.agreementOf(agreement).agreedCount, 0);
        _attest(OWNER, 0, OTHER);
        _eq(ledger.agreementOf(agreement).agreedDigest, OTHER);
    }

    /// An attestation that named an older previous digest is not compared any more.
    function test_attest_olderPreviousDigestIsMadeAgain() public {
        _closeBoth(NOW_WINDOW);
        _attest(SERVICER, NOW_WINDOW, OTHER);
        _agree(0, DIGEST);
        _attest(OWNER, NOW_WINDOW, OTHER);
        _eq(ledger.agreementOf(agreement).agreedWindow, 0);
        _attest(SERVICER, NOW_WINDOW, OTHER);
        _eq(ledger.agreementOf(agreement).agreedWindow, NOW_WINDOW);
        _eq(ledger.attestationOf(agreement, SERVICER, NOW_WINDOW).revision, 2);
    }

    /// Agreeing a window agrees all before it, so a disputed one holds nobody up.
    function test_attest_agreesAWindowOverADisputedOne() public {
        _attest(SERVICER, 0, DIGEST);
        _attest(OWNER, 0, OTHER);
        _closeBoth(NOW_WINDOW);
        _agree(NOW_WINDOW, DIGEST);
        Result memory r = _result(OWNER, 0, DIGEST);
        _expect(r, abi.encodeWithSelector(ILedgerFacts.WindowAgreedAlready.selector, NOW_WINDOW, 0));
    }

    function test_attest_afterADefaultClosing() public {
        _close(SERVICER, NOW_WINDOW);
        vm.warp(NOON_S + 10 days);
        _as(BANK, Role.POSTER);
        ledger.closeByDefault(agreement, OWNER, NOW_WINDOW, 1);
        _agree(NOW_WINDOW, DIGEST);
        _eq(ledger.agreementOf(agreement).agreedWindow, NOW_WINDOW);
    }

    function test_attest_staysPossibleAfterTheEnd() public {
        _end(BANK, 0);
        _end(SHOP, 0);
        _agree(0, DIGEST);
        _eq(ledger.agreementOf(agreement).agreedCount, 1);
    }

    function test_attest_representedAgreesOneSided() public {
        agreement = _open(_representedOpening());
        for (uint8 side = 0; side < 2; side++) {
            bytes32 head = _head(side);
            _as(BANK, Role.POSTER);
            ledger.closeWindow(agreement, side, 0, 0, head);
        }
        Result memory r = _result(SERVICER, 0, DIGEST);
        bytes memory signature = _resultSignature(_pk(BANK, Role.APPROVER), r);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.RepresentedSide.selector, agreement, SERVICER)
        );
        _send(BANK, r, signature);
        r = _result(OWNER, 0, DIGEST);
        _attestAs(BANK, r);
        _eq(ledger.agreementOf(agreement).agreedDigest, DIGEST);
    }

    // -------------------------------------------------------------------------------------- proofs

    /// @dev Three batches: the record in the first, whose tree has two leaves.
    function _proven() private returns (ILedgerFacts.RecordProof memory) {
        return _provenIn(NOW_WINDOW);
    }

    function _provenIn(uint32 window) private returns (ILedgerFacts.RecordProof memory proof) {
        proof.agreement = agreement;
        proof.side = OWNER;
        proof.closedWindow = NOW_WINDOW;
        proof.salt = bytes16(keccak256("salt"));
        proof.record = "record";
        proof.index = 1;
        proof.count = 2;
        proof.path = new bytes32[](1);
        proof.path[0] = sha256(bytes.concat(bytes1(0), bytes16("header salt"), "header"));
        bytes32 leaf = sha256(bytes.concat(bytes1(0), proof.salt, proof.record));
        bytes32 root = sha256(bytes.concat(bytes1(0x01), proof.path[0], leaf));
        bytes32 commitment = sha256(bytes.concat(bytes1(0x02), bytes8(uint64(2)), root));
        proof.prevHead = _head(OWNER);
        proof.seq = 2;
        proof.window = window;
        proof.epoch = 1;
        proof.payloadHash = sha256("payload");
        _as(SHOP, Role.POSTER);
        ledger.post(agreement, OWNER, 2, window, proof.prevHead, commitment, 1, "payload");
        proof.links = new ILedgerFacts.Link[](2);
        for (uint256 i = 0; i < 2; i++) {
            _post(OWNER, NOW_WINDOW);
            proof.links[i] = ILedgerFacts.Link(NOW_WINDOW, 1, COMMITMENT, sha256("payload"));
        }
        _close(OWNER, NOW_WINDOW);
    }

    function test_verifyRecord_refusesOpenWindows() public {
        ILedgerFacts.RecordProof memory proof = _proven();
        proof.closedWindow = NOW_WINDOW + 1;
        vm.expectPartialRevert(ILedgerFacts.WindowNotClosed.selector);
        ledger.verifyRecord(proof);
    }

    function test_verifyRecord_refusesTooManyLinks() public {
        ILedgerFacts.RecordProof memory proof = _proven();
        proof.links = new ILedgerFacts.Link[](4097);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.TooManyLinks.selector, 4097, 4096));
        ledger.verifyRecord(proof);
    }

    function test_verifyRecord_holdsForTheRecord() public {
        _true(ledger.verifyRecord(_proven()));
    }

    /// Any change of the proof makes it false.
    function test_verifyRecord_failsForAnythingElse(uint8 field) public {
        ILedgerFacts.RecordProof memory proof = _proven();
        uint256 which = field % 14;
        if (which == 0) proof.record = "other";
        if (which == 1) proof.salt = bytes16(0);
        if (which == 2) proof.index = 0;
        if (which == 3) proof.count = 3;
        if (which == 4) proof.path[0] = OTHER;
        if (which == 5) proof.prevHead = OTHER;
        if (which == 6) proof.seq = 3;
        if (which == 7) proof.window = NOW_WINDOW - 1;
        if (which == 8) proof.epoch = 2;
        if (which == 9) proof.payloadHash = OTHER;
        if (which == 10) proof.links = new ILedgerFacts.Link[](0);
        if (which == 11) proof.links[1].window = 0;
        if (which == 12) proof.links[1].commitment = OTHER;
        if (which == 13) proof.path = new bytes32[](0);
        _true(!ledger.verifyRecord(proof));
    }

    /// A batch of a later window stands in the head chain, but not in the earlier window's result.
    function test_verifyRecord_failsForALaterWindow(uint8 ahead) public {
        _true(!ledger.verifyRecord(_provenIn(NOW_WINDOW + 1 + ahead % 100)));
    }
}
