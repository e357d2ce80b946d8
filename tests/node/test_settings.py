"""Settings: read once, documented, refused when wrong."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import node
from node.settings import Settings
from reconcile.model import UsageError

SOURCE = Path(node.__file__).parent


def test_every_field_has_a_comment_over_it() -> None:
    """Whoever sets a value finds what it means on the line above it."""
    lines = (SOURCE / "settings.py").read_text().splitlines()
    for field in fields(Settings):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"    {field.name}: "))
        assert lines[at - 1].lstrip().startswith("# "), field.name


def test_the_environment_is_read_nowhere_else() -> None:
    """Only settings.py knows the process's environment."""
    for path in SOURCE.rglob("*.py"):
        if path.name != "settings.py":
            assert not re.search(r"os\.environ|os\.getenv|getenv\(", path.read_text()), path


def test_values_take_the_type_of_their_field() -> None:
    """Text from the environment becomes numbers, switches, paths and lists."""
    settings = Settings.from_environment(
        {
            "KANHE_PORT": "0",
            "KANHE_LOG_JSON": "yes",
            "KANHE_HOME": "/srv/kanhe",
            "KANHE_CHAIN_URLS": "http://a:1, http://b:2",
            "KANHE_RPC_TIMEOUT_S": "2.5",
            "PATH": "ignored",
        }
    )
    assert settings.port == 0
    assert settings.log_json is True
    assert settings.database_address() == "sqlite:////srv/kanhe/kanhe.db"
    assert settings.chain_urls == ("http://a:1", "http://b:2")
    assert settings.rpc_timeout_s == 2.5
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("KANHE_PROT", "1", "SETTING_UNKNOWN"),
        ("KANHE_PORT", "eighty", "SETTING_INVALID"),
        ("KANHE_PORT", "70000", "SETTING_INVALID"),
        ("KANHE_LOG_JSON", "perhaps", "SETTING_INVALID"),
        ("KANHE_LANGUAGE", "fr", "SETTING_INVALID"),
        ("KANHE_TLS_KEY", "key.pem", "SETTING_INVALID"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(name: str, text: str, code: str) -> None:
    """A misspelt name or an impossible value stops the node at once and says which."""
    with pytest.raises(UsageError) as refused:
        Settings.from_environment({name: text})
    assert refused.value.code == code
    assert refused.value.where.field == name
