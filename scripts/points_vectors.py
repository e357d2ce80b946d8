"""Write the points' vectors for the contracts' tests: ``contracts/test/PointsVectors.sol``.

The node's arithmetic (``node/screening/points.py``) gives them; forge checks that the contract's
library gives the same. A test compares the committed file with what this script would write.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from node.screening.points import vectors  # noqa: E402 - the path stands above

OUTPUT: Final = ROOT / "contracts" / "test" / "PointsVectors.sol"
_LINE_BYTES: Final = 40
_WORD_BYTES: Final = 8
_HEAD: Final = """\
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @notice Vectors of node/screening/points.py as packed uint64; written by
/// scripts/points_vectors.py.
library PointsVectors {
"""


def solidity() -> str:
    """Return the library's source: each table as packed big-endian uint64."""
    parts = [_HEAD]
    for name, rows in vectors().items():
        data = b"".join(value.to_bytes(_WORD_BYTES, "big") for row in rows for value in row)
        lines = [
            f'        hex"{data[at : at + _LINE_BYTES].hex()}"'
            for at in range(0, len(data), _LINE_BYTES)
        ]
        joined = "\n".join(lines).lstrip()
        parts.append(f"    bytes internal constant {name.upper()} = {joined};\n")
    return "".join(parts) + "}\n"


def main() -> None:
    """Write the file."""
    OUTPUT.write_text(solidity(), encoding="utf-8")


if __name__ == "__main__":
    main()
