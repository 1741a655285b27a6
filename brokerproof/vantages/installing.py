"""How the probe gets to a far side that does not have it: over the same channel, by the hash of its contents.

What is said there is in ``far_install.txt``, which is sent as text. Nothing is installed beside the far side's own
cache: no root, no pip, no network of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from brokerproof.errors import CouldNotError
from brokerproof.vantages.bundle import Bundle, FarPlatform, bundle_for
from brokerproof.vantages.process import FarProcess
from brokerproof.wording import one_line

PROGRAM: Final = Path(__file__).with_name("far_install.txt").read_text(encoding="utf-8")
_SAYS: Final = b"brokerproof "
_CANNOT: Final = _SAYS + b"cannot "
TRANSFER_MS: Final = 120_000
"""For the bundle to arrive and be unpacked: 13 MB over 1 MB/s, and a slow disk."""

Say = Callable[[str], None]


class InstallError(CouldNotError):
    """The probe cannot be put there; one sentence."""


def install(process: FarProcess, *, first_line_ms: int, say: Say = lambda _: None) -> None:
    """Have the far side become the probe; afterwards a plan may be sent.

    Args:
        process: Runs the far program, and was told nothing yet.
        first_line_ms: For login and interpreter start.
        say: Told what takes its time.

    Raises:
        InstallError: it cannot, in the far side's words or this one's.
    """
    far, cached = told_here(_hear(process, b"here", first_line_ms, "did not begin"))
    bundle = bundle_for(far)
    process.send(f"use {bundle.sha256} {bundle.size}\n".encode())
    if bundle.sha256 in cached:
        return
    say(f"sending the probe, {bundle.size / 1e6:.0f} MB")
    process.send(bundle.read())
    _hear(process, b"installed", TRANSFER_MS, "did not take the probe")


def remove(process: FarProcess, *, first_line_ms: int) -> str:
    """Have the far side remove every probe that was put there; returns where they were.

    Raises:
        InstallError: it cannot.
    """
    _hear(process, b"here", first_line_ms, "did not begin")
    process.send(b"remove\n")
    return _hear(process, b"removed", first_line_ms, "did not remove the probe").decode(errors="replace")


def told_here(told: bytes) -> tuple[FarPlatform, frozenset[str]]:
    """What the far program says of itself: its platform, and the bundles it has.

    Raises:
        InstallError: it cannot be read.
    """
    try:
        said = json.loads(told)
        far = FarPlatform(str(said["python"]), str(said["machine"]), "glibc" if said["libc"] == "glibc" else "musl")
        cached = frozenset(map(str, said["cached"]))
        tuple(map(int, far.python.split(".")))
    except (ValueError, KeyError, TypeError):
        raise InstallError(f"the far side says of itself what cannot be read: {one_line(repr(told[:200]))}") from None
    return far, cached


def _hear(process: FarProcess, word: bytes, limit_ms: int, trouble: str) -> bytes:
    """What follows the word in the far program's next line; anything else is a banner, and kept in the tail.

    Raises:
        InstallError: it says that it cannot, ends, or says nothing in time.
    """
    until = time.monotonic() + limit_ms / 1000
    while True:
        heard = process.listen(until - time.monotonic())
        for place, line in enumerate(heard.lines):
            said = line.rstrip(b"\r")
            if said.startswith(_CANNOT):
                raise InstallError(one_line(said[len(_CANNOT) :].decode(errors="replace")))
            if said.startswith(_SAYS + word + b" "):
                for later in heard.lines[place + 1 :]:
                    process.tail.feed_line(later)
                return said[len(_SAYS) + len(word) + 1 :]
            process.tail.feed_line(line)
        if heard.ended or heard.endless:
            process.stop(politely_s=1.0, grace_s=1.0)
            last = process.tail.text().splitlines()[-1:]
            raise InstallError(f"{trouble}: {process.ending()}{f': {last[0][-300:]}' if last else ''}")
        if time.monotonic() >= until:
            raise InstallError(f"{trouble} within {limit_ms} ms")


__all__ = ["PROGRAM", "Bundle", "InstallError", "install", "remove", "told_here"]
