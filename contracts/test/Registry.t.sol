// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AgreementId, IRegistry, Role, Standing} from "../src/interfaces/IRegistry.sol";
import {Base} from "./Base.sol";

/// @notice Construction, keys, sponsorship, sealing keys and meta-calls; motions: Motions.t.sol.
contract RegistryTest is Base {
    uint256 internal constant MAX_ADMINS = 8;

    uint256 private constant NEW_KEY = 0xA11CE;
    uint256 private constant SECOND_ADMIN = 0xB0B;
    /// Written out: the optimizer reads `block.chainid` anew after it was changed.
    uint256 private constant FORGE_CHAIN_ID = 31_337;

    function _addSecondAdmin() private {
        _register(BANK, SECOND_ADMIN, Role.ADMIN);
        vm.roll(vm.getBlockNumber() + DELAY);
    }

    // ------------------------------------------------------------------------------ construction

    function construct(IRegistry.Founder[] calldata founders, uint64 delay) external {
        _deployWith(founders, delay);
    }

    function test_constructor_refusesOneFounder() public {
        IRegistry.Founder[] memory founders = new IRegistry.Founder[](1);
        founders[0] = IRegistry.Founder("A", address(1), FOREVER);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooFewFounders.selector, 1, 2));
        this.construct(founders, DELAY);
    }

    function test_constructor_refusesEqualCodes() public {
        IRegistry.Founder[] memory founders = new IRegistry.Founder[](2);
        founders[0] = IRegistry.Founder("A", address(1), FOREVER);
        founders[1] = IRegistry.Founder("A", address(2), FOREVER);
        bytes32 code = keccak256("A");
        vm.expectRevert(abi.encodeWithSelector(IRegistry.CodeTaken.selector, code, 1));
        this.construct(founders, DELAY);
    }

    function test_constructor_refusesEqualAdmins() public {
        IRegistry.Founder[] memory founders = new IRegistry.Founder[](2);
        founders[0] = IRegistry.Founder("A", address(1), FOREVER);
        founders[1] = IRegistry.Founder("B", address(1), FOREVER);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.KeyAlreadyRegistered.selector, address(1), 1)
        );
        this.construct(founders, DELAY);
    }

    function test_constructor_refusesNoDelay() public {
        IRegistry.Founder[] memory founders = new IRegistry.Founder[](2);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.OutOfBounds.selector, 0, 1, 10_000_000));
        this.construct(founders, 0);
    }

    function test_constructor_admitsFounders() public view {
        _eq(registry.memberCount(), 5);
        _eq(registry.fullMembers().length, 4);
        _eq(registry.memberByCode(keccak256(bytes(_code(2)))), 2);
        IRegistry.Member memory bank = registry.memberOf(BANK);
        _true(bank.full && bank.standing == Standing.ACTIVE && bank.sponsor == 0);
        _eq(registry.authorise(_addr(BANK, Role.ADMIN), Role.ADMIN), BANK);
    }

    // --------------------------------------------------------------------------- registering keys

    function test_registerKey_refusesStrangers(address stranger) public {
        vm.assume(registry.keyOf(stranger).member == 0);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.KeyUnknown.selector, stranger));
        registry.registerKey(address(9), Role.POSTER, 0, FOREVER, "");
    }

    function test_registerKey_refusesPoster() public {
        address poster = _addr(BANK, Role.POSTER);
        vm.prank(poster);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.RoleMissing.selector, poster, Role.ADMIN, Role.POSTER)
        );
        registry.registerKey(address(9), Role.POSTER, 0, FOREVER, "");
    }

    function test_registerKey_refusesSuspendedMember() public {
        _suspend(BANK);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.MemberNotActive.selector, BANK, Standing.SUSPENDED)
        );
        registry.registerKey(address(9), Role.POSTER, 0, FOREVER, "");
    }

    function test_registerKey_refusesNoRole() public {
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.RoleNotAllowed.selector, Role.NONE));
        registry.registerKey(address(9), Role.NONE, 0, FOREVER, "");
    }

    function test_registerKey_refusesValidityInThePast(uint64 from, uint64 to) public {
        uint256 number = vm.getBlockNumber();
        from = uint64(_bound(from, 1, number - 1));
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.ValidityNotAhead.selector, from, to, number)
        );
        registry.registerKey(address(9), Role.POSTER, from, to, "");
    }

    function test_registerKey_refusesEndBeforeTheKeyDelay() public {
        uint64 number = uint64(vm.getBlockNumber());
        uint64 to = number + DELAY - 1;
        bytes memory possession = _possession(NEW_KEY, BANK, 0, Role.APPROVER, 0, to);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.ValidityNotAhead.selector, number + DELAY, to, number)
        );
        registry.registerKey(vm.addr(NEW_KEY), Role.APPROVER, 0, to, possession);
    }

    function test_registerKey_refusesAnotherKeysConsent(uint256 other) public {
        other = _bound(other, 1, type(uint128).max);
        vm.assume(other != NEW_KEY);
        bytes memory possession = _possession(other, BANK, 0, Role.POSTER, 0, FOREVER);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRegistry.PossessionNotProven.selector, vm.addr(NEW_KEY), vm.addr(other)
            )
        );
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, possession);
    }

    /// A squatter cannot use the consent that a key gave to another member.
    function test_registerKey_refusesConsentGivenToAnotherMember() public {
        bytes memory possession = _possession(NEW_KEY, BANK, 0, Role.POSTER, 0, FOREVER);
        _as(HOUSE, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, possession);
    }

    /// Consent to one role is no consent to another.
    function test_registerKey_refusesConsentToAnotherRole() public {
        bytes memory possession = _possession(NEW_KEY, BANK, 0, Role.POSTER, 0, FOREVER);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.registerKey(vm.addr(NEW_KEY), Role.ADMIN, 0, FOREVER, possession);
    }

    /// Consent given on one chain or to one contract is worth nothing on another.
    function test_registerKey_refusesConsentFromAnotherChainOrContract() public {
        bytes memory possession = _possession(NEW_KEY, BANK, 0, Role.POSTER, 0, FOREVER);
        vm.chainId(77);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, possession);
        vm.chainId(FORGE_CHAIN_ID);
        IRegistry twin = _deploy(4);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        twin.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, possession);
    }

    function test_registerKey_refusesHighS() public {
        bytes memory low = _possession(NEW_KEY, BANK, 0, Role.POSTER, 0, FOREVER);
        bytes memory high = _twin(low);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.SignatureMalformed.selector);
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, high);
    }

    function test_registerKey_refusesOtherLengthsAndV(uint8 length, uint8 v) public {
        vm.assume(length != 65);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.SignatureMalformed.selector);
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, new bytes(length));

        vm.assume(v != 27 && v != 28);
        bytes memory wrong = _possession(NEW_KEY, BANK, 0, Role.POSTER, 0, FOREVER);
        wrong[64] = bytes1(v);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.SignatureMalformed.selector);
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, 0, FOREVER, wrong);
    }

    function test_registerKey_refusesASecondRegistration() public {
        _register(BANK, NEW_KEY, Role.POSTER);
        bytes memory possession = _possession(NEW_KEY, HOUSE, 0, Role.APPROVER, 0, FOREVER);
        _as(HOUSE, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.KeyAlreadyRegistered.selector, vm.addr(NEW_KEY), BANK)
        );
        registry.registerKey(vm.addr(NEW_KEY), Role.APPROVER, 0, FOREVER, possession);
    }

    function test_registerKey_refusesTooManyAdmins() public {
        for (uint256 i = 1; i < MAX_ADMINS; i++) {
            _register(BANK, NEW_KEY + i, Role.ADMIN);
        }
        bytes memory possession = _possession(NEW_KEY, BANK, 0, Role.ADMIN, 0, FOREVER);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TooManyAdmins.selector, BANK, 8));
        registry.registerKey(vm.addr(NEW_KEY), Role.ADMIN, 0, FOREVER, possession);
        // A cancelled one gives its place back.
        _as(BANK, Role.ADMIN);
        registry.cancelKey(vm.addr(NEW_KEY + 1));
        _register(BANK, NEW_KEY, Role.ADMIN);
        _eq(registry.adminsOf(BANK).length, 8);
    }

    function test_registerKey_postersCountAtOnce() public {
        _register(BANK, NEW_KEY, Role.POSTER);
        _eq(registry.authorise(vm.addr(NEW_KEY), Role.POSTER), BANK);
    }

    function test_registerKey_approversAndAdminsWaitForTheDelay(bool admin, uint64 blocks) public {
        Role role = admin ? Role.ADMIN : Role.APPROVER;
        uint64 start = uint64(vm.getBlockNumber());
        _register(BANK, NEW_KEY, role);
        vm.roll(start + _bound(blocks, 0, DELAY - 1));
        vm.expectPartialRevert(IRegistry.KeyNotValid.selector);
        registry.authorise(vm.addr(NEW_KEY), role);
        vm.roll(start + DELAY);
        _eq(registry.authorise(vm.addr(NEW_KEY), role), BANK);
    }

    function test_registerKey_boundsAreInclusive(uint32 from, uint32 length) public {
        uint64 first = uint64(vm.getBlockNumber()) + uint64(from) + 1;
        uint64 last = first + length;
        bytes memory possession = _possession(NEW_KEY, BANK, 0, Role.POSTER, first, last);
        _as(BANK, Role.ADMIN);
        registry.registerKey(vm.addr(NEW_KEY), Role.POSTER, first, last, possession);
        address key = vm.addr(NEW_KEY);
        _true(!registry.isValidAt(key, Role.POSTER, first - 1));
        _true(registry.isValidAt(key, Role.POSTER, first));
        _true(registry.isValidAt(key, Role.POSTER, last));
        _true(!registry.isValidAt(key, Role.POSTER, last + 1));
        _true(!registry.isValidAt(key, Role.APPROVER, first));
    }

    // ------------------------------------------------------------------------------- ending keys

    function test_endKey_refusesKeysOfOthers() public {
        address key = _addr(HOUSE, Role.POSTER);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.KeyOfAnotherMember.selector, key, HOUSE, BANK)
        );
        registry.endKey(key, FOREVER - 1);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.KeyUnknown.selector, address(9)));
        registry.endKey(address(9), FOREVER - 1);
    }

    function test_endKey_refusesThePast() public {
        uint64 past = uint64(vm.getBlockNumber()) - 1;
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.ValidityNotAhead.selector);
        registry.endKey(_addr(BANK, Role.POSTER), past);
    }

    function test_endKey_refusesALaterEnd(uint64 first, uint64 second) public {
        uint64 number = uint64(vm.getBlockNumber());
        first = uint64(_bound(first, number, FOREVER - 1));
        second = uint64(_bound(second, first, FOREVER));
        address key = _addr(BANK, Role.POSTER);
        _as(BANK, Role.ADMIN);
        registry.endKey(key, first);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.EndNotEarlier.selector, key, first, second)
        );
        registry.endKey(key, second);
    }

    function test_endKey_refusesTheLastAdmin(bool byAnother) public {
        // A second admin that is not in force yet does not count.
        _register(BANK, SECOND_ADMIN, Role.ADMIN);
        address last = _addr(BANK, Role.ADMIN);
        uint64 number = uint64(vm.getBlockNumber());
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.LastAdmin.selector, BANK, last));
        registry.endKey(last, number);

        vm.roll(number + DELAY);
        _as(BANK, Role.ADMIN);
        registry.endKey(byAnother ? vm.addr(SECOND_ADMIN) : last, number + DELAY);
        // Whoever was left behind cannot go as well.
        address left = byAnother ? last : vm.addr(SECOND_ADMIN);
        vm.prank(left);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.LastAdmin.selector, BANK, left));
        registry.endKey(left, FOREVER - 1);
    }

    function test_endKey_twoAdminsCannotEndEachOther() public {
        _addSecondAdmin();
        uint64 number = uint64(vm.getBlockNumber());
        address first = _addr(BANK, Role.ADMIN);
        vm.prank(first);
        registry.endKey(vm.addr(SECOND_ADMIN), number);
        vm.prank(vm.addr(SECOND_ADMIN));
        vm.expectRevert(abi.encodeWithSelector(IRegistry.LastAdmin.selector, BANK, first));
        registry.endKey(first, number);
    }

    /// An admin that is ending already is no survivor, however long it still counts.
    function test_endKey_endingAdminsAreNoSurvivors(bool own) public {
        _addSecondAdmin();
        uint64 number = uint64(vm.getBlockNumber());
        address first = _addr(BANK, Role.ADMIN);
        address second = vm.addr(SECOND_ADMIN);
        vm.prank(own ? second : first);
        registry.endKey(second, number + 100);
        vm.prank(first);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.LastAdmin.selector, BANK, first));
        registry.endKey(first, number);
        // Once the ending is cancelled, it is one again.
        vm.prank(first);
        registry.cancelEnding(second);
        vm.prank(first);
        registry.endKey(first, number);
    }

    /// Whatever three admins do to one another and to themselves, one is left for good.
    function test_endKey_someAdminAlwaysRemains(uint256 seed) public {
        _register(BANK, NEW_KEY, Role.ADMIN);
        _addSecondAdmin();
        address[3] memory admins =
            [_addr(BANK, Role.ADMIN), vm.addr(NEW_KEY), vm.addr(SECOND_ADMIN)];
        for (uint256 i = 0; i < 24; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint64 number = uint64(vm.getBlockNumber()) + uint64(seed % 4);
            vm.roll(number);
            address other = admins[(seed >> 8) % 3];
            vm.prank(admins[(seed >> 16) % 3]);
            if ((seed >> 24) % 4 == 0) {
                try registry.cancelEnding(other) {} catch {}
            } else {
                try registry.endKey(other, number + uint64((seed >> 32) % 30)) {} catch {}
            }
        }
        vm.roll(vm.getBlockNumber() + 1000);
        _true(registry.adminsOf(BANK).length > 0);
    }

    function test_endKey_countsToTheEndOfItsLastBlock(uint16 ahead) public {
        uint64 last = uint64(vm.getBlockNumber()) + ahead;
        address key = _addr(BANK, Role.APPROVER);
        _as(BANK, Role.ADMIN);
        registry.endKey(key, last);
        vm.roll(last);
        _eq(registry.authorise(key, Role.APPROVER), BANK);
        vm.roll(uint256(last) + 1);
        vm.expectPartialRevert(IRegistry.KeyNotValid.selector);
        registry.authorise(key, Role.APPROVER);
        // What was valid stays valid: an ending changes no past verdict.
        _true(registry.isValidAt(key, Role.APPROVER, last));
    }

    function test_endKey_ofAnotherAdminWaitsAndCanBeCancelled() public {
        _addSecondAdmin();
        address second = vm.addr(SECOND_ADMIN);
        uint64 number = uint64(vm.getBlockNumber());
        _as(BANK, Role.ADMIN);
        registry.endKey(second, number);
        _eq(registry.keyOf(second).validTo, number + DELAY);
        vm.roll(number + DELAY);
        vm.prank(second);
        registry.cancelEnding(second);
        _eq(registry.keyOf(second).validTo, FOREVER);
    }

    function test_endKey_isOpenToASuspendedMember() public {
        _suspend(BANK);
        address key = _addr(BANK, Role.POSTER);
        uint64 number = uint64(vm.getBlockNumber());
        _as(BANK, Role.ADMIN);
        registry.endKey(key, number);
        _eq(registry.keyOf(key).validTo, number);
    }

    // ---------------------------------------------------------------------- cancelling and marking

    function test_cancelKey_refusesKeysInForce() public {
        address key = _addr(BANK, Role.APPROVER);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotPending.selector, key));
        registry.cancelKey(key);
    }

    function test_cancelKey_isFinal() public {
        _register(BANK, NEW_KEY, Role.APPROVER);
        address key = vm.addr(NEW_KEY);
        _as(BANK, Role.ADMIN);
        registry.cancelKey(key);
        vm.roll(vm.getBlockNumber() + 2 * DELAY);
        vm.expectPartialRevert(IRegistry.KeyNotValid.selector);
        registry.authorise(key, Role.APPROVER);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotPending.selector, key));
        registry.cancelKey(key);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotPending.selector, key));
        registry.cancelEnding(key);
    }

    function test_cancelEnding_refusesAfterwards() public {
        _addSecondAdmin();
        uint64 number = uint64(vm.getBlockNumber());
        _as(BANK, Role.ADMIN);
        registry.endKey(vm.addr(SECOND_ADMIN), number);
        vm.roll(number + DELAY + 1);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.NotPending.selector);
        registry.cancelEnding(vm.addr(SECOND_ADMIN));
    }

    function test_cancelEnding_refusesAPosterEnding() public {
        address key = _addr(BANK, Role.POSTER);
        uint64 number = uint64(vm.getBlockNumber());
        _as(BANK, Role.ADMIN);
        registry.endKey(key, number);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotPending.selector, key));
        registry.cancelEnding(key);
    }

    function test_cancelEnding_refusesASuspendedMember() public {
        _addSecondAdmin();
        uint64 number = uint64(vm.getBlockNumber());
        _as(BANK, Role.ADMIN);
        registry.endKey(vm.addr(SECOND_ADMIN), number);
        _suspend(BANK);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.MemberNotActive.selector);
        registry.cancelEnding(vm.addr(SECOND_ADMIN));
    }

    function test_markCompromised_refusesTheFutureAndLaterDates(uint64 first, uint64 second)
        public
    {
        first = uint64(_bound(first, 1, NOON_S));
        second = uint64(_bound(second, first, FOREVER));
        address key = _addr(BANK, Role.POSTER);
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.CompromiseNotEarlier.selector);
        registry.markCompromised(key, uint64(NOON_S) + 1);
        _as(BANK, Role.ADMIN);
        registry.markCompromised(key, first);
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.CompromiseNotEarlier.selector, key, first, second)
        );
        registry.markCompromised(key, second);
    }

    function test_markCompromised_changesNoVerdictAndIsOpenWhenSuspended(uint64 since) public {
        since = uint64(_bound(since, 1, NOON_S));
        _suspend(BANK);
        address key = _addr(BANK, Role.POSTER);
        _as(BANK, Role.ADMIN);
        registry.markCompromised(key, since);
        _eq(registry.keyOf(key).compromisedSince_s, since);
        _eq(registry.authorise(key, Role.POSTER), BANK);
    }

    // ------------------------------------------------------------------------------- participants

    function test_sponsorParticipant_refusesParticipants() public {
        IRegistry.AdminGrant memory admin = _grantFor(NEW_KEY, 0, keccak256("x"));
        _as(SHOP, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotFullMember.selector, SHOP));
        registry.sponsorParticipant(keccak256("x"), admin);
    }

    function test_sponsorParticipant_refusesTheSameCommitmentTwice() public {
        IRegistry.AdminGrant memory admin = _grantFor(NEW_KEY, 0, keccak256("shop"));
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.CodeTaken.selector, keccak256("shop"), BANK)
        );
        registry.sponsorParticipant(keccak256("shop"), admin);
    }

    /// Copying a commitment from a waiting transaction takes nothing from its owner.
    function test_sponsorParticipant_copiedCommitmentDoesNotBlock() public {
        bytes32 commitment = keccak256("new shop");
        IRegistry.AdminGrant memory copy = _grantFor(SECOND_ADMIN, 0, commitment);
        _as(HOUSE, Role.ADMIN);
        registry.sponsorParticipant(commitment, copy);
        IRegistry.AdminGrant memory real = _grantFor(NEW_KEY, 0, commitment);
        _as(BANK, Role.ADMIN);
        uint32 member = registry.sponsorParticipant(commitment, real);
        _eq(registry.memberOf(member).sponsor, BANK);
    }

    function test_sponsorParticipant_refusesAStrangersKey() public {
        IRegistry.AdminGrant memory admin = _grantFor(NEW_KEY, 0, keccak256("x"));
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.sponsorParticipant(keccak256("y"), admin);
    }

    /// Consent that names a sponsor cannot be used by another who sees it waiting.
    function test_sponsorParticipant_consentNamesItsSponsor() public {
        bytes32 commitment = keccak256("x");
        IRegistry.AdminGrant memory admin = _grantFor(NEW_KEY, BANK, commitment);
        _as(HOUSE, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.sponsorParticipant(commitment, admin);
        _as(BANK, Role.ADMIN);
        uint32 member = registry.sponsorParticipant(commitment, admin);
        _eq(registry.authorise(vm.addr(NEW_KEY), Role.ADMIN), member);
    }

    /// Consent that names a sponsor is no consent to become that member's own key.
    function test_registerKey_refusesConsentToASponsor() public {
        IRegistry.AdminGrant memory admin = _grantFor(NEW_KEY, BANK, keccak256("x"));
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.PossessionNotProven.selector);
        registry.registerKey(admin.key, Role.ADMIN, 0, FOREVER, admin.possession);
    }

    function test_sponsorParticipant_refusesAKeyThatIsTaken(bool named) public {
        uint256 taken = _pk(BANK, Role.POSTER);
        IRegistry.AdminGrant memory admin = _grantFor(taken, named ? BANK : 0, keccak256("x"));
        _as(BANK, Role.ADMIN);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.KeyAlreadyRegistered.selector, vm.addr(taken), BANK)
        );
        registry.sponsorParticipant(keccak256("x"), admin);
    }

    function test_sponsorParticipant_admitsWithoutVote() public view {
        IRegistry.Member memory shop = registry.memberOf(SHOP);
        _true(!shop.full && shop.standing == Standing.ACTIVE);
        _eq(shop.sponsor, BANK);
        _eq(shop.code, keccak256("shop"));
    }

    // ------------------------------------------------------------------------------- sealing keys

    function test_publishSealingKey_refusesAdmins() public {
        _as(BANK, Role.ADMIN);
        vm.expectPartialRevert(IRegistry.RoleMissing.selector);
        registry.publishSealingKey(GENERAL, 1, uint64(NOON_S + 2 days), "key");
    }

    function test_publishSealingKey_refusesGaps(uint32 generation) public {
        vm.assume(generation != 1);
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.SealingKeyOutOfSequence.selector, 1, generation)
        );
        registry.publishSealingKey(GENERAL, generation, uint64(NOON_S + 2 days), "key");
    }

    function test_publishSealingKey_refusesOtherLives(uint64 endsAt) public {
        vm.assume(endsAt < NOON_S + 1 days || endsAt > NOON_S + 31 days);
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRegistry.OutOfBounds.selector, endsAt, NOON_S + 1 days, NOON_S + 31 days
            )
        );
        registry.publishSealingKey(GENERAL, 1, endsAt, "key");
    }

    function test_publishSealingKey_refusesOtherSizes() public {
        for (uint256 i = 0; i < 2; i++) {
            bytes memory key = new bytes(i == 0 ? 0 : 2049);
            _as(BANK, Role.POSTER);
            vm.expectRevert(
                abi.encodeWithSelector(IRegistry.OutOfBounds.selector, key.length, 1, 2048)
            );
            registry.publishSealingKey(GENERAL, 1, uint64(NOON_S + 2 days), key);
        }
    }

    function test_publishSealingKey_keepsHashAndGeneration(bytes32 id, bytes calldata key) public {
        vm.assume(key.length > 0 && key.length <= 2048);
        AgreementId agreement = AgreementId.wrap(id);
        for (uint32 generation = 1; generation < 4; generation++) {
            _as(BANK, Role.POSTER);
            registry.publishSealingKey(agreement, generation, uint64(NOON_S + 2 days), key);
            _eq(registry.lastSealingGeneration(BANK, agreement), generation);
            IRegistry.SealingKey memory stored = registry.sealingKeyOf(BANK, agreement, generation);
            _eq(stored.keyHash, keccak256(key));
        }
        _eq(registry.lastSealingGeneration(HOUSE, agreement), 0);
    }

    // --------------------------------------------------------------------------------- meta-calls

    function _callSignature(
        uint256 privateKey,
        address signer,
        bytes memory call,
        uint256 nonce,
        uint64 lastBlock
    ) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Call(address signer,bytes call,uint256 nonce,uint64 lastBlock)"),
                signer,
                keccak256(call),
                nonce,
                lastBlock
            )
        );
        return _signWith(privateKey, _digest(address(registry), structHash));
    }

    function _endCall() private view returns (bytes memory) {
        return abi.encodeCall(
            IRegistry.endKey, (_addr(BANK, Role.POSTER), uint64(vm.getBlockNumber()) + 5)
        );
    }

    function test_callAs_refusesOtherNonces(uint256 nonce) public {
        vm.assume(nonce != 0);
        address signer = _addr(BANK, Role.ADMIN);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NonceNotNext.selector, signer, 0, nonce));
        registry.callAs(signer, "", nonce, FOREVER, "");
    }

    function test_callAs_refusesAfterTheLastBlock() public {
        uint64 number = uint64(vm.getBlockNumber());
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.SignatureExpired.selector, number - 1, number)
        );
        registry.callAs(_addr(BANK, Role.ADMIN), "", 0, number - 1, "");
    }

    function test_callAs_refusesAnotherSigner() public {
        address signer = _addr(BANK, Role.ADMIN);
        bytes memory call = _endCall();
        bytes memory signature = _callSignature(NEW_KEY, signer, call, 0, FOREVER);
        vm.expectRevert(
            abi.encodeWithSelector(IRegistry.SignatureNotBy.selector, signer, vm.addr(NEW_KEY))
        );
        registry.callAs(signer, call, 0, FOREVER, signature);
    }

    function test_callAs_refusesReplay() public {
        address signer = _addr(BANK, Role.ADMIN);
        bytes memory call = _endCall();
        bytes memory signature = _callSignature(_pk(BANK, Role.ADMIN), signer, call, 0, FOREVER);
        registry.callAs(signer, call, 0, FOREVER, signature);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NonceNotNext.selector, signer, 1, 0));
        registry.callAs(signer, call, 0, FOREVER, signature);
    }

    /// The inner call's own error comes through, and the nonce is not used up.
    function test_callAs_passesTheErrorOn() public {
        address signer = _addr(HOUSE, Role.ADMIN);
        bytes memory call = _endCall();
        bytes memory signature = _callSignature(_pk(HOUSE, Role.ADMIN), signer, call, 0, FOREVER);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRegistry.KeyOfAnotherMember.selector, _addr(BANK, Role.POSTER), BANK, HOUSE
            )
        );
        registry.callAs(signer, call, 0, FOREVER, signature);
        _eq(registry.nonceOf(signer), 0);
    }

    /// An address appended to a direct call's data names nobody.
    function test_callAs_cannotBeImitatedByAppendedAddress() public {
        bytes memory forged = abi.encodePacked(_endCall(), _addr(BANK, Role.ADMIN));
        (bool done, bytes memory result) = address(registry).call(forged);
        _true(!done);
        _eq(bytes32(bytes4(result)), bytes32(IRegistry.KeyUnknown.selector));
    }

    /// A signed call that itself ends in someone else's address still acts for its signer.
    function test_callAs_ignoresAddressesInsideTheCall() public {
        address signer = _addr(HOUSE, Role.ADMIN);
        bytes memory call = abi.encodePacked(_endCall(), _addr(BANK, Role.ADMIN));
        bytes memory signature = _callSignature(_pk(HOUSE, Role.ADMIN), signer, call, 0, FOREVER);
        vm.expectPartialRevert(IRegistry.KeyOfAnotherMember.selector);
        registry.callAs(signer, call, 0, FOREVER, signature);
    }

    function test_callAs_actsForTheSigner(address sender) public {
        address signer = _addr(BANK, Role.ADMIN);
        bytes memory call = _endCall();
        bytes memory signature = _callSignature(_pk(BANK, Role.ADMIN), signer, call, 0, FOREVER);
        vm.prank(sender);
        registry.callAs(signer, call, 0, FOREVER, signature);
        _eq(registry.keyOf(_addr(BANK, Role.POSTER)).validTo, vm.getBlockNumber() + 5);
        _eq(registry.nonceOf(signer), 1);
    }
}
