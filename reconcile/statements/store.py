"""Lists that do not grow in memory: what they hold waits in a temporary file without a name.

The file is made by the operating system without an entry in any folder, readable by this process
alone, and gone when it is closed or the process ends. Chunks are MessagePack, compressed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, Generic, TypeVar

import msgspec
import zstandard

from reconcile.model import OutsideError

CHUNK_ITEMS: Final = 8_192
_LEVEL: Final = 1
T = TypeVar("T")


class Spool:
    """One temporary file that several stores write their chunks into."""

    def __init__(self) -> None:
        """Begin without a file; the first chunk makes it."""
        self._file: IO[bytes] | None = None
        self._end = 0
        self._pack = zstandard.ZstdCompressor(level=_LEVEL)
        self._unpack = zstandard.ZstdDecompressor()

    def write(self, data: bytes) -> tuple[int, int]:
        """Keep one chunk; return where it stands."""
        packed = self._pack.compress(data)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by close()
            self._file.seek(self._end)
            self._file.write(packed)
        except OSError as error:
            raise OutsideError(
                "SPOOL_FAILED",
                f"the temporary folder takes no more: {error.strerror or error}",
                help="make room there, or name another folder with TMPDIR",
            ) from None
        place = (self._end, len(packed))
        self._end += len(packed)
        return place

    def read(self, place: tuple[int, int]) -> bytes:
        """Return one chunk."""
        assert self._file is not None
        self._file.seek(place[0])
        return self._unpack.decompress(self._file.read(place[1]))

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Store(Generic[T]):
    """A list of one type whose full chunks go to a spool; `seen` gets every chunk on its way."""

    def __init__(
        self,
        spool: Spool,
        kind: object,
        seen: Callable[[list[T]], None] | None = None,
    ) -> None:
        """Take the spool and the type of an item."""
        self._spool = spool
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]
        self._seen = seen
        self._places: list[tuple[int, int]] = []
        self._tail: list[T] = []
        self._count = 0

    def append(self, item: T) -> None:
        """Add one."""
        self._tail.append(item)
        if len(self._tail) >= CHUNK_ITEMS:
            self._flush()

    def extend(self, items: Iterable[T]) -> None:
        """Add several."""
        self._tail.extend(items)
        if len(self._tail) >= CHUNK_ITEMS:
            self._flush()

    def _flush(self) -> None:
        if self._seen is not None:
            self._seen(self._tail)
        self._places.append(self._spool.write(self._encode(self._tail)))
        self._count += len(self._tail)
        self._tail = []

    def finish(self) -> None:
        """Give what is left to `seen`, once nothing more is added."""
        if self._seen is not None and self._tail:
            self._seen(self._tail)
            self._seen = None

    def __iter__(self) -> Iterator[T]:
        """Return the items in order, one chunk in memory at a time."""
        for place in self._places:
            yield from self._decode(self._spool.read(place))
        yield from self._tail

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count + len(self._tail)
