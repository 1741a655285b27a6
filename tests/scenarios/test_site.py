"""Which clients are verified at the same time: those of a lab on a machine that is not busy, and no others."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Self, cast

import pytest

from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Plan
from brokerproof.running import site
from brokerproof.running.site import Site
from brokerproof.topology.patterns import PATTERNS
from brokerproof.vantages.protocol import OnOutcome, VantageRun

TOPOLOGY = PATTERNS["privatelink_multi_nlb"].build(None)
CLIENTS = [client.name for client in TOPOLOGY.clients if client.pattern is not None]
A_LAB = cast(Lab, object())
MEETING_LIMIT_S = 20


class Counting:
    """Vantages that count how many of them run a plan at the same time.

    Where several are to be, the first of them wait until they are, however late this machine starts a thread.
    """

    def __init__(self) -> None:
        self.expected = 1
        self._met = threading.Event()
        self.running = self.most = 0
        self.plans: list[str] = []
        self._lock = threading.Lock()

    def run(self, plan: Plan, on_outcome: OnOutcome | None = None) -> VantageRun:
        with self._lock:
            self.plans.append(plan.client)
            self.running += 1
            self.most = max(self.most, self.running)
            if self.running >= self.expected > 1:
                self._met.set()
        if self.expected > 1:
            self._met.wait(MEETING_LIMIT_S)
        time.sleep(0.1)
        with self._lock:
            self.running -= 1
        return VantageRun()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


@pytest.fixture
def vantages(monkeypatch: pytest.MonkeyPatch) -> Counting:
    made = Counting()
    monkeypatch.setattr(site, "open_client", lambda _client, _lab: made)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    return made


@pytest.mark.parametrize(
    ("lab", "load", "most"),
    [(A_LAB, 1.0, 2), (A_LAB, 6.1, 1), (None, 1.0, 1)],
    ids=["a quiet lab", "a busy machine", "a cluster that is not the lab's"],
)
def test_how_many_clients_are_verified_at_once(
    vantages: Counting, monkeypatch: pytest.MonkeyPatch, lab: Lab | None, load: float, most: int
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    vantages.expected = most
    with Site(TOPOLOGY, lab=lab, journal=None) as opened:
        opened.verify(CLIENTS)
        assert vantages.most == most
        assert sorted(vantages.plans) == sorted(CLIENTS)
        for name in CLIENTS:
            assert opened.run(name, measure=False).view.client == name
        assert len(vantages.plans) == len(CLIENTS), "each client's plan runs once"
