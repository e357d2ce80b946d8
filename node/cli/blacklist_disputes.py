"""Commands on disputes: `blacklist dispute | disputes | answer | contest | verdict | paper`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, require_file, say, table
from node.cli.session import Home, Wait, acting, actor, finish, node_of

if TYPE_CHECKING:
    from node.screening.states import Verdict
    from node.services.screening import DisputeView

SHOWN: Final = 16

DisputeArg = Annotated[int, typer.Argument(min=1, help="The dispute's number.")]
VerdictArg = Annotated[
    str, typer.Argument(help="UPHELD, CORRECTED or REMOVED; a vote also UNVERIFIABLE.")
]


def add_to(group: typer.Typer) -> None:
    """Put the commands into a group."""
    group.command("dispute")(dispute)
    group.command("disputes")(disputes)
    group.command("answer")(answer)
    group.command("contest")(contest)
    group.command("verdict")(verdict)
    group.command("paper")(paper)


def dispute(
    entry: Annotated[str, typer.Argument(help="An entry's id or its beginning (6 digits).")],
    grounds: Annotated[str, typer.Option(help="Why, in a few sentences.")] = "",
    grounds_file: Annotated[Path | None, typer.Option(help="Why, in a text file.")] = None,
    for_person: Annotated[
        bool,
        typer.Option("--for-person", help="For the person, whose identity we attest: no stake."),
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Dispute another member's entry; the grounds stay here, their salted hash is posted."""
    text = _text(grounds, grounds_file, "--grounds")
    with acting(home) as node:
        found = node.screening.find_entry(entry)
        node.screening.open_dispute(found, text, by_person=for_person, actor=actor())
    done = finish(home, wait=wait)
    numbers: list[int] = []
    if done:
        # Its number is the ledger's, and every later command takes it.
        with node_of(home) as node:
            numbers = [row.dispute for row in node.screening.disputes() if row.entry == found]
    number = str(numbers[-1]) if numbers else None
    raised = f"dispute {number} is raised" if number else ("done" if done else "asked for")
    answer = {"entry": found.hex(), "dispute": number, "done": done}
    emit(answer, json_to, lambda: say(raised))
    return EXIT_DONE


def disputes(
    everything: Annotated[bool, typer.Option("--all", help="Settled ones too.")] = False,
    ours: Annotated[bool, typer.Option("--ours", help="Those in which we have a part.")] = False,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """List disputes with their clocks and what we may do in them."""
    with node_of(home) as node:
        rows = node.screening.disputes(ours=ours, everything=everything)
    none = "no dispute" if everything else "no dispute is open; --all shows settled ones"
    answer = {"disputes": [row.to_json() for row in rows]}
    emit(answer, json_to, lambda: _show(rows) if rows else say(none))
    return EXIT_DONE


def _show(rows: tuple[DisputeView, ...]) -> None:
    bodies = [row.to_json() for row in rows]
    table(
        "Disputes",
        (
            ">number",
            "entry",
            "by",
            "against",
            "stands at",
            "until",
            "suspends",
            "ours",
            "we may",
            "to notify",
        ),
        [
            (
                body["dispute"],
                body["entry"][:SHOWN],
                f"{body['by']}{' (person)' if body['by_person'] else ''}",
                body["target"],
                body["outcome"] or body["phase"],
                body["due_at"] or "–",
                "–" if body["outcome"] else body["suspends_at"],
                body["role"] or "–",
                ", ".join(body["moves"]) or "–",
                ", ".join(notice["party"] for notice in body["notify"]) or "–",
            )
            for body in bodies
        ],
    )


def answer(
    number: DisputeArg,
    verdict: Annotated[str | None, typer.Argument(help="UPHELD, CORRECTED or REMOVED.")] = None,
    reasons: Annotated[str, typer.Option(help="Why, in a few sentences.")] = "",
    reasons_file: Annotated[Path | None, typer.Option(help="Why, in a text file.")] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Take the extension instead, once.")
    ] = False,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Answer a dispute about an own entry, or take more time for it."""
    from reconcile.model import UsageError

    if extend == (verdict is not None):
        raise UsageError("OPTION_MISSING", "give either an answer or --extend")
    with acting(home) as node:
        if verdict is None:
            node.screening.extend_answer(number, actor=actor())
        else:
            text = _text(reasons, reasons_file, "--reasons")
            node.screening.answer_dispute(number, _verdict(verdict), text, actor=actor())
    return _handed({"dispute": str(number)}, home, wait=wait, json_to=json_to)


def contest(
    number: DisputeArg,
    for_person: Annotated[
        bool,
        typer.Option(
            "--for-person",
            help="Beside who raised it, for the person, whose identity we attest: no stake.",
        ),
    ] = False,
    grounds_file: Annotated[
        Path | None, typer.Option(help="Her grounds, in a text file: kept here for the panel.")
    ] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Take an answer to the panel; it is drawn by itself two blocks later.

    Who did not raise the dispute stakes points for it, or does it for the person.
    """
    text = "" if grounds_file is None else require_file(grounds_file).read_text(encoding="utf-8")
    with acting(home) as node:
        node.screening.contest(number, by_person=for_person, grounds=text, actor=actor())
    return _handed({"dispute": str(number)}, home, wait=wait, json_to=json_to)


def verdict(
    number: DisputeArg,
    word: VerdictArg,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Vote as a panelist, hidden until the votes are opened, or decide as the regulator."""
    with acting(home) as node:
        node.screening.give_verdict(number, _verdict(word), actor=actor())
    return _handed({"dispute": str(number)}, home, wait=wait, json_to=json_to)


def paper(number: DisputeArg, home: Home = None, json_to: JsonTo = None) -> int:
    """Show our own grounds or reasons, with the salt that opens their hash on the ledger."""
    from node.errors import NotFound

    with node_of(home, keys=True) as node:
        found = node.screening.paper_of(number)
    if found is None:
        raise NotFound("PAPER_UNKNOWN", f"this node wrote nothing in dispute {number}")
    emit(found, json_to, lambda: _show_paper(found))
    return EXIT_DONE


def _show_paper(found: dict[str, str]) -> None:
    say(found["text"])
    say(f"  hash {found['hash']}")
    say(f"  salt {found['salt']}")


def _text(given: str, file: Path | None, option: str) -> str:
    from reconcile.model import UsageError

    if bool(given) == (file is not None):
        raise UsageError("OPTION_MISSING", f"give either {option} or {option}-file")
    return given if file is None else require_file(file).read_text(encoding="utf-8")


def _verdict(word: str) -> Verdict:
    from node.screening.states import VOTES, Verdict
    from reconcile.model import UsageError

    found = {item.name: item for item in Verdict}.get(word.upper())
    if found is None or found not in VOTES:
        words = ", ".join(item.name for item in VOTES)
        raise UsageError("VERDICT_UNKNOWN", f"{word!r} is no verdict", help=f"one of {words}")
    return found


def _handed(answer: dict[str, Any], home: Path | None, *, wait: bool, json_to: str | None) -> int:
    done = finish(home, wait=wait)
    emit({**answer, "done": done}, json_to, lambda: say("done" if done else "asked for"))
    return EXIT_DONE
