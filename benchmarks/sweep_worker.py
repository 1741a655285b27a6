"""Sweeps names by the probe's own stages connect and handshake; run by ``sweep.py`` on the core that sweeps.

Reads lines ``{"names": [], "addresses": [], "port": N, "ca_file": "", "at_once": N}`` from standard input and
answers each with ``{"ok": N, "wrong": [words], "whole_s": N, "cpu_s": N}``. Outcomes are made, numbered and encoded
as in any run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from brokerproof.probes.__main__ import _import_engine as prepare

prepare()  # as `python -m brokerproof.probes` starts

from brokerproof.probes.ledger import Ledger  # noqa: E402
from brokerproof.probes.outcome import Outcome, Role, SampleBlock, Stage, Status, Target, encode_line  # noqa: E402
from brokerproof.probes.stages.connect import connect  # noqa: E402
from brokerproof.probes.stages.handshake import handshake, trust  # noqa: E402

PATIENCE_MS = 60_000
"""What is measured is how fast it goes, not whether it is in time."""


async def sweep(wanted: dict[str, Any]) -> tuple[int, list[str]]:
    """Every name once; how many had both stages ok, and in words what was not."""
    lines: list[bytes] = []
    wrong: list[str] = []

    def emit(line: Outcome | SampleBlock) -> None:
        lines.append(encode_line(line))
        if isinstance(line, Outcome) and line.status is not Status.OK:
            wrong.append(f"{line.target.name}: {line.stage} {line.detail}")

    ledger, limiter = Ledger(emit), asyncio.Semaphore(wanted["at_once"])
    context, port = trust(wanted["ca_file"]), wanted["port"]

    async def one(name: str, address: str) -> None:
        target = Target(role=Role.BROKER, name=name, address=address, port=port)
        async with limiter:
            work = connect(address, port, limit_ms=PATIENCE_MS)
            _, sock = await ledger.measure(Stage.CONNECT, target, work)
            if sock is not None:
                shaking = handshake(sock, name, context, limit_ms=PATIENCE_MS)
                await ledger.measure(Stage.HANDSHAKE, target, shaking)
                sock.close()

    await asyncio.gather(*(one(*each) for each in zip(wanted["names"], wanted["addresses"], strict=True)))
    return len(lines) // 2 - len(wrong), wrong


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        began, used_s = time.monotonic(), time.process_time()
        ok, wrong = asyncio.run(sweep(wanted))
        whole_s, cpu_s = time.monotonic() - began, time.process_time() - used_s
        print(json.dumps({"ok": ok, "wrong": wrong[:3], "whole_s": whole_s, "cpu_s": cpu_s}), flush=True)


if __name__ == "__main__":
    main()
