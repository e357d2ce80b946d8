"""Reading from memory, this package's own files, and the flag that renews the golden table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconcile.model import StatementFile
from reconcile.statements import read_statement_bytes

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def regenerate() -> bool:
    """Whether KANHE_REGEN=1 asks for a new golden table."""
    return os.environ.get("KANHE_REGEN") == "1"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of this package's own small files."""
    return DATA


@pytest.fixture(scope="session")
def read() -> Callable[..., StatementFile]:
    """Read text or bytes as a file of a given name."""

    def read(
        content: str | bytes,
        name: str = "file.csv",
        **options: Any,  # noqa: ANN401 - passed on as they are
    ) -> StatementFile:
        body = content.encode() if isinstance(content, str) else content
        return read_statement_bytes(body, name, **options)

    return read
