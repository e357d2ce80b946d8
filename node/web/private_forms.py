"""Forms whose file names people: held in memory, bounded, one at a time, never on the disk.

The framework would spool a file of a megabyte and more into the temporary folder. Who sends the
form and what for is judged before its first byte is taken.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from node.errors import BackPressure
from reconcile.model import UsageError

MAX_FORM_BYTES: Final = 64 << 20
MAX_FIELDS: Final = 32
#: Who sends more slowly lets nobody else in.
SENDING_S: Final = 600.0
RETRY_AFTER_S: Final = 5
#: Held by the one form of this process that is in memory.
_HELD: Final = threading.Lock()


class FormSizeError(UsageError):
    """Raised when a form is larger than is held in memory."""

    http_status = 413


class FormTimeError(UsageError):
    """Raised when a form does not come to its end in time."""

    http_status = 408


@dataclass(frozen=True, slots=True)
class PrivateForm:
    """A form's fields and files by name; a file's own name is not kept, it may be a person's."""

    fields: Mapping[str, str]
    files: Mapping[str, BinaryIO]

    def __repr__(self) -> str:
        """Show which fields there are, never what they hold."""
        return f"PrivateForm({', '.join([*self.fields, *self.files])})"


class _InMemory(MultiPartParser):
    # Zero is no bound: a file is spooled to the disk never.
    spool_max_size = 0


@asynccontextmanager
async def private_form(request: Request, *, files: int) -> AsyncIterator[PrivateForm]:
    """Read a form of so many files at most; it is forgotten at the end of the block.

    Raises `BackPressure` UPLOAD_BUSY, `FormSizeError` BODY_TOO_LARGE, `FormTimeError` UPLOAD_SLOW,
    `UsageError` REQUEST_MALFORMED.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_FORM_BYTES:
        raise _too_large()
    if not _HELD.acquire(blocking=False):
        raise BackPressure(
            "UPLOAD_BUSY",
            "another list is being read; one at a time is held in memory",
            retry_after_s=RETRY_AFTER_S,
            help="send it again in a moment",
        )
    taken: list[UploadFile] = []
    try:
        yield await _read(request, files, taken)
    finally:
        for one in taken:
            await one.close()
        _HELD.release()


async def _read(request: Request, files: int, taken: list[UploadFile]) -> PrivateForm:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _malformed("is no multipart/form-data")
    try:
        async with asyncio.timeout(SENDING_S), aclosing(_bounded(request)) as stream:
            parser = _InMemory(request.headers, stream, max_files=files, max_fields=MAX_FIELDS)
            form = await parser.parse()
    except TimeoutError:
        raise FormTimeError(
            "UPLOAD_SLOW", f"the form did not end within {SENDING_S:.0f} seconds"
        ) from None
    except MultiPartException as error:
        raise _malformed(f"cannot be read: {error.message}") from None
    except ClientDisconnect:
        raise _malformed("ended before it was whole") from None
    fields: dict[str, str] = {}
    held: dict[str, BinaryIO] = {}
    taken.extend(value for _, value in form.multi_items() if isinstance(value, UploadFile))
    for name, value in form.multi_items():
        if name in fields or name in held:
            raise _malformed("names a field twice")
        if isinstance(value, UploadFile):
            held[name] = value.file
        else:
            fields[name] = value
    return PrivateForm(fields, held)


async def _bounded(request: Request) -> AsyncGenerator[bytes]:
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > MAX_FORM_BYTES:
            raise _too_large()
        yield chunk


def _too_large() -> FormSizeError:
    return FormSizeError(
        "BODY_TOO_LARGE",
        f"at most {MAX_FORM_BYTES} bytes are taken",
        help="split the list, or import it with `kanhe blacklist import`",
    )


def _malformed(says: str) -> UsageError:
    return UsageError(
        "REQUEST_MALFORMED",
        f"the body {says}",
        help="see the OpenAPI document for the shape of this call",
    )
