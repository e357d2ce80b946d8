// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {EpochState, ILedgerFacts, RejectReason} from "../src/interfaces/ILedgerFacts.sol";
import {IRegistry, Role} from "../src/interfaces/IRegistry.sol";
import {LedgerTestBase} from "./LedgerBase.sol";

/// @notice Publishing, acknowledging and rejecting epoch keys.
contract EpochKeysTest is LedgerTestBase {
    bytes32 private constant KEY = keccak256("key");

    function _expectWraps(ILedgerFacts.Wrap[] memory wraps, uint32 expected, uint32 given) private {
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.WrapsMalformed.selector, expected, given)
        );
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
    }

    function _usable(uint8 side, uint32 epoch) private view returns (bool usable) {
        (, usable) = ledger.epochOf(agreement, side, epoch);
    }

    // --------------------------------------------------------------------------------- publishing

    function test_publishKey_refusesTheOtherParty() public {
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, AUDITOR);
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
    }

    function test_publishKey_refusesUnknownSides(uint8 side) public {
        vm.assume(side > 1);
        _as(BANK, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.SideUnknown.selector, side));
        ledger.publishKey(agreement, side, 1, KEY, new ILedgerFacts.Wrap[](0));
    }

    function test_publishKey_refusesGaps(uint32 epoch) public {
        vm.assume(epoch != 2);
        _as(BANK, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.EpochOutOfSequence.selector, 2, epoch));
        ledger.publishKey(agreement, SERVICER, epoch, KEY, new ILedgerFacts.Wrap[](0));
    }

    function test_publishKey_refusesMissingOrStrangeRecipients() public {
        _expectWraps(_wraps(0, 0, 0), BANK, 0);
        _expectWraps(_wraps(SHOP, BANK, AUDITOR), BANK, SHOP);
        _expectWraps(_wraps(BANK, AUDITOR, 0), SHOP, AUDITOR);
        // The observer in force must not be left out, nor a stranger put in its place.
        _expectWraps(_wraps(BANK, SHOP, 0), AUDITOR, 0);
        _expectWraps(_wraps(BANK, SHOP, HOUSE), 0, HOUSE);
    }

    function test_publishKey_refusesAStrangerBesideTheObservers() public {
        ILedgerFacts.Wrap[] memory wraps = new ILedgerFacts.Wrap[](4);
        ILedgerFacts.Wrap[] memory three = _wraps(BANK, SHOP, HOUSE);
        (wraps[0], wraps[1], wraps[2]) = (three[0], three[1], three[2]);
        wraps[3] = _wraps(BANK, SHOP, AUDITOR)[2];
        _expectWraps(wraps, 0, HOUSE);
        // Repeating an observer is refused as well.
        wraps[2] = wraps[3];
        _expectWraps(wraps, AUDITOR, AUDITOR);
    }

    function test_publishKey_refusesOtherSizes(uint16 size) public {
        vm.assume(size == 0 || size > 1280);
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, AUDITOR);
        wraps[1].sealedKey = new bytes(size);
        _as(BANK, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.OutOfBounds.selector, size, 1, 1280));
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
    }

    function test_publishKey_refusesUnknownGenerations(uint32 generation) public {
        vm.assume(generation != 1);
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, AUDITOR);
        wraps[1].generation = generation;
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.SealingGenerationNotUsable.selector, SHOP, generation, 1
            )
        );
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
    }

    /// Publishing ever new sealing keys does not stop the counterparty's epoch keys.
    function test_publishKey_earlierGenerationServesUntilItEnds() public {
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, AUDITOR);
        _sealing(SHOP);
        vm.warp(NOON_S + 31 days);
        _as(BANK, Role.POSTER);
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
        vm.warp(NOON_S + 31 days + 1);
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.SealingGenerationNotUsable.selector, SHOP, 1, 2)
        );
        ledger.publishKey(agreement, SERVICER, 3, KEY, wraps);
    }

    /// Letting one's sealing key end does not stop it either.
    function test_publishKey_latestGenerationServesAfterItsEnd() public {
        vm.warp(NOON_S + 365 days);
        _publish(SERVICER, 2);
        _eq(ledger.sideOf(agreement, SERVICER).lastEpoch, 2);
    }

    /// An observer that is suspended can be left out.
    function test_publishKey_suspendedObserverDoesNotStopTheStream() public {
        _suspend(AUDITOR);
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, 0);
        _as(BANK, Role.POSTER);
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
    }

    /// An observer that never published a sealing key cannot hold the stream up.
    function test_publishKey_keylessObserverDoesNotStopTheStream() public {
        ILedgerFacts.Opening memory o = _opening();
        o.nonce = 2;
        agreement = _openAndAccept(o);
        _sealing(BANK);
        _sealing(SHOP);
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, 0);
        _as(BANK, Role.POSTER);
        ledger.publishKey(agreement, SERVICER, 1, KEY, wraps);
    }

    /// A proposed observer may be let in beside those in force, before the change begins.
    function test_publishKey_proposedObserverMayBeThere() public {
        uint32[] memory both = new uint32[](2);
        (both[0], both[1]) = (HOUSE, AUDITOR);
        bytes memory signature = _termsSignature(SHOP, agreement, TERMS, NOW_WINDOW + 8, both);
        _as(SHOP, Role.POSTER);
        ledger.proposeTerms(agreement, TERMS, NOW_WINDOW + 8, both, "", signature);
        _sealing(HOUSE);
        ILedgerFacts.Wrap[] memory wraps = new ILedgerFacts.Wrap[](4);
        ILedgerFacts.Wrap[] memory three = _wraps(BANK, SHOP, HOUSE);
        (wraps[0], wraps[1], wraps[2]) = (three[0], three[1], three[2]);
        wraps[3] = _wraps(AUDITOR, 0, 0)[0];
        _as(BANK, Role.POSTER);
        ledger.publishKey(agreement, SERVICER, 2, KEY, wraps);
    }

    function test_publishKey_ofARepresentedAgreementIsUsableAtOnce() public {
        agreement = _open(_representedOpening());
        _sealing(BANK);
        _sealing(AUDITOR);
        for (uint8 side = 0; side < 2; side++) {
            ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, AUDITOR, 0);
            _as(BANK, Role.POSTER);
            ledger.publishKey(agreement, side, 1, KEY, wraps);
            _true(_usable(side, 1));
        }
    }

    // ---------------------------------------------------------------------------------- answering

    function test_acknowledgeKey_refusesItsPublisher() public {
        _publish(SERVICER, 2);
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.acknowledgeKey(agreement, SERVICER, 2);
    }

    function test_acknowledgeKey_refusesUnknownAndAnswered(uint32 epoch) public {
        EpochState state = epoch == 1 ? EpochState.ACKNOWLEDGED : EpochState.NONE;
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.EpochNotOpen.selector, epoch, state));
        ledger.acknowledgeKey(agreement, SERVICER, epoch);
    }

    function test_acknowledgeKey_makesItUsable() public {
        _publish(SERVICER, 2);
        _true(!_usable(SERVICER, 2));
        _acknowledge(SERVICER, 2);
        _true(_usable(SERVICER, 2));
    }

    function test_rejectKey_refusesAfterTheAcknowledgement() public {
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.EpochNotOpen.selector);
        ledger.rejectKey(agreement, SERVICER, 1, RejectReason.DOES_NOT_OPEN);
    }

    function test_rejectKey_refusesWithoutReason() public {
        _publish(SERVICER, 2);
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.OutOfBounds.selector);
        ledger.rejectKey(agreement, SERVICER, 2, RejectReason.NONE);
    }

    /// At every moment an unanswered key is either rejectable or usable, never both.
    function test_rejectKey_exactlyUntilTheKeyIsUsable(uint32 wait_s) public {
        _publish(SERVICER, 2);
        vm.warp(NOON_S + _bound(wait_s, 0, 2 days));
        bool usable = _usable(SERVICER, 2);
        _true(usable == (vm.getBlockTimestamp() > NOON_S + 1 days));
        _as(SHOP, Role.POSTER);
        if (usable) vm.expectPartialRevert(ILedgerFacts.EpochNotOpen.selector);
        ledger.rejectKey(agreement, SERVICER, 2, RejectReason.DOES_NOT_MATCH);
        _true(_usable(SERVICER, 2) == usable);
    }

    function test_rejectKey_leavesTheEarlierEpochInUse() public {
        _publish(SERVICER, 2);
        _as(SHOP, Role.POSTER);
        ledger.rejectKey(agreement, SERVICER, 2, RejectReason.DOES_NOT_OPEN);
        vm.warp(NOON_S + 3 days);
        _true(!_usable(SERVICER, 2));
        _post(SERVICER, NOW_WINDOW);
        _publish(SERVICER, 3);
        _eq(ledger.sideOf(agreement, SERVICER).lastEpoch, 3);
    }
}
