"""What one stage observed, before the engine adds the target and the time.

Stage modules return a :class:`Observation`; only the engine makes an :class:`~brokerproof.probes.outcome.Outcome` of
it. No I/O and no deadlines live here.
"""

from __future__ import annotations

import msgspec

from brokerproof.probes.outcome import Facts, Reason, Status


class Observation(msgspec.Struct, frozen=True):
    """A stage's own part of an outcome."""

    status: Status
    reason: Reason | None = None
    detail: str = ""
    facts: Facts | None = None
    ended_ns: int | None = None
    """When the stage itself had ended, by the monotonic clock, where something more was asked for its facts."""

    @property
    def is_ok(self) -> bool:
        """True where the stages after this one may run."""
        return self.status is Status.OK


def ok(facts: Facts | None = None, detail: str = "") -> Observation:
    """The stage did what it must."""
    return Observation(Status.OK, None, detail, facts)


def failed(reason: Reason, detail: str, facts: Facts | None = None) -> Observation:
    """The path is to blame."""
    return Observation(Status.FAILED, reason, detail, facts)


def error(reason: Reason, detail: str, facts: Facts | None = None) -> Observation:
    """The probe or its host is to blame; nothing is known about the path."""
    return Observation(Status.ERROR, reason, detail, facts)


def crashed(exception: BaseException) -> Observation:
    """A defect of the probe: it must never look like a fault of the path."""
    return error(Reason.PROBE_CRASHED, f"{type(exception).__name__}: {exception}")
