"""Kafka's own tools as survivors: what their lines mean, and that none outlives its owner. The lab has real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from brokerproof.change.session import libraries_of
from brokerproof.probes.plan import Authentication, AuthenticationScheme, Endpoint
from brokerproof.probes.survival.bookkeeping import Resent, Stalls
from brokerproof.probes.survival.java import JavaClients, java_words
from brokerproof.probes.survival.records import Topic
from brokerproof.probes.survival.values import SurvivalPlan, SurvivalReport
from tests.change.test_judgement import CALM, judged

PLAN = SurvivalPlan(client="app", brokers=tuple(Endpoint(name=f"b-{n}", port=9094, broker_id=n) for n in (1, 2)))
TOPIC = cast("Topic", SimpleNamespace(name="t", partitions={1: 0, 2: 1}, leads={0: 1, 1: 2, 2: 2}))
TOOL = """
import json, sys, time
from pathlib import Path

producing = any("VerifiableProducer" in word for word in sys.argv)
mark = next((word.partition("=")[2] for word in sys.argv if word.startswith("--value-prefix=")), "")
shared = Path(__file__).with_name("mark")


def say(name, **more):
    print(json.dumps({{"timestamp": 1, "name": name}} | more), flush=True)


def record(name, number, of, at=1):
    say(name, timestamp=at, key="1", value=f"{{of}}.{{number}}", topic="t", partition=number % 3, offset=number)


if producing:
    shared.write_text(mark)
{producer}
else:
    while not (shared.exists() and shared.read_text()):
        time.sleep(0.01)
    mark = shared.read_text()
{consumer}
"""
SLEEP = "time.sleep(600)"


def until(what: Callable[[], object]) -> None:
    ends = time.monotonic() + 30
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.02)


def words(folder: Path, *, producer: str = SLEEP, consumer: str = SLEEP) -> tuple[str, ...]:
    """What stands for Java: it says lines as the tools do, and lives on where it is told to."""
    script = folder / "tool.py"
    script.write_text(TOOL.format(producer=indent(producer, "    "), consumer=indent(consumer, "    ")))
    return (sys.executable, str(script))


def reported(clients: JavaClients) -> SurvivalReport:
    clients.stop_producing()
    clients.stop()
    return clients.report(1.0, 2.0, Stalls(), Resent(), look_back_s=0)


def test_acknowledgements_are_of_the_leader_of_their_partition_and_what_does_not_come_is_lost(tmp_path: Path) -> None:
    producer = f"""
say("startup_complete")
for number in range(30):
    record("producer_send_success", number, mark, at=1000 + 25 * number)
say("producer_send_error", exception="class o.a.TimeoutException", message="m", topic="t", key=None, value="1")
{SLEEP}
"""
    consumer = f"""
record("record_data", 7, "5")
for number in (*range(25), 3):
    record("record_data", number, mark)
{SLEEP}
"""
    clients = JavaClients(words(tmp_path, producer=producer, consumer=consumer), PLAN, TOPIC)
    until(lambda: not clients.missing)
    until(lambda: clients.lost == 5)
    report = reported(clients)
    assert {each.broker_id: each.acknowledged for each in report.leaders} == {1: 10, 2: 20}
    assert (report.lost, report.duplicated, report.received) == (5, 1, 26)
    assert report.leaders[0].errors == {"TimeoutException": 1}
    assert report.client == "app by Java"
    assert not report.trouble


@pytest.mark.parametrize(
    ("line", "words_of"),
    [
        ("hello", "malformed"),
        ('{"timestamp":1,"name":"other"}', "Invalid value 'other'"),
        ('{"timestamp":1,"name":"startup_complete","more":1}', "unknown field `more`"),
        ('{"timestamp":"1","name":"startup_complete"}', "Expected `int`"),
    ],
)
def test_a_line_that_is_none_of_the_tools_is_told_and_nothing_is_judged_by_it(
    tmp_path: Path, line: str, words_of: str
) -> None:
    clients = JavaClients(words(tmp_path, producer=f"print({line!r}, flush=True)\n{SLEEP}"), PLAN, TOPIC)
    until(lambda: clients.has_ended)
    report = reported(clients)
    assert "VerifiableProducer said what is no event of its own" in report.trouble
    assert words_of in report.trouble


def test_a_tool_that_ends_by_itself_makes_a_change_not_comparable(tmp_path: Path) -> None:
    clients = JavaClients(words(tmp_path, consumer="sys.exit(1)"), PLAN, TOPIC)
    until(lambda: clients.has_ended)
    report = reported(clients)
    assert report.trouble == "VerifiableConsumer ended by itself"
    dead = msgspec.structs.replace(CALM, client="app by Java", trouble=report.trouble)
    [why] = judged(survival=dead).whys
    assert (why.client, why.detail) == ("app by Java", report.trouble)


def test_silence_up_to_the_end_is_a_gap_of_its_leader(tmp_path: Path) -> None:
    producer = f"""
for number in range(30):
    record("producer_send_success", number, mark, at=int(1000 * time.time()) - (9000 if number % 3 == 0 else 0))
{SLEEP}
"""
    consumer = f"""
for number in range(30):
    record("record_data", number, mark)
{SLEEP}
"""
    clients = JavaClients(words(tmp_path, producer=producer, consumer=consumer), PLAN, TOPIC)
    until(lambda: not clients.missing)
    silent, _ = reported(clients).leaders
    assert [gap.lasted_ms >= 9000 for gap in silent.gaps] == [True]


def test_each_library_has_a_report_of_its_own() -> None:
    java = msgspec.structs.replace(CALM, client="app by Java")
    both = msgspec.structs.replace(CALM, beside=java)
    assert libraries_of(both) == (CALM, java)
    assert libraries_of(CALM) == (CALM,)


@pytest.mark.slow
def test_no_tool_outlives_who_started_it(tmp_path: Path) -> None:
    owner = (
        "import sys, time\nfrom tests.change.test_java_survivors import *\n"
        f"JavaClients({words(tmp_path)!r}, PLAN, TOPIC)\n"
        "print(flush=True)\ntime.sleep(600)"
    )

    def living() -> list[str]:
        lines = {entry.name: read(entry / "cmdline") for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        own = bytes(tmp_path / "tool.py")
        return [pid for pid, line in lines.items() if own in line and b"org.apache.kafka.tools" in line]

    def read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError:
            return b""

    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            until(lambda: len(living()) == 4)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    until(lambda: not living())


def test_java_is_found_by_the_plan_or_by_an_installation_and_not_where_clients_log_in(tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.touch(mode=0o755)
    (tmp_path / "libs").mkdir()
    environ = {"PATH": str(tmp_path), "KAFKA_HOME": str(tmp_path)}
    assert java_words(PLAN, environ)[0] == str(java)
    assert java_words(PLAN, environ)[-1] == f"{tmp_path}/libs/*"
    assert java_words(PLAN, {"PATH": str(tmp_path)}) == ()
    assert java_words(PLAN, environ | {"KAFKA_HOME": "/nowhere"}) == ()
    assert java_words(msgspec.structs.replace(PLAN, java=("/j", "-cp", "x")), {}) == ("/j", "-cp", "x")
    login = Authentication(scheme=AuthenticationScheme.SCRAM_SHA_512, username="env:U", password="env:P")
    assert java_words(msgspec.structs.replace(PLAN, authentication=login), environ) == ()
