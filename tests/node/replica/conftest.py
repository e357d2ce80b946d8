"""The replica's tests build with the people and records of the screening tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "screening"))
