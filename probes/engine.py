"""Begins the run of a plan: says who probes, asks for the plan's names, and only then imports what the rest needs.

:func:`run` is the probe in one call, for callers in the same process; :mod:`brokerproof.probes.__main__` is
the same over stdin and stdout, and :mod:`brokerproof.probes.whole_run` what follows. What this module imports is what a
probe costs before its first packet.
"""

from __future__ import annotations

import asyncio
import atexit
import platform
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Final

import confluent_kafka
import cryptography
import dns.version
import msgspec
import OpenSSL

from brokerproof.probes.host import Asked, read_host, servers_of
from brokerproof.probes.kafka_client.ahead import begin
from brokerproof.probes.kafka_client.fork_server import ForkServer, start_beside
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.names import Names
from brokerproof.probes.outcome import Closing, HostFacts, Line, Refused, Started
from brokerproof.probes.outcome.foreign_text import ours
from brokerproof.probes.plan import Plan
from brokerproof.probes.wire.dns_exchange import Server, is_address, parse_server

PROBE_VERSION: Final = "1"
"""Of the probe's behaviour, for reports; the plan has its own version."""

_REST: Final = "brokerproof.probes.whole_run"
"""What is imported after the first packet: Kafka's protocol, and whatever needs it."""

Emit = Callable[[Line], None]


async def run(
    plan: Plan,
    emit: Emit,
    *,
    abort: asyncio.Event | None = None,
    server: ForkServer | None = None,
    importing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Closing | Refused:
    """Probe ``plan`` and hand every line to ``emit`` as it comes: Started, Outcomes, Closing.

    Args:
        plan: What to probe.
        emit: Called from the event loop; it must not block.
        abort: Once set, the run is ended as by the plan's deadline: what was made is removed, what
            was not probed is reported.
        server: Makes the processes of the Kafka client; None for one that is started when it is first needed, and
            kept for as long as this process lives.
        importing: Around the import of what comes after the names, in the first run of a process.

    Returns:
        The last line: Closing, or Refused where the plan cannot be used and nothing was probed.
    """
    host = read_host({each.name for each in (*plan.bootstrap, *plan.brokers)} | set(plan.other_names))
    try:
        servers = _usable(plan, host)
    except ValueError as why:
        refused = Refused(why=str(why))
        emit(refused)
        return refused
    asked = Asked(servers, host)
    emit(_started(plan, host))
    ledger = Ledger(emit)
    limiter = asyncio.Semaphore(plan.limits.concurrency)
    names = Names(plan, ledger, asked, limiter)
    begun = None
    if _REST not in sys.modules:
        if server is not None:
            begun = await begin(plan, server)
        # Importing it stops the event loop, and with it the clocks of what is under way.
        await names.ask_ahead()
        with importing():
            import_module(_REST)
    from brokerproof.probes.whole_run import WholeRun  # noqa: PLC0415  it is there by now

    server = server or server_beside()
    whole = WholeRun(plan, emit, ledger, asked, names=names, limiter=limiter, server=server, begun=begun)
    return await whole.run(abort or asyncio.Event())


@cache
def server_beside() -> ForkServer:
    """The fork server of a process that has threads; one for all its runs."""
    server = start_beside()
    atexit.register(server.close)
    return server


def _usable(plan: Plan, host: HostFacts) -> tuple[Server, ...]:
    """The resolvers to ask, in their order.

    Raises:
        ValueError: something in the plan cannot be probed.
    """
    for index, each in enumerate(plan.forbidden):
        if not is_address(each.address):
            raise ValueError(f"$.forbidden[{index}].address: {each.address!r} is not an IP address")
    for index, control in enumerate(plan.control_connects):
        if not is_address(control.address):
            raise ValueError(f"$.control_connects[{index}].address: {control.address!r} is not an IP address")
    for name, value in (
        ("topic.replication_factor", plan.topic.replication_factor),
        ("topic.records_per_leader", plan.topic.records_per_leader),
        ("topic.record_bytes", plan.topic.record_bytes),
        ("latency.rate_per_s", plan.latency.rate_per_s if plan.latency else 1),
        ("latency.samples", plan.latency.samples if plan.latency else 1),
        ("path_latency.rate_per_s", plan.path_latency.rate_per_s if plan.path_latency else 1),
        ("path_latency.samples", plan.path_latency.samples if plan.path_latency else 1),
        ("path_latency.max_ms", plan.path_latency.max_ms if plan.path_latency else 1),
        ("throughput.total_bytes", plan.throughput.total_bytes if plan.throughput else 1),
    ):
        if value <= 0:
            raise ValueError(f"$.{name}: {value} is not positive")
    return servers_of(host) if plan.resolver is None else (parse_server(plan.resolver),)


def _started(plan: Plan, host: HostFacts) -> Started:
    return Started(
        plan_id=plan.plan_id,
        client=plan.client,
        probe_version=PROBE_VERSION,
        host=platform.node(),
        python=platform.python_version(),
        libraries={
            "confluent-kafka": _version(confluent_kafka.version()),
            "librdkafka": _version(confluent_kafka.libversion()),
            "cryptography": cryptography.__version__,
            "dnspython": dns.version.version,
            "msgspec": msgspec.__version__,
            "pyopenssl": OpenSSL.__version__,
        },
        wall_clock=datetime.now(UTC).isoformat(),
        host_facts=ours(host),
    )


def _version(said: str | tuple[str, int]) -> str:
    return said if isinstance(said, str) else said[0]
