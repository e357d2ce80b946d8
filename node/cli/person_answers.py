"""What `kanhe person entries` and `receipts` show of an answer: facts first, then the proofs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import EXIT_DONE, EXIT_NO, emit, require_file, say

if TYPE_CHECKING:
    from node.wallet import ReadBack, Wallet

Lang = Annotated[str, typer.Option("--lang", help="The facts in English (en) or Chinese (zh).")]


def verify_answer(
    opened: Wallet,
    request: Path | None,
    answer: Path,
    authorities: Sequence[bytes],
    lang: str,
    json_to: str | None,
) -> int:
    """Verify a member's answer offline and show it; 1 where something fails or is missing."""
    from node.screening.asking import read_person_request
    from node.screening.explaining import read_authorities
    from node.wallet import read_back
    from node.web.i18n import LOCALES
    from reconcile.model import UsageError

    if request is None:
        raise UsageError("PERSON_ASKED_WHAT", "--answer needs the --request that it answers")
    if lang not in LOCALES:
        raise UsageError("LANGUAGE_UNKNOWN", f"--lang {lang!r} is none of {', '.join(LOCALES)}")
    asked, _ = read_person_request(require_file(request).read_bytes())
    found = read_back(
        opened,
        asked,
        require_file(answer).read_bytes(),
        authorities=read_authorities(authorities),
    )
    emit(found.to_json(), json_to, lambda: _show(found, lang))
    return EXIT_DONE if found.ok else EXIT_NO


def _show(found: ReadBack, lang: str) -> None:
    from node.web.i18n import Speaker
    from node.web.wallet_facts import answer_lines

    body: dict[str, Any] = found.to_json()
    say(f"member {found.member} answered, signed by {found.signed_by}")
    # Times in UTC, as everywhere on the command line.
    for line in answer_lines(found, Speaker(lang, 0)):
        say(line)
    for part in ("receipts", "evidence"):
        for item in body[part]:
            for check in item["checks"]:
                say(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['says']}")
            for word, key in (("proved", "proved"), ("not proved here", "not_proved")):
                for line in item[key]:
                    say(f"{word}: {line}")
    for line in found.missing:
        say(f"missing: {line}")
