"""Commands that write papers: `report export`, the 余额调节表 as HTML, PDF or XLSX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import EXIT_DONE, EXIT_NO, JsonTo, emit, progress, say
from node.cli.session import (
    AgreementOption,
    DayOption,
    Home,
    WindowOption,
    node_of,
    window_of_words,
)

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.web.read.parties import AgreementView

Format = Annotated[str, typer.Option("--format", "-f", help="html, pdf or xlsx.")]
Language = Annotated[str | None, typer.Option("--lang", help="zh or en; else KANHE_LANGUAGE.")]


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    report = typer.Typer(no_args_is_help=True, help="A window's papers: the 余额调节表.")
    report.command("export")(report_export)
    app.add_typer(report, name="report")


def report_export(
    agreement: AgreementOption,
    window: WindowOption = None,
    day: DayOption = None,
    ending: Format = "html",
    language: Language = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write; else a name in this folder.")
    ] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Write a window's 余额调节表. Exit 1: written, and the adjusted balances do not agree."""
    from node.web.adjustment import load_paper, write_paper

    chosen = window_of_words(window, day)
    with node_of(home) as node, progress("writing"):
        speaker = speaker_of_words(node, language)
        paper = load_paper(node, view_of(node, agreement), chosen, speaker)
        written = write_paper(paper, ending.lower(), font=node.settings.pdf_font)
    target = Path(written.name) if out is None else out
    target.write_bytes(written.data)
    agrees = all(sheet.difference_minor == 0 for sheet in paper.currencies)
    answer = {
        "out": str(target),
        "bytes": str(len(written.data)),
        "digest": paper.digest,
        "agreed": paper.agreed,
        "agrees": agrees,
        "adjusted": [
            {
                "currency": sheet.currency,
                **{block.side.word: str(block.adjusted_minor) for block in sheet.blocks},
            }
            for sheet in paper.currencies
        ],
    }

    def human() -> None:
        say(f"{paper.title} in {target}")
        for sheet in paper.currencies:
            say(f"{sheet.currency}: {paper.verdict(sheet)}")

    emit(answer, json_to, human)
    return EXIT_DONE if agrees else EXIT_NO


def speaker_of_words(node: Node, language: str | None) -> Speaker:
    """Return who speaks the language that --lang names; `UsageError` LANGUAGE_UNKNOWN."""
    from node.web.i18n import LOCALES, Speaker
    from reconcile.model import UsageError

    chosen = language or node.settings.language
    if chosen not in LOCALES:
        raise UsageError("LANGUAGE_UNKNOWN", f"{chosen!r} is not spoken here", help="say zh or en")
    return Speaker(chosen)


def view_of(node: Node, text: str) -> AgreementView:
    """Return an agreement with the names its people know it by."""
    from node.web.pages import reading
    from node.web.read.parties import find_agreement

    found = node.network.find_agreement(text).agreement
    with reading(node)() as session:
        return find_agreement(session, node.member, node.name, found.hex())


if TYPE_CHECKING:
    from node.web.i18n import Speaker
