// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {EntryId, Verdict} from "../src/interfaces/IBlacklistFacts.sol";
import {ILookups} from "../src/interfaces/ILookups.sol";
import {IPoints, TicketKind} from "../src/interfaces/IPoints.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

contract PointsTest is BlacklistTestBase {
    function test_aParticipantHasNoPointsAndNoVoice() public {
        uint32 puppet = MEMBERS + 1;
        _sponsor(1, keccak256("puppet"), puppet);
        _equip(puppet);
        vm.roll(vm.getBlockNumber() + DELAY + 1);
        EntryId entry = _tagged(1);
        bytes memory refused = abi.encodeWithSelector(IRegistry.NotFullMember.selector, puppet);
        _refuse(refused);
        _claim(puppet);
        _post(puppet);
        _refuse(refused);
        points.buyTickets(TicketKind.OWN_RECORD, 1);
        _post(puppet);
        _refuse(refused);
        points.buyDetailTicket(keccak256("use"));
        _refuse(refused);
        this.list(puppet);
        _post(puppet);
        _refuse(refused);
        blacklist.openDispute(entry, true, keccak256("grounds"));
        _post(puppet);
        _refuse(refused);
        blacklist.openDispute(entry, false, keccak256("grounds"));
        uint64 dispute = _dispute(READER, entry, true);
        _answer(dispute, Verdict.UPHELD);
        for (uint256 n = 0; n < 2; n++) {
            _post(puppet);
            _refuse(refused);
            blacklist.contest(dispute, n == 0);
        }
    }

    function test_concession_isSparedThePenaltyOnceInNinetyDays() public {
        for (uint256 n = 1; n <= 4; n++) {
            _tagged(n);
        }
        // Stake alone; then within 90 days of it the penalty too, ten stakes of which are owed.
        _concede(1);
        _eq(points.accountOf(UPLOADER).balance, 15e6);
        _eq(points.accountOf(UPLOADER).debt, 0);
        _pass(80);
        _concede(2);
        _eq(points.accountOf(UPLOADER).balance, 10e6);
        _eq(points.accountOf(UPLOADER).debt, 50e6);
        _eq(points.accountOf(UPLOADER).overturned, 2);
        // 90 days from the last one, whether it was spared or not.
        _pass(80);
        _concede(3);
        _eq(points.accountOf(UPLOADER).debt, 100e6);
        _pass(90);
        uint256 debt = points.accountOf(UPLOADER).debt;
        _concede(4);
        _eq(points.accountOf(UPLOADER).debt, debt);
    }

    function _concede(uint256 n) private {
        uint64 dispute = _dispute(READER, _entry(n), true);
        _answer(dispute, Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        _settle(dispute);
    }

    /// @dev External, so that the expected revert is the call's.
    function list(uint32 member) external {
        _listAs(member, 77, _now() + 9);
    }

    uint128 private constant POINT = 1e6;

    function _buy(uint32 member, TicketKind kind, uint32 count) private returns (uint64) {
        _post(member);
        return points.buyTickets(kind, count);
    }

    function _buyDetail(uint32 member, bytes32 use) private returns (uint64) {
        _post(member);
        return points.buyDetailTicket(use);
    }

    function _rows(uint32 uploader, uint32 hits, uint128 burned)
        private
        pure
        returns (IPoints.Row[] memory rows)
    {
        rows = new IPoints.Row[](1);
        rows[0] = IPoints.Row(uploader, hits, burned);
    }

    function _settleRows(uint32 period, uint32 reader, IPoints.Row[] memory rows) private {
        bytes[] memory signatures = _signedBy(1, 2, _settlementDigest(period, reader, ROOT, rows));
        _post(READER);
        points.settle(period, reader, ROOT, rows, signatures);
    }

    function _sumIsKept() private view {
        uint256 sum;
        for (uint32 member = 1; member <= MEMBERS; member++) {
            sum += points.accountOf(member).balance;
        }
        _eq(sum, points.totalMinted() - points.totalBurned());
    }

    function test_blacklistAlone_movesStakes() public {
        bytes memory refused = abi.encodeWithSelector(IPoints.NotBlacklist.selector, address(this));
        _refuse(refused);
        points.stake(1, 1, false);
        _refuse(refused);
        points.release(1, 1);
        _refuse(refused);
        points.slash(1, 1, "x");
        _refuse(refused);
        points.fine(1, 1, "x");
        _refuse(refused);
        points.countEntry(1, true);
    }

    function test_claimAllowance_refusesTwiceADay() public {
        _refuse(abi.encodeWithSelector(IPoints.AllowanceTaken.selector, READER, uint256(_now())));
        _claim(READER);
    }

    function test_claimAllowance_stopsAtTheCeiling(uint16 days_) public {
        days_ = uint16(_bound(days_, 1, 1000));
        _pass(days_);
        _claim(READER);
        uint256 expected = 20 * POINT * (uint256(days_) + 1);
        _eq(points.freeOf(READER), expected < 600 * POINT ? expected : 600 * POINT);
        _sumIsKept();
    }

    function test_buyTickets_refusesBeyondPointsAndBounds() public {
        _refuse(
            abi.encodeWithSelector(
                IPoints.PointsShort.selector, READER, uint256(21 * POINT), uint256(20 * POINT)
            )
        );
        _buy(READER, TicketKind.LOOKUP, 21);
        for (uint256 i = 1; i <= 6; i++) {
            _buyDetail(READER, bytes32(i));
        }
        _refuse(
            abi.encodeWithSelector(
                IPoints.PointsShort.selector, READER, uint256(3 * POINT), uint256(2 * POINT)
            )
        );
        _buyDetail(READER, "seventh");
        _refuse(
            abi.encodeWithSelector(
                IRegistry.OutOfBounds.selector, uint256(0), uint256(1), uint256(2000)
            )
        );
        _buy(READER, TicketKind.LOOKUP, 0);
    }

    function test_buyDetailTicket_isForOneUse() public {
        bytes memory refused = abi.encodeWithSelector(IPoints.TicketUseMissing.selector);
        _refuse(refused);
        _buyDetail(READER, 0);
        _refuse(refused);
        _buy(READER, TicketKind.DETAIL, 1);
        vm.expectEmit(true, true, true, true, address(points));
        emit IPoints.TicketsBought(READER, TicketKind.DETAIL, 1, 1, _now(), "use");
        _eq(_buyDetail(READER, "use"), 1);
    }

    function test_buyTickets_numbersAndCapsADay() public {
        _eq(_buy(READER, TicketKind.LOOKUP, 5), 1);
        _eq(_buyDetail(READER, "one"), 6);
        _eq(_buyDetail(READER, "other"), 7);
        _eq(points.freeOf(READER), 9 * POINT);
        // A person's own query is free, under a cap of its own.
        _eq(_buy(READER, TicketKind.OWN_RECORD, 199), 8);
        _eq(_buy(READER, TicketKind.OWN_RECORD, 1), 207);
        _eq(points.freeOf(READER), 9 * POINT);
        _refuse(
            abi.encodeWithSelector(IPoints.DailyCapReached.selector, uint256(_now()), uint256(200))
        );
        _buy(READER, TicketKind.OWN_RECORD, 1);
        _eq(_buy(READER, TicketKind.LOOKUP, 1), 208);
        _pass(1);
        _eq(_buy(READER, TicketKind.OWN_RECORD, 200), 209);
        _sumIsKept();
    }

    /// Free tickets count for nothing here: who buys its fill of them stops nobody's paid ones.
    function test_settle_refusesWhatIsOpenSettledOrMoreThanBurned() public {
        _buy(READER, TicketKind.LOOKUP, 10);
        uint32 period = points.currentPeriod();
        IPoints.Row[] memory rows = _rows(UPLOADER, 1, 11 * POINT);
        vm.expectPartialRevert(IPoints.PeriodNotOver.selector);
        this.settleRows(period, READER, rows);
        _pass(10);
        _refuse(
            abi.encodeWithSelector(
                IPoints.RowsExceedBurned.selector, uint256(11 * POINT), uint256(10 * POINT)
            )
        );
        this.settleRows(period, READER, rows);
        rows[0].burned = 10 * POINT;
        this.settleRows(period, READER, rows);
        _refuse(abi.encodeWithSelector(IPoints.SettledAlready.selector, READER, period));
        this.settleRows(period, READER, rows);
    }

    /// @dev External, so that an expected revert is the call's and not a signature's.
    function settleRows(uint32 period, uint32 reader, IPoints.Row[] memory rows) external {
        _settleRows(period, reader, rows);
    }

    function test_settle_refusesMalformedRows() public {
        _buy(READER, TicketKind.LOOKUP, 10);
        uint32 period = points.currentPeriod();
        _pass(10);
        bytes memory refused = abi.encodeWithSelector(IPoints.RowMalformed.selector, uint256(0));
        _refuse(refused);
        this.settleRows(period, READER, _rows(READER, 1, 1));
        _refuse(refused);
        this.settleRows(period, READER, _rows(UPLOADER, 0, 1));
        _refuse(refused);
        this.settleRows(period, READER, _rows(0, 1, 1));
        _refuse(refused);
        this.settleRows(period, READER, _rows(MEMBERS + 1, 1, 1));
        IPoints.Row[] memory twice = new IPoints.Row[](2);
        twice[0] = twice[1] = IPoints.Row(UPLOADER, 1, 1);
        _refuse(abi.encodeWithSelector(IPoints.RowMalformed.selector, uint256(1)));
        this.settleRows(period, READER, twice);
    }

    function test_settle_needsTheCommittee() public {
        _buy(READER, TicketKind.LOOKUP, 1);
        uint32 period = points.currentPeriod();
        _pass(10);
        IPoints.Row[] memory rows = _rows(UPLOADER, 1, POINT);
        bytes[] memory signatures = _signedBy(1, 5, _settlementDigest(period, READER, ROOT, rows));
        _post(READER);
        _refuse(abi.encodeWithSelector(ILookups.NotCommitteeMember.selector, uint32(5)));
        points.settle(period, READER, ROOT, rows, signatures);
    }

    /// A row never pays more than was burned for it, so no ring mints more than it burns.
    function testFuzz_settle_paysAtMostWhatWasBurned(uint32 hits, uint32 tickets) public {
        hits = uint32(_bound(hits, 1, 1e6));
        tickets = uint32(_bound(tickets, 1, 20));
        _buy(READER, TicketKind.LOOKUP, tickets);
        uint32 period = points.currentPeriod();
        _pass(10);
        uint256 before = points.accountOf(UPLOADER).balance;
        _settleRows(period, READER, _rows(UPLOADER, hits, tickets * POINT));
        uint256 paid = points.accountOf(UPLOADER).balance - before;
        _true(paid <= uint256(tickets) * POINT);
        _eq(points.accountOf(UPLOADER).earned, paid);
        _sumIsKept();
    }

    /// @dev Settled newest first, each period would not know of the later ones' confirmations.
    function test_settle_paysNoMoreInAnotherOrder() public {
        _pass(10);
        uint32 first = points.currentPeriod();
        for (uint256 i = 0; i < 3; i++) {
            _claim2(READER);
            _buy(READER, TicketKind.LOOKUP, 150);
            _pass(10);
        }
        uint256 snapshot = vm.snapshotState();
        for (uint32 i = 0; i < 3; i++) {
            _settleRows(first + i, READER, _rows(UPLOADER, 150, 150 * POINT));
        }
        uint256 inOrder = points.accountOf(UPLOADER).earned;
        vm.revertToState(snapshot);
        for (uint32 i = 3; i > 0; i--) {
            _settleRows(first + i - 1, READER, _rows(UPLOADER, 150, 150 * POINT));
        }
        _eq(points.accountOf(UPLOADER).earned, inOrder);
        _sumIsKept();
    }

    function test_settle_countsAPairsLastNinePeriods() public {
        for (uint256 i = 0; i < 11; i++) {
            _claim2(READER);
            _buy(READER, TicketKind.LOOKUP, 1);
            uint32 period = points.currentPeriod();
            _pass(10);
            _settleRows(period, READER, _rows(UPLOADER, 2, POINT));
            uint256 expected = i < 9 ? 2 * (i + 1) : 18;
            _eq(points.pairHits(READER, UPLOADER, period), expected);
        }
        _true(points.areClose(READER, UPLOADER) && points.areClose(UPLOADER, READER));
        _pass(91);
        _true(!points.areClose(READER, UPLOADER));
    }

    function _claim2(uint32 member) private {
        if (points.accountOf(member).mintedDay < _now()) _claim(member);
    }
}

/// @notice As many full members as it takes to buy out a day of the network.
contract PointsCapTest is BlacklistTestBase {
    uint32 private constant FOUNDERS = 34;

    function setUp() public override {
        _found(FOUNDERS);
        for (uint32 member = 1; member <= FOUNDERS; member++) {
            _claim(member);
        }
    }

    function test_buyTickets_capsTheNetworksPaidOnes() public {
        uint32 last = FOUNDERS;
        _pass(30);
        for (uint32 member = 1; member <= last; member++) {
            _buy(member, TicketKind.OWN_RECORD, 200);
            _claim(member);
            _buy(member, TicketKind.LOOKUP, member == last ? 200 : 600);
        }
        _refuse(
            abi.encodeWithSelector(
                IPoints.DailyCapReached.selector, uint256(_now()), uint256(20_000)
            )
        );
        _buy(last, TicketKind.LOOKUP, 1);
        _refuse(
            abi.encodeWithSelector(
                IPoints.DailyCapReached.selector, uint256(_now()), uint256(20_000)
            )
        );
        _buyDetail(last, "use");
    }

    function _buy(uint32 member, TicketKind kind, uint32 count) private {
        _post(member);
        points.buyTickets(kind, count);
    }

    function _buyDetail(uint32 member, bytes32 use) private {
        _post(member);
        points.buyDetailTicket(use);
    }
}
