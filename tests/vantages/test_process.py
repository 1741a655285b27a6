"""What the processes of vantages are sent."""

from __future__ import annotations

import tracemalloc

from brokerproof.vantages.process import FarProcess
from brokerproof.vantages.tail import Tail


def test_what_is_sent_to_many_is_held_once() -> None:
    """The probe's bundle goes to hundreds of hosts at once."""
    data = bytes(8_000_000)
    tracemalloc.start()
    try:
        processes = [FarProcess(["sh", "-c", "wc -c"], Tail()) for _ in range(4)]
        for process in processes:
            process.send(data)
            process.send(b"more")
        counted = [told(process) for process in processes]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted == [f"{len(data) + 4}"] * 4
    assert most < len(data) / 4


def told(process: FarProcess) -> str:
    lines: list[bytes] = []
    while process._outbox:
        lines += process.listen(1).lines
    lines += process.stop(politely_s=30, grace_s=1)
    return b"".join(lines).decode().strip()
