"""Which checks could not be made because of others: they are blocked, and name the one that carries the cause. Pure.

What was made and failed is never a consequence here, whatever else failed: it has a reason of its own.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import msgspec

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.registry import ORDER, precedes


def without_consequences(checks: Sequence[Check], derived: Container[str] = ()) -> Iterator[Check]:
    """Turn what was not made after an earlier failure of the same broker or address into ``blocked``.

    ``derived`` has the ids of red checks that nobody made at the broker itself: metadata does not list it. Where it
    is not reached either, they say the same once more, and are blocked.
    """
    failed = [c for c in checks if c.verdict is Verdict.FAILED and not c.isolation]
    for check in checks:
        observed = check.verdict is Verdict.FAILED and check.check_id not in derived
        if check.isolation or observed or check.verdict in {Verdict.PASSED, Verdict.ERROR}:
            yield check
            continue
        cause = next((c for c in failed if c is not check and _precedes(c, check)), None)
        if cause is not None:
            yield msgspec.structs.replace(check, verdict=Verdict.BLOCKED, blocked_by=cause.check_id, change="")
        elif check.verdict is Verdict.BLOCKED:
            # The probe waited for something; name the first red check, whatever broker it is about.
            first = min(failed, key=lambda c: ORDER[c.stage], default=None)
            yield msgspec.structs.replace(check, blocked_by=first.check_id if first is not None else check.blocked_by)
        else:
            yield check


def _precedes(cause: Check, check: Check) -> bool:
    """Whether a failed check explains another: an earlier stage on the same name, broker or address."""
    if not precedes(cause.stage, check.stage):
        return False
    if check.subject is Subject.CLUSTER:
        return True
    if cause.stage is Stage.RESOLVE:
        return cause.name == check.name
    if Subject.BOOTSTRAP in {cause.subject, check.subject}:
        return (cause.name, cause.address, cause.port) == (check.name, check.address, check.port)
    if cause.broker_id != check.broker_id:
        return False
    return not check.address or not cause.address or cause.address == check.address
