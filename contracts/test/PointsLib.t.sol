// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {PointsLib} from "../src/libraries/PointsLib.sol";
import {PointsVectors} from "./PointsVectors.sol";

contract PointsLibTest {
    error Unequal(uint256 row, uint256 found, uint256 expected);
    error Untrue();

    function _at(bytes memory table, uint256 index) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, mload(add(add(table, 0x20), mul(index, 8))))
        }
    }

    function _same(uint256 row, uint256 found, uint256 expected) private pure {
        if (found != expected) revert Unequal(row, found, expected);
    }

    function test_accuracy_isTheNodes() public pure {
        bytes memory t = PointsVectors.ACCURACY;
        if (t.length / 24 < 100) revert Untrue();
        for (uint256 i = 0; i < t.length / 24; i++) {
            _same(i, PointsLib.accuracy(_at(t, 3 * i), _at(t, 3 * i + 1)), _at(t, 3 * i + 2));
        }
    }

    function test_settlement_isTheNodes() public pure {
        bytes memory t = PointsVectors.SETTLEMENT;
        if (t.length / 40 < 100) revert Untrue();
        for (uint256 i = 0; i < t.length / 40; i++) {
            uint256 at_ = 5 * i;
            uint256 found = PointsLib.settlement(
                _at(t, at_), _at(t, at_ + 1), _at(t, at_ + 2), _at(t, at_ + 3)
            );
            _same(i, found, _at(t, at_ + 4));
        }
    }

    function test_penaltyAndCap_areTheNodes() public pure {
        bytes memory t = PointsVectors.PENALTY;
        for (uint256 i = 0; i < t.length / 24; i++) {
            _same(i, PointsLib.penalty(_at(t, 3 * i), _at(t, 3 * i + 1)), _at(t, 3 * i + 2));
        }
        t = PointsVectors.CAP;
        for (uint256 i = 0; i < t.length / 32; i++) {
            uint256 at_ = 4 * i;
            uint256 found = PointsLib.nodeCap(_at(t, at_), _at(t, at_ + 1), _at(t, at_ + 2));
            _same(i, found, _at(t, at_ + 3));
        }
    }

    function testFuzz_isqrt_isTheRootRoundedDown(uint256 x) public pure {
        uint256 root = PointsLib.isqrt(x);
        if (root * root > x) revert Untrue();
        if (root < type(uint128).max && (root + 1) * (root + 1) <= x) revert Untrue();
    }

    function testFuzz_accuracy_isAShare(uint64 upheld, uint64 overturned) public pure {
        if (PointsLib.accuracy(upheld, overturned) >= 1e6) revert Untrue();
    }

    function testFuzz_settlement_paysAtMostWhatWasBurned(
        uint32 hits,
        uint32 more,
        uint128 burned,
        uint256 accuracy
    ) public pure {
        uint256 h = uint256(hits) + 1;
        uint256 paid = PointsLib.settlement(h, h + more, burned, accuracy % 1e6);
        if (paid > burned) revert Untrue();
    }
}
