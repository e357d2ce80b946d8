"""Taking a statement file at the desk: read, shown, and only then taken.

The file waits on its person's shelf between the two forms, under its own name; it is read again by
the importing service, so what was shown is what is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response
from sqlalchemy import select

from node.tables import ImportedFile
from node.web.console.days import side_of
from node.web.pages import Page
from node.web.read.parties import AgreementView
from node.web.uploads import Shelf
from reconcile.model import KanheError, Side, Statement
from reconcile.statements import read_statement

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
SHOWN_STATEMENTS: Final = 8
SHOWN_WARNINGS: Final = 3
SHOWN_IMPORTS: Final = 20


@dataclass(frozen=True, slots=True)
class Options:
    """How the person says the file is to be read; empty = as the file says."""

    side: str = ""
    perspective: str = ""
    currency: str = ""
    lenient: str = ""
    accept_map: str = ""

    def reading(self) -> dict[str, Any]:
        """Return the options of `read_statement`."""
        return {
            "perspective": self.perspective or None,
            "currency": self.currency.upper() or None,
            "lenient": bool(self.lenient),
            "accept_map": bool(self.accept_map),
        }

    def hidden(self) -> dict[str, str]:
        """Return the form's hidden fields."""
        fields = {
            "side": self.side,
            "perspective": self.perspective,
            "currency": self.currency,
            "lenient": self.lenient,
            "accept_map": self.accept_map,
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Preview:
    """What was read, before anything is taken."""

    name: str
    staged: str
    sha256: str
    format: str
    profile: str | None
    statements: tuple[Statement, ...]


@router.get("/{slug}/agreements/{text}/import")
def import_page(request: Request, slug: str, text: str) -> Response:
    """Show the form and the files taken so far."""
    page, view = _open(request, slug, text)
    return _form(page, view, Options(), None)


@router.post("/{slug}/agreements/{text}/import")
def read_file(
    request: Request,
    slug: str,
    text: str,
    file: UploadFile,
    side: Text = "",
    perspective: Text = "",
    currency: Text = "",
    lenient: Text = "",
    accept_map: Text = "",
    csrf: Text = "",
) -> Response:
    """Read an uploaded file and show it; nothing is taken."""
    page, view = _open(request, slug, text)
    page.act(csrf, "import", view.agreement)
    options = Options(side, perspective, currency, lenient, accept_map)
    waiting = _shelf(page).put(file.file, file.filename)
    path = waiting.path
    try:
        read = read_statement(path, own=page.node.posting.own_profiles(), **options.reading())
    except KanheError as error:
        waiting.drop()
        return _form(page, view, options, None, error)
    preview = Preview(
        path.name,
        waiting.token,
        waiting.sha256,
        read.format,
        read.profile,
        read.statements[:SHOWN_STATEMENTS],
    )
    return _form(page, view, options, preview)


@router.post("/{slug}/agreements/{text}/import/confirm")
def take_file(
    request: Request,
    slug: str,
    text: str,
    staged: Text,
    side: Text = "",
    perspective: Text = "",
    currency: Text = "",
    lenient: Text = "",
    accept_map: Text = "",
    csrf: Text = "",
) -> Response:
    """Take the file that was shown."""
    page, view = _open(request, slug, text)
    page.act(csrf, "import", view.agreement)
    options = Options(side, perspective, currency, lenient, accept_map)
    waiting = _shelf(page).find(staged)
    try:
        result = page.node.posting.import_file(
            view.agreement,
            waiting.path,
            side=side_of(side) if side else None,
            actor=page.who.login,
            **options.reading(),
        )
    except KanheError as error:
        return _form(page, view, options, None, error)
    waiting.drop()
    entries = page.speaker.ngettext("%(number)s entry", "%(number)s entries", result.queued)
    said = page.translate("%(entries)s queued, already there: %(already)s.") % {
        "entries": entries % {"number": page.speaker.count(result.queued)},
        "already": page.speaker.count(result.already),
    }
    return page.go(
        f"/agreements/{view.short}", said=" · ".join((said, *result.warnings[:SHOWN_WARNINGS]))
    )


def _open(request: Request, slug: str, text: str) -> tuple[Page, AgreementView]:
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    page.who.require("import", view.agreement)
    return page, view


def _shelf(page: Page) -> Shelf:
    return Shelf(page.desk.uploads, page.slug, page.who.person_id)


def _form(
    page: Page,
    view: AgreementView,
    options: Options,
    preview: Preview | None,
    error: KanheError | None = None,
) -> Response:
    with page.reading() as session:
        imports = session.scalars(
            select(ImportedFile)
            .where(ImportedFile.agreement == view.agreement, ImportedFile.side.in_(list(Side)))
            .order_by(ImportedFile.id.desc())
            .limit(SHOWN_IMPORTS),
        ).all()
        return page.render(
            "import.html",
            status=error.http_status if error else 200,
            view=view,
            options=options.hidden(),
            preview=preview,
            error=error,
            imports=imports,
        )
