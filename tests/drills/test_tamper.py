"""One byte changed anywhere in what was handed out or stored is found by `kanhe verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drill_town import Town
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from node.cli import main
from node.crypto.bundle import file_bytes
from node.crypto.verifying import verify_bytes
from node.tables import Batch
from reconcile.model import InputError, Side

Json = Any  # whatever JSON holds
FILES = ("report", "record", "record alone", "stream servicer", "stream owner")
DIGITS = "0123456789"
HEX = "0123456789abcdef"


@pytest.fixture(scope="module")
def files(agreed: Town) -> dict[str, bytes]:
    """Every kind of file that an agreed window hands out."""
    proofs, agreement, window = agreed.bank.proofs, agreed.agreement, agreed.window()
    stored = agreed.bank.reconciliation.report(agreement, window)
    ref = stored.groups[0].servicer[0]
    bodies = (
        proofs.bundle(agreement, window),
        proofs.record_proof(agreement, Side.SERVICER, ref, window=window, with_report=True),
        proofs.record_proof(agreement, Side.SERVICER, ref, window=window),
        proofs.stream(agreement, Side.SERVICER, window),
        proofs.stream(agreement, Side.OWNER, window),
    )
    return {name: file_bytes(body) for name, body in zip(FILES, bodies, strict=True)}


def places(body: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Walk the paths of all values that are no containers."""
    if isinstance(body, dict):
        for key, item in body.items():
            yield from places(item, (*path, key))
    elif isinstance(body, list):
        for number, item in enumerate(body):
            yield from places(item, (*path, number))
    else:
        yield path


def field_of(path: tuple[Any, ...]) -> tuple[str, ...]:
    """Return a path without positions: one field, wherever it stands."""
    return tuple("*" if isinstance(step, int) else step for step in path)


def flipped(value: Json, at: int = 0) -> Json:
    """Return a value with one character changed for another of its kind."""
    if value is None or isinstance(value, bool):
        return "x" if value is None else not value
    if not value:
        return "0"
    at %= len(value)
    kind = HEX if set(value) <= set(HEX) else DIGITS if value[at] in DIGITS else value[at] + "xy"
    other = kind[(kind.index(value[at]) + 1) % len(kind)]
    return value[:at] + other + value[at + 1 :]


def changed(data: bytes, path: tuple[Any, ...], at: int = 0) -> bytes:
    """Return a file, in the form it is written in, with one character of one value changed."""
    body = json.loads(data)
    holder = body
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = flipped(holder[path[-1]], at)
    assert json.dumps(body) != json.dumps(json.loads(data))
    return file_bytes(body)


def found(data: bytes) -> str | None:
    """Return the check that failed first, or the refusal's code; None where all holds."""
    try:
        answer = verify_bytes(data)
    except InputError as error:
        return error.code
    assert answer.ok or answer.proved == []
    return next((check.name for check in answer.checks if not check.ok), None)


@pytest.mark.parametrize("kind", FILES)
def test_what_was_handed_out_holds(files: dict[str, bytes], kind: str) -> None:
    """Every check of every kind of honest file holds."""
    answer = verify_bytes(files[kind])
    assert answer.ok, [check for check in answer.checks if not check.ok]


@pytest.mark.parametrize("kind", FILES)
def test_a_change_in_any_field_is_found(files: dict[str, bytes], kind: str) -> None:
    """One character changed in each field of a file, well-formed still: a check names it."""
    seen: set[tuple[str, ...]] = set()
    missed = []
    for number, path in enumerate(places(json.loads(files[kind]))):
        if field_of(path) in seen:
            continue
        seen.add(field_of(path))
        if found(changed(files[kind], path, number)) is None:
            missed.append(path)
    assert not missed
    assert len(seen) > 10


@pytest.mark.parametrize("kind", FILES)
def test_any_byte_flipped_is_found(files: dict[str, bytes], kind: str) -> None:
    """Whichever byte of a file is flipped by whichever bits: verification fails or refuses."""
    data = files[kind]

    @settings(max_examples=40)
    @given(st.integers(0, len(data) - 1), st.integers(1, 255))
    def run(at: int, bits: int) -> None:
        assert found(data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]) is not None

    run()


@pytest.mark.parametrize(
    ("kind", "path", "check"),
    [
        ("report", ("report", "breaks", 0, "kind"), "digest"),
        ("report", ("groups", 0, "servicer", 0), "groups"),
        ("report", ("result", "attestations", 0, "signature"), "signature_servicer"),
        ("report", ("result", "attestations", 1, "signature"), "signature_owner"),
        ("report", ("result", "owner_head"), "names"),
        ("record", ("proof", "record"), "record"),
        ("record alone", ("proof", "salt"), "inclusion"),
        ("stream owner", ("batches", 1, "payload"), "head"),
    ],
)
def test_the_command_says_which_check_failed(
    files: dict[str, bytes],
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    kind: str,
    path: tuple[Any, ...],
    check: str,
) -> None:
    """`kanhe verify` exits 0 on an honest file and 1 on a changed one, and names the check."""
    file = tmp_path / "proof.json"
    file.write_bytes(files[kind])
    assert main(["verify", str(file), "--json", "-"]) == 0
    capsysbinary.readouterr()
    file.write_bytes(changed(files[kind], path, 8))
    assert main(["verify", str(file), "--json", "-"]) == 1
    body = json.loads(capsysbinary.readouterr().out)
    assert body["ok"] is False
    assert check in {item["name"] for item in body["checks"] if not item["ok"]}


def test_a_byte_changed_in_a_stored_batch_is_found(agreed: Town) -> None:
    """A payload changed in a node's database is exported as it stands, and does not verify."""
    agreement, side = agreed.agreement, Side.OWNER
    mine = (Batch.agreement == agreement, Batch.side == int(side), Batch.seq == 2)
    with agreed.bank.sessions.begin() as session:
        honest = session.query(Batch.payload).filter(*mine).scalar()
        spoilt = honest[:99] + bytes([honest[99] ^ 1]) + honest[100:]
        session.execute(update(Batch).where(*mine).values(payload=spoilt))
    try:
        body = agreed.bank.proofs.stream(agreement, side, agreed.window())
    finally:
        with agreed.bank.sessions.begin() as session:
            session.execute(update(Batch).where(*mine).values(payload=honest))
    assert found(file_bytes(body)) == "head"
