"""The house rules that a machine can keep."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 400
MONEY_PACKAGES = (
    "reconcile/matching",
    "reconcile/report",
    "reconcile/breaks",
    "reconcile/terms",
    "node/screening",
)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError")
REGISTRY_HOSTS = re.compile(r"index-url|find-links|\"resolved\":|@ https?://")


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the project that git would commit."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    out = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Walk all functions of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_and_files_stay_short() -> None:
    """A function is at most 70 lines and a source file at most 400."""
    long = []
    for path in tracked("*.py"):
        name = path.relative_to(ROOT)
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > MAX_FILE_LINES:
            long.append(f"{name}: {lines} lines")
        for node in functions(path):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                long.append(f"{name}:{node.lineno} {node.name}: {length} lines")
    assert not long, "\n".join(long)


def test_no_unfinished_marks() -> None:
    """Main holds no mark of unfinished work."""
    found = []
    for path in tracked("*.py", "*.sol", "*.sh", "Makefile"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if UNFINISHED.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def test_no_floats_in_money_paths() -> None:
    """The packages that compute money hold no float literal, no float() and no true division."""
    found = []
    for path in tracked("reconcile/*.py", "reconcile/**/*.py", "node/screening/*.py"):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(MONEY_PACKAGES):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            call = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "float"
            )
            division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if literal or call or division:
                found.append(f"{name}:{getattr(node, 'lineno', 0)}")
    assert not found, "\n".join(found)


def test_every_test_says_its_behaviour() -> None:
    """Each test has a docstring sentence."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in tracked("tests/*.py", "tests/**/*.py")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert not silent, "\n".join(silent)


def test_locks_name_no_address() -> None:
    """Locks hold names, versions and hashes only."""
    found = [
        f"{path.name}:{number}"
        for path in tracked("*.lock", "*package-lock.json")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if REGISTRY_HOSTS.search(line)
    ]
    assert not found, "\n".join(found)


def test_environment_is_read_in_one_place() -> None:
    """Only `node/settings.py` reads the environment of the shipped packages."""
    found = []
    for path in tracked("reconcile/**/*.py", "node/**/*.py", "node/*.py", "devnet/*.py"):
        if path.name == "settings.py" and path.parent.name == "node":
            continue
        if re.search(r"os\.environ|os\.getenv|getenv\(", path.read_text(encoding="utf-8")):
            found.append(str(path.relative_to(ROOT)))
    assert not found, "\n".join(found)
