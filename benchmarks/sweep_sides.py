"""The sides of ``sweep.py``: processes that run before the clock starts, each bound to one core.

A side's time counts only where it found every name ok.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from brokerproof.probes.outcome import Closing, Outcome, Stage, Status, decode_line
from brokerproof.probes.plan import Endpoint, Limits, Plan, Tls, encode_plan

ROOT = Path(__file__).resolve().parents[1]
PORT = 9094
WEB = 9115
SWEEP_S = 120
STARTS_S = 10


class Swept(NamedTuple):
    """One sweep: how long it took, and the processor time of who swept."""

    names: int
    whole_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.names / self.whole_s


class SweepError(Exception):
    """Not every name was ok, so the time means nothing."""


class Place(NamedTuple):
    """A name, where it is, and the name of the first broker of its cluster, which has the same certificate."""

    name: str
    address: str
    first: str


class Field(NamedTuple):
    """What is swept, from where."""

    places: tuple[Place, ...]
    at_once: int
    core: int
    """Of those that sweep."""
    ca_file: Path
    directory: Path


Sweep = Callable[[], Swept]


def wait_for(what: str, ready: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until:
        with suppress(OSError):
            if ready():
                return
        time.sleep(0.05)
    raise SweepError(f"{what} did not answer within {STARTS_S} s: {log.read_text(errors='replace')[-500:]}")


def on_core(core: int) -> tuple[str, ...]:
    """What goes before a command that has one core; Go, too, then runs one thread at a time."""
    return "taskset", "--cpu-list", str(core)


def cpu_s_of(pid: int) -> float:
    """Of all its threads (proc(5), utime and stime)."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def worker(what: str, python: str, script: str, field: Field) -> Iterator[Sweep]:
    """One that reads what to sweep and times itself: the probe's stages, or sslyze."""
    names, addresses = [each.name for each in field.places], [each.address for each in field.places]
    wanted = {"names": names, "addresses": addresses, "port": PORT, "ca_file": str(field.ca_file)}
    line = json.dumps(wanted | {"at_once": field.at_once}).encode() + b"\n"
    log = field.directory / f"{script}.log"
    with (
        log.open("wb") as words,
        subprocess.Popen(
            [*on_core(field.core), python, str(ROOT / "benchmarks" / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process,
    ):
        told, heard = process.stdin, process.stdout
        assert told
        assert heard

        def sweep() -> Swept:
            told.write(line)
            told.flush()
            answer = heard.readline()
            if not answer:
                raise SweepError(f"{what} ended: {log.read_text(errors='replace')[-500:]}")
            said = json.loads(answer)
            if said["ok"] != len(names):
                raise SweepError(f"{what}: {said['ok']} of {len(names)} names ok: {said['wrong']}")
            return Swept(len(names), said["whole_s"], said["cpu_s"])

        yield sweep
        told.close()


@contextmanager
def probe(field: Field) -> Iterator[Sweep]:
    """``python -m brokerproof.probes --serve`` with a plan of resolve, connect and handshake."""
    plan, count = plan_of(field), len(field.places)
    with subprocess.Popen(
        [*on_core(field.core), sys.executable, "-m", "brokerproof.probes", "--serve"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        told, heard = process.stdin, process.stdout
        assert told
        assert heard

        def sweep() -> Swept:
            used_s, began = cpu_s_of(process.pid), time.monotonic()
            told.write(plan)
            told.flush()
            lines: list[bytes] = []
            while not lines or b'"closing"' not in lines[-1]:
                lines.append(heard.readline())
                if not lines[-1] or b'"refused"' in lines[-1]:
                    raise SweepError(f"probe: no whole run: {lines[-1]!r}")
            swept = Swept(count, time.monotonic() - began, cpu_s_of(process.pid) - used_s)
            judge(lines, count)
            return swept

        yield sweep
        told.close()


def plan_of(field: Field) -> bytes:
    endpoints = tuple(Endpoint(name=each.name, port=PORT, broker_id=i) for i, each in enumerate(field.places, 1))
    slow = 1000 * SWEEP_S // 4  # what is measured is how fast it goes, not whether it is in time
    return encode_plan(
        Plan(
            plan_id="sweep",
            client="sweep",
            bootstrap=endpoints[:1],
            brokers=endpoints,
            stages=(Stage.RESOLVE, Stage.CONNECT, Stage.HANDSHAKE),
            tls=Tls(ca_file=str(field.ca_file)),
            limits=Limits(
                resolve_ms=slow,
                connect_ms=slow,
                handshake_ms=slow,
                plan_ms=1000 * SWEEP_S,
                concurrency=field.at_once,
            ),
        )
    )


def judge(lines: Sequence[bytes], count: int) -> None:
    """After the clock has stopped."""
    decoded = [decode_line(line) for line in lines]
    outcomes = [line for line in decoded if isinstance(line, Outcome)]
    bad = [outcome for outcome in outcomes if outcome.status is not Status.OK]
    if bad or len(outcomes) != 3 * count or not isinstance(decoded[-1], Closing):
        raise SweepError(f"probe: {len(outcomes)} outcomes of {3 * count}, not ok: {bad[:1]}")


@contextmanager
def blackbox(program: str, field: Field) -> Iterator[tuple[Sweep, Sweep]]:
    """The exporter; a sweep by addresses, and one by names.

    By address a module says the name of the certificate, so each cluster has one.
    """
    tls = {"ca_file": str(field.ca_file)}
    modules = {each.first: module(tls | {"server_name": each.first}) for each in field.places}
    configuration, log = field.directory / "blackbox.yml", field.directory / "blackbox.log"
    configuration.write_text(json.dumps({"modules": modules | {"names": module(tls)}}))
    listening = (f"--config.file={configuration}", f"--web.listen-address=127.0.0.1:{WEB}", "--log.level=error")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*on_core(field.core), program, *listening],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):

        def swept(queries: Sequence[str]) -> Swept:
            used_s, began = cpu_s_of(process.pid), time.monotonic()
            asyncio.run(drive(queries, field.at_once))
            return Swept(len(queries), time.monotonic() - began, cpu_s_of(process.pid) - used_s)

        by_address = [f"module={each.first}&target={each.address}:{PORT}" for each in field.places]
        by_name = [f"module=names&target={each.name}:{PORT}" for each in field.places]
        try:
            wait_for("blackbox_exporter", is_web_up, log)
            yield lambda: swept(by_address), lambda: swept(by_name)
        finally:
            process.terminate()


def module(tls: dict[str, str]) -> dict[str, object]:
    tcp = {"tls": True, "preferred_ip_protocol": "ip4", "tls_config": tls}
    return {"prober": "tcp", "timeout": f"{SWEEP_S}s", "tcp": tcp}


def is_web_up() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", WEB, timeout=1)
    connection.request("GET", "/-/healthy")
    up = connection.getresponse().status == http.HTTPStatus.OK
    connection.close()
    return up


async def drive(queries: Sequence[str], at_once: int) -> None:
    """Every query once, over as many kept connections as are to be under way."""
    left = iter(queries)
    wrong: list[str] = []

    async def one_after_another() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", WEB)
        for query in left:
            timeout = f"X-Prometheus-Scrape-Timeout-Seconds: {SWEEP_S}"
            writer.write(f"GET /probe?{query} HTTP/1.1\r\nHost: sweep\r\n{timeout}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            body = b""
            if "chunked" in head:
                while size := int(await reader.readline(), 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                await reader.readline()
            else:
                body = await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
            if b"\nprobe_success 1\n" not in body:
                wrong.append(f"{query}: {body[-200:]!r}")
        writer.close()

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    if wrong:
        raise SweepError(f"blackbox_exporter: {len(wrong)} of {len(queries)} failed: {wrong[0]}")
