// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {AgreementState, ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {Action, AgreementId, IRegistry, Role} from "../src/interfaces/IRegistry.sol";
import {LedgerTestBase} from "./LedgerBase.sol";

/// @notice Opening, accepting, changing and ending agreements.
contract AgreementsTest is LedgerTestBase {
    bytes32 private constant NEW_TERMS = keccak256("new terms");

    function _fresh() private pure returns (ILedgerFacts.Opening memory opening) {
        opening = _opening();
        opening.nonce = 2;
    }

    function _expectPartiesMalformed(ILedgerFacts.Opening memory o) private {
        uint32 opener = o.servicer != 0 ? o.servicer : o.owner;
        bytes memory signature = _openingSignature(opener, o);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.PartiesMalformed.selector, o.servicer, o.owner, o.representedSide
            )
        );
        _openAs(opener, o, signature);
    }

    function _state() private view returns (AgreementState) {
        return ledger.agreementOf(agreement).state;
    }

    // ------------------------------------------------------------------------------------ opening

    function test_open_refusesThoseWhoAreNoParty() public {
        ILedgerFacts.Opening memory o = _fresh();
        bytes memory signature = _openingSignature(HOUSE, o);
        AgreementId id = _idOf(o);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.NotAgreementParty.selector, _addr(HOUSE, Role.POSTER), id
            )
        );
        _openAs(HOUSE, o, signature);
    }

    function test_open_refusesTheSameTwice() public {
        ILedgerFacts.Opening memory o = _opening();
        bytes memory signature = _openingSignature(BANK, o);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.AgreementExists.selector, agreement));
        _openAs(BANK, o, signature);
    }

    function test_open_refusesMalformedParties(uint8 represented) public {
        ILedgerFacts.Opening memory o = _fresh();
        o.owner = BANK;
        _expectPartiesMalformed(o);
        o = _fresh();
        o.representedSide = uint8(_bound(represented, 0, 255));
        if (o.representedSide == NONE) o.representedSide = 3;
        _expectPartiesMalformed(o);
        o = _fresh();
        o.servicer = 0;
        _expectPartiesMalformed(o);
        o = _fresh();
        o.owner = 0;
        o.representedSide = SERVICER;
        _expectPartiesMalformed(o);
    }

    function test_open_refusesMalformedObservers() public {
        for (uint256 i = 0; i < 4; i++) {
            ILedgerFacts.Opening memory o = _fresh();
            o.observers = new uint32[](i == 3 ? 9 : 2);
            if (i == 0) (o.observers[0], o.observers[1]) = (AUDITOR, HOUSE);
            if (i == 1) (o.observers[0], o.observers[1]) = (AUDITOR, AUDITOR);
            if (i == 2) (o.observers[0], o.observers[1]) = (AUDITOR, SHOP);
            bytes memory signature = _openingSignature(BANK, o);
            vm.expectRevert(
                abi.encodeWithSelector(ILedgerFacts.ObserversMalformed.selector, o.observers)
            );
            _openAs(BANK, o, signature);
        }
    }

    function test_open_refusesUnknownObservers() public {
        ILedgerFacts.Opening memory o = _fresh();
        o.observers[0] = 77;
        bytes memory signature = _openingSignature(BANK, o);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberUnknown.selector, 77));
        _openAs(BANK, o, signature);
    }

    function test_open_refusesOffsetsOutOfBounds(int16 offset_min) public {
        vm.assume(offset_min < -720 || offset_min > 840);
        ILedgerFacts.Opening memory o = _fresh();
        o.utcOffset_min = offset_min;
        bytes memory signature = _openingSignature(BANK, o);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.UtcOffsetOutOfBounds.selector, offset_min)
        );
        _openAs(BANK, o, signature);
    }

    function test_open_refusesDefaultDaysOutOfBounds(uint8 defaultAfter) public {
        vm.assume(defaultAfter == 0 || defaultAfter > 60);
        ILedgerFacts.Opening memory o = _fresh();
        o.defaultAfter_days = defaultAfter;
        bytes memory signature = _openingSignature(BANK, o);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.OutOfBounds.selector, defaultAfter, 1, 60)
        );
        _openAs(BANK, o, signature);
    }

    function test_open_refusesNoTermsAndLongTerms() public {
        ILedgerFacts.Opening memory o = _fresh();
        o.termsHash = 0;
        bytes memory signature = _openingSignature(BANK, o);
        vm.expectPartialRevert(ILedgerFacts.DigestMissing.selector);
        _openAs(BANK, o, signature);
        o = _fresh();
        o.sealedTerms = new bytes(65_537);
        signature = _openingSignature(BANK, o);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.TooLong.selector, 65_537, 65_536));
        _openAs(BANK, o, signature);
    }

    function test_open_refusesAnotherMembersApprover() public {
        ILedgerFacts.Opening memory o = _fresh();
        bytes memory signature = _openingSignature(HOUSE, o);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.ApproverOfAnotherMember.selector,
                _addr(HOUSE, Role.APPROVER),
                HOUSE,
                BANK
            )
        );
        _openAs(BANK, o, signature);
    }

    /// A signature for another agreement, however alike, is worth nothing.
    function test_open_refusesASignatureOverAnotherOpening(uint256 nonce) public {
        vm.assume(nonce != 2);
        ILedgerFacts.Opening memory o = _fresh();
        o.nonce = nonce;
        bytes memory signature = _openingSignature(BANK, o);
        o.nonce = 2;
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        _openAs(BANK, o, signature);
    }

    function test_open_refusesWhileTheSponsorIsSuspended() public {
        _suspend(BANK);
        ILedgerFacts.Opening memory o = _fresh();
        o.servicer = HOUSE;
        bytes memory signature = _openingSignature(HOUSE, o);
        vm.expectPartialRevert(IRegistry.MemberNotActive.selector);
        _openAs(HOUSE, o, signature);
    }

    function test_open_idIsTheDocumentedHash(uint256 nonce, bytes32 party, bytes calldata terms)
        public
    {
        vm.assume(nonce != 1 && terms.length <= 4096);
        ILedgerFacts.Opening memory o = _fresh();
        o.nonce = nonce;
        o.partyCommitment = party;
        o.sealedTerms = terms;
        AgreementId id = _open(o);
        _eq(AgreementId.unwrap(id), AgreementId.unwrap(_idOf(o)));
        _eq(uint8(ledger.agreementOf(id).state), uint8(AgreementState.OPENED));
    }

    function test_open_representedIsActiveAtOnce() public {
        AgreementId id = _open(_representedOpening());
        ILedgerFacts.Agreement memory stored = ledger.agreementOf(id);
        _eq(uint8(stored.state), uint8(AgreementState.ACTIVE));
        _eq(stored.activatedAt_s, NOON_S);
    }

    // ---------------------------------------------------------------------------------- accepting

    function test_accept_refusesUnknownAgreements(bytes32 id) public {
        AgreementId unknown = AgreementId.wrap(id);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.AgreementUnknown.selector, unknown));
        ledger.accept(unknown, TERMS, "");
    }

    /// Whoever opened cannot accept in the other's place.
    function test_accept_refusesTheOpener() public {
        ILedgerFacts.Opening memory o = _fresh();
        AgreementId id = _open(o);
        bytes memory signature = _openingSignature(BANK, o);
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.accept(id, TERMS, signature);
    }

    function test_accept_refusesTheOwnerWhereTheOwnerOpened() public {
        ILedgerFacts.Opening memory o = _fresh();
        AgreementId id = _openAs(SHOP, o, _openingSignature(SHOP, o));
        bytes memory signature = _openingSignature(SHOP, o);
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.accept(id, TERMS, signature);
        signature = _openingSignature(BANK, o);
        _as(BANK, Role.POSTER);
        ledger.accept(id, TERMS, signature);
        _eq(uint8(ledger.agreementOf(id).state), uint8(AgreementState.ACTIVE));
    }

    function test_accept_refusesOtherTerms(bytes32 termsHash) public {
        vm.assume(termsHash != TERMS);
        AgreementId id = _open(_fresh());
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.TermsMismatch.selector, TERMS, termsHash)
        );
        ledger.accept(id, termsHash, "");
    }

    function test_accept_refusesASignatureOverOtherObservers() public {
        ILedgerFacts.Opening memory o = _fresh();
        AgreementId id = _open(o);
        bytes memory signature = _termsSignature(SHOP, id, TERMS, 0, new uint32[](0));
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        ledger.accept(id, TERMS, signature);
    }

    function test_accept_refusesOnceActiveAndNothingIsProposed() public {
        _as(SHOP, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.NothingProposed.selector, agreement));
        ledger.accept(agreement, TERMS, "");
    }

    // --------------------------------------------------------------------------- changes of terms

    function _propose(uint32 member, uint32 fromWindow, uint32[] memory observers) private {
        bytes memory signature =
            _termsSignature(member, agreement, NEW_TERMS, fromWindow, observers);
        _as(member, Role.POSTER);
        ledger.proposeTerms(agreement, NEW_TERMS, fromWindow, observers, "sealed", signature);
    }

    function _acceptTerms(uint32 member, uint32 fromWindow, uint32[] memory observers) private {
        bytes memory signature =
            _termsSignature(member, agreement, NEW_TERMS, fromWindow, observers);
        _as(member, Role.POSTER);
        ledger.accept(agreement, NEW_TERMS, signature);
    }

    function _change(uint32 fromWindow, uint32[] memory observers) private {
        _propose(BANK, fromWindow, observers);
        _acceptTerms(SHOP, fromWindow, observers);
    }

    function test_proposeTerms_refusesStrangers() public {
        _as(HOUSE, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.proposeTerms(agreement, NEW_TERMS, 8, new uint32[](0), "", "");
    }

    function test_proposeTerms_refusesWindowZero() public {
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.OutOfBounds.selector);
        ledger.proposeTerms(agreement, NEW_TERMS, 0, new uint32[](0), "", "");
    }

    /// A change never reaches back before the terms in force, so no earlier consent can be
    /// replayed.
    function test_proposeTerms_refusesWindowsAtOrBelowTheTermsInForce(uint32 fromWindow) public {
        _change(NOW_WINDOW, new uint32[](0));
        fromWindow = uint32(_bound(fromWindow, 1, NOW_WINDOW));
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.TermsNotAhead.selector, NOW_WINDOW, fromWindow)
        );
        ledger.proposeTerms(agreement, NEW_TERMS, fromWindow, new uint32[](0), "", "");
    }

    function test_proposeTerms_cannotBeAcceptedByTheProposer() public {
        _propose(BANK, NOW_WINDOW, new uint32[](0));
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NothingProposed.selector);
        ledger.accept(agreement, NEW_TERMS, "");
    }

    /// Exchanging window or observers behind the same terms hash does not catch the other party.
    function test_proposeTerms_exchangedWindowIsNotAccepted() public {
        _propose(BANK, NOW_WINDOW, new uint32[](0));
        _propose(BANK, NOW_WINDOW + 8, new uint32[](0));
        bytes memory signature =
            _termsSignature(SHOP, agreement, NEW_TERMS, NOW_WINDOW, new uint32[](0));
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(IRegistry.KeyUnknown.selector);
        ledger.accept(agreement, NEW_TERMS, signature);
    }

    /// One party's proposal does not overwrite the other's.
    function test_proposeTerms_ofBothPartiesStandSideBySide() public {
        _propose(BANK, NOW_WINDOW, new uint32[](0));
        _propose(SHOP, NOW_WINDOW + 8, new uint32[](0));
        _acceptTerms(SHOP, NOW_WINDOW, new uint32[](0));
        _eq(ledger.agreementOf(agreement).termsFrom, NOW_WINDOW);
    }

    function test_proposeTerms_takesEffectFromTheProposedWindow(uint32 fromWindow) public {
        fromWindow = uint32(_bound(fromWindow, 1, type(uint32).max - 1));
        _change(fromWindow, new uint32[](0));
        ILedgerFacts.Agreement memory stored = ledger.agreementOf(agreement);
        _eq(stored.termsFrom, fromWindow);
        _eq(stored.termsHash, NEW_TERMS);
    }

    /// Posting at or above the proposed window delays the change to the next day, and no more.
    function test_proposeTerms_postingDelaysButDoesNotBlock(uint32 posted, uint32 from) public {
        posted = uint32(_bound(posted, NOW_WINDOW - 80, NOW_WINDOW + 15 * 8 + 7));
        from = posted - 4 + from % 9;
        _post(OWNER, posted);
        _change(from, new uint32[](0));
        uint32 expected = posted >= from ? (posted / 8 + 1) * 8 : from;
        _eq(ledger.agreementOf(agreement).termsFrom, expected);
    }

    function test_proposeTerms_closingDelaysToo() public {
        _close(OWNER, 0);
        _close(OWNER, NOW_WINDOW);
        _change(NOW_WINDOW, new uint32[](0));
        _eq(ledger.agreementOf(agreement).termsFrom, NOW_WINDOW + 8);
    }

    function test_proposeTerms_ofARepresentedSideNeedsNoAcceptance() public {
        agreement = _open(_representedOpening());
        _propose(BANK, NOW_WINDOW, new uint32[](0));
        _eq(ledger.agreementOf(agreement).termsHash, NEW_TERMS);
    }

    function test_observersOf_changeWithTheTermsWindow() public {
        uint32[] memory next = new uint32[](1);
        next[0] = HOUSE;
        _change(NOW_WINDOW + 8, next);
        (uint32[] memory inForce, uint32[] memory accepted) = ledger.observersOf(agreement);
        _eq(inForce[0], AUDITOR);
        _eq(accepted[0], HOUSE);
        vm.warp(NOON_S + 1 days);
        (inForce,) = ledger.observersOf(agreement);
        _eq(inForce[0], HOUSE);
    }

    // ------------------------------------------------------------------------------------- ending

    function test_end_refusesStrangers() public {
        _as(HOUSE, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NotAgreementParty.selector);
        ledger.end(agreement, NOW_WINDOW, "");
    }

    function test_end_refusesTheOtherPartysSignature() public {
        bytes memory signature = _endSignature(SHOP, NOW_WINDOW);
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.ApproverOfAnotherMember.selector);
        ledger.end(agreement, NOW_WINDOW, signature);
    }

    function test_end_aloneWaitsForTheNotice(uint32 wait_s) public {
        _end(BANK, NOW_WINDOW);
        vm.warp(NOON_S + _bound(wait_s, 0, 30 days - 1));
        bytes memory signature = _endSignature(BANK, NOW_WINDOW);
        _as(BANK, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.NoticeRunning.selector, agreement, NOON_S + 30 days)
        );
        ledger.end(agreement, NOW_WINDOW, signature);
        vm.warp(NOON_S + 30 days);
        _end(BANK, NOW_WINDOW);
        _eq(uint8(_state()), uint8(AgreementState.ENDED));
    }

    function test_end_anotherWindowStartsTheNoticeAnew() public {
        _end(BANK, NOW_WINDOW);
        vm.warp(NOON_S + 29 days);
        _end(BANK, NOW_WINDOW + 8);
        vm.warp(NOON_S + 58 days);
        bytes memory signature = _endSignature(BANK, NOW_WINDOW + 8);
        _as(BANK, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.NoticeRunning.selector);
        ledger.end(agreement, NOW_WINDOW + 8, signature);
    }

    function test_end_byBothNeedsTheSameWindow() public {
        _end(BANK, NOW_WINDOW);
        _end(SHOP, NOW_WINDOW + 8);
        _eq(uint8(_state()), uint8(AgreementState.ACTIVE));
        _end(SHOP, NOW_WINDOW);
        _eq(uint8(_state()), uint8(AgreementState.ENDED));
        _eq(ledger.agreementOf(agreement).lastWindow, NOW_WINDOW);
    }

    function test_end_atOnceWhereTheOtherIsRevoked() public {
        _pass(Action.REVOKE, SHOP, "");
        _end(BANK, NOW_WINDOW);
        _eq(uint8(_state()), uint8(AgreementState.ENDED));
    }

    /// A suspension is no revocation: the notice runs.
    function test_end_notAtOnceWhereTheOtherIsSuspended() public {
        _suspend(SHOP);
        _end(BANK, NOW_WINDOW);
        _eq(uint8(_state()), uint8(AgreementState.ACTIVE));
    }

    /// Posting ahead cannot stop an ending, and what was posted can still be closed.
    function test_end_isRaisedToTheHighestWindowPostedTo(uint32 posted, uint32 last) public {
        posted = uint32(_bound(posted, 0, NOW_WINDOW + 15 * 8));
        last = uint32(_bound(last, 0, NOW_WINDOW + 160));
        _post(OWNER, posted);
        _end(BANK, last);
        _end(SHOP, last);
        _eq(ledger.agreementOf(agreement).lastWindow, posted > last ? posted : last);
    }

    function test_end_stopsPostingAndClosingAboveTheLastWindow() public {
        _close(OWNER, 0);
        _end(BANK, NOW_WINDOW - 1);
        _end(SHOP, NOW_WINDOW - 1);
        _post(OWNER, NOW_WINDOW - 1);
        bytes32 head = _head(OWNER);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.WindowAboveLast.selector, NOW_WINDOW - 1, NOW_WINDOW
            )
        );
        ledger.post(agreement, OWNER, 2, NOW_WINDOW, head, COMMITMENT, 1, "x");
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.WindowAboveLast.selector);
        ledger.closeWindow(agreement, OWNER, NOW_WINDOW, 1, head);
        _close(OWNER, NOW_WINDOW - 1);
    }

    function test_end_refusesTwice() public {
        _end(BANK, NOW_WINDOW);
        _end(SHOP, NOW_WINDOW);
        bytes memory signature = _endSignature(SHOP, NOW_WINDOW);
        _as(SHOP, Role.POSTER);
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedgerFacts.AgreementStateNotAllowed.selector, agreement, AgreementState.ENDED
            )
        );
        ledger.end(agreement, NOW_WINDOW, signature);
    }

    function test_end_withdrawsWhatWasNeverAccepted(bool byOpener) public {
        agreement = _open(_fresh());
        _end(byOpener ? BANK : SHOP, 0);
        _eq(uint8(_state()), uint8(AgreementState.WITHDRAWN));
        bytes memory signature = _openingSignature(SHOP, _fresh());
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.AgreementStateNotAllowed.selector);
        ledger.accept(agreement, TERMS, signature);
        _as(SHOP, Role.POSTER);
        vm.expectPartialRevert(ILedgerFacts.AgreementStateNotAllowed.selector);
        ledger.closeWindow(agreement, OWNER, 0, 0, 0);
    }

    // --------------------------------------------------------------------------------- successors

    function test_open_refusesASuccessorOfWhatIsNotEnded() public {
        ILedgerFacts.Opening memory o = _fresh();
        o.predecessor = agreement;
        bytes memory signature = _openingSignature(BANK, o);
        vm.expectRevert(
            abi.encodeWithSelector(ILedgerFacts.PredecessorNotAllowed.selector, agreement)
        );
        _openAs(BANK, o, signature);
    }

    function test_open_refusesAPredecessorOfOtherParties() public {
        _end(BANK, NOW_WINDOW);
        _end(SHOP, NOW_WINDOW);
        ILedgerFacts.Opening memory o = _fresh();
        o.predecessor = agreement;
        o.servicer = HOUSE;
        bytes memory signature = _openingSignature(HOUSE, o);
        vm.expectPartialRevert(ILedgerFacts.PredecessorNotAllowed.selector);
        _openAs(HOUSE, o, signature);
    }

    /// How a clearing house joins that its participant had represented until then.
    function test_accept_aRepresentedSideJoinsOnce() public {
        AgreementId old = _open(_representedOpening());
        agreement = old;
        _end(BANK, NOW_WINDOW);
        ILedgerFacts.Opening memory o = _opening();
        o.servicer = HOUSE;
        o.owner = BANK;
        o.predecessor = old;
        AgreementId rival = _open(o);
        o.nonce = 9;
        AgreementId successor = _open(o);
        _eq(AgreementId.unwrap(ledger.successorOf(old)), 0);
        _accept(o);
        _eq(AgreementId.unwrap(ledger.successorOf(old)), AgreementId.unwrap(successor));
        // A second successor, opened before, is not accepted any more.
        o.nonce = 1;
        bytes memory signature = _openingSignature(BANK, o);
        _as(BANK, Role.POSTER);
        vm.expectRevert(abi.encodeWithSelector(ILedgerFacts.PredecessorNotAllowed.selector, old));
        ledger.accept(rival, TERMS, signature);
    }
}
