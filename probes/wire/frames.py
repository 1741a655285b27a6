"""Whether the lengths in a Kafka response agree with its size, checked before it is decoded.

kio's native reader reserves memory for as many elements as an array's length field announces, and
a length of 2^31-1 aborts the process. A hostile or confused peer must not end the probe, so every
length is walked first. Only the non-flexible encoding is understood, which is all the probe uses.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, Final, get_args, get_origin

from brokerproof.probes.outcome.bounds import KAFKA_ELEMENTS

_FIXED_BYTES: Final = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "error_code": 2,
    "int32": 4,
    "timedelta_i32": 4,
    "int64": 8,
    "timedelta_i64": 8,
}


class BadLengthError(ValueError):
    """A length points beyond the end of the response."""


class TooMuchError(Exception):
    """The lengths agree, and announce more than is read."""


class _Response:
    """One response under the response, and how many elements it announced so far."""

    __slots__ = ("body", "elements")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.elements = 0


EndFinder = Callable[[_Response, int], int]


def check_lengths(entity_type: type, body: bytes) -> None:
    """Walk ``body`` as ``entity_type``.

    Raises:
        BadLengthError: a length is impossible, or bytes are missing or left over.
        TooMuchError: there are more elements than are read.
    """
    end = _end_finder(entity_type)(_Response(body), 0)
    if end != len(body):
        raise BadLengthError(f"{entity_type.__name__} ends at byte {end} of {len(body)}")


@lru_cache(maxsize=64)
def _end_finder(entity_type: type) -> EndFinder:
    steps = [_field_end_finder(field.type, field.metadata.get("kafka_type")) for field in fields(entity_type)]

    def end_of(response: _Response, at: int) -> int:
        for step in steps:
            at = step(response, at)
        return at

    return end_of


def _field_end_finder(annotation: Any, kafka_type: str | None) -> EndFinder:
    if isinstance(annotation, types.UnionType):
        annotation = next(arm for arm in get_args(annotation) if arm is not type(None))
    if get_origin(annotation) is not tuple:
        return _element(annotation, kafka_type)
    of = get_args(annotation)[0]
    size = None if isinstance(of, type) and is_dataclass(of) else _FIXED_BYTES.get(kafka_type or "")
    return _array(_element(of, kafka_type)) if size is None else _fixed_array(size)


def _element(annotation: Any, kafka_type: str | None) -> EndFinder:
    if isinstance(annotation, type) and is_dataclass(annotation):
        return _end_finder(annotation)
    return _primitive(kafka_type)


def _primitive(kafka_type: str | None) -> EndFinder:
    match kafka_type:
        case "string":
            return _string
        case "bytes":
            return _bytes
        case _:
            pass
    size = _FIXED_BYTES[kafka_type or ""]

    def end_of(response: _Response, at: int) -> int:
        return _within(response, at + size)

    return end_of


def _string(response: _Response, at: int) -> int:
    start = _within(response, at + 2)
    return _within(response, start + max(0, int.from_bytes(response.body[at:start], "big", signed=True)))


def _bytes(response: _Response, at: int) -> int:
    start = _within(response, at + 4)
    return _within(response, start + max(0, int.from_bytes(response.body[at:start], "big", signed=True)))


def _array(element: EndFinder) -> EndFinder:
    def end_of(response: _Response, at: int) -> int:
        count, at = _count(response, at)
        response.elements += max(0, count)
        if response.elements > KAFKA_ELEMENTS:
            raise TooMuchError(f"{response.elements} elements and more; {KAFKA_ELEMENTS} are read at most")
        for _ in range(count):
            at = element(response, at)
        return at

    return end_of


def _fixed_array(size: int) -> EndFinder:
    def end_of(response: _Response, at: int) -> int:
        count, at = _count(response, at)
        return _within(response, at + max(0, count) * size)

    return end_of


def _count(response: _Response, at: int) -> tuple[int, int]:
    """How many elements an array announces, and where they start."""
    start = _within(response, at + 4)
    count = int.from_bytes(response.body[at:start], "big", signed=True)
    if count > len(response.body) - start:
        raise BadLengthError(f"an array of {count} elements in {len(response.body) - start} bytes")
    return count, start


def _within(response: _Response, at: int) -> int:
    if at > len(response.body):
        raise BadLengthError(f"byte {at} of {len(response.body)}")
    return at
