"""What kind of file this is, from its first bytes and its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconcile.statements.drafts import Findings, refuse
from reconcile.statements.encoding import decode
from reconcile.statements.fixed import fixed_profile
from reconcile.statements.generic import header_of
from reconcile.statements.profiles import GENERIC, Profile, recognise
from reconcile.statements.tables import XLS_MAGIC, XLSX_MAGIC, read_table

HEAD_BYTES: Final = 64 * 1024
"""How much of a file `identify` needs to see."""

_CAMT: Final = re.compile(r"camt\.05[234]")
_CAMT_ROOT: Final = re.compile(r"<(?:\w+:)?BkToCstmr(?:Stmt|AcctRpt|DbtCdtNtfctn)\b")
_CAMT_WORDS: Final = {
    "BkToCstmrAcctRpt": "camt.052",
    "BkToCstmrStmt": "camt.053",
    "BkToCstmrDbtCdtNtfctn": "camt.054",
}
_MT940: Final = re.compile(r"(?:\A|[\r\n]|\{4:):(?:20|25P?|28C?|60[FM]|61|62[FM]|34F):")
_BAI2: Final = re.compile(r"01,[^\r\n]*[\r\n]+\s*(?:88,[^\r\n]*[\r\n]+\s*)*0[23],")
_FORMATS_HELP: Final = (
    "Kanhe reads camt.052/053/054, MT940/942/950, BAI2, CSV, TSV, XLSX and fixed-width layouts; "
    "name a table's profile with --profile"
)

# A SWIFT block begins with {1: and was recognised before.
_JSON: Final = re.compile(r'[\[{]\s*["\[{}\]]')


@dataclass(frozen=True, slots=True)
class Detected:
    """A file's format (camt.053, mt940, bai2, csv, xlsx, fixed …) and its profile if recognised."""

    format: str
    profile: str | None = None


def identify(head: bytes, name: str, own: Sequence[Profile] = ()) -> Detected:
    """Say what a file is; InputError FORMAT_UNKNOWN for anything else.

    `own`: the user's profiles, which are tried before the shipped ones.
    """
    if head.startswith(XLSX_MAGIC):
        return Detected("xlsx")
    if head.startswith(XLS_MAGIC):
        return Detected("xls")
    if not head.strip(b"\0 \t\r\n"):
        raise refuse("FILE_EMPTY", "the file is empty", file=name, help="export it again")
    whole = decode(head, Findings())
    text = whole.lstrip()
    if text.startswith("<"):
        found = _CAMT.search(text) or _CAMT_ROOT.search(text)
        if found is None:
            raise _unknown(name, "the XML document is no camt message")
        word = found[0].rpartition("<")[2].rpartition(":")[2]
        return Detected(_CAMT_WORDS.get(word, word))
    if _MT940.search(text):
        return Detected("mt942" if re.search(r"[\r\n]:34F:", text) else "mt940")
    if _BAI2.match(text):
        return Detected("bai2")
    if _JSON.match(text):
        raise _unknown(name, "the file is a JSON document, no statement")
    fixed = fixed_profile(whole, own)
    if fixed is not None:
        return Detected("fixed", fixed.name)
    return Detected(_delimited(text, name), _profile(head, name, own))


def _delimited(text: str, name: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    for delimiter, word in (("\t", "tsv"), (",", "csv"), (";", "csv"), ("|", "csv")):
        if sum(delimiter in line for line in lines[:200]) * 4 >= len(lines[:200]) > 0:
            return word
    if any("," in line for line in lines):
        return "csv"
    raise _unknown(name, "neither XML, nor SWIFT fields, nor a table")


def _profile(head: bytes, name: str, own: Sequence[Profile]) -> str | None:
    """Name the profile whose header the beginning of a table holds."""
    rows = read_table(head, name, Findings()).rows
    if header_of(rows) is not None:
        return GENERIC
    found = recognise(rows, own)
    return None if found is None else found.name


def _unknown(name: str, why: str) -> Exception:
    return refuse("FORMAT_UNKNOWN", why, file=name, help=_FORMATS_HELP)
