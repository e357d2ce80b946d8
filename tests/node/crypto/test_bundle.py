from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from node.crypto.bundle import file_bytes
from node.crypto.verifying import Verification, verify_bytes
from reconcile.model import InputError

Scene = Any  # the fixture `scene` of conftest.py
Json = Any
WINDOW = 20_779 * 8
ZEROS = "00" * 32


def outcome(data: bytes) -> Verification | str:
    """Return the verification, or the code of the refusal."""
    try:
        return verify_bytes(data)
    except InputError as error:
        return error.code if error.help else "REFUSED WITHOUT HELP"


def failed(data: bytes) -> set[str]:
    """Return the names of the checks that failed."""
    found = outcome(data)
    assert isinstance(found, Verification)
    assert not found.ok
    return {check.name for check in found.checks if not check.ok}


def put(body: Json, path: tuple[object, ...], to: object) -> object:
    """Replace the value at a path; return what stood there."""
    for step in path[:-1]:
        body = body[step]
    before = body[path[-1]]
    body[path[-1]] = to
    return before


def changed(data: bytes, path: tuple[object, ...], to: object) -> bytes:
    """Return the file, in its one form, with one value replaced."""
    body = json.loads(data)
    put(body, path, to)
    return file_bytes(body)


@pytest.mark.parametrize(
    ("path", "to", "names"),
    [
        (("report", "complete"), False, {"digest", "verdict"}),
        (("report", "totals", 0, "proof_minor"), "1", {"digest", "proof", "verdict"}),
        (("report", "breaks", 0, "kind"), "FEE", {"digest"}),
        (("report", "heads", "owner"), ZEROS, {"digest"}),
        (("groups", 0, "servicer"), ["S9"], {"groups"}),
        (("groups",), [], {"groups"}),
        (("groups", 0, "residual_minor"), "x", {"groups"}),
        (("result", "window"), "8", {"signature_owner", "signature_servicer"}),
        (("result", "chain_id"), "1", {"signature_owner", "signature_servicer"}),
        (("result", "attestations", 0, "revision"), "2", {"signature_servicer"}),
        (("result", "attestations", 1, "flags"), "1", {"signature_owner"}),
        (("result", "attestations", 1, "signature"), "00" * 65, {"signature_owner"}),
        (("result", "attestations", 1, "approver"), "0x" + "11" * 20, {"signature_owner"}),
    ],
)
def test_a_changed_report_fails_by_name(
    scene: Scene, path: tuple[object, ...], to: object, names: set[str]
) -> None:
    """Each part of a bundle is held by the check that speaks of it."""
    assert names <= failed(changed(scene.bundle(), path, to))


@pytest.mark.parametrize(
    ("path", "to", "names"),
    [
        (("proof", "salt"), "00" * 16, {"inclusion"}),
        (("proof", "record"), "c0", {"record", "inclusion"}),
        (("proof", "path"), [], {"inclusion"}),
        (("proof", "index"), "2", {"inclusion"}),
        (("proof", "side"), "owner", {"inclusion"}),
        (("proof", "links"), [], {"inclusion"}),
        (("proof", "closed_window"), "8", {"place"}),
        (("proof", "agreement"), ZEROS, {"place"}),
        (("proof", "batch", "window"), str(WINDOW + 8), {"window", "inclusion"}),
        (("report", "says"), "all is well", {"digest"}),
    ],
)
def test_a_changed_record_proof_fails_by_name(
    scene: Scene, path: tuple[object, ...], to: object, names: set[str]
) -> None:
    """Each part of a record proof is held by the check that speaks of it."""
    assert names <= failed(changed(scene.record(), path, to))


def test_copies_beside_an_unsigned_report_are_compared(scene: Scene) -> None:
    """What `kanhe match` prints beside its report cannot say something else."""
    other = not scene.result.complete
    assert failed(changed(scene.unsigned, ("complete",), other)) == {"copies"}
    assert "digest" in failed(changed(scene.unsigned, ("report_digest",), ZEROS))


def test_a_reformatted_file_is_said_to_be(scene: Scene) -> None:
    """Blanks change no meaning, and are found: every byte of a file counts."""
    pretty = json.dumps(json.loads(scene.bundle()), indent=1, ensure_ascii=False).encode()
    assert failed(pretty) == {"form"}


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("kanhe",), "report-bundle/2"),
        (("result", "attestations"), []),
        (("result", "attestations"), "x"),
        (("result", "window"), "01"),
        (("result", "window"), str(2**32)),
        (("result", "ledger"), "0x11"),
        (("result", "digest"), "AB" * 32),
        (("result", "represented"), "bank"),
        (("report",), []),
        (("groups",), {}),
    ],
)
def test_a_malformed_bundle_has_its_code(
    scene: Scene, path: tuple[object, ...], to: object
) -> None:
    """What does not read is refused before anything is checked."""
    assert outcome(changed(scene.bundle(), path, to)) == "PROOF_MALFORMED"


def test_a_signature_in_another_order_is_malformed(scene: Scene) -> None:
    """Each side signs once, the servicer first."""
    body = json.loads(scene.bundle())
    body["result"]["attestations"].reverse()
    assert outcome(file_bytes(body)) == "PROOF_MALFORMED"


@given(st.binary(max_size=200))
@example(b'{"kanhe": "report-bundle/1", "kanhe": "record-proof/1"}')
@example(b'{"kanhe": 1.5}')
@example(b'{"kanhe": NaN}')
@example(b"[" * 100_000)
@example(b'{"kanhe":' + b"[" * 100_000)
@example(b'{"a":' * 900 + b"1" + b"}" * 900)
@example(b'{"kanhe": ' + b"9" * 5_000 + b"}")
@example(b"[]")
@example(b"\xff")
@example(b'{"report": {}, "groups": [], "report_digest": "zz"}')
@example(b'{"report": {}, "groups": [1], "report_digest": ""}')
@example(b'{"kanhe": "\\ud800"}')
def test_any_bytes_are_refused_or_not_ok(data: bytes) -> None:
    """What is no file of Kanhe has one code; nothing raises anything else."""
    found = outcome(data)
    assert found == "PROOF_MALFORMED" or (isinstance(found, Verification) and not found.ok)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Json, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """List the paths to every part of a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in items:
            found += places(inner, (*path, step))
    return found


@pytest.mark.parametrize("kind", ["report", "record", "stream", "unsigned"])
def test_any_value_anywhere_is_refused_or_found(scene: Scene, kind: str) -> None:
    """Any part replaced by any JSON value gives a stable refusal or a failed check."""
    honest = scene.files[kind]
    paths = [path for path in places(json.loads(honest)) if path != ("timing_ms",)]

    @given(st.sampled_from(paths), json_values)
    @settings(max_examples=150)
    def holds(path: tuple[object, ...], to: object) -> None:
        body = json.loads(honest)
        if json.dumps(put(body, path, to)) == json.dumps(to):
            return
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        found = outcome(text.encode() + b"\n")
        if isinstance(found, Verification):
            assert not found.ok
        else:
            assert found in {"PROOF_MALFORMED", "REPORT_NOT_CANONICAL"}

    holds()
