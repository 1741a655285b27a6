"""One command of Run Command for many instances of an account: its index, its script, and its limits. Pure.

Sources: Systems Manager API reference, SendCommand; user guide, "Run commands at scale" and "Understanding command
statuses" (a command ends ``TimeoutSeconds`` and its execution timeout after it was sent, also for instances whose turn
has not come); SSM's agent sets ``AWS_SSM_INSTANCE_ID`` (agent/executers/executers.go).
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from brokerproof.fleet.far.handler import most_ms
from brokerproof.fleet.far.values import Linked
from brokerproof.fleet.hub import FleetError
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.plan import decode_plan
from brokerproof.vantages.bundle import Bundle, FarPlatform
from brokerproof.vantages.installing import PROGRAM
from brokerproof.vantages.run_command import DELIVERY_S, DOCUMENT, SCRIPT_CHARS

START: Final = Path(__file__).with_name("instance_start.txt").read_text(encoding="utf-8")
NAMED: Final = 50
"""Instances that one command takes by their ids (Systems Manager API reference, Target)."""
SETUP_S: Final = 120
"""For an instance to fetch the index and the probe, 13 MB, and to unpack it."""
LONGEST_S: Final = 2_592_000
"""The most that ``TimeoutSeconds`` takes: 30 days."""
LINK_S: Final = 604_800
"""The longest that a link can last (S3 user guide, presigned URLs): seven days."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a command and each of its instances may take."""

    run_s: int
    """One instance: its script is ended then."""
    deliver_s: int
    """Until the last instance has begun, when each before it took all of its time."""

    @property
    def all_s(self) -> int:
        """From the command's sending to its end."""
        return self.deliver_s + self.run_s


def limits(plans: Mapping[str, Sequence[bytes]], at_once: int) -> Limits:
    """The limits of a command.

    Args:
        plans: By instance, what it runs one after another.
        at_once: Instances at a time.
    """
    longest = max(sum(most_ms(decode_plan(text)) for text in texts) for texts in plans.values())
    run_s = SETUP_S + -(-longest // 1000)
    rounds = -(-len(plans) // at_once)
    return Limits(run_s, min(LONGEST_S, DELIVERY_S + (rounds - 1) * run_s))


def platform_name(far: FarPlatform) -> str:
    """As an instance calls it, and as ``--probe-for`` takes it."""
    return f"{far.python}/{far.machine}/{far.libc}"


def index(work: Mapping[str, Sequence[Linked]], probes: Mapping[FarPlatform, tuple[Bundle, str]]) -> bytes:
    """What all instances of a command fetch.

    Args:
        work: By instance, its items.
        probes: By platform, the probe, and a link to it.
    """
    bundles = {
        platform_name(far): {"link": link, "sha256": bundle.sha256, "size": bundle.size}
        for far, (bundle, link) in probes.items()
    }
    return encode_json({"instances": work, "bundles": bundles})


def script(text: bytes, link: str, *, python: str, platforms: Sequence[FarPlatform], run_s: int) -> str:
    """What ``sh`` runs on every instance: the first Python that it has becomes the probe.

    Args:
        text: The index, whose hash the script knows.
        link: To the index.
        python: The interpreter; empty is what PATH has, of the platforms' versions first.
        platforms: Those that there is a probe for.
        run_s: How long an instance has.
    """
    versions = dict.fromkeys(f"python{far.python}" for far in platforms)
    pythons = [python] if python else [*versions, "python3"]
    words = [START, PROGRAM, link, hashlib.sha256(text).hexdigest(), str(run_s)]
    made = f"""\
for python in {shlex.join(pythons)}; do
  command -v "$python" >/dev/null 2>&1 || continue
  exec "$python" -c {shlex.join(words)}
done
echo {shlex.quote(f"brokerproof: {' and '.join(pythons)} are not here: name another one (--python)")} >&2
exit 127
"""
    if len(made) > SCRIPT_CHARS:
        raise FleetError(f"the command has {len(made):,} characters, and Run Command takes {SCRIPT_CHARS:,}")
    return made


def request(
    name: str,
    told: str,
    instances: Sequence[str],
    bounds: Limits,
    *,
    at_once: int,
    errors: int,
    bucket: str,
    output: str,
) -> dict[str, Any]:
    """What SendCommand is asked.

    Args:
        name: Of the run.
        told: The script.
        instances: By their ids, 50 at most: a tag would also aim at those that SSM does not reach, which hold a place.
            They are targets, since an unknown one of ``InstanceIds`` has the whole command refused.
        bounds: The limits.
        at_once: Instances at a time; 50 where nobody says.
        errors: Instances whose script may fail; at one more no further ones are begun. 0 where nobody says. Deliveries
            that fail are none of them.
        bucket: Where the agent puts the script's output, where its instance's role lets it.
        output: Below which.
    """
    return {
        "DocumentName": DOCUMENT,
        "Comment": f"brokerproof fleet {name}"[:100],
        "Targets": [{"Key": "InstanceIds", "Values": list(instances)}],
        "MaxConcurrency": str(at_once),
        "MaxErrors": str(errors),
        "TimeoutSeconds": bounds.deliver_s,
        "OutputS3BucketName": bucket,
        "OutputS3KeyPrefix": output,
        "Parameters": {"commands": [told], "executionTimeout": [str(bounds.run_s)]},
    }
