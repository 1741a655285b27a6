"""What a probe does before its first packet, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokerproof.probes import engine, names
from brokerproof.probes.outcome import Line, Outcome, ResolveFacts, Stage
from brokerproof.probes.plan import Endpoint, Limits, Plan, encode_plan
from tests.probes.fake_dns import Reply, answering, dns_server
from tests.probes.peers import run

ROOT = Path(__file__).parents[2]
NAME = "b-1.demo.kafka.us-east-1.amazonaws.com"
EARLY = frozenset(
    {
        *("OpenSSL", "_cffi_backend", "_openssl", "confluent_kafka", "cryptography", "dns", "idna", "msgspec"),
        *("_distutils_hack", "sitecustomize", "typing_extensions"),
    }
)
"""Of others: what asks for names, makes client processes and says who probes; what these import; and what the
interpreter finds. OpenSSL's errors are those of every stream."""
LATE = (
    "brokerproof.probes.exchange",
    "brokerproof.probes.paths",
    "brokerproof.probes.stages.handshake",
    "brokerproof.probes.whole_run",
    "brokerproof.probes.wire.kafka_connection",
)
IMPORTED = """
import os, sys
from brokerproof.probes.__main__ import main
def at_first_packet(event, values):
    if event == "socket.connect":
        os.write(2, " ".join(sys.modules).encode())
        os._exit(0)
sys.addaudithook(at_first_packet)
main([])
"""
SAYS_NOTHING_S = 5.0
"""Longer than a busy machine needs to go on without an answer."""
SLOWLY_S = 1.0
"""An import, here."""


def planned(resolver: str, *stages: Stage) -> Plan:
    there = (Endpoint(name=NAME, port=9094),)
    # One look: the operating system knows no such name.
    limits = Limits(resolve_ms=60_000)
    return Plan(
        "first", "test", there, brokers=there, resolver=resolver, stages=stages, limits=limits, look_again=False
    )


def test_a_probe_imports_what_its_first_packet_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        input=encode_plan(planned("127.0.0.1", Stage.RESOLVE, Stage.CONNECT)) + b"\n",
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.decode().split())
    assert "brokerproof.probes.stages.resolve" in imported
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert {name for name in others if not name.startswith("__")} - {"brokerproof"} <= EARLY
    assert imported.isdisjoint(LATE)


def _resolve(reply: Reply, delay_s: float, monkeypatch: pytest.MonkeyPatch) -> tuple[ResolveFacts, float]:
    """What was seen of a name in a process's first run, and when the import began."""
    monkeypatch.delitem(sys.modules, "brokerproof.probes.whole_run", raising=False)
    lines: list[Line] = []
    began: list[float] = []

    @contextmanager
    def slowly() -> Iterator[None]:
        began.append(time.monotonic())
        time.sleep(SLOWLY_S)  # as an import, it leaves the event loop no turn
        yield

    async def work() -> None:
        async with dns_server(reply, delay_s=lambda: delay_s) as server:
            await engine.run(planned(str(server), Stage.RESOLVE), lines.append, importing=slowly)

    started = time.monotonic()
    run(work())
    (facts,) = (line.facts for line in lines if isinstance(line, Outcome))
    assert isinstance(facts, ResolveFacts)
    return facts, began[0] - started


def test_what_is_imported_later_is_imported_as_the_caller_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe as a process imports without what libraries look for in vain, and without collecting garbage."""
    monkeypatch.delitem(sys.modules, "brokerproof.probes.whole_run", raising=False)
    there: list[bool] = []

    @contextmanager
    def watched() -> Iterator[None]:
        there.append("brokerproof.probes.whole_run" in sys.modules)
        yield
        there.append("brokerproof.probes.whole_run" in sys.modules)

    async def work() -> None:
        async with dns_server(answering(f"{NAME}. 30 IN A 127.0.0.1")) as server:
            await engine.run(planned(str(server), Stage.RESOLVE), lambda _line: None, importing=watched)

    run(work())
    assert there == [False, True]


def test_what_is_imported_later_is_in_no_answers_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "AHEAD_S", 10 * SLOWLY_S)
    facts, _ = _resolve(answering(f"{NAME}. 30 IN A 127.0.0.1"), 0.1, monkeypatch)
    assert facts.a == ("127.0.0.1",)
    assert facts.query_ns < SLOWLY_S * 1e9


def test_a_resolver_that_says_nothing_holds_up_nothing_else_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "AHEAD_S", 0.05)
    facts, waited_s = _resolve(answering(f"{NAME}. 30 IN A 127.0.0.1"), SAYS_NOTHING_S, monkeypatch)
    assert waited_s < SAYS_NOTHING_S
    assert facts.a == ("127.0.0.1",), "it stays under way"


def test_names_are_asked_for_once_though_they_are_asked_for_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = answering(f"{NAME}. 30 IN A 127.0.0.1")

    def reply(query: object, tcp: bool) -> list[bytes]:
        asked.append(str(query.question[0]))  # type: ignore[attr-defined]
        return answer(query, tcp)  # type: ignore[arg-type]

    _resolve(reply, 0.0, monkeypatch)
    assert sorted(asked) == sorted(f"{NAME}. IN {kind}" for kind in ("A", "AAAA"))
