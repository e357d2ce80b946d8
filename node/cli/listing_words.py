"""The options of a listing, each with the words that it takes, and its identifier from a file.

The words stand here as text, so that no command that lists nobody loads the protocol; a test holds
them against it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from node.cli.output import require_file

MAX_ID_BYTES: Final = 256
REASONS: Final = (
    "OVERDUE_M3, CHARGED_OFF, APPLICATION_FRAUD, IDENTITY_STOLEN (protects the person), "
    "MULE_ACCOUNT, COLLATERAL_FRAUD, MERCHANT_COLLUSION or COURT_CONFIRMED"
)
PRODUCTS: Final = "CARD, CONSUMER_LOAN, MORTGAGE, BUSINESS_LOAN, GUARANTEE, ACCOUNT or ACQUIRING"
ACTIONS: Final = (
    "CREDIT_REFUSED, LIMIT_REDUCED, ACCOUNT_FROZEN, COLLECTION, LEGAL_ACTION, REPORTED or PROTECTED"
)
AMOUNT_BANDS: Final = (
    "0 to 9: under 1,000 of the currency; 5,000; 10,000; 50,000; 100,000; 500,000; 1,000,000; "
    "5,000,000; 10,000,000; more."
)
DAYS_BANDS: Final = (
    "0 to 9: not overdue; to 30 days; 60; 90 (M3); 120; 150; 180; 360; 720; more. OVERDUE_M3 needs "
    "3 or more."
)

Reason = Annotated[str, typer.Option(help=f"Why: {REASONS}.")]
Product = Annotated[str, typer.Option(help=f"Which business: {PRODUCTS}.")]
Action = Annotated[str, typer.Option(help=f"What you did: {ACTIONS}.")]
ProofLevel = Annotated[str, typer.Option(help="1 stated, 2 documented, 3 adjudicated.")]
AmountBand = Annotated[str, typer.Option(help=AMOUNT_BANDS)]
DaysBand = Annotated[str, typer.Option(help=DAYS_BANDS)]
NoticeFile = Annotated[
    Path | None, typer.Option(help="The notice that was sent; only its hash is used.")
]
Evidence = Annotated[
    list[Path] | None, typer.Option(help="A document that proves it; kept sealed. Repeatable.")
]
Supersedes = Annotated[str | None, typer.Option(help="The own entry that this one corrects.")]
ConsentFile = Annotated[
    Path | None,
    typer.Option(
        help="What the person agreed to. Only its hash is used, unless she signed it with her "
        "wallet or a certificate for this purpose (LISTING)."
    ),
]


def identifier_of(path: Path | None) -> str:
    """Return the identifier from a file, standard input or the terminal; never echoed."""
    import getpass

    from reconcile.model import UsageError

    if path is not None and str(path) != "-":
        data = require_file(path).read_bytes()[: MAX_ID_BYTES + 1]
    elif path is not None or not sys.stdin.isatty():
        data = sys.stdin.buffer.read(MAX_ID_BYTES + 1)
    else:
        return getpass.getpass("identifier: ")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or len(data) > MAX_ID_BYTES:
        raise UsageError(
            "IDENTIFIER_MISSING",
            "no identifier was given, or more than one line of text",
            help="pipe it in, or name a file that holds nothing else with --id-file",
        )
    return text.strip()


def sha256_of(path: Path | None) -> str:
    """Return a file's hash in hexadecimal, nothing for no file."""
    return "" if path is None else hashlib.sha256(require_file(path).read_bytes()).hexdigest()
