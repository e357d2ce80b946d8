"""Taking a statement file at the desk: read, shown, and only then taken.

The file waits in the desk's upload folder between the two forms, named by its SHA-256 and the
person; it is read again by the importing service, so what was shown is what is taken.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response
from sqlalchemy import select

from node.tables import ImportedFile
from node.web.console.days import side_of
from node.web.pages import Page
from node.web.read.parties import AgreementView
from reconcile.model import InputError, KanheError, Side, Statement, UsageError
from reconcile.statements import read_statement

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
SHOWN_STATEMENTS: Final = 8
SHOWN_IMPORTS: Final = 20
STAGED: Final = re.compile(r"[0-9a-f]{64}-[0-9]{1,12}(\.[A-Za-z0-9]{1,8})?")
CHUNK: Final = 1 << 20
MAX_NAME: Final = 100
MAX_SUFFIX: Final = 9


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
    name = upload_name(file.filename)
    path, sha256 = _stage(page, file, name)
    try:
        read = read_statement(path, own=page.node.posting.own_profiles(), **options.reading())
    except KanheError as error:
        path.unlink(missing_ok=True)
        return _form(page, view, options, None, error)
    preview = Preview(
        name,
        path.name,
        sha256,
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
    path = _staged(page, staged)
    try:
        result = page.node.posting.import_file(
            view.agreement,
            path,
            side=side_of(side) if side else None,
            actor=page.who.login,
            **options.reading(),
        )
    except KanheError as error:
        return _form(page, view, options, None, error)
    path.unlink(missing_ok=True)
    said = page.translate("%(queued)s entries queued, %(already)s were already there.") % {
        "queued": page.speaker.count(result.queued),
        "already": page.speaker.count(result.already),
    }
    return page.go(f"/agreements/{view.short}", said=said)


def upload_name(given: str | None) -> str:
    """Return a name that any file system takes; what a client calls its file is only a hint."""
    name = Path((given or "").replace("\\", "/")).name
    name = "".join(part for part in name if part.isprintable()).strip(". ")
    stem, suffix = Path(name).stem, Path(name).suffix
    if len(suffix) > MAX_SUFFIX:
        stem, suffix = name, ""
    # File systems count bytes, and most take 255.
    short = stem.encode()[:MAX_NAME].decode(errors="ignore")
    return f"{short or 'statement'}{suffix}"


def _open(request: Request, slug: str, text: str) -> tuple[Page, AgreementView]:
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    page.who.require("import", view.agreement)
    return page, view


def _stage(page: Page, file: UploadFile, name: str) -> tuple[Path, str]:
    """Write the upload to the desk's folder; the name keeps the suffix, which tells the format."""
    digest = hashlib.sha256()
    suffix = Path(name).suffix
    partial = page.desk.uploads / f"partial-{page.who.person_id}-{page.now_ms}{suffix}"
    with partial.open("xb") as out:
        while chunk := file.file.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    sha256 = digest.hexdigest()
    target = page.desk.uploads / f"{sha256}-{page.who.person_id}{suffix}"
    if not STAGED.fullmatch(target.name):
        partial.unlink()
        raise InputError("FILE_NAME", "the file's ending has odd characters", help="rename it")
    return partial.replace(target), sha256


def _staged(page: Page, name: str) -> Path:
    path = page.desk.uploads / name
    mine = name.partition(".")[0].endswith(f"-{page.who.person_id}")
    if not STAGED.fullmatch(name) or not mine or not path.is_file():
        raise UsageError(
            "UPLOAD_GONE",
            "the uploaded file is no longer there",
            help="choose it again",
        )
    return path


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
