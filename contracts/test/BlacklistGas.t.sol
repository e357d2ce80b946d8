// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {TicketKind} from "../src/interfaces/IPoints.sol";
import {EntryId, Verdict} from "../src/interfaces/IBlacklistFacts.sol";
import {IPoints} from "../src/interfaces/IPoints.sol";
import {BlacklistTestBase} from "./BlacklistBase.sol";

/// @notice What the blacklist's calls cost, as transactions of their own, and the code sizes.
/// @dev See Gas.t.sol.
/// forge-config: default.isolate = true
contract BlacklistGasTest is BlacklistTestBase {
    uint256 private constant MAX_RUNTIME = 24_576;

    function _measure(string memory name) private {
        vm.snapshotGasLastCall("blacklist", name);
    }

    function test_gas_listing() public {
        EntryId entry = _list(1);
        _measure("list");
        _tag(UPLOADER, entry, 1);
        _measure("tag, first of an epoch");
        EntryId next = _list(2);
        _tag(UPLOADER, next, 1);
        _measure("tag");
        uint32 version = _cut();
        _measure("cut");
        _publish(version, 2, 1);
        _measure("publishRoot, two signatures");
    }

    function test_gas_dispute() public {
        EntryId entry = _tagged(1);
        uint64 dispute = _dispute(READER, entry, false);
        _measure("openDispute");
        _answer(dispute, Verdict.UPHELD);
        _measure("answer");
        _post(READER);
        blacklist.contest(dispute, false);
        _measure("contest");
        vm.roll(vm.getBlockNumber() + 3);
        _post(READER);
        blacklist.draw(dispute);
        _measure("draw, six of nine members");
        uint32[] memory panel = blacklist.disputeOf(dispute).panel;
        _commit(dispute, panel[0], Verdict.REMOVED);
        _measure("commitBallot");
        _commit(dispute, panel[1], Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days + 1);
        _reveal(dispute, panel[0], Verdict.REMOVED);
        _measure("revealBallot");
        _reveal(dispute, panel[1], Verdict.REMOVED);
        vm.warp(vm.getBlockTimestamp() + 2 days);
        _settle(dispute);
        _measure("settle, one silent panelist");
    }

    function test_gas_suspension() public {
        uint64 dispute = _dispute(READER, _tagged(1), true);
        vm.warp(vm.getBlockTimestamp() + 10 days + 1);
        _settle(dispute);
        _measure("settle, suspended");
    }

    function test_gas_points() public {
        _post(READER);
        points.buyTickets(TicketKind.LOOKUP, 10);
        _measure("buyTickets");
        uint32 period = points.currentPeriod();
        _pass(10);
        IPoints.Row[] memory rows = new IPoints.Row[](1);
        rows[0] = IPoints.Row(UPLOADER, 1, 1e6);
        bytes[] memory signatures = _signedBy(1, 2, _settlementDigest(period, READER, ROOT, rows));
        _post(READER);
        points.settle(period, READER, ROOT, rows, signatures);
        _measure("settle a period, one row");
    }

    function test_gas_audit() public {
        uint64 audit = _audit(READER, 1, ROOT);
        _measure("beginAudit, a lookup");
        _audit(UPLOADER, 0, EntryId.unwrap(_tagged(1)));
        _measure("beginAudit, a listing");
        _post(REGULATOR);
        audits.closeAudit(audit);
        _measure("closeAudit");
        audit = _audit(READER, 2, ROOT);
        _pass(15);
        _post(REGULATOR);
        audits.settleAudit(audit);
        _measure("settleAudit, a fine");
    }

    function test_gas_consent() public {
        uint64 validTo = uint64(vm.getBlockTimestamp()) + 60;
        bytes32 hash = keccak256(abi.encode(ROOT));
        _post(READER);
        lookups.recordConsent(ROOT, 3, validTo, hash);
        _measure("recordConsent");
        _post(5);
        lookups.revokeConsent(READER, ROOT, ROOT);
        _measure("revokeConsent");
    }

    function test_size_fits() public {
        vm.snapshotValue("blacklist-size", "Blacklist", address(blacklist).code.length);
        vm.snapshotValue("blacklist-size", "Lookups", address(lookups).code.length);
        vm.snapshotValue("blacklist-size", "Points", address(points).code.length);
        _true(address(blacklist).code.length <= MAX_RUNTIME);
    }
}
