"""How the processes of vantages are started: one after another, whatever the threads that ask."""

from __future__ import annotations

import subprocess
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from brokerproof.vantages.process import FarProcess
from brokerproof.vantages.tail import Tail


def test_threads_start_their_processes_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once crashed CPython 3.11 (a segmentation fault below ``subprocess``)."""
    inside, most = threading.Semaphore(8), []
    real = subprocess.Popen

    def watched(*words: Any, **settings: Any) -> subprocess.Popen[bytes]:
        with inside:
            most.append(8 - inside._value)
            time.sleep(0.02)
            return real(*words, **settings)

    monkeypatch.setattr(subprocess, "Popen", watched)
    with ThreadPoolExecutor(8) as threads:
        started = list(threads.map(lambda _: FarProcess(["true"], Tail()), range(8)))
    for process in started:
        process.stop(politely_s=10, grace_s=1)
    assert most == [1] * 8


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
