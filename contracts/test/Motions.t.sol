// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Action, IRegistry, MotionId, Role, Standing} from "../src/interfaces/IRegistry.sol";
import {Base} from "./Base.sol";

/// @notice Motions of the Registry.
contract MotionsTest is Base {
    uint256 private constant NEW_ADMIN = 0xC0FFEE;
    string private constant NEW_CODE = "LEI-NEW";

    function _admission(uint256 privateKey) private view returns (bytes memory) {
        return abi.encode(NEW_CODE, _grantFor(privateKey, 0, keccak256(bytes(NEW_CODE))));
    }

    function _replacement(uint32 member) private view returns (bytes memory) {
        return abi.encode(_grantFor(NEW_ADMIN, member, 0));
    }

    function _execute(uint32 member, MotionId motion, bytes memory argument) private {
        _as(member, Role.ADMIN);
        registry.executeMotion(motion, argument);
    }

    // ------------------------------------------------------------------------------------ opening

    function test_openMotion_refusesParticipants() public {
        _as(SHOP, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotFullMember.selector, SHOP));
        registry.openMotion(Action.SUSPEND, _target(HOUSE), "");
    }

    function test_openMotion_refusesSuspendedProposers() public {
        _suspend(BANK);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.MemberNotActive.selector);
        registry.openMotion(Action.SUSPEND, _target(HOUSE), "");
    }

    function test_openMotion_refusesUnknownTargets(uint256 target) public {
        vm.assume(target == 0 || target > 5);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRegistry.MotionMalformed.selector, Action.SUSPEND, bytes32(target)
            )
        );
        registry.openMotion(Action.SUSPEND, bytes32(target), "");
    }

    function test_openMotion_refusesNoAction() public {
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.MotionMalformed.selector);
        registry.openMotion(Action.NONE, _target(HOUSE), "");
    }

    function test_openMotion_refusesTheTargetItself() public {
        _as(HOUSE, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.NotEligible.selector);
        registry.openMotion(Action.SUSPEND, _target(HOUSE), "");
    }

    function test_openMotion_refusesLongArguments() public {
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.OutOfBounds.selector, 2049, 0, 2048));
        registry.openMotion(Action.SUSPEND, _target(HOUSE), new bytes(2049));
    }

    function test_openMotion_refusesReinstatingTheActive() public {
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRegistry.StandingNotAllowed.selector, HOUSE, Standing.ACTIVE, Action.REINSTATE
            )
        );
        registry.openMotion(Action.REINSTATE, _target(HOUSE), "");
    }

    function test_openMotion_refusesAnotherCodesHash() public {
        bytes memory argument = _admission(NEW_ADMIN);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.MotionMalformed.selector);
        registry.openMotion(Action.ADMIT, keccak256("other"), argument);
    }

    function test_openMotion_refusesATakenCode() public {
        bytes32 code = keccak256(bytes(_code(HOUSE)));
        bytes memory argument = abi.encode(_code(HOUSE), _grantFor(NEW_ADMIN, 0, code));
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.CodeTaken.selector, code, HOUSE));
        registry.openMotion(Action.ADMIT, code, argument);
    }

    function test_openMotion_refusesAKeyWithoutConsent() public {
        IRegistry.AdminGrant memory admin = _grantFor(NEW_ADMIN, 0, keccak256("other"));
        bytes memory argument = abi.encode(NEW_CODE, admin);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.openMotion(Action.ADMIT, keccak256(bytes(NEW_CODE)), argument);
    }

    function test_openMotion_refusesTheSameTwice() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "why");
        _as(BRANCH, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MotionAlreadyOpen.selector, motion));
        registry.openMotion(Action.SUSPEND, _target(HOUSE), "why");
    }

    function test_openMotion_refusesMoreThanTheCap() public {
        for (uint8 i = 0; i < 8; i++) {
            _motion(BANK, Action.SUSPEND, _target(HOUSE), abi.encode(i));
        }
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooManyOpenMotions.selector, BANK, 8));
        registry.openMotion(Action.SUSPEND, _target(HOUSE), "one more");
        // Another member is not held back by it, and expired motions give their places back.
        _motion(BRANCH, Action.SUSPEND, _target(HOUSE), "one more");
        vm.roll(vm.getBlockNumber() + EXPIRY + 1);
        _motion(BANK, Action.SUSPEND, _target(HOUSE), "later");
    }

    /// The sponsor is often the participant's counterparty: it has no hand in its keys.
    function test_openMotion_refusesTheSponsorReplacingItsParticipantsAdmin() public {
        bytes memory argument = _replacement(SHOP);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.NotEligible.selector);
        registry.openMotion(Action.REPLACE_ADMIN, _target(SHOP), argument);
    }

    function test_openMotion_idIsTheDocumentedHash(bytes calldata reason) public {
        vm.assume(reason.length <= 2048);
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), reason);
        bytes memory preimage = abi.encode(
            block.chainid, address(registry), Action.SUSPEND, _target(HOUSE), reason, 0, 0
        );
        _eq(MotionId.unwrap(motion), keccak256(preimage));
        _true(registry.hasApproved(motion, BANK));
    }

    function test_openMotion_againAfterExpiryIsANewRound() public {
        MotionId first = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _approve(BRANCH, first);
        vm.roll(vm.getBlockNumber() + EXPIRY + 1);
        MotionId second = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _true(MotionId.unwrap(first) != MotionId.unwrap(second));
        _eq(registry.motionOf(second).round, 1);
        // Approvals of the expired round do not carry over.
        (uint256 approvals,) = registry.tally(second);
        _eq(approvals, 1);
    }

    // ----------------------------------------------------------------------------------- approving

    function test_approveMotion_refusesUnknown(bytes32 id) public {
        MotionId motion = MotionId.wrap(id);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MotionUnknown.selector, motion));
        registry.approveMotion(motion);
    }

    function test_approveMotion_refusesTwice() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.AlreadyApproved.selector, motion, BANK));
        registry.approveMotion(motion);
    }

    function test_approveMotion_refusesTheTarget() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _as(HOUSE, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotEligible.selector, motion, HOUSE));
        registry.approveMotion(motion);
    }

    function test_approveMotion_lastBlockCountsAndTheNextDoesNot() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        uint64 expiresAt = registry.motionOf(motion).expiresAt;
        vm.roll(expiresAt);
        _approve(BRANCH, motion);
        vm.roll(uint256(expiresAt) + 1);
        _as(AUDITOR, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MotionExpired.selector, motion, expiresAt));
        registry.approveMotion(motion);
    }

    // ----------------------------------------------------------------------------------- executing

    function test_executeMotion_refusesWithoutQuorum() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _approve(BRANCH, motion);
        // 3 × 2 > 2 × 3 is false: all three of three are needed.
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.QuorumMissing.selector, motion, 2, 3));
        registry.executeMotion(motion, "");
    }

    function test_executeMotion_refusesAnotherArgument(bytes calldata other) public {
        vm.assume(keccak256(other) != keccak256("why"));
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "why");
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.MotionMalformed.selector);
        registry.executeMotion(motion, other);
    }

    function test_executeMotion_refusesTwice() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _approve(BRANCH, motion);
        _approve(AUDITOR, motion);
        _execute(BANK, motion, "");
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MotionExecutedAlready.selector, motion));
        registry.executeMotion(motion, "");
    }

    function test_executeMotion_refusesOneOvertaken() public {
        MotionId slow = _motion(BRANCH, Action.SUSPEND, _target(HOUSE), "slow");
        _suspend(HOUSE);
        _pass(Action.REINSTATE, HOUSE, "");
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MotionOvertaken.selector, slow, 0, 2));
        registry.executeMotion(slow, "slow");
    }

    /// Approvals and eligibility count when the motion is executed, not when it was approved.
    function test_executeMotion_countsAtExecution() public {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(HOUSE), "");
        _approve(BRANCH, motion);
        _suspend(AUDITOR);
        // Two of two that are still eligible.
        (uint256 approvals, uint256 eligible) = registry.tally(motion);
        _eq(approvals, 2);
        _eq(eligible, 2);
        _suspend_by_two(BRANCH);
        (approvals, eligible) = registry.tally(motion);
        _eq(approvals, 1);
        _eq(eligible, 1);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.QuorumMissing.selector, motion, 1, 1));
        registry.executeMotion(motion, "");
    }

    function _suspend_by_two(uint32 member) private {
        MotionId motion = _motion(BANK, Action.SUSPEND, _target(member), "by two");
        _approve(HOUSE, motion);
        _execute(BANK, motion, "by two");
    }

    /// For every network of 2 … 7 members and every number of approvals: exactly the stated rule.
    function test_executeMotion_quorumIsExact(uint8 size, uint8 votes) public {
        uint32 members = uint32(_bound(size, 2, 7));
        uint32 approvals = uint32(_bound(votes, 1, members - 1));
        registry = _deploy(members);
        MotionId motion = _motion(1, Action.SUSPEND, _target(members), "");
        for (uint32 voter = 2; voter <= approvals; voter++) {
            _approve(voter, motion);
        }
        uint256 eligible = members - 1;
        bool passes = approvals >= 2 && 3 * approvals > 2 * eligible;
        _as(1, Role.ADMIN);
        if (!passes) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IRegistry.QuorumMissing.selector, motion, approvals, eligible
                )
            );
        }
        registry.executeMotion(motion, "");
        Standing expected = passes ? Standing.SUSPENDED : Standing.ACTIVE;
        _eq(uint8(registry.memberOf(members).standing), uint8(expected));
    }

    /// With two members nobody can be suspended, and two can still admit a third.
    function test_executeMotion_twoMembersCanAdmitOnly() public {
        registry = _deploy(2);
        MotionId motion = _motion(1, Action.SUSPEND, _target(2), "");
        _as(1, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.QuorumMissing.selector, motion, 1, 1));
        registry.executeMotion(motion, "");
        bytes memory argument = _admission(NEW_ADMIN);
        MotionId admission = _motion(1, Action.ADMIT, keccak256(bytes(NEW_CODE)), argument);
        _approve(2, admission);
        _execute(1, admission, argument);
        _eq(registry.memberCount(), 3);
    }

    function test_executeMotion_admits() public {
        bytes32 code = keccak256(bytes(NEW_CODE));
        bytes memory argument = _admission(NEW_ADMIN);
        MotionId motion = _motion(BANK, Action.ADMIT, code, argument);
        _approve(HOUSE, motion);
        _approve(BRANCH, motion);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IRegistry.MemberAdmitted(6, true, 0, code, NEW_CODE);
        _execute(BANK, motion, argument);
        _eq(registry.memberByCode(code), 6);
        _eq(registry.authorise(vm.addr(NEW_ADMIN), Role.ADMIN), 6);
        _eq(registry.generationOf(code), 1);
    }

    /// The vote may take longer than until the first block that the new key consented to.
    function test_executeMotion_admitsAfterTheConsentedFirstBlock() public {
        bytes32 code = keccak256(bytes(NEW_CODE));
        uint64 from = uint64(vm.getBlockNumber()) + 1;
        bytes memory possession = _possession(NEW_ADMIN, 0, code, Role.ADMIN, from, FOREVER);
        IRegistry.AdminGrant memory admin =
            IRegistry.AdminGrant(vm.addr(NEW_ADMIN), from, FOREVER, possession);
        bytes memory argument = abi.encode(NEW_CODE, admin);
        MotionId motion = _motion(BANK, Action.ADMIT, code, argument);
        vm.roll(from + 20);
        _approve(HOUSE, motion);
        _approve(BRANCH, motion);
        _execute(BANK, motion, argument);
        _eq(registry.keyOf(vm.addr(NEW_ADMIN)).validFrom, from + 20);
    }

    function test_executeMotion_suspendsAndReinstates() public {
        _suspend(HOUSE);
        _eq(uint8(registry.memberOf(HOUSE).standing), uint8(Standing.SUSPENDED));
        _pass(Action.REINSTATE, HOUSE, "");
        _eq(uint8(registry.memberOf(HOUSE).standing), uint8(Standing.ACTIVE));
        _eq(registry.generationOf(_target(HOUSE)), 2);
    }

    function test_executeMotion_revokesForGoodAndFreesTheCode() public {
        _pass(Action.REVOKE, HOUSE, "");
        _eq(registry.fullMembers().length, 3);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.StandingNotAllowed.selector);
        registry.openMotion(Action.REINSTATE, _target(HOUSE), "");
        // Its institution can only come back as a new member; what the old one said stays its own.
        bytes32 code = keccak256(bytes(_code(HOUSE)));
        bytes memory argument = abi.encode(_code(HOUSE), _grantFor(NEW_ADMIN, 0, code));
        MotionId motion = _motion(BANK, Action.ADMIT, code, argument);
        _approve(BRANCH, motion);
        _approve(AUDITOR, motion);
        _execute(BANK, motion, argument);
        _eq(registry.memberByCode(code), 6);
        _eq(uint8(registry.memberOf(HOUSE).standing), uint8(Standing.REVOKED));
    }

    function test_executeMotion_replacesALostAdmin() public {
        bytes memory argument = _replacement(SHOP);
        MotionId motion = _motion(HOUSE, Action.REPLACE_ADMIN, _target(SHOP), argument);
        _approve(BRANCH, motion);
        // The sponsor has no vote: three are eligible, and all three are needed.
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotEligible.selector, motion, BANK));
        registry.approveMotion(motion);
        _approve(AUDITOR, motion);
        _execute(HOUSE, motion, argument);
        address[] memory admins = registry.adminsOf(SHOP);
        _eq(admins.length, 1);
        _eq(admins[0], vm.addr(NEW_ADMIN));
        vm.roll(vm.getBlockNumber() + 1);
        vm.expectPartialRevert(IRegistry.KeyNotValid.selector);
        registry.authorise(_addr(SHOP, Role.ADMIN), Role.ADMIN);
    }

    /// A pending admin of whoever took the old key falls with it, and cannot be brought back.
    function test_executeMotion_replacementEndsPendingAdminsToo() public {
        _register(SHOP, 0xBAD, Role.ADMIN);
        bytes memory argument = _replacement(SHOP);
        MotionId motion = _motion(HOUSE, Action.REPLACE_ADMIN, _target(SHOP), argument);
        _approve(BRANCH, motion);
        _approve(AUDITOR, motion);
        _execute(HOUSE, motion, argument);
        vm.roll(vm.getBlockNumber() + 2 * DELAY);
        vm.expectPartialRevert(IRegistry.KeyNotValid.selector);
        registry.authorise(vm.addr(0xBAD), Role.ADMIN);
        vm.prank(vm.addr(NEW_ADMIN));
        vm.expectPartialRevert(IRegistry.NotPending.selector);
        registry.cancelEnding(_addr(SHOP, Role.ADMIN));
    }
}
