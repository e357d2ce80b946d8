"""Compile the contracts and write their ABI and bytecode into ``node/chain/abi``.

The output is committed, so that running a node needs no compiler, and it is a function of the
sources and the compiler settings alone: no metadata, no paths, sorted keys. ``--check`` writes
nothing and exits 1 when a committed file differs from what the sources give.

Compiling takes most of a minute, so a check that held is remembered in ``.tools`` under a digest of
all that it read; a fresh clone always compiles.

Needs the npm packages of ``contracts/`` (``npm ci --ignore-scripts`` there).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final, TypeAlias

import solcx

ROOT: Final = Path(__file__).resolve().parent.parent
CONTRACTS: Final = ROOT / "contracts"
OUTPUT: Final = ROOT / "node" / "chain" / "abi"
SHIM: Final = CONTRACTS / "solc"
STAMP: Final = ROOT / ".tools" / "abi.stamp"
#: The contracts whose ABI the node uses.
BUILT: Final = ("Registry", "Ledger", "Blacklist", "Lookups", "Points")
#: EIP-170: a larger contract cannot be deployed.
MAX_RUNTIME_BYTES: Final = 24_576

Json: TypeAlias = dict[str, Any]


class ContractBuildError(Exception):
    """Raised when the contracts do not compile or are too large to deploy."""


def compiler_input(contracts: Path) -> Json:
    """Return solc's standard JSON with the sources inline and ``foundry.toml``'s settings."""
    profiles = tomllib.loads((contracts / "foundry.toml").read_text())["profile"]
    profile = profiles["default"] | profiles["deployed"]
    sources = {
        path.relative_to(contracts).as_posix(): {"content": path.read_text()}
        for path in sorted((contracts / "src").rglob("*.sol"))
    }
    return {
        "language": "Solidity",
        "sources": sources,
        "settings": {
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "viaIR": profile["via_ir"],
            "evmVersion": profile["evm_version"],
            "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
            "outputSelection": {
                "*": {
                    "*": [
                        "abi",
                        "evm.bytecode.object",
                        "evm.deployedBytecode.object",
                        "evm.deployedBytecode.immutableReferences",
                    ]
                }
            },
        },
    }


def artifact(name: str, compiled: Json, version: str) -> Json:
    """Return one contract's artifact; raise ContractBuildError when it cannot be deployed.

    ``immutableReferences`` is a list of ``{"start", "length"}`` (bytes of the deployed code that
    the constructor fills in): mask them before comparing deployed code.
    """
    deployed = compiled["evm"]["deployedBytecode"]
    size = len(deployed["object"]) // 2
    if size > MAX_RUNTIME_BYTES:
        message = f"{name}: {size} bytes of code, more than {MAX_RUNTIME_BYTES} (EIP-170)"
        raise ContractBuildError(message)
    references = [ref for refs in deployed["immutableReferences"].values() for ref in refs]
    return {
        "contractName": name,
        "compiler": version,
        "abi": compiled["abi"],
        "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutableReferences": sorted(references, key=lambda ref: int(ref["start"])),
    }


def compiler_version(shim: Path) -> str:
    """Return solc's version with its commit, such as ``0.8.37+commit.f401782d``."""
    said = subprocess.run([shim, "--version"], check=True, capture_output=True, text=True).stdout
    return said.rsplit("Version: ", maxsplit=1)[-1].split(".Emscripten")[0].strip()


def build(contracts: Path) -> dict[str, str]:
    """Return each artifact's file name and text."""
    shim = contracts / "solc"
    version = compiler_version(shim)
    compiled = solcx.compile_standard(compiler_input(contracts), solc_binary=shim)
    texts = {}
    for name in BUILT:
        entry = compiled["contracts"][f"src/{name}.sol"][name]
        text = json.dumps(artifact(name, entry, version), indent=1, sort_keys=True)
        texts[f"{name}.json"] = text + "\n"
    return texts


def stale(texts: dict[str, str], output: Path) -> list[str]:
    """Return the names of the files that are missing or differ."""
    return [
        name
        for name, text in texts.items()
        if not (output / name).is_file() or (output / name).read_text() != text
    ]


def read_digest() -> str:
    """Return the digest of all that a check reads: sources, settings, compiler, output, itself."""
    paths = [
        *sorted((CONTRACTS / "src").rglob("*.sol")),
        *(CONTRACTS / name for name in ("foundry.toml", "package-lock.json", "solc")),
        *sorted(OUTPUT.glob("*.json")),
        Path(__file__),
    ]
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Build, or check; return the exit code."""
    parser = argparse.ArgumentParser(description="Compile the contracts to node/chain/abi.")
    parser.add_argument("--check", action="store_true", help="exit 1 when a file is stale")
    options = parser.parse_args(arguments)
    if options.check and STAMP.is_file() and STAMP.read_text() == read_digest():
        return 0
    try:
        texts = build(CONTRACTS)
    except (
        solcx.exceptions.SolcError,
        ContractBuildError,
        OSError,
        subprocess.CalledProcessError,
    ) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    changed = stale(texts, OUTPUT)
    if options.check:
        for name in changed:
            sys.stderr.write(f"node/chain/abi/{name} is stale: run scripts/build_contracts.py\n")
        if not changed:
            STAMP.write_text(read_digest())
        return 1 if changed else 0
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (OUTPUT / name).write_text(text)
        size = (len(json.loads(text)["deployedBytecode"]) - 2) // 2
        sys.stdout.write(f"node/chain/abi/{name}: {size} bytes of code\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
