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

EndFinder = Callable[[bytes, int], int]

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


def check_lengths(entity_type: type, body: bytes) -> None:
    """Walk ``body`` as ``entity_type``.

    Raises:
        BadLengthError: a length is impossible, or bytes are missing or left over.
    """
    end = _end_finder(entity_type)(body, 0)
    if end != len(body):
        raise BadLengthError(f"{entity_type.__name__} ends at byte {end} of {len(body)}")


@lru_cache(maxsize=64)
def _end_finder(entity_type: type) -> EndFinder:
    steps = [_field_end_finder(field.type, field.metadata.get("kafka_type")) for field in fields(entity_type)]

    def end_of(body: bytes, at: int) -> int:
        for step in steps:
            at = step(body, at)
        return at

    return end_of


def _field_end_finder(annotation: Any, kafka_type: str | None) -> EndFinder:
    if isinstance(annotation, types.UnionType):
        annotation = next(arm for arm in get_args(annotation) if arm is not type(None))
    if get_origin(annotation) is tuple:
        return _array(_element(get_args(annotation)[0], kafka_type))
    return _element(annotation, kafka_type)


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

    def end_of(body: bytes, at: int) -> int:
        return _within(body, at + size)

    return end_of


def _string(body: bytes, at: int) -> int:
    start = _within(body, at + 2)
    return _within(body, start + max(0, int.from_bytes(body[at:start], "big", signed=True)))


def _bytes(body: bytes, at: int) -> int:
    start = _within(body, at + 4)
    return _within(body, start + max(0, int.from_bytes(body[at:start], "big", signed=True)))


def _array(element: EndFinder) -> EndFinder:
    def end_of(body: bytes, at: int) -> int:
        start = _within(body, at + 4)
        count = int.from_bytes(body[at:start], "big", signed=True)
        if count > len(body) - start:
            raise BadLengthError(f"an array of {count} elements in {len(body) - start} bytes")
        at = start
        for _ in range(count):
            at = element(body, at)
        return at

    return end_of


def _within(body: bytes, at: int) -> int:
    if at > len(body):
        raise BadLengthError(f"byte {at} of {len(body)}")
    return at
