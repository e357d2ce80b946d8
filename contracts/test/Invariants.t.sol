// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {Action, IRegistry, Role, Standing} from "../src/interfaces/IRegistry.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {LedgerTestBase} from "./LedgerBase.sol";
import {Vm} from "./Vm.sol";

/// @notice Drives one agreement by random calls and keeps its own books beside the contracts'.
/// @dev Right calls and wrong ones are both made; whether a call may succeed is decided here from
/// the model alone, and every disagreement is counted in `surprises`.
contract Handler is LedgerTestBase {
    struct Model {
        uint64 seq;
        bytes32 head;
        uint40 closedUpTo;
    }

    Model[2] public model;
    uint256 public surprises;
    uint256 public agreedCount;
    uint32 public agreedWindow;
    bytes32 public agreedDigest;
    uint32[] public closedWindows;
    mapping(uint8 side => mapping(uint32 window => bytes32)) public closedHeads;
    mapping(uint8 side => uint64[]) private _postedSeqs;
    uint32[] public agreedWindows;
    bytes32[] public agreedDigests;
    uint32 private _lastWindow;

    function start() external {
        setUp();
        model[0].head = _head(SERVICER);
        model[1].head = _head(OWNER);
        _lastWindow = NOW_WINDOW;
    }

    function target() external view returns (ILedger) {
        return ledger;
    }

    function stored(uint8 side) external view returns (ILedgerFacts.SideState memory) {
        return ledger.sideOf(agreement, side);
    }

    function closing(uint8 side, uint32 window)
        external
        view
        returns (ILedgerFacts.Closing memory)
    {
        return ledger.closingOf(agreement, side, window);
    }

    function terms() external view returns (ILedgerFacts.Agreement memory) {
        return ledger.agreementOf(agreement);
    }

    function attested(uint8 side, uint32 window)
        external
        view
        returns (ILedgerFacts.Attestation memory)
    {
        return ledger.attestationOf(agreement, side, window);
    }

    function closedCount() external view returns (uint256) {
        return closedWindows.length;
    }

    function agreedLength() external view returns (uint256) {
        return agreedWindows.length;
    }

    function keyOf(uint32 member, Role role) external view returns (IRegistry.Key memory) {
        return registry.keyOf(_addr(member, role));
    }

    // -------------------------------------------------------------------------------------- calls

    function post(uint8 sideSeed, uint8 callerSeed, uint8 windowSeed, uint8 seqSeed) external {
        uint8 side = sideSeed % 2;
        uint32 caller = _caller(callerSeed, side);
        uint32 window = _window(windowSeed);
        uint64 seq = model[side].seq + 1 + (seqSeed % 8 == 0 ? seqSeed % 3 : 0);
        bytes memory payload = abi.encode(seqSeed, windowSeed);
        bool expected = caller == _member(side) && _active(caller) && seq == model[side].seq + 1
            && window >= model[side].closedUpTo && window / 8 <= _today() + 15;
        bytes32 head = model[side].head;
        _as(caller, Role.POSTER);
        try ledger.post(agreement, side, seq, window, head, COMMITMENT, 1, payload) {
            if (!expected) surprises++;
            model[side].seq = seq;
            model[side].head = sha256(
                bytes.concat(
                    head,
                    bytes8(seq),
                    bytes4(window),
                    bytes4(uint32(1)),
                    COMMITMENT,
                    sha256(payload)
                )
            );
        } catch {
            if (expected) surprises++;
        }
    }

    function close(uint8 sideSeed, uint8 callerSeed, uint8 windowSeed, bool stale) external {
        uint8 side = sideSeed % 2;
        uint32 caller = _caller(callerSeed, side);
        uint32 window = model[side].closedUpTo == 0 ? 0 : _window(windowSeed);
        uint64 seq = model[side].seq;
        bool wrong = stale && seq > 0;
        bool expected = caller == _member(side) && _active(caller) && !wrong
            && window >= model[side].closedUpTo && window / 8 <= _today();
        _as(caller, Role.POSTER);
        try ledger.closeWindow(agreement, side, window, wrong ? seq - 1 : seq, model[side].head) {
            if (!expected) surprises++;
            _closed(side, window);
        } catch {
            if (expected) surprises++;
        }
    }

    function closeByDefault(uint8 sideSeed, uint8 pick) external {
        uint8 side = sideSeed % 2;
        if (closedWindows.length == 0) return;
        uint32 window = closedWindows[pick % closedWindows.length];
        ILedgerFacts.Closing memory own = ledger.closingOf(agreement, 1 - side, window);
        uint256 dayEnd_s = (uint256(window / 8) + 1) * 86_400 - 480 * 60;
        uint256 since_s = own.closedAt_s > dayEnd_s ? own.closedAt_s : dayEnd_s;
        bool expected = _active(_member(1 - side)) && model[side].closedUpTo != 0
            && window >= model[side].closedUpTo && own.closedAt_s != 0 && window / 8 >= TODAY
            && vm.getBlockTimestamp() >= since_s + uint256(DEFAULT_AFTER_DAYS) * 1 days;
        _as(_member(1 - side), Role.POSTER);
        try ledger.closeByDefault(agreement, side, window, 1) {
            if (!expected) surprises++;
            _closed(side, window);
        } catch {
            if (expected) surprises++;
        }
    }

    function attest(uint8 sideSeed, uint8 callerSeed, uint8 pick, uint8 digestSeed) external {
        uint8 side = sideSeed % 2;
        if (closedWindows.length == 0) return;
        uint32 window = closedWindows[pick % closedWindows.length];
        uint32 caller = _caller(callerSeed, side);
        bytes32 digest = bytes32(uint256(digestSeed % 2) + 1);
        Result memory r = _result(side, window, digest);
        bytes memory signature = _resultSignature(_pk(caller, Role.APPROVER), r);
        bool expected = caller == _member(side) && _active(caller) && r.servicerHead != 0
            && r.ownerHead != 0 && (agreedCount == 0 || window > agreedWindow);
        ILedgerFacts.Attestation memory other = ledger.attestationOf(agreement, 1 - side, window);
        bool agrees = other.digest == digest && other.previousCount == agreedCount;
        _as(caller, Role.POSTER);
        try ledger.attest(
            agreement,
            side,
            window,
            r.revision,
            r.servicerHead,
            r.ownerHead,
            r.previous,
            digest,
            0,
            signature
        ) {
            if (!expected) surprises++;
            if (agrees) _agreed(window, digest);
        } catch {
            if (expected) surprises++;
        }
    }

    /// @dev A suspended member tries what its keys could do; only endings and marks go through.
    function suspendedTries(uint8 which, uint8 seed) external {
        uint32 member = which % 2 == 0 ? BANK : SHOP;
        if (_active(member)) return;
        uint64 mark = registry.keyOf(_addr(member, Role.POSTER)).compromisedSince_s;
        uint64 since = mark == 0 ? uint64(NOON_S) : mark - 1;
        _as(member, Role.ADMIN);
        registry.markCompromised(_addr(member, Role.POSTER), since);
        _as(member, Role.ADMIN);
        try registry.cancelKey(_addr(member, Role.POSTER)) {
            surprises++;
        } catch {}
        bytes memory possession = _possession(uint256(seed) + 1, member, 0, Role.POSTER, 0, FOREVER);
        _as(member, Role.ADMIN);
        try registry.registerKey(vm.addr(uint256(seed) + 1), Role.POSTER, 0, FOREVER, possession) {
            surprises++;
        } catch {}
        uint32 generation = registry.lastSealingGeneration(member, agreement) + 1;
        _as(member, Role.POSTER);
        try registry.publishSealingKey(
            agreement, generation, uint64(vm.getBlockTimestamp() + 2 days), "key"
        ) {
            surprises++;
        } catch {}
    }

    function switchStanding(uint8 which, uint8 chance) external {
        if (chance % 4 != 0) return;
        uint32 member = which % 2 == 0 ? BANK : SHOP;
        if (_active(member)) _suspend(member);
        else _pass(Action.REINSTATE, member, "");
    }

    function passTime(uint32 seconds_) external {
        vm.warp(vm.getBlockTimestamp() + _bound(seconds_, 1, 2 days));
        vm.roll(vm.getBlockNumber() + 1);
    }

    // ------------------------------------------------------------------------------------ helpers

    function _closed(uint8 side, uint32 window) private {
        model[side].closedUpTo = uint40(window) + 1;
        closedHeads[side][window] = model[side].head;
        closedWindows.push(window);
    }

    function _agreed(uint32 window, bytes32 digest) private {
        agreedCount++;
        agreedWindow = window;
        agreedDigest = digest;
        agreedWindows.push(window);
        agreedDigests.push(digest);
    }

    function _active(uint32 member) private view returns (bool) {
        return registry.memberOf(member).standing == Standing.ACTIVE;
    }

    function _today() private view returns (uint256) {
        return (vm.getBlockTimestamp() + 480 * 60) / 86_400;
    }

    /// @dev Mostly the right member, at times the counterparty or an observer.
    function _caller(uint8 seed, uint8 side) private pure returns (uint32) {
        if (seed % 8 == 0) return AUDITOR;
        if (seed % 8 == 1) return _member(1 - side);
        return _member(side);
    }

    function _window(uint8 seed) private view returns (uint32) {
        return uint32((_today() + seed % 20) * 8 + seed % 8) - 24;
    }
}

/// @notice What no sequence of calls can change.
contract InvariantsTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    Handler private handler;

    error Broken(string what);

    function setUp() public {
        // Not `new`, which would compile the handler a second time into this contract.
        handler = Handler(vm.deployCode("Invariants.t.sol:Handler"));
        handler.start();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](7);
        selectors[0] = Handler.post.selector;
        selectors[1] = Handler.close.selector;
        selectors[2] = Handler.closeByDefault.selector;
        selectors[3] = Handler.attest.selector;
        selectors[4] = Handler.suspendedTries.selector;
        selectors[5] = Handler.switchStanding.selector;
        selectors[6] = Handler.passTime.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function _require(bool condition, string memory what) private pure {
        if (!condition) revert Broken(what);
    }

    /// Calls succeed exactly when the model says so: only active parties append, close and attest,
    /// a suspended member changes nothing but the ends and marks of its own keys.
    function invariant_callsSucceedExactlyWhenAllowed() public view {
        _require(handler.surprises() == 0, "a call's outcome differs from the model");
    }

    /// A side's sequence is gapless and append-only, and its head is the chain over all of it.
    function invariant_streamsFollowTheModel() public view {
        for (uint8 side = 0; side < 2; side++) {
            (uint64 seq, bytes32 head, uint40 closedUpTo) = handler.model(side);
            ILedgerFacts.SideState memory stored = handler.stored(side);
            _require(stored.seq == seq, "sequence");
            _require(stored.head == head, "head");
            _require(stored.closedUpTo == closedUpTo, "last closed window");
        }
    }

    /// A closing's head never changes.
    function invariant_closingsStay() public view {
        for (uint256 i = 0; i < handler.closedCount(); i++) {
            uint32 window = handler.closedWindows(i);
            for (uint8 side = 0; side < 2; side++) {
                bytes32 head = handler.closing(side, window).head;
                _require(head == handler.closedHeads(side, window), "closing head");
            }
        }
    }

    /// An attestation names a window closed on both sides.
    function invariant_attestationsNameClosedWindows() public view {
        for (uint256 i = 0; i < handler.closedCount(); i++) {
            uint32 window = handler.closedWindows(i);
            bool closed = handler.closing(0, window).closedAt_s != 0
                && handler.closing(1, window).closedAt_s != 0;
            bool attested = handler.attested(0, window).revision != 0
                || handler.attested(1, window).revision != 0;
            _require(closed || !attested, "attested, but not closed on both sides");
        }
    }

    /// Agreed windows ascend and stay: both sides' last word on each is its agreed digest.
    function invariant_agreedWindowsNeverChange() public view {
        ILedgerFacts.Agreement memory terms = handler.terms();
        _require(terms.agreedCount == handler.agreedCount(), "count of agreed windows");
        _require(terms.agreedDigest == handler.agreedDigest(), "agreed digest");
        uint32 last = 0;
        for (uint256 i = 0; i < handler.agreedLength(); i++) {
            uint32 window = handler.agreedWindows(i);
            _require(i == 0 || window > last, "agreed windows ascend");
            last = window;
            for (uint8 side = 0; side < 2; side++) {
                bytes32 digest = handler.attested(side, window).digest;
                _require(digest == handler.agreedDigests(i), "an agreed window changed");
            }
        }
    }

    /// Nothing that a suspended or active member does here moves a key's bounds.
    function invariant_keysStay() public view {
        for (uint32 member = 1; member <= 5; member++) {
            IRegistry.Key memory key = handler.keyOf(member, Role.POSTER);
            _require(key.member == member && key.validTo == type(uint64).max, "a key changed");
        }
    }
}
