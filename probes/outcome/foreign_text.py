"""The one place where text of a peer becomes ours: printable, of bounded length, valid Unicode, and harmless as JSON.

What a peer says stands in terminals, logs and reports. A control character there is an attack on who reads; a
bidirectional one makes text read as another; a lone surrogate cannot be written at all.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, Final, TypeVar

import msgspec

from brokerproof.probes.outcome.bounds import ITEMS, LISTED_CHARACTERS, OUTCOME_CHARACTERS, TEXT_CHARACTERS
from brokerproof.probes.outcome.measured import Distribution

T = TypeVar("T")

_encoder: Final = msgspec.json.Encoder()  # noqa: TID251  the one
_NOT_PLAIN: Final = re.compile(r"[^ -~\n]")
_DELETE: Final = b"\x7f"
_INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
_NO_TEXT: Final = frozenset({int, float, bool, type(None)})
_NUMBER_DIGITS: Final = 18
"""What has more digits is no number of a peer's that anything here counts in."""


def printable(text: str, most: int = TEXT_CHARACTERS) -> str:
    """``text`` on one line, what is not printable spelt out, and cut where it is longer than that."""
    if text.isprintable() and len(text) <= most:
        return text
    shown = text[:most]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else _spelt_out(each) for each in shown)[:most]
    return shown if len(text) <= most else f"{shown} [and {len(text) - most} more characters]"


def _spelt_out(character: str) -> str:
    if character.isspace():
        return " "
    return _INSTEAD if "\ud800" <= character <= "\udfff" else character.encode("unicode_escape").decode("ascii")


def decoded(raw: bytes, most: int = TEXT_CHARACTERS) -> str:
    """Bytes of a peer's as text; what is no UTF-8 is replaced."""
    return printable(raw[: 4 * most + 4].decode("utf-8", errors="replace"), most)


def number(text: str) -> int | None:
    """A number that a peer wrote in ASCII digits; None where it is none, or out of all proportion."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _NUMBER_DIGITS else None


def encode_json(value: Any) -> bytes:
    r"""The value as JSON in which nothing acts on who prints it: what is not printable stands as ``\u202e``.

    JSON itself asks that of C0 characters alone (RFC 8259): C1, delete and bidirectional ones could stand as they are.
    Everything that writes JSON for others writes it by this function.

    Raises:
        UnicodeEncodeError: a lone surrogate is in it.
    """
    return escape_json(_encoder.encode(value))


def escape_json(encoded: bytes) -> bytes:
    """Another encoder's JSON, made as harmless; its line ends stay."""
    if encoded.isascii() and _DELETE not in encoded:
        return encoded
    return _NOT_PLAIN.sub(_escaped, encoded.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


class _Cleaning:
    """One value on its way to be told; what it may yet hold."""

    def __init__(self) -> None:
        self._left = OUTCOME_CHARACTERS

    def of(self, value: Any, most: int = TEXT_CHARACTERS) -> Any:
        match value:
            case None | int() | Enum() | Distribution():
                return value
            case str():
                return self._text(value, most)
            case msgspec.Struct():
                return self._struct(value, most)
            case tuple():
                return self._tuple(value)
            case dict():
                return {key: self.of(each, LISTED_CHARACTERS) for key, each in list(value.items())[:ITEMS]}
            case _:
                return value

    def _text(self, text: str, most: int) -> str:
        if len(text) <= most and len(text) <= self._left and text.isprintable():
            self._left -= len(text)
            return text
        clean = printable(text, min(most, self._left)) if self._left > 0 or not text else ""
        self._left -= len(clean)
        return clean

    def _tuple(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        clean = tuple(self.of(each, LISTED_CHARACTERS) for each in items[:ITEMS])
        same = len(clean) == len(items) and all(ours is theirs for ours, theirs in zip(clean, items, strict=True))
        return items if same else clean

    def _struct(self, value: msgspec.Struct, most: int) -> msgspec.Struct:
        changed = {}
        for field in value.__struct_fields__:
            theirs = getattr(value, field)
            if not theirs or type(theirs) in _NO_TEXT:
                continue  # as most fields are: an outcome has dozens
            ours = self._text(theirs, most) if type(theirs) is str else self.of(theirs, most)
            if ours is not theirs:
                changed[field] = ours
        return msgspec.structs.replace(value, **changed) if changed else value


def ours(value: T) -> T:
    """The same value with every text in it printable and bounded, and every list; itself where it was that before."""
    clean: T = _Cleaning().of(value)
    return clean
