"""The committed ABI and bytecode: what the sources give, and what a client can decode."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils.abi import abi_to_signature, event_abi_to_log_topic, function_abi_to_4byte_selector

from node.errors import ContractError
from scripts import build_contracts

ROOT = Path(__file__).resolve().parent.parent.parent
ABI = ROOT / "node" / "chain" / "abi"
CODE_LIMIT = 24_576


def artifact(name: str) -> dict[str, Any]:
    """Return a committed artifact."""
    loaded: dict[str, Any] = json.loads((ABI / f"{name}.json").read_text())
    return loaded


def entries(kind: str) -> list[dict[str, Any]]:
    """Return both contracts' ABI entries of one kind."""
    return [e for name in build_contracts.BUILT for e in artifact(name)["abi"] if e["type"] == kind]


def test_committed_artifacts_are_fresh() -> None:
    """The committed files are byte for byte what the sources compile to.

    The check compiles unless it held for these very sources, settings and files before.
    """
    if not (ROOT / "contracts" / "node_modules" / "solc").is_dir():
        pytest.skip("the compiler is not installed: run `make setup`")
    assert build_contracts.main(["--check"]) == 0


def test_a_remembered_check_is_of_these_very_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed source or artifact has another digest, so its check compiles again."""
    for folder in ("contracts/src", "abi"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("foundry.toml", "package-lock.json", "solc", "src/A.sol"):
        (tmp_path / "contracts" / name).write_text("one\n")
    (tmp_path / "build.py").write_text("")
    monkeypatch.setattr(build_contracts, "ROOT", tmp_path)
    monkeypatch.setattr(build_contracts, "CONTRACTS", tmp_path / "contracts")
    monkeypatch.setattr(build_contracts, "OUTPUT", tmp_path / "abi")
    monkeypatch.setattr(build_contracts, "__file__", str(tmp_path / "build.py"))
    found = {build_contracts.read_digest()}
    for changed in ("contracts/src/A.sol", "contracts/foundry.toml", "abi/A.json"):
        (tmp_path / changed).write_text("two\n")
        found.add(build_contracts.read_digest())
    assert len(found) == 4


def test_a_changed_file_counts_as_stale(tmp_path: Path) -> None:
    """One changed character, or a missing file, is found."""
    texts = {"A.json": "one\n", "B.json": "two\n", "C.json": "three\n"}
    (tmp_path / "A.json").write_text("one\n")
    (tmp_path / "B.json").write_text("twO\n")
    assert build_contracts.stale(texts, tmp_path) == ["B.json", "C.json"]


@pytest.mark.parametrize("name", build_contracts.BUILT)
def test_code_fits_and_says_nothing_about_where_it_was_built(name: str) -> None:
    """Code is below EIP-170's limit, without metadata, and its immutables are listed."""
    built = artifact(name)
    code = bytes.fromhex(built["deployedBytecode"][2:])
    assert 0 < len(code) <= CODE_LIMIT
    assert b"ipfs" not in code
    assert built["bytecode"][2:].count(built["deployedBytecode"][-64:]) == 1
    for place in built["immutableReferences"]:
        start, length = place["start"], place["length"]
        assert code[start : start + length] == bytes(length)
    assert built["immutableReferences"]


def test_too_large_code_is_refused() -> None:
    """A contract that could not be deployed does not become an artifact."""
    deployed = {"object": "00" * (CODE_LIMIT + 1), "immutableReferences": {}}
    compiled = {"abi": [], "evm": {"bytecode": {"object": ""}, "deployedBytecode": deployed}}
    with pytest.raises(build_contracts.ContractBuildError, match="EIP-170"):
        build_contracts.artifact("Big", compiled, "0")


def test_selectors_name_one_error_each() -> None:
    """An error's four bytes mean the same in both contracts, so a client decodes without asking."""
    meanings: dict[bytes, str] = {}
    for entry in entries("error"):
        selector = function_abi_to_4byte_selector(entry | {"type": "function"})  # type: ignore[arg-type]
        signature = abi_to_signature(entry | {"type": "function"})  # type: ignore[arg-type]
        assert meanings.setdefault(selector, signature) == signature
    assert "BatchOutOfSequence(uint64,uint64)" in meanings.values()
    assert "NotAgreementParty(address,bytes32)" in meanings.values()
    assert len(meanings) > 50


def test_topics_name_one_event_each() -> None:
    """No two events of the two contracts share a topic."""
    topics = [event_abi_to_log_topic(entry) for entry in entries("event")]  # type: ignore[arg-type]
    assert len(topics) == len(set(topics))


def test_every_error_can_be_a_code() -> None:
    """Contract errors are named in CamelCase, and none like the exception that wraps them."""
    names = {entry["name"] for entry in entries("error")}
    assert all(name[0].isupper() and name.isalnum() for name in names)
    assert ContractError.__name__ not in names
