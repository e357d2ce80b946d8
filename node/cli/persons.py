"""`kanhe person`: a person's side of the blacklist, with one file of hers and no node.

She makes a key, has it certified by a member that identified her, signs and revokes consents, asks
to see her entries and receipts, and has an entry disputed. Messages are files: they are handed over
at a counter or sent by whatever way a member offers. Her identifier is never an option of a
command, where a shell would remember it.
"""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.output import EXIT_DONE, JsonTo, emit, note, say
from node.cli.person_answers import Lang, verify_answer
from node.cli.person_revoking import revoke
from node.cli.wallet_files import open_wallet, read_file, wallet_passphrase, write_file

if TYPE_CHECKING:
    from node.screening.asking import About, ConsentRequest
    from node.screening.identifiers import Identifier

ADDRESS_SIGNS: Final = 42
WHOLE_ID: Final = (
    "give all 64 digits, as `kanhe person entries --request … --answer …` shows them, "
    "or the beginning with --answer and the answer's file"
)

WalletFile = Annotated[Path, typer.Option("--wallet", help="Your wallet.")]
Certificate = Annotated[Path, typer.Option(help="A member's certificate of your key.")]
ItsCertificate = Annotated[
    Path, typer.Option("--certificate", help="The certificate that this member gave you.")
]
Member = Annotated[int, typer.Option(min=1, help="The member's number.")]
Out = Annotated[Path, typer.Option(help="The file to write.")]
OptionalOut = Annotated[Path | None, typer.Option("--out", help="The request to write.")]
Request = Annotated[Path | None, typer.Option("--request", help="The request that was answered.")]
Answer = Annotated[Path | None, typer.Option("--answer", help="The member's answer.")]
OptionalMember = Annotated[int | None, typer.Option("--member", help="The member to ask.")]
OptionalCertificate = Annotated[
    Path | None, typer.Option("--certificate", help="The certificate that this member gave you.")
]
ConsentCertificate = Annotated[
    Path | None,
    typer.Option(
        "--consent-certificate",
        help="Another member's certificate: your consent to being looked up counts by it.",
    ),
]
Authority = Annotated[
    list[Path] | None, typer.Option("--authority", help="A certificate (PEM) that you trust.")
]

#: What a person asks to see: the command, what it says.
SEEING: Final = (
    (
        "entries",
        "Ask a member for your entries, free of charge, or verify its answer (exit 1: it fails).",
    ),
    (
        "receipts",
        "Ask a member who looked you up through it, or verify its answer (exit 1: it fails).",
    ),
)


def register(app: typer.Typer) -> None:
    """Put the commands into the tree."""
    group = typer.Typer(
        no_args_is_help=True, help="Your own side of the blacklist: key, consents, entries."
    )
    key = typer.Typer(no_args_is_help=True, help="Your wallet, and keys to be certified.")
    key.command("new")(new_key)
    key.command("request")(request_certificate)
    group.add_typer(key, name="key")
    group.command("consent")(consent)
    group.command("revoke")(revoke)
    for word, says in SEEING:
        group.command(word, help=says)(_seeing(word.upper()))
    group.command("dispute")(dispute)
    group.command("page")(page)
    app.add_typer(group, name="person")


# ----------------------------------------------------------------------------- key
def new_key(
    wallet: Annotated[Path, typer.Argument(help="The file to write; keep it and its passphrase.")],
    chain_id: Annotated[int, typer.Option(min=1, help="The network's chain id.")],
    lookups: Annotated[str, typer.Option(help="The network's contract Lookups, 0x….")],
    id_type: Annotated[str, typer.Option(help="CN-RID, CN-USCC, LEI, US-SSN or PASSPORT.")],
    id_file: Annotated[
        Path | None, typer.Option(help="A file with your identifier; asked for otherwise.")
    ] = None,
    test_identifiers: Annotated[
        bool, typer.Option("--test-identifiers", help="Take people who cannot exist.")
    ] = False,
    json_to: JsonTo = None,
) -> int:
    """Make a wallet: a new seed and your identifier, under a passphrase."""
    from node.crypto.eip712 import Domain
    from node.wallet import Wallet

    identifier = read_person_identifier(id_type, id_file, allow_test=test_identifiers)
    made = Wallet.create(identifier, Domain(chain_id, _address(lookups)))
    made.save(wallet, wallet_passphrase(confirm=True))
    answer = {"wallet": str(wallet), "chain_id": str(chain_id), "id_type": str(identifier.type)}
    emit(answer, json_to, lambda: say(f"{wallet}: a wallet for chain {chain_id}. Keep a copy."))
    return EXIT_DONE


def request_certificate(
    wallet: WalletFile,
    member: Member,
    out: Out,
    towards: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The reader to whom you will consent: with a key of its own it cannot be told, "
            "by what you sign, that another reader asked about you too.",
        ),
    ] = None,
    json_to: JsonTo = None,
) -> int:
    """Write what a member certifies once it has identified you: your key towards it."""
    opened = open_wallet(wallet)
    write_file(out, opened.request_certificate(member, towards=towards))
    address = opened.key_towards(member if towards is None else towards).address
    answer = {"member": str(member), "key": address, "out": str(out)}
    emit(answer, json_to, lambda: say(f"{out}: hand it to member {member} with your document"))
    return EXIT_DONE


# ----------------------------------------------------------------------------- consents
def consent(
    request: Annotated[Path, typer.Argument(help="What a reader asks your consent for.")],
    wallet: WalletFile,
    certificate: Certificate,
    out: Out,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking again.")] = False,
    json_to: JsonTo = None,
) -> int:
    """Show what is asked, recompute the element from your identifier, and sign for it alone."""
    from node.screening.asking import read_consent_request
    from node.screening.consent_files import ConsentFile, write_consent_file
    from reconcile.model import UsageError

    data = read_file(request)
    asked, signer = read_consent_request(data)
    for line in _asked_words(asked, signer):
        note(line)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                "CONSENT_UNCONFIRMED", "nothing was signed", help="read it, then --yes"
            )
        typer.confirm("Sign this consent?", abort=True, err=True)
    opened = open_wallet(wallet)
    made = opened.consent(asked, data, read_file(certificate), now_s=int(time.time()))
    file = ConsentFile(opened.domain, made.signed, made.revocation_hash)
    write_file(out, write_consent_file(file))
    answer = {"consent": made.digest.hex(), "reader": str(asked.reader), "out": str(out)}
    emit(answer, json_to, lambda: say(f"{out}: consent {made.digest.hex()}"))
    return EXIT_DONE


def _asked_words(asked: ConsentRequest, signer: str) -> list[str]:
    until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(asked.valid_to_s))
    scope = ", ".join(str(item.name) for item in type(asked.scope) if item in asked.scope)
    listing = asked.purpose is type(asked.purpose).LISTING
    what = "to list you on the blacklist" if listing else "to look you up"
    how = "until" if listing else f"as far as {scope}, until"
    return [
        f"member {asked.reader}, which calls itself {asked.reader_name!r}, asks {what}",
        f"  for {asked.purpose.name}, {how} {until}",
        f"  signed by {signer}: the registry says whose key that is",
    ]


# ----------------------------------------------------------------------------- seeing
def _seeing(word: str) -> Callable[..., int]:
    """Return the command that asks about something, or verifies what a member answered."""

    def command(
        wallet: WalletFile,
        member: OptionalMember = None,
        certificate: OptionalCertificate = None,
        consent_certificate: ConsentCertificate = None,
        out: OptionalOut = None,
        request: Request = None,
        answer: Answer = None,
        authority: Authority = None,
        lang: Lang = "en",
        json_to: JsonTo = None,
    ) -> int:
        from node.screening.asking import About

        if answer is None:
            return _ask(
                About(word),
                wallet,
                member,
                certificate,
                out,
                json_to,
                consent_certificate=consent_certificate,
            )
        opened, pems = open_wallet(wallet), [read_file(path) for path in authority or []]
        return verify_answer(opened, request, answer, pems, lang, json_to)

    return command


def dispute(
    entry: Annotated[
        str, typer.Argument(help="The entry's id; with --answer the beginning of it (6 digits).")
    ],
    wallet: WalletFile,
    member: Member,
    certificate: ItsCertificate,
    grounds: Annotated[Path, typer.Option(help="A text file that says what is wrong.")],
    out: Out,
    answer: Annotated[
        Path | None, typer.Option("--answer", help="A member's answer in which the entry stands.")
    ] = None,
    json_to: JsonTo = None,
) -> int:
    """Write a signed request to dispute an entry, for a member that attests who you are."""
    from node.screening.asking import MAX_GROUNDS, About
    from node.wallet import entries_in, entry_named
    from reconcile.model import UsageError

    known = () if answer is None else entries_in(read_file(answer))
    number = entry_named(entry, known, help_=WHOLE_ID)
    try:
        text = read_file(grounds).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        text = ""
    if not 0 < len(text) <= MAX_GROUNDS:
        raise UsageError(
            "DISPUTE_MALFORMED",
            f"--grounds is to name a text in UTF-8 of 1 to {MAX_GROUNDS} characters",
            help="save the file as UTF-8 text",
        )
    return _ask(
        About.DISPUTE, wallet, member, certificate, out, json_to, entry=number, grounds=text
    )


def _ask(
    about: About,
    wallet: Path,
    member: int | None,
    certificate: Path | None,
    out: Path | None,
    json_to: str | None,
    *,
    consent_certificate: Path | None = None,
    entry: bytes | None = None,
    grounds: str = "",
) -> int:
    from reconcile.model import UsageError

    if member is None or certificate is None or out is None:
        raise UsageError(
            "PERSON_ASKS_WHOM",
            "a request needs --member, --certificate and --out",
            help="or give --request and --answer to verify what came back",
        )
    asked = open_wallet(wallet).ask(
        member,
        about,
        read_file(certificate),
        now_s=int(time.time()),
        consent_certificate=None if consent_certificate is None else read_file(consent_certificate),
        entry=entry,
        grounds=grounds,
    )
    write_file(out, asked)
    answer = {"about": str(about), "member": str(member), "out": str(out)}
    emit(
        answer,
        json_to,
        lambda: say(f"{out}: for member {member} alone, it names you; within ten minutes"),
    )
    return EXIT_DONE


# ----------------------------------------------------------------------------- the page
def page(
    wallet: WalletFile,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 0,
) -> int:
    """Serve all of it as a page, on this machine alone, at an address that nobody guesses."""
    from node.web.server import serve
    from node.web.wallet_app import WalletPage, create_wallet_app

    made = WalletPage(open_wallet(wallet))
    serve(
        create_wallet_app(made),
        port=port,
        on_ready=lambda address: say(f"{address}{made.base}/"),
    )
    return EXIT_DONE


# ----------------------------------------------------------------------------- files, secrets
def read_person_identifier(id_type: str, id_file: Path | None, *, allow_test: bool) -> Identifier:
    """Return an identifier from a file or the terminal, where it is not shown."""
    from node.intake.columns import id_type_named
    from node.screening.identifiers import read_identifier
    from reconcile.model import UsageError

    kind = id_type_named(id_type)
    if id_file is not None:
        text = read_file(id_file).decode("utf-8", "replace").strip()
    elif sys.stdin.isatty():
        text = getpass.getpass("identifier (not shown): ")
    else:
        raise UsageError("IDENTIFIER_NEEDED", "there is no terminal to ask at", help="--id-file")
    return read_identifier(kind, text, allow_test=allow_test)


def _address(text: str) -> bytes:
    from reconcile.model import UsageError

    if len(text) == ADDRESS_SIGNS and text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            pass
    raise UsageError("ADDRESS_MALFORMED", "a contract's address is 0x and 40 digits")
