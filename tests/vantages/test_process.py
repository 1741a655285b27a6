"""How the processes of vantages are started: one after another, whatever the threads that ask."""

from __future__ import annotations

import subprocess
import threading
import time
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
