"""Raw latency samples on their way to the host: three columns of integers in one short line.

The probe gathers and packs them, the host unpacks; neither needs more than the standard library. What
they mean together is made of them elsewhere.
"""

from __future__ import annotations

import binascii
import sys
import zlib
from array import array
from collections.abc import Iterator
from typing import Final

import msgspec

from brokerproof.probes.outcome import Measured, SampleBlock, Target

BLOCK_SAMPLES: Final = 4096
"""At most so many a line: with three columns of eight bytes, in base64, far below what a line may have."""
_COLUMNS: Final = 3


class Samples(msgspec.Struct):
    """What was timed at one target, in the order it ended. All times are nanoseconds, the clock is monotonic."""

    scheduled_ns: list[int] = msgspec.field(default_factory=list)
    started_ns: list[int] = msgspec.field(default_factory=list)
    duration_ns: list[int] = msgspec.field(default_factory=list)

    def add(self, *, scheduled_ns: int, started_ns: int, duration_ns: int) -> None:
        """Take one; ``scheduled_ns`` is when it had to begin, ``started_ns`` when it did."""
        self.scheduled_ns.append(scheduled_ns)
        self.started_ns.append(started_ns)
        self.duration_ns.append(duration_ns)

    def extend(self, other: Samples) -> None:
        """Take all of another."""
        self.scheduled_ns += other.scheduled_ns
        self.started_ns += other.started_ns
        self.duration_ns += other.duration_ns

    @property
    def since_scheduled_ns(self) -> list[int]:
        """From when each had to begin to when it ended: what a stall made others wait is in it."""
        times = zip(self.scheduled_ns, self.started_ns, self.duration_ns, strict=True)
        return [started - scheduled + duration for scheduled, started, duration in times]

    @property
    def late_ns(self) -> list[int]:
        """By how much each began after it had to."""
        return [started - due for due, started in zip(self.scheduled_ns, self.started_ns, strict=True)]

    def __len__(self) -> int:
        return len(self.duration_ns)


class UnreadableSamplesError(ValueError):
    """A block of samples does not hold what it says."""


def pack(what: Measured, target: Target, samples: Samples, *, zero_ns: int, warm_up: bool) -> Iterator[SampleBlock]:
    """As many blocks as it takes; none for no samples. ``zero_ns`` is the monotonic clock when the plan began."""
    for first in range(0, len(samples), BLOCK_SAMPLES):
        part = slice(first, first + BLOCK_SAMPLES)
        columns = array("q", (each - zero_ns for each in samples.scheduled_ns[part]))
        columns.extend(each - zero_ns for each in samples.started_ns[part])
        columns.extend(samples.duration_ns[part])
        if sys.byteorder == "big":
            columns.byteswap()
        packed = binascii.b2a_base64(zlib.compress(columns.tobytes(), 1), newline=False).decode("ascii")
        yield SampleBlock(what=what, target=target, warm_up=warm_up, samples=len(columns) // _COLUMNS, columns=packed)


def unpack(block: SampleBlock) -> Samples:
    """The samples of a block; times are since the plan began.

    Raises:
        UnreadableSamplesError: it is damaged, or has another number of samples than it says.
    """
    size = _COLUMNS * block.samples * 8
    try:
        reader = zlib.decompressobj()
        # Bounded: the far side says how much there is, and is not believed.
        raw = reader.decompress(binascii.a2b_base64(block.columns, strict_mode=True), size + 1)
    except (binascii.Error, zlib.error, ValueError) as damage:
        raise UnreadableSamplesError(f"{block.what} samples cannot be read: {damage}") from damage
    if block.samples > BLOCK_SAMPLES or len(raw) != size:
        raise UnreadableSamplesError(f"{block.what} samples: {len(raw)} bytes, {size} expected")
    columns = array("q", raw)
    if sys.byteorder == "big":
        columns.byteswap()
    number = block.samples
    return Samples(list(columns[:number]), list(columns[number : 2 * number]), list(columns[2 * number :]))
