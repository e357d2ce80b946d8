"""Commands about what is reconciled: `agreement`, `terms`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, say, table
from node.cli.rules import terms_check
from node.cli.session import AgreementArg, Home, Wait, acting, actor, finish, node_of, side_of
from reconcile.counting import counted

if TYPE_CHECKING:
    from node.services.network import AgreementView
    from reconcile.terms import Terms

SHORT: Final = 12
NOBODY: Final = 2


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    agreement = typer.Typer(no_args_is_help=True, help="Agreements over mirrored accounts.")
    agreement.command("open")(agreement_open)
    agreement.command("accept")(agreement_accept)
    agreement.command("list")(agreement_list)
    agreement.command("end")(agreement_end)
    agreement.command("name")(agreement_name)
    app.add_typer(agreement, name="agreement")
    terms = typer.Typer(no_args_is_help=True, help="The rule sets both sides accepted.")
    terms.command("show")(terms_show)
    terms.command("check")(terms_check)
    terms.command("propose")(terms_propose)
    terms.command("accept")(terms_accept)
    app.add_typer(terms, name="terms")


# ---------------------------------------------------------------------- agreements
def agreement_open(
    kind: Annotated[str, typer.Option(help="bank-enterprise, head-branch or clearing.")],
    servicer: Annotated[int, typer.Option(help="Member that keeps the account, 0: represented.")],
    owner: Annotated[int, typer.Option(help="Member that keeps the mirror, 0: represented.")],
    name: Annotated[str, typer.Option(help="What to call it here.")],
    terms: Annotated[
        Path | None, typer.Option(help="The rule set; defaults for --currency otherwise.")
    ] = None,
    currency: Annotated[
        list[str] | None, typer.Option(help="Currencies of the default terms.")
    ] = None,
    observer: Annotated[list[int] | None, typer.Option(help="A member that may read.")] = None,
    default_after_days: Annotated[
        int, typer.Option(min=1, max=60, help="Days after which a silent side is closed.")
    ] = 5,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Open an agreement; the other side accepts it."""
    from reconcile.terms import terms_hash

    rules = _read_terms(terms, currency)
    represented = side_of("servicer" if servicer == 0 else "owner" if owner == 0 else None)
    with acting(home) as node:
        agreement = node.network.open_agreement(
            _kind(kind),
            servicer=servicer,
            owner=owner,
            terms=rules,
            label=name,
            observers=tuple(sorted(observer or ())),
            represented_side=NOBODY if represented is None else int(represented),
            default_after_days=default_after_days,
            actor=actor(),
        )
    done = finish(home, wait=wait)
    answer = {"agreement": agreement.hex(), "terms_hash": terms_hash(rules).hex(), "done": done}
    emit(answer, json_to, lambda: say(f"agreement {agreement.hex()}"))
    return EXIT_DONE


def _kind(word: str) -> Any:  # noqa: ANN401 - an AgreementKind, imported late
    from reconcile.model import AgreementKind, UsageError

    name = word.upper().replace("-", "_")
    if name not in AgreementKind.__members__:
        raise UsageError(
            "KIND_UNKNOWN", f"{word!r} is no kind", help="bank-enterprise, head-branch, clearing"
        )
    return AgreementKind[name]


def _read_terms(path: Path | None, currencies: list[str] | None) -> Terms:
    from reconcile.model import UsageError
    from reconcile.terms import default_terms, parse_terms

    if path is not None:
        return parse_terms(path.read_bytes())
    if not currencies:
        raise UsageError("TERMS_MISSING", "no terms were given", help="--terms or --currency")
    return default_terms(sorted(currencies))


def agreement_accept(
    agreement: AgreementArg,
    terms_hash: Annotated[
        str | None, typer.Option(help="Accept only if the terms have this hash.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call it here.")] = None,
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Accept an agreement the other side opened."""
    with acting(home) as node:
        found = node.network.find_agreement(agreement).agreement
        node.network.accept_agreement(
            found,
            terms_hash=None if terms_hash is None else _hash(terms_hash),
            actor=actor(),
        )
        if name is not None:
            node.network.label_agreement(found, name, actor=actor())
    done = finish(home, wait=wait)
    emit({"agreement": found.hex(), "done": done}, json_to, lambda: say("accepted"))
    return EXIT_DONE


def _hash(text: str) -> bytes:
    from reconcile.model import UsageError

    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise UsageError("HASH_MALFORMED", f"{text!r} is no hash") from None


def agreement_list(home: Home = None, json_to: JsonTo = None) -> int:
    """List agreements with both sides' streams."""
    with node_of(home) as node:
        found = node.network.agreements()
        member = node.member
    answer = {"agreements": [agreement_json(item) for item in found]}
    emit(
        answer,
        json_to,
        lambda: table(
            "Agreements",
            ("name", "id", "kind", "servicer", "owner", "our side", "state", ">agreed to"),
            [
                (
                    item.label,
                    item.agreement.hex()[:SHORT],
                    item.kind.name,
                    item.sides[0].name,
                    item.sides[1].name,
                    _part(item, member),
                    item.state,
                    "–" if item.agreed_window is None else item.agreed_window,
                )
                for item in found
            ],
        ),
    )
    return EXIT_DONE


def _part(item: AgreementView, member: int | None) -> str:
    """Return what this member is to an agreement; most of a ledger's are none of its business."""
    if item.our_side is not None:
        return item.our_side.word
    return "observer" if member in item.observers else "none"


def agreement_json(item: AgreementView) -> dict[str, Any]:
    """Return an agreement for `--json`."""
    return {
        "agreement": item.agreement.hex(),
        "name": item.label,
        "kind": item.kind.name,
        "servicer": str(item.servicer),
        "owner": str(item.owner),
        "observers": [str(member) for member in item.observers],
        "represented": None if item.represented_side is None else item.represented_side.word,
        "our_side": None if item.our_side is None else item.our_side.word,
        "state": item.state,
        "terms_hash": item.terms_hash.hex(),
        "terms_known": item.terms_known,
        "currencies": list(item.currencies),
        "agreed_window": None if item.agreed_window is None else str(item.agreed_window),
        "agreed_digest": None if item.agreed_digest is None else item.agreed_digest.hex(),
        "sides": {
            side.side.word: {
                "member": str(side.member),
                "name": side.name,
                "represented": side.represented,
                "seq": str(side.seq),
                "head": side.head.hex(),
                "epoch": None if side.epoch is None else str(side.epoch),
                "epoch_state": side.epoch_state,
                "epoch_usable": side.epoch_usable,
                "closed_window": (None if side.closed_window is None else str(side.closed_window)),
                "batches": str(side.batches),
                "entries": str(side.entries),
                "invalid_batches": str(side.invalid),
            }
            for side in item.sides
        },
    }


def agreement_end(
    agreement: AgreementArg,
    last_window: Annotated[int, typer.Option(help="The last window that takes records.")],
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """End an agreement after a window; alone it is a notice."""
    with acting(home) as node:
        found = node.network.find_agreement(agreement).agreement
        node.network.end_agreement(found, last_window, actor=actor())
    done = finish(home, wait=wait)
    emit({"agreement": found.hex(), "done": done}, json_to, lambda: say("ending"))
    return EXIT_DONE


def agreement_name(
    agreement: AgreementArg,
    name: Annotated[str, typer.Argument(help="What to call it here.")],
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Name an agreement on this node."""
    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        node.network.label_agreement(found, name, actor=actor())
    emit({"agreement": found.hex(), "name": name}, json_to, lambda: say(name))
    return EXIT_DONE


# --------------------------------------------------------------------------- terms
def terms_show(
    agreement: AgreementArg,
    window: Annotated[int | None, typer.Option(help="The terms that rule this window.")] = None,
    home: Home = None,
    json_to: JsonTo = None,
) -> int:
    """Show an agreement's terms, in force and proposed."""
    from reconcile.terms import terms_json

    with node_of(home) as node:
        found = node.network.find_agreement(agreement).agreement
        rules = node.network.terms_of(found, window)
        digest = node.network.terms_hash_of(found, window)
        listed = node.network.terms_list(found)
    answer = {
        "agreement": found.hex(),
        "terms_hash": digest.hex(),
        "terms": terms_json(rules),
        "all": [
            {
                "terms_hash": item.terms_hash.hex(),
                "from_window": str(item.from_window),
                "state": item.state,
                "side": None if item.side is None else item.side.word,
                "known": item.known,
            }
            for item in listed
        ],
    }
    emit(answer, json_to, lambda: show_terms(rules, answer))
    return EXIT_DONE


def show_terms(rules: Terms, answer: dict[str, Any]) -> None:
    """Print a rule set, its passes as a table."""
    say(f"terms {answer['terms_hash']}")
    for line in terms_words(rules):
        say(f"  {line}")
    table(
        "Passes, in order",
        ("name", "keys", ">tolerance", ">days apart", "shape", "confirm"),
        [
            (
                rule.name,
                ", ".join(f"{pair.servicer} = {pair.owner}" for pair in rule.keys) or "amount",
                f"{rule.amount.tolerance_minor} / {rule.amount.tolerance_ppm} ppm",
                rule.value_date_days,
                " ".join(rule.shape),
                rule.confirm,
            )
            for rule in rules.passes
        ],
    )
    for item in answer["all"]:
        say(f"{item['state'].lower()} from window {item['from_window']}: {item['terms_hash']}")


def terms_words(rules: Terms) -> list[str]:
    """Return terms in words."""
    clock = f"{rules.close_at_min // 60:02d}:{rules.close_at_min % 60:02d}"
    money = ", ".join(f"{code} ({digits} digits)" for code, digits in rules.currencies.items())
    return [
        f"currencies {money}",
        f"a window closes at {clock} of the next business day",
        f"grace {counted(rules.grace_days, 'business day')}, stale after {rules.stale_after_days}",
        f"rounding {rules.rounding_minor} minor units",
        f"tolerance budget {rules.tolerance_budget_minor} minor units a run",
        f"a time-out is decided {rules.timeout_allowance_s} s behind the other side's watermark",
        f"batches leave after {rules.posting_interval_ms} ms, compression {rules.compression}",
    ]


def terms_propose(
    agreement: AgreementArg,
    file: Annotated[Path, typer.Argument(help="The new terms.json.")],
    from_window: Annotated[int, typer.Option(help="The first window they rule.")],
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Propose new terms from a window on."""
    from reconcile.terms import parse_terms, terms_hash

    rules = parse_terms(file.read_bytes())
    with acting(home) as node:
        found = node.network.find_agreement(agreement).agreement
        node.network.propose_terms(found, rules, from_window, actor=actor())
    done = finish(home, wait=wait)
    answer = {"terms_hash": terms_hash(rules).hex(), "done": done}
    emit(answer, json_to, lambda: say(f"proposed {answer['terms_hash']}"))
    return EXIT_DONE


def terms_accept(
    agreement: AgreementArg,
    terms_hash: Annotated[str, typer.Argument(help="The hash of the proposed terms.")],
    home: Home = None,
    wait: Wait = False,
    json_to: JsonTo = None,
) -> int:
    """Accept terms the other side proposed."""
    with acting(home) as node:
        found = node.network.find_agreement(agreement).agreement
        node.network.accept_terms(found, _hash(terms_hash), actor=actor())
    done = finish(home, wait=wait)
    emit({"agreement": found.hex(), "done": done}, json_to, lambda: say("accepted"))
    return EXIT_DONE
