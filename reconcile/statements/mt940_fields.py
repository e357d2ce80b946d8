"""The text of MT940, MT942 and MT950 messages, cut into fields with their lines.

SWIFT FIN text block 4: a field begins at a line start with ":tag:", a message ends with "-" or
"-}". Text in front of a message's first field (block 1 to 3, a bank's own header lines) is
passed over. Inside :86: only the tags of these messages end the field, because banks wrap
times such as "16:26:37" at the colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_FIELD_CHARACTERS: Final = 20_000
MAX_LINE_CHARACTERS: Final = 10_000

_TAG: Final = re.compile(r":(\d{2}[A-Z]?|NS):")
_TAGS: Final = frozenset(
    (
        "13", "13D", "20", "21", "25", "25P", "28", "28C", "34F", "60F", "60M", "61", "62F",
        "62M", "64", "65", "86", "90C", "90D", "NS",
    )
)  # fmt: skip
_END: Final = re.compile(r"-(?:\}.*|X{3})?\s*\Z")
_HEADER: Final = re.compile(r"\{2:[IO](9(?:40|41|42|50))")


@dataclass(slots=True)
class Field:
    """One field: its tag, first line (from 1) and value lines without line ends."""

    tag: str
    line: int
    lines: list[str]

    @property
    def value(self) -> str:
        """Return the field's text, trailing blank lines removed."""
        return "\n".join(self.lines).strip("\n \t")


@dataclass(slots=True)
class Message:
    """The fields between two message ends. `ended`: whether its end mark was seen."""

    fields: list[Field] = field(default_factory=list)
    ended: bool = False
    kind: str | None = None
    last_line: int = 1


def messages(text: str) -> Iterator[Message]:
    """Yield each message; a new :20: begins one even where the end mark is missing."""
    message = Message()
    kind: str | None = None
    number, torn = 0, False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.rstrip("\r\x1a\x03\x01")[:MAX_LINE_CHARACTERS]
        if "{2:" in line and (found := _HEADER.search(line)):
            kind = "mt" + found[1]
        if line.startswith("-") and _END.match(line):
            if message.fields:
                message.ended, message.last_line = True, number
                yield message
            message = Message(kind=kind)
            continue
        if line.rstrip() == ":":
            # Sparkassen wrap even between the colon and the tag.
            torn = True
            continue
        if torn:
            line, torn = ":" + line, False
        if "{4:" in line:
            line = line.partition("{4:")[2]
        found = _TAG.match(line)
        if found and found[1] in _TAGS:
            if found[1] == "20" and message.fields:
                message.last_line = number - 1
                yield message
                message = Message(kind=kind)
            message.kind = message.kind or kind
            message.fields.append(Field(found[1], number, [line[found.end() :]]))
        elif message.fields:
            message.fields[-1].lines.append(line)
    if message.fields:
        message.last_line = number
        yield message
