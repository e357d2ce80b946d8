"""How `demo` and `desk` read their words and answer: as every other command does."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NoReturn

from reconcile.model import UsageError


def write_outcome(body: object, json_to: str) -> None:
    """Write one JSON object to a file, or to standard output where that is `-`."""
    text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
    if json_to == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        Path(json_to).write_text(text, encoding="utf-8")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` USAGE instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        """Refuse the words; the caller writes the error where `--json` points."""
        raise UsageError("USAGE", message, help=f"see `{self.prog} --help`")
