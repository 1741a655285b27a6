"""Bytes made wrong, by a seed: what a half-upgraded proxy, a scanner or an attacker sends instead of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Mutation = Callable[[Random, bytes], bytes]

EXTREMES = (b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\x00\x00", b"\x7f\xff", b"\xff\xff", b"\x80\x00")
WIDE = (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x80\x00\x00\x00", b"\x00\x01\x00\x00")
ATTACKS = (
    b"\xff\xfe\xfd",
    b"\x1b[31m\x1b]0;x\x07",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil".encode(),
    b"\x00",
    b"\r\n::error::x",
    b"\xed\xa0\x80",
    b"<script>alert(1)</script>",
    b"%s%n%x",
    b"A" * 5000,
    b"9" * 5000,
)
_TEXT = re.compile(rb"[\x20-\x7e]{3,}")
LARGEST = 1 << 20


def set_byte(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(EXTREMES)[:1] + data[at + 1 :]


def set_number(rng: Random, data: bytes) -> bytes:
    at, value = rng.randrange(len(data)), rng.choice(EXTREMES + WIDE)
    return data[:at] + value + data[at + len(value) :]


def cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def extend(rng: Random, data: bytes) -> bytes:
    return data + rng.randbytes(rng.choice((1, 16, 4000)))


def drop(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 9) :]


def repeat(rng: Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    part = data[at : at + rng.choice((1, 8, 64, 512))]
    return data[:at] + part * rng.choice((2, 10, 400)) + data[at:]


def attack_text(rng: Random, data: bytes) -> bytes:
    """Text of the same length, so that lengths stay right, or of another."""
    found = list(_TEXT.finditer(data))
    if not found:
        return set_byte(rng, data)
    at, end = rng.choice(found).span()
    attack = rng.choice(ATTACKS)
    if rng.random() < 0.7:
        attack = (attack * ((end - at) // len(attack) + 1))[: end - at]
    return data[:at] + attack + data[end:]


ONCE: tuple[Mutation, ...] = (cut, extend, drop, repeat)
ALL = (*ONCE, *(set_byte, set_number, attack_text) * 2)


def mutated(rng: Random, data: bytes, *, kept: int = 0) -> bytes:
    """``data`` with one to three things wrong behind its first ``kept`` bytes."""
    head, rest = data[:kept], data[kept:]
    for _ in range(rng.choice((1, 1, 2, 3))):
        if rest:
            rest = rng.choice(ALL)(rng, rest)[:LARGEST]
    return head + rest
