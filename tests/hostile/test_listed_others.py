"""The other inputs that once broke the probe: of resolvers, of TLS, of clusters without an end, and of far sides."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from brokerproof.probes.outcome import HandshakeFacts, Outcome, Reason, Stage, Status
from brokerproof.probes.outcome.bounds import BROKERS, ITEMS
from brokerproof.probes.plan import AdvertisedScope, Endpoint, Limits, Tls
from tests.hostile.certificates import KINDS, mutated_server
from tests.hostile.fuzzers import dns_peer
from tests.hostile.served import Run, Served, shared_probe
from tests.probes.authority import Authority
from tests.probes.fake_kafka import alone, broker, healthy
from tests.probes.peers import LOOPBACK, peer
from tests.probes.running import TLS_TO_IDENTITY, plan

LIMITS = Limits(resolve_ms=1500, connect_ms=1500, handshake_ms=1500, request_ms=1500, plan_ms=6000)
SLACK_S = 5.0
NAMES = tuple(Endpoint(name=f"b-{index}.fuzz.test", port=9, broker_id=index) for index in range(1, 4))
FLOOD = 3000


def watched(work: Callable[[Served], Coroutine[Any, Any, Run]]) -> Run:
    run = shared_probe().run(work)
    assert run.problems == []
    return run


def of(run: Run, stage: Stage) -> list[Outcome]:
    return [each for each in run.outcomes if each.stage is stage]


ONE = dns.name.from_text("b-1.fuzz.test").to_digestable()
HEADER_BYTES = 12


def records(query: bytes, count: int) -> bytes:
    """An answer with so many records, which point at the name in the question (RFC 1035, 4.1.4)."""
    name_end = query.index(0, HEADER_BYTES) + 1
    question = query[HEADER_BYTES:name_end]
    answer = _records(bytes(2) + query[2:HEADER_BYTES] + ONE + query[name_end:], count)
    return query[:2] + answer[2:HEADER_BYTES] + question + answer[HEADER_BYTES + len(ONE) :]


@cache
def _records(query: bytes, count: int) -> bytes:
    """Made once for each type: making thousands of records takes longer than the probe waits."""
    asked = dns.message.from_wire(query)
    answer = dns.message.make_response(asked)
    if asked.question[0].rdtype == dns.rdatatype.A:
        addresses = [f"127.0.{index >> 8}.{index & 255}" for index in range(count)]
        answer.answer.append(dns.rrset.from_text_list(asked.question[0].name, 60, "IN", "A", addresses))
    return answer.to_wire(max_size=65_535)


def resolved(packets: Callable[[bytes, bool], list[bytes]], names: tuple[Endpoint, ...] = NAMES) -> Run:
    async def work(probe: Served) -> Run:
        async with dns_peer(packets) as port:
            ours: dict[str, Any] = {"bootstrap": names[:1], "brokers": names, "limits": LIMITS, "look_again": False}
            return await probe.run(plan(resolver=f"{LOOPBACK}:{port}", **ours), slack_s=SLACK_S)

    return watched(work)


def test_answers_to_another_question_hold_up_no_deadline() -> None:
    def packets(query: bytes, _tcp: bool) -> list[bytes]:
        right = records(query, 3000)
        return [right[:14] + b"X" + right[15:]] * 200

    run = resolved(packets)
    assert {each.reason for each in of(run, Stage.RESOLVE)} <= {
        Reason.MALFORMED_ANSWER,
        Reason.TOO_MUCH,
        Reason.TIMED_OUT,
    }


def test_a_name_of_thousands_of_addresses_is_too_much() -> None:
    many = tuple(Endpoint(name=f"b-{index}.fuzz.test", port=9, broker_id=index) for index in range(1, 101))
    run = resolved(lambda query, _tcp: [records(query, 3900)], many)
    reasons = {each.reason for each in of(run, Stage.RESOLVE)}
    assert Reason.TOO_MUCH in reasons
    # On a busy machine this resolver is late as well, and its late answer reaches who has the port by then.
    assert reasons <= {Reason.TOO_MUCH, Reason.TIMED_OUT, Reason.MALFORMED_ANSWER}


@pytest.mark.parametrize(("count", "status"), [(65, Status.FAILED), (64, Status.OK)])
def test_a_name_of_a_few_addresses_too_many_is_too_much(count: int, status: Status) -> None:
    run = resolved(lambda query, _tcp: [records(query, count)], NAMES[:1])
    (seen,) = of(run, Stage.RESOLVE)
    # The operating system knows none of these names, which is not what is looked at here.
    assert (seen.reason is Reason.TOO_MUCH) is (status is Status.FAILED), seen


def test_brokers_without_an_end_are_too_much() -> None:
    """Each answer lists a hundred brokers that no other has listed."""

    async def work(probe: Served) -> Run:
        listed = iter(range(2, 1_000_000))
        ports: list[int] = []

        def brokers() -> tuple[tuple[int, str, int], ...]:
            more = [next(listed) for _ in range(100)]
            return (1, LOOPBACK, ports[0]), *((index, f"127.0.{index >> 8}.{index & 255}", ports[0]) for index in more)

        async with AsyncExitStack() as stack:
            ports.append(await stack.enter_async_context(peer(broker(healthy(1, brokers)), address="0.0.0.0")))
            planned = plan(ports[0], limits=LIMITS, look_again=False, follow_advertised=AdvertisedScope.ANY)
            return await probe.run(planned, slack_s=SLACK_S)

    run = watched(work)
    assert Reason.TOO_MUCH in {each.reason for each in of(run, Stage.METADATA)}
    assert len({each.target for each in of(run, Stage.CONNECT)}) <= BROKERS + 1


def shaken(context: Callable[[Authority], ssl.SSLContext | None], directory: Path) -> Run | None:
    authority = Authority(directory)
    made = context(authority)
    if made is None:
        return None

    async def work(probe: Served) -> Run:
        ports: list[int] = []
        async with peer(broker(alone(1, lambda: ports[0])), context=made) as port:
            ports.append(port)
            trusts = Tls(ca_file=str(authority.ca_file))
            planned = plan(port, stages=TLS_TO_IDENTITY, tls=trusts, limits=LIMITS, look_again=False)
            return await probe.run(planned, slack_s=SLACK_S)

    return watched(work)


def test_session_tickets_without_an_end_hold_up_no_deadline(tmp_path: Path) -> None:
    def context(authority: Authority) -> ssl.SSLContext:
        made = authority.server(LOOPBACK)
        made.num_tickets = FLOOD
        return made

    run = shaken(context, tmp_path)
    assert run is not None
    assert of(run, Stage.HANDSHAKE)[0].status is Status.OK


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_cannot_be_read_is_a_fact(kind: str, tmp_path: Path) -> None:
    """Of each kind the first that OpenSSL presents at all."""
    for seed in range(40):
        run = shaken(lambda authority, seed=seed: mutated_server(Random(seed), authority, LOOPBACK, kind), tmp_path)  # type: ignore[misc]
        if run is None:
            continue
        (seen,) = of(run, Stage.HANDSHAKE)
        if isinstance(seen.facts, HandshakeFacts) and (
            seen.facts.unreadable or kind in {"many names", "bytes", "string type"}
        ):
            assert len(seen.facts.dns_names) <= ITEMS
            return
    pytest.fail(f"no certificate of kind {kind} was presented and could not be read")
