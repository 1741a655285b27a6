"""``python -m brokerproof.fleet.far.instance``: what a command of Run Command becomes on an instance.

It reads one line, the instance's work, runs each item by the probe beside this process, and leaves its object by the
item's link. What cannot be run is one line a client, for Run Command's output; the exit status says whether any was.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Final

import msgspec

from brokerproof.fleet.far.handler import PATIENCE, Handler, HandlerError
from brokerproof.fleet.far.objects import ByLinks
from brokerproof.fleet.far.values import Invocation, Place, decode_work
from brokerproof.vantages.exec import ExecVantage
from brokerproof.vantages.local import this_probe

MORE_TIME: Final = "run the fleet again: what took the time, the probe's way here, is not needed a second time"


def main() -> int:
    """Run an instance's items one after another; 0 where each left its object."""
    began = time.monotonic()
    try:
        work = decode_work(sys.stdin.buffer.readline())
    except msgspec.DecodeError as why:
        sys.stderr.write(f"brokerproof: the work is none of this probe: {why}\n")
        return 2
    name = os.environ.get("AWS_SSM_INSTANCE_ID", "instance")
    failed = 0
    with ExecVantage(name, (), python=sys.executable, environment=this_probe(), patience=PATIENCE) as vantage:
        handler = Handler(vantage, ByLinks(work.items), MORE_TIME)
        for number, linked in enumerate(work.items):
            left_ms = work.left_ms - round((time.monotonic() - began) * 1000)
            client = linked.asked.item.client
            try:
                told = handler.run(linked.asked, place_of(linked.asked, number), left_ms)
            except HandlerError as why:
                failed += 1
                sys.stderr.write(f"brokerproof: {client}: {why}\n")
            else:
                sys.stdout.write(f"brokerproof: {client}: {told.outcomes} outcomes, {told.failed} failed\n")
    return 1 if failed else 0


def place_of(asked: Invocation, earlier: int) -> Place:
    """This instance, as an object has it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Place(
        engine="ssm",
        resource=asked.item.resource,
        machine=platform.machine(),
        memory_mb=memory >> 20,
        earlier_runs=earlier,
    )


if __name__ == "__main__":
    sys.exit(main())
