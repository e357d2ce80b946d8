// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ILedgerFacts} from "../src/interfaces/ILedgerFacts.sol";
import {Role} from "../src/interfaces/IRegistry.sol";
import {LedgerTestBase} from "./LedgerBase.sol";

/// @notice What the calls of a business day cost, as transactions of their own, and the code sizes.
/// @dev Compared with `snapshots/`; regenerate with `FORGE_SNAPSHOT_CHECK=false forge test` and
/// review the difference.
/// forge-config: default.isolate = true
contract GasTest is LedgerTestBase {
    bytes32 private constant DIGEST = keccak256("digest");
    uint256 private constant MAX_RUNTIME = 24_576;

    function _measure(string memory name) private {
        vm.snapshotGasLastCall("gas", name);
    }

    /// @dev Sealed bytes look random; zeros would be cheaper than real.
    function _payload(uint256 size) private pure returns (bytes memory payload) {
        payload = new bytes(size);
        for (uint256 i = 0; i < size; i += 32) {
            bytes32 word = keccak256(abi.encode(i)) | bytes32(uint256(0x0101) << 8);
            assembly {
                mstore(add(add(payload, 0x20), i), word)
            }
        }
        assembly {
            mstore(payload, size)
        }
    }

    function test_gas_open() public {
        ILedgerFacts.Opening memory o = _opening();
        o.nonce = 2;
        o.sealedTerms = _payload(2048);
        _open(o);
        _measure("open, 2,048 bytes of terms, one observer");
        _accept(o);
        _measure("accept");
    }

    function test_gas_publishKey() public {
        _publish(SERVICER, 2);
        _measure("publishKey, three wraps");
        _acknowledge(SERVICER, 2);
        _measure("acknowledgeKey");
    }

    function test_gas_post() public {
        _post(OWNER, NOW_WINDOW);
        _measure("post, first");
        _postAs(SHOP, OWNER, NOW_WINDOW, _payload(2048));
        _measure("post, 2,048 bytes");
        _postAs(SHOP, OWNER, NOW_WINDOW, _payload(120_000));
        _measure("post, 120,000 bytes");
    }

    function test_gas_closeAndAttest() public {
        _post(OWNER, 0);
        _post(SERVICER, 0);
        _closeBoth(0);
        _post(OWNER, NOW_WINDOW);
        _close(OWNER, NOW_WINDOW);
        _measure("closeWindow");
        _close(SERVICER, NOW_WINDOW);
        _attest(OWNER, NOW_WINDOW, DIGEST);
        _measure("attest, first side");
        _attest(SERVICER, NOW_WINDOW, DIGEST);
        _measure("attest, second side, agreed");
    }

    function test_gas_publishSealingKey() public {
        _sealing(SHOP);
        _measure("publishSealingKey, 1,216 bytes");
    }

    /// EIP-170 leaves no room above 24,576 bytes; a change of size is reviewed like one of gas.
    function test_size_fits() public {
        vm.snapshotValue("size", "Ledger", address(ledger).code.length);
        vm.snapshotValue("size", "Registry", address(registry).code.length);
        _true(address(ledger).code.length <= MAX_RUNTIME);
        _true(address(registry).code.length <= MAX_RUNTIME);
    }
}
