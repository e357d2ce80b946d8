"""Shared by the blacklist's tests; what they build with is in `listed_people.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.model import KanheError

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def code_of() -> Callable[..., str]:
    """Return a function that returns the code of the refusal in which a call ends."""

    def call_of(call: Callable[..., object], *arguments: object, **options: object) -> str:
        with pytest.raises(KanheError) as caught:
            call(*arguments, **options)
        return caught.value.code

    return call_of
