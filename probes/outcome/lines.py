"""The lines of a run: who began, the outcomes as they came, and the closing one; written and read as JSON."""

from __future__ import annotations

from functools import cache
from typing import Final

import msgspec

from probes.outcome.base import Value
from probes.outcome.facts import Facts
from probes.outcome.stages import ERROR_REASONS, SKIP_REASONS, STAGE_REASONS, Reason, Role, Stage, Status


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

    def __post_init__(self) -> None:
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


class Closing(Value, frozen=True, tag="closing", tag_field="type"):
    """Last line of a run. No closing line means the run was cut short."""

    plan_id: str
    outcomes: int
    complete: bool
    """False when the plan's deadline ended it; what was not probed is in the outcomes as errors."""
    duration_ns: int
    left_behind: tuple[str, ...] = ()
    """Topics and groups that could not be removed, with the reason."""


class Refused(Value, frozen=True, tag="refused", tag_field="type"):
    """The plan could not be used; nothing was probed."""

    why: str


Line = Started | Outcome | Closing | Refused

_encoder: Final = msgspec.json.Encoder()


@cache
def _line_decoder() -> msgspec.json.Decoder[Line]:
    # Made when first used: the probe itself never decodes lines, and its start is measured.
    return msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    """One JSON line, newline included."""
    return _encoder.encode(line) + b"\n"


def decode_line(text: bytes | str) -> Line:
    """Decode one line.

    Raises:
        msgspec.DecodeError: the text is not one of the four lines (this includes
            :class:`msgspec.ValidationError`, which names the path of the wrong field).
    """
    return _line_decoder().decode(text)
