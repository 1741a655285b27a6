"""What the probe and its client process say to each other: typed, framed, and decoded by both with suspicion.

The client process runs foreign native code on what a peer sends, so what comes from it is data and never code. No
I/O but writing and reading one frame of a socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import StrEnum
from functools import cache
from typing import Final

import msgspec

from brokerproof.probes.group_told import GroupTold, SeenFrom
from brokerproof.probes.librdkafka import Leader, Settings, Timed
from brokerproof.probes.outcome import Reason, SampleBlock, Stage, Target
from brokerproof.probes.plan import LatencyPlan, Plan, ThroughputPlan
from brokerproof.probes.spending import Used

_PREFIX: Final = struct.Struct(">I")
MAX_MESSAGE_BYTES: Final = 64 << 20
"""More than the raw samples of any plan; a longer message is a process that has lost its mind."""


class _Message(msgspec.Struct, frozen=True, tag=True):
    pass


# From the probe to its client process.


class Making(StrEnum):
    """When clients are made."""

    NOW = "now"
    """So that they connect before there is anything to send."""
    WHERE_FAR = "where_far"
    """The same, where the cluster is far away."""
    NEEDED = "needed"


class Prepare(_Message, frozen=True):
    """What clients to make."""

    settings: Settings
    group: str
    reads: bool
    making: Making


class Drop(_Message, frozen=True):
    """Close the clients that were prepared and not used."""


class Learn(_Message, frozen=True):
    """Have the clients that were made ahead ask who leads the topic."""

    topic: str


class Move(_Message, frozen=True):
    """Produce, consume and join the group with the clients that were prepared."""

    plan: Plan
    topic: str
    group: str
    nonce: str
    leaders: tuple[Leader, ...]
    partition_count: int
    joins_beside: bool
    """Join the group beside the records, before it is known who coordinates it."""


class CoordinatorFound(_Message, frozen=True):
    """Whom to join the group at; None: there is no group to join."""

    broker_id: int | None


class ToldSeenFrom(_Message, frozen=True):
    """The answer to :class:`AskSeenFrom`."""

    told: SeenFrom


class ToldOfGroup(_Message, frozen=True):
    """The answer to :class:`AskOfGroup`."""

    told: GroupTold


class _Measure(_Message, frozen=True):
    settings: Settings
    topic: str
    group: str
    leaders: tuple[Leader, ...]
    zero_ns: int
    """The monotonic clock when the plan began: raw samples are told since then."""
    raw_samples: bool


class MeasureLatency(_Measure, frozen=True, kw_only=True):
    """Measure the latency of records through these leaders."""

    plan: LatencyPlan


class MeasureThroughput(_Measure, frozen=True, kw_only=True):
    """Measure the throughput of records through these leaders."""

    plan: ThroughputPlan


class Stop(_Message, frozen=True):
    """End what is under way, and say no more of it."""


Order = (
    Prepare
    | Drop
    | Learn
    | Move
    | CoordinatorFound
    | ToldSeenFrom
    | ToldOfGroup
    | MeasureLatency
    | MeasureThroughput
    | Stop
)


# From the client process to the probe.


class Began(_Message, frozen=True):
    """The cluster is far away, and clients are made ahead."""


class Saw(_Message, frozen=True):
    """What a stage saw of one target."""

    stage: Stage
    target: Target
    timed: Timed


class Joining(_Message, frozen=True):
    """The group may exist from here on."""


class AtGroup(_Message, frozen=True):
    """The records are read; what is under way from here on is the group."""


class AskSeenFrom(_Message, frozen=True):
    """Where does the coordinator see the member?"""


class AskOfGroup(_Message, frozen=True):
    """What does the coordinator say of a group that failed?"""


class Broke(msgspec.Struct, frozen=True):
    """Why the client could not be used to the end."""

    words: str
    reason: Reason | None
    """What the client said; None for a defect of the probe's own."""


class Produced(_Message, frozen=True):
    """Nothing more is produced."""

    broke: Broke | None = None


class HasRead(_Message, frozen=True):
    """Consuming and the group are done; the member may be leaving yet."""

    member_id: str = ""
    broke: Broke | None = None


class Left(_Message, frozen=True):
    """The consumer is closed."""


class Samples(_Message, frozen=True):
    """Raw samples, before :class:`Measured`."""

    block: SampleBlock


class Measured(_Message, frozen=True):
    """The measurement is done; what it saw came before."""

    defect: str = ""


class HasUsed(_Message, frozen=True):
    """What all clients of this process have used so far."""

    used: Used


Report = (
    Began
    | HasUsed
    | Saw
    | Joining
    | AtGroup
    | AskSeenFrom
    | AskOfGroup
    | Produced
    | HasRead
    | Left
    | Samples
    | Measured
)

_encoder: Final = msgspec.msgpack.Encoder()


@cache
def _orders() -> msgspec.msgpack.Decoder[Order]:
    return msgspec.msgpack.Decoder(Order)


@cache
def _reports() -> msgspec.msgpack.Decoder[Report]:
    return msgspec.msgpack.Decoder(Report)


def framed(message: Order | Report) -> bytes:
    """One message as it goes over the socket."""
    body = _encoder.encode(message)
    return _PREFIX.pack(len(body)) + body


async def next_report(reader: asyncio.StreamReader) -> Report:
    """The next message of the client process.

    Raises:
        EOFError: there is none: the process has ended.
        msgspec.DecodeError: it is no message.
    """
    (length,) = _PREFIX.unpack(await reader.readexactly(_PREFIX.size))
    if length > MAX_MESSAGE_BYTES:
        raise msgspec.DecodeError(f"a message of {length} bytes")
    return _reports().decode(await reader.readexactly(length))


def next_order(sock: socket.socket) -> Order | None:
    """The next message of the probe, waited for; None where there will be none."""
    prefix = _exactly(sock, _PREFIX.size)
    body = _exactly(sock, _PREFIX.unpack(prefix)[0]) if prefix is not None else None
    return None if body is None else _orders().decode(body)


def _exactly(sock: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        try:
            more = sock.recv(count - len(data))
        except OSError:
            return None
        if not more:
            return None
        data += more
    return data
