// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {EpochState, ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {AgreementId, IRegistry, Role, Standing} from "../src/interfaces/IRegistry.sol";
import {LedgerTestBase} from "./LedgerBase.sol";

/// @notice Posting batches and closing windows.
contract StreamsTest is LedgerTestBase {
    function _zeroHead(uint8 side) private view returns (bytes32) {
        return
            sha256(
                abi.encodePacked("kanhe/head/1", block.chainid, address(ledger), agreement, side)
            );
    }

    function _batch(uint8 side, uint64 seq, uint32 window, bytes32 prevHead, bytes memory payload)
        private
        view
        returns (ILedgerFacts.Batch memory)
    {
        return ILedgerFacts.Batch(agreement, side, seq, window, prevHead, COMMITMENT, 1, payload);
    }

    function _sendAs(uint32 member, ILedgerFacts.Batch memory b) private {
        _as(member, Role.POSTER);
        ledger.post(
            b.agreement, b.side, b.seq, b.window, b.prevHead, b.commitment, b.epoch, b.payload
        );
    }

    function _nextHead(bytes32 head, ILedgerFacts.Batch memory b) private pure returns (bytes32) {
        bytes memory text = bytes.concat(
            head, bytes8(b.seq), bytes4(b.window), bytes4(b.epoch), b.commitment, sha256(b.payload)
        );
        return sha256(text);
    }

    // -------------------------------------------------------------------------- the order of checks

    /// Everything is wrong at once; mended one by one, each check speaks in its turn.
    function test_post_checksInTheFixedOrder() public {
        _close(SERVICER, 0);
        _publish(SERVICER, 2);
        ILedgerFacts.Batch memory b = ILedgerFacts.Batch(
            AgreementId.wrap(0), 9, 7, 0, "wrong", COMMITMENT, 9, new bytes(120_001)
        );
        vm.expectPartialRevert(ILedgerFacts.AgreementUnknown.selector);
        _sendAs(99, b);
        b.agreement = agreement;
        vm.expectPartialRevert(ILedgerFacts.SideUnknown.selector);
        _sendAs(99, b);
        b.side = SERVICER;
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        _sendAs(99, b);
        uint256 before = vm.snapshotState();
        _suspend(HOUSE);
        vm.expectPartialRevert(IRegistry.MemberNotActive.selector);
        _sendAs(HOUSE, b);
        vm.revertToState(before);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        _sendAs(HOUSE, b);
        vm.expectPartialRevert(ILedgerFacts.BatchOutOfSequence.selector);
        _sendAs(BANK, b);
        b.seq = 1;
        vm.expectPartialRevert(ILedgerFacts.HeadMismatch.selector);
        _sendAs(BANK, b);
        b.prevHead = _zeroHead(SERVICER);
        vm.expectPartialRevert(ILedgerFacts.WindowClosedAlready.selector);
        _sendAs(BANK, b);
        b.window = type(uint32).max;
        vm.expectPartialRevert(ILedgerFacts.OutOfBounds.selector);
        _sendAs(BANK, b);
        b.window = type(uint32).max - 1;
        vm.expectPartialRevert(ILedgerFacts.WindowAhead.selector);
        _sendAs(BANK, b);
        b.window = NOW_WINDOW;
        vm.expectPartialRevert(ILedgerFacts.EpochNotUsable.selector);
        _sendAs(BANK, b);
        b.epoch = 1;
        vm.expectPartialRevert(ILedgerFacts.PayloadSize.selector);
        _sendAs(BANK, b);
        b.payload = new bytes(120_000);
        _sendAs(BANK, b);
    }

    function test_post_refusesApproversAndAdmins(bool admin) public {
        Role role = admin ? Role.ADMIN : Role.APPROVER;
        address key = _addr(BANK, role);
        bytes32 head = _head(SERVICER);
        vm.prank(key);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.RoleMissing.selector, key, Role.POSTER, role)
        );
        ledger.post(agreement, SERVICER, 1, NOW_WINDOW, head, COMMITMENT, 1, "x");
    }

    function test_post_refusesTheOtherSideAndObservers() public {
        bytes32 head = _head(OWNER);
        uint32[2] memory others = [BANK, AUDITOR];
        for (uint256 i = 0; i < 2; i++) {
            address key = _addr(others[i], Role.POSTER);
            vm.prank(key);
            vm.expectRevert(
                abi.encodeWithSelector(ILedgerFacts.NotAgreementParty.selector, key, agreement)
            );
            ledger.post(agreement, OWNER, 1, NOW_WINDOW, head, COMMITMENT, 1, "x");
        }
    }

    function test_post_refusesOtherNumbers(uint64 seq, uint8 posted) public {
        uint64 next = uint64(posted % 4) + 1;
        vm.assume(seq != next);
        for (uint64 i = 1; i < next; i++) {
            _post(OWNER, NOW_WINDOW);
        }
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.BatchOutOfSequence.selector, next, seq));
        ledger.post(agreement, OWNER, seq, NOW_WINDOW, head, COMMITMENT, 1, "x");
    }

    function test_post_refusesAnotherHead(bytes32 head) public {
        bytes32 expected = _zeroHead(OWNER);
        vm.assume(head != expected);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.HeadMismatch.selector, expected, head));
        ledger.post(agreement, OWNER, 1, NOW_WINDOW, head, COMMITMENT, 1, "x");
    }

    /// A batch that arrived is not posted twice, and its sender learns why.
    function test_post_resentBatchIsOutOfSequence() public {
        ILedgerFacts.Batch memory b = _batch(OWNER, 1, NOW_WINDOW, _zeroHead(OWNER), "x");
        _sendAs(SHOP, b);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.BatchOutOfSequence.selector, 2, 1));
        _sendAs(SHOP, b);
    }

    function test_post_refusesClosedWindows(uint32 window) public {
        _close(OWNER, 0);
        _close(OWNER, NOW_WINDOW);
        window = uint32(_bound(window, 0, NOW_WINDOW));
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.WindowClosedAlready.selector, NOW_WINDOW, window)
        );
        ledger.post(agreement, OWNER, 1, window, head, COMMITMENT, 1, "x");
    }

    /// The day bound is the block's local day + 15, to the second of the agreement's midnight.
    function test_post_reachesFifteenLocalDaysAhead(uint32 offset_s, uint32 window) public {
        uint256 now_s = NOON_S + offset_s;
        vm.warp(now_s);
        uint256 last = (now_s + 480 * 60) / 86_400 + 15;
        window = uint32(_bound(window, (last - 2) * 8, (last + 2) * 8));
        ILedgerFacts.Batch memory b = _batch(OWNER, 1, window, _zeroHead(OWNER), "x");
        if (window / 8 > last) {
            vm.expectRevert(
                abi.encodeWithSelector(ILedgerFacts.WindowAhead.selector, window / 8, last)
            );
        }
        _sendAs(SHOP, b);
    }

    function test_post_refusesALowerEpoch() public {
        _epoch(OWNER, 2);
        ILedgerFacts.Batch memory b = _batch(OWNER, 1, NOW_WINDOW, _zeroHead(OWNER), "x");
        b.epoch = 2;
        _sendAs(SHOP, b);
        b = _batch(OWNER, 2, NOW_WINDOW, _head(OWNER), "x");
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.EpochBehind.selector, 2, 1));
        _sendAs(SHOP, b);
    }

    function test_post_refusesEmptyPayloads() public {
        ILedgerFacts.Batch memory b = _batch(OWNER, 1, NOW_WINDOW, _zeroHead(OWNER), "");
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.PayloadSize.selector, 0, 120_000));
        _sendAs(SHOP, b);
    }

    // ------------------------------------------------------------------------------------- heads

    function test_post_headIsTheDocumentedHash(bytes calldata payload, bytes32 commitment) public {
        vm.assume(payload.length > 0);
        ILedgerFacts.Batch memory b = _batch(OWNER, 1, NOW_WINDOW, _zeroHead(OWNER), payload);
        b.commitment = commitment;
        bytes32 head = _nextHead(b.prevHead, b);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedgerFacts.BatchPosted(agreement, OWNER, 1, NOW_WINDOW, 1, commitment, head, payload);
        _sendAs(SHOP, b);
        _eq(_head(OWNER), head);
    }

    function test_zeroHead_differsByEverything() public {
        bytes32 servicer = ledger.zeroHead(agreement, SERVICER);
        _eq(servicer, _zeroHead(SERVICER));
        _true(servicer != ledger.zeroHead(agreement, OWNER));
        _true(servicer != ledger.zeroHead(AgreementId.wrap("other"), SERVICER));
        vm.chainId(77);
        _true(servicer != ledger.zeroHead(agreement, SERVICER));
    }

    /// Neither side's stream, nor another agreement's, is touched by a side's posting.
    function test_post_sidesAreIndependent(uint8 servicer, uint8 owner) public {
        for (uint256 i = 0; i < servicer % 4; i++) {
            _post(SERVICER, NOW_WINDOW);
        }
        for (uint256 i = 0; i < owner % 4; i++) {
            _post(OWNER, NOW_WINDOW + 8);
        }
        _eq(ledger.sideOf(agreement, SERVICER).seq, servicer % 4);
        _eq(ledger.sideOf(agreement, OWNER).seq, owner % 4);
    }

    /// Today's windows run while yesterday's is still open.
    function test_post_openWindowsInterleave() public {
        _post(OWNER, NOW_WINDOW);
        _post(OWNER, NOW_WINDOW - 8);
        _post(OWNER, NOW_WINDOW);
        _eq(ledger.sideOf(agreement, OWNER).postedUpTo, NOW_WINDOW + 1);
    }

    /// A participant goes on in its agreements while its sponsor is suspended.
    function test_post_goesOnWhileTheSponsorIsSuspended() public {
        _suspend(BANK);
        _post(OWNER, NOW_WINDOW);
        _eq(ledger.sideOf(agreement, OWNER).seq, 1);
    }

    function test_post_refusesASuspendedParty() public {
        _suspend(SHOP);
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.MemberNotActive.selector, SHOP, Standing.SUSPENDED)
        );
        ledger.post(agreement, OWNER, 1, NOW_WINDOW, head, COMMITMENT, 1, "x");
    }

    function test_postMany_refusesNothing() public {
        vm.expectPartialRevert(ILedgerFacts.NothingToPost.selector);
        ledger.postMany(new ILedgerFacts.Batch[](0));
    }

    function test_postMany_isAllOrNothing() public {
        ILedgerFacts.Batch[] memory batches = new ILedgerFacts.Batch[](2);
        batches[0] = _batch(OWNER, 1, NOW_WINDOW, _zeroHead(OWNER), "one");
        batches[1] = _batch(OWNER, 3, NOW_WINDOW, _nextHead(batches[0].prevHead, batches[0]), "x");
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.BatchOutOfSequence.selector, 2, 3));
        ledger.postMany(batches);
        _eq(ledger.sideOf(agreement, OWNER).seq, 0);
    }

    function test_postMany_equalsPostingSingly(uint8 count) public {
        uint64 n = uint64(_bound(count, 1, 6));
        ILedgerFacts.Batch[] memory batches = new ILedgerFacts.Batch[](n);
        bytes32 head = _zeroHead(OWNER);
        for (uint64 i = 0; i < n; i++) {
            batches[i] = _batch(OWNER, i + 1, NOW_WINDOW, head, abi.encode(i));
            head = _nextHead(head, batches[i]);
        }
        _as(SHOP, Role.POSTER);
        ledger.postMany(batches);
        _eq(_head(OWNER), head);
        _eq(ledger.sideOf(agreement, OWNER).seq, n);
    }

    // ------------------------------------------------------------------------------------ closing

    function test_closeWindow_refusesBeforeTheOpening(uint32 window) public {
        vm.assume(window != 0);
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.OpeningNotClosed.selector, agreement, OWNER)
        );
        ledger.closeWindow(agreement, OWNER, window, 0, head);
    }

    function test_closeWindow_refusesTomorrow(uint32 window) public {
        _close(OWNER, 0);
        window = uint32(_bound(window, NOW_WINDOW + 8, type(uint32).max - 1));
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.WindowAhead.selector, window / 8, TODAY)
        );
        ledger.closeWindow(agreement, OWNER, window, 0, head);
    }

    function test_closeWindow_refusesClosedOnes(uint32 window) public {
        _close(OWNER, 0);
        _close(OWNER, NOW_WINDOW);
        window = uint32(_bound(window, 0, NOW_WINDOW));
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.WindowClosedAlready.selector);
        ledger.closeWindow(agreement, OWNER, window, 0, head);
    }

    function test_closeWindow_refusesAnotherSeqOrHead(uint64 seq, bytes32 head) public {
        _post(OWNER, 0);
        bytes32 stored = _head(OWNER);
        vm.assume(seq != 1 && head != stored);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.LastSeqMismatch.selector, 1, seq));
        ledger.closeWindow(agreement, OWNER, 0, seq, stored);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.HeadMismatch.selector, stored, head));
        ledger.closeWindow(agreement, OWNER, 0, 1, head);
    }

    function test_closeWindow_refusesTheOtherParty() public {
        bytes32 head = _head(OWNER);
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.closeWindow(agreement, OWNER, 0, 0, head);
    }

    function test_closeWindow_keepsSeqHeadAndTime(uint8 posted) public {
        for (uint256 i = 0; i < posted % 5; i++) {
            _post(OWNER, 0);
        }
        bytes32 head = _head(OWNER);
        _close(OWNER, 0);
        ILedgerFacts.Closing memory closing = ledger.closingOf(agreement, OWNER, 0);
        _eq(closing.head, head);
        _eq(closing.lastSeq, posted % 5);
        _eq(closing.closedAt_s, NOON_S);
        _true(!closing.byDefault);
        _eq(ledger.sideOf(agreement, OWNER).closedUpTo, 1);
    }

    /// What is posted after a closing changes nothing about it.
    function test_closeWindow_headNeverChanges() public {
        _post(OWNER, 0);
        _close(OWNER, 0);
        bytes32 head = ledger.closingOf(agreement, OWNER, 0).head;
        _post(OWNER, NOW_WINDOW);
        _eq(ledger.closingOf(agreement, OWNER, 0).head, head);
    }

    function test_closeWindow_emptyWindowsMayBeSkipped(uint32 window) public {
        _close(OWNER, 0);
        window = uint32(_bound(window, 1, NOW_WINDOW + 7));
        _close(OWNER, window);
        _eq(ledger.sideOf(agreement, OWNER).closedUpTo, uint256(window) + 1);
    }

    // ------------------------------------------------------------------------- closing by default

    function _default(uint32 window, uint32 epoch) private {
        _as(BANK, Role.POSTER);
        ledger.closeByDefault(agreement, OWNER, window, epoch);
    }

    function test_closeByDefault_refusesBeforeTheOtherClosedItsOpening() public {
        _closeOwn();
        vm.warp(NOON_S + 300 days);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.OpeningNotClosed.selector, agreement, OWNER)
        );
        _default(NOW_WINDOW, 1);
    }

    function _closeOwn() private {
        _close(SERVICER, 0);
        _close(SERVICER, NOW_WINDOW);
    }

    function test_closeByDefault_refusesOneself() public {
        _close(OWNER, 0);
        _closeOwn();
        vm.warp(NOON_S + 300 days);
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.closeByDefault(agreement, OWNER, NOW_WINDOW, 1);
    }

    function test_closeByDefault_refusesWhatTheCallerDidNotClose() public {
        _close(OWNER, 0);
        _closeOwn();
        vm.warp(NOON_S + 300 days);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.WindowNotClosed.selector, agreement, SERVICER, NOW_WINDOW + 8
            )
        );
        _default(NOW_WINDOW + 8, 1);
    }

    function test_closeByDefault_refusesDaysBeforeActivation() public {
        _close(OWNER, 0);
        _close(SERVICER, 0);
        _close(SERVICER, NOW_WINDOW - 1);
        vm.warp(NOON_S + 300 days);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.WindowBeforeActivation.selector, TODAY - 1, TODAY)
        );
        _default(NOW_WINDOW - 1, 1);
    }

    function test_closeByDefault_refusesEpochsThatAreNotUsable() public {
        _close(OWNER, 0);
        _closeOwn();
        vm.warp(NOON_S + 300 days);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.EpochNotUsable.selector, 2, EpochState.NONE)
        );
        _default(NOW_WINDOW, 2);
    }

    /// The grace runs from the later of the local day's end and the caller's own closing.
    function test_closeByDefault_dueToTheSecond(uint32 closing_s, uint32 extra_s) public {
        _close(OWNER, 0);
        _close(SERVICER, 0);
        uint256 closedAt_s = NOON_S + _bound(closing_s, 0, 5 days);
        vm.warp(closedAt_s);
        _close(SERVICER, NOW_WINDOW);
        uint256 dayEnd_s = uint256(TODAY + 1) * 86_400 - 480 * 60;
        uint256 since_s = closedAt_s > dayEnd_s ? closedAt_s : dayEnd_s;
        uint256 due_s = since_s + DEFAULT_AFTER_DAYS * 1 days;
        vm.warp(_bound(extra_s, closedAt_s, due_s - 1));
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.DefaultNotDue.selector, due_s));
        _default(NOW_WINDOW, 1);
        vm.warp(due_s);
        _default(NOW_WINDOW, 1);
        _true(ledger.closingOf(agreement, OWNER, NOW_WINDOW).byDefault);
    }

    /// Closing always other windows than the counterparty does not keep a common one away: whoever
    /// is behind closes the same, or is closed by default.
    function test_closeByDefault_dodgingByOtherWindowsGainsNothing() public {
        _close(OWNER, 0);
        _closeOwn();
        _close(OWNER, NOW_WINDOW - 1);
        vm.warp(NOON_S + 5 days);
        _default(NOW_WINDOW, 1);
        _close(OWNER, NOW_WINDOW + 1);
        _close(SERVICER, NOW_WINDOW + 1);
        _eq(ledger.sideOf(agreement, SERVICER).closedUpTo, NOW_WINDOW + 2);
        _eq(ledger.sideOf(agreement, OWNER).closedUpTo, NOW_WINDOW + 2);
    }

    /// The silent side's entries are not lost: they belong to the next window.
    function test_closeByDefault_closesAtTheSilentSidesHead() public {
        _close(OWNER, 0);
        _post(OWNER, NOW_WINDOW);
        bytes32 head = _head(OWNER);
        _closeOwn();
        _suspend(SHOP);
        vm.warp(NOON_S + 10 days);
        _default(NOW_WINDOW, 1);
        ILedgerFacts.Closing memory closing = ledger.closingOf(agreement, OWNER, NOW_WINDOW);
        _eq(closing.head, head);
        _eq(closing.lastSeq, 1);
        vm.expectPartialRevert(ILedgerFacts.WindowClosedAlready.selector);
        _default(NOW_WINDOW, 1);
    }

    function test_closeByDefault_refusesASuspendedCaller() public {
        _close(OWNER, 0);
        _closeOwn();
        _suspend(BANK);
        vm.warp(NOON_S + 10 days);
        vm.expectPartialRevert(IRegistry.MemberNotActive.selector);
        _default(NOW_WINDOW, 1);
    }

    function test_closeByDefault_refusesRepresentedSides() public {
        agreement = _open(_representedOpening());
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.RepresentedSide.selector, agreement, SERVICER)
        );
        ledger.closeByDefault(agreement, SERVICER, NOW_WINDOW, 1);
    }
}
