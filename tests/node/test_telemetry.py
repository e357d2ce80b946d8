"""Logs and metrics: what must not be said is not said."""

from __future__ import annotations

import io
import json

import pytest
from prometheus_client import generate_latest

from node.telemetry import SECRET_KEYS, Metrics, configure_logging, drop_secrets, logger


def test_secrets_never_reach_a_log_line() -> None:
    """Whatever stands under a key that may hold content is replaced; bytes are shortened."""
    event = dict.fromkeys(SECRET_KEYS, "6222020200112233445") | {"head": b"\xab" * 32, "n": 3}
    cleaned = drop_secrets(None, "info", event)
    assert "6222020200112233445" not in str(cleaned)
    assert cleaned["head"] == "ab" * 8
    assert cleaned["n"] == 3


def test_log_lines_are_json_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays free for `--json -`."""
    configure_logging("info", as_json=True)
    logger("test").info("posted", seq=3, passphrase="hush")
    logger("test").debug("not shown")
    configure_logging("warning", as_json=False)
    out = capsys.readouterr()
    assert out.out == ""
    line = json.loads(out.err)
    assert (line["event"], line["seq"], line["part"]) == ("posted", 3, "test")
    assert "hush" not in out.err


def test_a_stream_that_is_no_terminal_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A file takes the lines, without colours; standard error stays free of them."""
    stream = io.StringIO()
    configure_logging("warning", as_json=False, stream=stream)
    logger("test").warning("share waits", member=3)
    configure_logging("warning", as_json=False)
    logger("test").warning("seen")
    said = capsys.readouterr().err
    assert "share waits" in stream.getvalue()
    assert "share waits" not in said
    assert "seen" in said
    assert "\x1b" not in stream.getvalue() + said


def test_metrics_of_two_nodes_in_one_process_do_not_mix() -> None:
    """Each node has its own registry, and every figure a help text."""
    first, second = Metrics(), Metrics()
    first.outbox_depth.set(7)
    first.breaks_open.labels(kind="AMOUNT", age="0").set(2)
    assert b"kanhe_outbox_depth 7.0" in generate_latest(first.registry)
    assert b"kanhe_outbox_depth 0.0" in generate_latest(second.registry)
    assert b"# HELP kanhe_confirm_s" in generate_latest(first.registry)
