"""``python -m brokerproof.probes`` as a process: lines in and out, and every way to make it stop."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kio.schema.api_versions.v0 import ApiVersionsRequest
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest

from brokerproof.probes.outcome import Closing, Line, Outcome, Reason, Refused, Stage, Started, Status, decode_line
from brokerproof.probes.plan import Authentication, AuthenticationScheme, Limits, encode_plan
from tests.probes.fake_cluster import PRODUCE, FakeCluster, fake_cluster
from tests.probes.fake_kafka import Handler, alone, api_versions, broker
from tests.probes.fake_sasl import agreeing, answer
from tests.probes.peers import peer, run, silent
from tests.probes.running import TO_IDENTITY, plan

ROOT = Path(__file__).parents[2]
LONG = Limits(request_ms=300_000, produce_ms=300_000, plan_ms=300_000)
PROMPT_S = 60.0
"""Far below the deadlines of :data:`LONG`, far above what a loaded machine needs."""


@asynccontextmanager
async def probes(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "brokerproof.probes", *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def talk(text: bytes, *arguments: str) -> list[Line]:
    async with probes(*arguments) as process:
        out, err = await process.communicate(text)
        assert err == b""
        assert process.returncode == 0
        return [decode_line(line) for line in out.splitlines()]


async def read_until(process: Process, wanted: Callable[[Line], bool]) -> list[Line]:
    assert process.stdout is not None
    lines = []
    while line := await process.stdout.readline():
        lines.append(decode_line(line))
        if wanted(lines[-1]):
            break
    return lines


def is_closing(line: Line) -> bool:
    return isinstance(line, Closing)


def test_help_suffices() -> None:
    async def work() -> tuple[bytes, bytes]:
        async with probes("--help") as process:
            return await process.communicate()

    out, err = run(work())
    assert err == b""
    for word in (b"stdin", b"--serve", b"SIGTERM", b"closing"):
        assert word in out


def test_another_argument_is_a_mistake() -> None:
    async def work() -> tuple[bytes, bytes, int | None]:
        async with probes("--sevre") as process:
            return *await process.communicate(), process.returncode

    out, err, code = run(work())
    assert (out, code) == (b"", 2)
    assert err.startswith(b"usage:")


def test_nothing_on_stdin_is_refused() -> None:
    (line,) = run(talk(b""))
    assert isinstance(line, Refused)
    assert "no plan on stdin" in line.why


def test_plans_that_cannot_be_used_are_refused_in_words() -> None:
    good = encode_plan(plan(9094))
    bad = {
        b"\n": "no plan on stdin",
        b"hello\n": "malformed",
        b"{}\n": "missing required field",
        good.replace(b'"version":1', b'"version":99'): "plan version 99",
        good.replace(b'"client"', b'"clinet"'): "clinet",
        good.replace(b'"port":9094', b'"port":0'): "port 0 is not in 1..65535",
        encode_plan(plan(9094, resolver="nowhere")): "resolver 'nowhere' is not an IP address",
    }

    async def work() -> list[Line]:
        lines = []
        async with probes("--serve") as process:
            assert process.stdin is not None
            for text in bad:
                process.stdin.write(text)
                lines += await read_until(process, lambda _line: True)
            process.stdin.close()
            await process.wait()
        return lines

    for line, words in zip(run(work()), bad.values(), strict=True):
        assert isinstance(line, Refused)
        assert words in line.why


def test_one_plan_in_its_lines_out() -> None:
    async def work() -> list[Line]:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            return await talk(encode_plan(plan(port)))

    started, *outcomes, closing = run(work())
    assert isinstance(started, Started)
    assert started.libraries.keys() >= {"confluent-kafka", "librdkafka", "dnspython", "pyopenssl"}
    assert isinstance(closing, Closing)
    assert closing.outcomes == len(outcomes)
    assert [each.stage for each in outcomes if isinstance(each, Outcome)] == list(TO_IDENTITY)
    assert {each.status for each in outcomes if isinstance(each, Outcome)} == {Status.OK}


def test_one_process_serves_many_plans_and_survives_a_bad_line() -> None:
    async def work() -> tuple[list[list[Line]], int]:
        ports: list[int] = []
        answers = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port, probes("--serve") as process:
            ports.append(port)
            assert process.stdin is not None
            for text in (encode_plan(plan(port)), b"rubbish\n", encode_plan(plan(port))):
                process.stdin.write(text)
                answers.append(await read_until(process, lambda line: isinstance(line, Closing | Refused)))
            process.stdin.close()
            return answers, await process.wait()

    answers, code = run(work())
    assert [type(lines[-1]) for lines in answers] == [Closing, Refused, Closing]
    assert [len(lines) for lines in answers] == [7, 1, 7]
    assert code == 0


async def interrupted(process: Process, plan_line: bytes, interrupt: Callable[[], None]) -> tuple[list[Line], float]:
    """Interrupt a plan once it hangs in ``api``; the lines and how long the end took."""
    assert process.stdin is not None
    process.stdin.write(plan_line)
    await process.stdin.drain()
    lines = await read_until(process, lambda line: isinstance(line, Outcome) and line.stage is Stage.CONNECT)
    begin = time.monotonic()
    interrupt()
    lines += await read_until(process, is_closing)
    await process.wait()
    return lines, time.monotonic() - begin


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_plan_with_its_closing_line(number: int) -> None:
    async def work() -> tuple[list[Line], float]:
        async with peer(silent) as port, probes() as process:
            line = encode_plan(plan(port, limits=LONG))
            return await interrupted(process, line, lambda: process.send_signal(number))

    lines, took_s = run(work())
    closing = lines[-1]
    assert isinstance(closing, Closing)
    assert not closing.complete
    assert took_s < PROMPT_S
    assert {each.reason for each in lines if isinstance(each, Outcome) and each.stage is Stage.API} == {
        Reason.DEADLINE_OF_PLAN
    }


@pytest.mark.parametrize("arguments", [(), ("--serve",)])
def test_a_signal_is_heard_while_no_plan_comes(arguments: tuple[str, ...]) -> None:
    async def work() -> int:
        async with probes(*arguments) as process:
            while not _catches(process.pid, signal.SIGTERM):  # noqa: ASYNC110  another process has no Event
                await asyncio.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            return await asyncio.wait_for(process.wait(), PROMPT_S)

    assert run(work()) == 0


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler by now (proc(5), SigCgt)."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_the_end_of_stdin_ends_a_served_plan() -> None:
    async def work() -> tuple[list[Line], float]:
        async with peer(silent) as port, probes("--serve") as process:
            assert process.stdin is not None
            line = encode_plan(plan(port, limits=LONG))
            return await interrupted(process, line, process.stdin.close)

    lines, took_s = run(work())
    assert isinstance(lines[-1], Closing)
    assert not lines[-1].complete
    assert took_s < PROMPT_S


def test_the_end_of_stdin_does_not_end_a_single_plan() -> None:
    """``echo plan | python -m brokerproof.probes`` has its end of stdin right behind the plan."""

    async def work() -> list[Line]:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0]))) as port:
            ports.append(port)
            return await talk(encode_plan(plan(port)).rstrip(b"\n"))

    closing = run(work())[-1]
    assert isinstance(closing, Closing)
    assert closing.complete


async def _stop_while_producing(stop: Callable[[Process], None]) -> FakeCluster:
    async with fake_cluster(1) as cluster, probes() as process:
        cluster.silent_on.add(PRODUCE)
        assert process.stdin is not None
        line = encode_plan(plan(cluster.ports[1], limits=LONG, stages=(*TO_IDENTITY, Stage.PRODUCE)))
        process.stdin.write(line)
        await cluster.was_created.wait()
        stop(process)
        await asyncio.wait_for(process.wait(), PROMPT_S)
        return cluster


def test_sigterm_removes_the_topic() -> None:
    cluster = run(_stop_while_producing(lambda process: process.send_signal(signal.SIGTERM)))
    assert cluster.deleted == cluster.created


def test_a_stdout_nobody_reads_any_more_ends_the_plan_and_removes_the_topic() -> None:
    """What a dropped ssh connection looks like from the other end."""

    def hang_up(process: Process) -> None:
        transport = process._transport  # type: ignore[attr-defined]
        transport.get_pipe_transport(1).close()

    cluster = run(_stop_while_producing(hang_up))
    assert cluster.deleted == cluster.created


def test_a_probe_process_can_log_in_by_iam(tmp_path: Path) -> None:
    """It starts without modules that botocore needs."""
    (tmp_path / "aws").write_text("[app]\naws_access_key_id = AKIAEXAMPLEEXAMPLE\naws_secret_access_key = secret\n")
    settings = Authentication(
        scheme=AuthenticationScheme.IAM,
        credentials_file=f"{tmp_path}/aws",
        profile="app",
        region_name="us-east-1",
    )

    async def work() -> list[Line]:
        ports: list[int] = []
        handlers: dict[type, Handler] = alone(1, lambda: ports[0])
        handlers[ApiVersionsRequest] = lambda _request: api_versions({3: (0, 12), 17: (0, 1), 18: (0, 3), 36: (0, 2)})
        handlers[SaslHandshakeRequest] = agreeing("OAUTHBEARER")
        handlers[SaslAuthenticateRequest] = lambda _request: answer()
        async with peer(broker(handlers)) as port:
            ports.append(port)
            stages = (Stage.RESOLVE, Stage.CONNECT, Stage.API, Stage.AUTHENTICATE)
            return await talk(encode_plan(plan(port, stages=stages, authentication=settings, limits=LONG)))

    lines = run(work())
    [login] = [each for each in lines if isinstance(each, Outcome) and each.stage is Stage.AUTHENTICATE]
    assert login.status is Status.OK, login
