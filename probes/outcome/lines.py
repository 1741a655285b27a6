"""The lines of a run: who began, the outcomes as they came, and the closing one; written and read as JSON."""

from __future__ import annotations

import threading
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Final

import msgspec

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.outcome.host import HostFacts
from brokerproof.probes.outcome.registry import STAGE_REASONS, Facts
from brokerproof.probes.outcome.stages import ERROR_REASONS, SKIP_REASONS, Reason, Role, Stage, Status

LOOKS: Final = (1, 2)
"""A run looks once at everything that is planned, and a second time at what failed."""


class Target(Value, frozen=True):
    """What one outcome is about.

    ``address`` is empty for stages that are about a name (``resolve``) or the cluster;
    ``broker_id`` is the broker *expected* there, None where any broker may answer.
    """

    role: Role
    name: str = ""
    address: str = ""
    port: int = 0
    broker_id: int | None = None

    @property
    def place(self) -> tuple[str, str, int]:
        """Name, address and port, by which what is about one address of one name is found."""
        return self.name.lower(), self.address, self.port


class WaitedFor(Value, frozen=True):
    """The earlier outcome a skipped one depends on."""

    stage: Stage
    target: Target


class Outcome(Value, frozen=True, tag="outcome", tag_field="type"):
    """One stage on one target, once.

    ``started_ns`` is the probe host's monotonic clock since the plan began. ``detail`` holds the
    words seen (an error message), for people; decisions use ``reason`` and ``facts``.

    Raises:
        ValueError: when the reason does not belong to the stage and status.
    """

    stage: Stage
    target: Target
    status: Status
    started_ns: int
    duration_ns: int
    reason: Reason | None = None
    detail: str = ""
    facts: Facts | None = None
    waited_for: WaitedFor | None = None
    attempt: int = 1
    look: int = 1
    """2 where what had failed was observed once more before the run ended: no retry, nothing is taken back by it."""

    def __post_init__(self) -> None:
        if self.look not in LOOKS:
            raise ValueError(f"look {self.look} is not one of {LOOKS}")
        match self.status:
            case Status.OK:
                allowed: frozenset[Reason | None] = frozenset({None})
            case Status.FAILED:
                allowed = frozenset[Reason | None](STAGE_REASONS[self.stage])
            case Status.SKIPPED:
                allowed = frozenset[Reason | None](SKIP_REASONS)
            case Status.ERROR:
                allowed = frozenset[Reason | None](ERROR_REASONS)
        if self.reason not in allowed:
            message = f"reason {self.reason!r} is not one of stage {self.stage}, status {self.status}"
            raise ValueError(message)


class Measured(StrEnum):
    """What a latency sample is the time of, in the order of a connection's life."""

    RESOLVE = "resolve"
    """The client's resolver, from the question to its answer."""
    CONNECT = "connect"
    """A TCP connect to one address, from the SYN on."""
    HANDSHAKE = "handshake"
    """TLS on an accepted connection."""
    PRODUCE_ACK = "produce_ack"
    """A record, from the send to the acknowledgement of all in-sync replicas."""
    END_TO_END = "end_to_end"
    """A record, from the send to its arrival at a consumer in the same process."""


class SampleBlock(Value, frozen=True, tag="samples", tag_field="type"):
    """Raw samples of one target, packed by :mod:`.samples`; before the closing line, in any order."""

    what: Measured
    target: Target
    warm_up: bool
    """Taken before the measurement counted."""
    samples: int
    columns: str
    """Base64 of zlib of signed 64-bit little-endian integers: all ``scheduled_ns`` (when each had to begin,
    since the plan began), then all ``started_ns`` (when it did), then all ``duration_ns``."""


class Started(Value, frozen=True, tag="started", tag_field="type"):
    """First line of a run: who is probing."""

    plan_id: str
    client: str
    probe_version: str
    host: str
    python: str
    libraries: dict[str, str] = msgspec.field(default_factory=dict)
    wall_clock: str = ""
    """ISO 8601, UTC, at monotonic zero of this run."""
    host_facts: HostFacts | None = None
    """What the host is set to; None from a probe that does not say."""

    @property
    def began_ns(self) -> int:
        """The same as Unix time; 0 where it is not said, or cannot be read."""
        try:
            return int(datetime.fromisoformat(self.wall_clock).timestamp() * 1e9)
        except (ValueError, OverflowError, OSError):
            return 0


class Spent(Value, frozen=True):
    """What a run took of the cluster: its budget, as it was used.

    ``connections`` are attempts (SYNs) at brokers, load balancers and what must not answer; ``authentications`` are
    logins that a broker was asked for, by SASL. Both have the Kafka client's own in them, which are told apart too.
    """

    connections: int
    client_connections: int
    authentications: int
    client_authentications: int
    records: int
    """Handed to the Kafka client to be written."""
    record_bytes: int
    """Their values, uncompressed."""
    sts_calls: int = 0
    """Of GetCallerIdentity, where an IAM token was refused; what asks STS for credentials is not among them."""


class Closing(Value, frozen=True, tag="closing", tag_field="type"):
    """Last line of a run. No closing line means the run was cut short."""

    plan_id: str
    outcomes: int
    complete: bool
    """False when the plan's deadline ended it; what was not probed is in the outcomes as errors."""
    duration_ns: int
    left_behind: tuple[str, ...] = ()
    """Topics and groups that could not be removed, with the reason."""
    sample_blocks: int = 0
    """How many lines of raw samples there were."""
    spent: Spent | None = None
    """None from a probe that does not count."""


class Refused(Value, frozen=True, tag="refused", tag_field="type"):
    """The plan could not be used; nothing was probed."""

    why: str


Line = Started | Outcome | SampleBlock | Closing | Refused


_MAKING: Final = threading.Lock()
"""One thread makes the decoder: msgspec 0.22 crashes where another reads by a type that is not prepared yet."""


@cache
def _made_decoder() -> msgspec.json.Decoder[Line]:
    # Made when first used: the probe itself never decodes lines, and its start is measured.
    return msgspec.json.Decoder(Line)


def _line_decoder() -> msgspec.json.Decoder[Line]:
    with _MAKING:
        return _made_decoder()


def encode_line(line: Line) -> bytes:
    """One JSON line, newline included."""
    return encode_json(line) + b"\n"


def decode_line(text: bytes | str) -> Line:
    """Decode one line.

    Raises:
        msgspec.DecodeError: the text is not one of the five lines (this includes
            :class:`msgspec.ValidationError`, which names the path of the wrong field).
    """
    return _line_decoder().decode(text)
