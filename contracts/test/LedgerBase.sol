// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {AgreementKind, ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {AgreementId, Role} from "../src/interfaces/IRegistry.sol";
import {Base} from "./Base.sol";

/// @notice An agreement BANK (servicer) – SHOP (owner), observed by AUDITOR, and shorthand for its
/// calls.
abstract contract LedgerTestBase is Base {
    uint8 internal constant SERVICER = 0;
    uint8 internal constant OWNER = 1;
    uint8 internal constant NONE = 2;
    uint8 internal constant DEFAULT_AFTER_DAYS = 3;
    bytes32 internal constant TERMS = keccak256("terms");
    bytes32 internal constant COMMITMENT = keccak256("commitment");
    uint32 internal constant NOW_WINDOW = TODAY * 8;

    AgreementId internal agreement;

    function setUp() public virtual override {
        super.setUp();
        agreement = _openAndAccept(_opening());
        _sealing(BANK);
        _sealing(SHOP);
        _sealing(AUDITOR);
        _epoch(SERVICER, 1);
        _epoch(OWNER, 1);
    }

    // -------------------------------------------------------------------------------- agreements

    function _opening() internal pure returns (ILedgerFacts.Opening memory opening) {
        opening.kind = AgreementKind.BANK_ENTERPRISE;
        opening.servicer = BANK;
        opening.owner = SHOP;
        opening.observers = new uint32[](1);
        opening.observers[0] = AUDITOR;
        opening.termsHash = TERMS;
        opening.utcOffset_min = CHINA_MIN;
        opening.defaultAfter_days = DEFAULT_AFTER_DAYS;
        opening.representedSide = NONE;
        opening.partyCommitment = keccak256("account");
        opening.sealedTerms = "sealed";
        opening.nonce = 1;
    }

    function _representedOpening() internal pure returns (ILedgerFacts.Opening memory opening) {
        opening = _opening();
        opening.kind = AgreementKind.CLEARING;
        opening.servicer = 0;
        opening.owner = BANK;
        opening.representedSide = SERVICER;
    }

    function _idOf(ILedgerFacts.Opening memory o) internal view returns (AgreementId) {
        bytes memory head = abi.encode(
            block.chainid,
            address(ledger),
            o.kind,
            o.servicer,
            o.owner,
            o.observers,
            o.termsHash,
            o.utcOffset_min,
            o.defaultAfter_days,
            o.representedSide,
            o.partyCommitment,
            o.predecessor,
            o.sealedTerms,
            o.nonce
        );
        return AgreementId.wrap(keccak256(head));
    }

    function _termsSignature(
        uint32 member,
        AgreementId id,
        bytes32 termsHash,
        uint32 fromWindow,
        uint32[] memory observers
    ) internal view returns (bytes memory) {
        bytes memory words;
        for (uint256 i = 0; i < observers.length; i++) {
            words = bytes.concat(words, bytes32(uint256(observers[i])));
        }
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Terms(bytes32 agreement,bytes32 termsHash,uint32 fromWindow,bytes32 observersHash)"
                ),
                id,
                termsHash,
                fromWindow,
                keccak256(words)
            )
        );
        return _signWith(_pk(member, Role.APPROVER), _digest(address(ledger), structHash));
    }

    function _openingSignature(uint32 member, ILedgerFacts.Opening memory o)
        internal
        view
        returns (bytes memory)
    {
        return _termsSignature(member, _idOf(o), o.termsHash, 0, o.observers);
    }

    function _openAs(uint32 member, ILedgerFacts.Opening memory o, bytes memory signature)
        internal
        returns (AgreementId)
    {
        _as(member, Role.POSTER);
        return ledger.open(
            o.kind,
            o.servicer,
            o.owner,
            o.observers,
            o.termsHash,
            o.utcOffset_min,
            o.defaultAfter_days,
            o.representedSide,
            o.partyCommitment,
            o.predecessor,
            o.sealedTerms,
            o.nonce,
            signature
        );
    }

    function _open(ILedgerFacts.Opening memory o) internal returns (AgreementId) {
        uint32 opener = o.servicer != 0 ? o.servicer : o.owner;
        return _openAs(opener, o, _openingSignature(opener, o));
    }

    function _accept(ILedgerFacts.Opening memory o) internal {
        bytes memory signature = _openingSignature(o.owner, o);
        AgreementId id = _idOf(o);
        _as(o.owner, Role.POSTER);
        ledger.accept(id, o.termsHash, signature);
    }

    function _openAndAccept(ILedgerFacts.Opening memory o) internal returns (AgreementId id) {
        id = _open(o);
        _accept(o);
    }

    function _endSignature(uint32 member, uint32 lastWindow) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(keccak256("End(bytes32 agreement,uint32 lastWindow)"), agreement, lastWindow)
        );
        return _signWith(_pk(member, Role.APPROVER), _digest(address(ledger), structHash));
    }

    function _end(uint32 member, uint32 lastWindow) internal {
        bytes memory signature = _endSignature(member, lastWindow);
        _as(member, Role.POSTER);
        ledger.end(agreement, lastWindow, signature);
    }

    // --------------------------------------------------------------------------------- epoch keys

    function _member(uint8 side) internal pure returns (uint32) {
        return side == SERVICER ? BANK : SHOP;
    }

    function _sealing(uint32 member) internal {
        uint32 next = registry.lastSealingGeneration(member, agreement) + 1;
        _as(member, Role.POSTER);
        registry.publishSealingKey(
            agreement, next, uint64(vm.getBlockTimestamp() + 31 days), new bytes(1216)
        );
    }

    function _wraps(uint32 a, uint32 b, uint32 c)
        internal
        view
        returns (ILedgerFacts.Wrap[] memory wraps)
    {
        uint32[3] memory to = [a, b, c];
        uint256 count = 0;
        while (count < 3 && to[count] != 0) count++;
        wraps = new ILedgerFacts.Wrap[](count);
        for (uint256 i = 0; i < count; i++) {
            uint32 generation = registry.lastSealingGeneration(to[i], agreement);
            wraps[i] = ILedgerFacts.Wrap(to[i], generation, new bytes(1168));
        }
    }

    function _publish(uint8 side, uint32 epoch) internal {
        ILedgerFacts.Wrap[] memory wraps = _wraps(BANK, SHOP, AUDITOR);
        _as(_member(side), Role.POSTER);
        ledger.publishKey(agreement, side, epoch, keccak256("key"), wraps);
    }

    function _acknowledge(uint8 side, uint32 epoch) internal {
        _as(_member(1 - side), Role.POSTER);
        ledger.acknowledgeKey(agreement, side, epoch);
    }

    function _epoch(uint8 side, uint32 epoch) internal {
        _publish(side, epoch);
        _acknowledge(side, epoch);
    }

    // ------------------------------------------------------------------------ streams and results

    function _head(uint8 side) internal view returns (bytes32) {
        return ledger.sideOf(agreement, side).head;
    }

    function _postAs(uint32 member, uint8 side, uint32 window, bytes memory payload) internal {
        ILedgerFacts.SideState memory own = ledger.sideOf(agreement, side);
        _as(member, Role.POSTER);
        ledger.post(agreement, side, own.seq + 1, window, own.head, COMMITMENT, 1, payload);
    }

    function _post(uint8 side, uint32 window) internal {
        _postAs(_member(side), side, window, "payload");
    }

    function _close(uint8 side, uint32 window) internal {
        ILedgerFacts.SideState memory own = ledger.sideOf(agreement, side);
        _as(_member(side), Role.POSTER);
        ledger.closeWindow(agreement, side, window, own.seq, own.head);
    }

    function _closeBoth(uint32 window) internal {
        _close(SERVICER, window);
        _close(OWNER, window);
    }

    struct Result {
        uint8 side;
        uint32 window;
        uint32 revision;
        bytes32 servicerHead;
        bytes32 ownerHead;
        bytes32 previous;
        bytes32 digest;
        uint8 flags;
    }

    function _result(uint8 side, uint32 window, bytes32 digest)
        internal
        view
        returns (Result memory)
    {
        return Result(
            side,
            window,
            ledger.attestationOf(agreement, side, window).revision + 1,
            ledger.closingOf(agreement, SERVICER, window).head,
            ledger.closingOf(agreement, OWNER, window).head,
            ledger.agreementOf(agreement).agreedDigest,
            digest,
            0
        );
    }

    function _resultSignature(uint256 privateKey, Result memory r)
        internal
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Result(bytes32 agreement,uint8 side,uint32 window,uint32 revision,bytes32 servicerHead,bytes32 ownerHead,bytes32 previousAgreedDigest,bytes32 digest,uint8 flags)"
                ),
                agreement,
                r
            )
        );
        return _signWith(privateKey, _digest(address(ledger), structHash));
    }

    function _send(uint32 member, Result memory r, bytes memory signature) internal {
        _as(member, Role.POSTER);
        ledger.attest(
            agreement,
            r.side,
            r.window,
            r.revision,
            r.servicerHead,
            r.ownerHead,
            r.previous,
            r.digest,
            r.flags,
            signature
        );
    }

    function _attestAs(uint32 member, Result memory r) internal {
        _send(member, r, _resultSignature(_pk(member, Role.APPROVER), r));
    }

    function _attest(uint8 side, uint32 window, bytes32 digest) internal {
        _attestAs(_member(side), _result(side, window, digest));
    }
}
