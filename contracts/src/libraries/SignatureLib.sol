// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IRegistry} from "../interfaces/IRegistry.sol";

/// @title SignatureLib
/// @notice EIP-712 digests of the domain Kanhe/1, and strict recovery.
library SignatureLib {
    bytes32 private constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant NAME = keccak256("Kanhe");
    bytes32 private constant VERSION = keccak256("1");

    /// Half of secp256k1's order: above it lies each signature's twin.
    uint256 private constant HIGHEST_S =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @dev Computed each time, so that a chain that splits off under another id refuses old
    /// signatures.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, NAME, VERSION, block.chainid, address(this)));
    }

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", domainSeparator(), structHash));
    }

    /// @notice The signer of a 65-byte signature r, s, v; reverts on any other form of it.
    function recover(bytes32 digest, bytes memory signature)
        internal
        pure
        returns (address signer)
    {
        if (signature.length != 65) revert IRegistry.SignatureMalformed();
        bytes32 r;
        bytes32 s;
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
        }
        uint8 v = uint8(signature[64]);
        if (uint256(s) > HIGHEST_S || (v != 27 && v != 28)) revert IRegistry.SignatureMalformed();
        signer = ecrecover(digest, v, r, s);
        if (signer == address(0)) revert IRegistry.SignatureMalformed();
    }
}
