"""What a run says that it spent is what the lab's broker counted, for each way to log in.

The broker's own log tells it: each connection that a listener accepts, and each login that begins.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.lab.daemons import iam_handler, jvm, kafka_dist
from brokerproof.lab.life import preflight
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Spent
from brokerproof.probes.plan import AuthenticationScheme, Limits
from brokerproof.running.planning import conclude, make_plan, without_isolation
from brokerproof.running.site import lab_vantage
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.patterns import PATTERNS, PatternOptions

pytestmark = pytest.mark.lab

CLIENT, BROKER = "cluster_vpc", "demo-1"
TELLING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRefs = console
rootLogger.appenderRef.console.ref = console
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = info
logger.accepted.name = kafka.network
logger.accepted.level = debug
logger.login.name = org.apache.kafka.common.security.authenticator.SaslServerAuthenticator
logger.login.level = debug
"""
ACCEPTED = re.compile(r"^Accepted connection from /\S+ on /\S+:(\d+) ", re.MULTILINE)
LOGIN_BEGUN = re.compile(r"Set SASL server state to AUTHENTICATE ")
"""A mechanism was agreed on. Not each is brought to an end: the client may be closed meanwhile."""
CUT_SHORT = 2
"""librdkafka drops a client's first connection once Metadata names the brokers (rdkafka_metadata.c): a busy broker has
not always taken that up by then. The run has two such clients, a producer and a consumer."""
SETTLED_S = 20.0
PATIENT = Limits(connect_ms=10_000, handshake_ms=20_000, request_ms=20_000, produce_ms=30_000, plan_ms=120_000)
"""A SYN that is given up on a busy machine is spent, and no broker counts it."""


class Counted(NamedTuple):
    """By the broker, at one listener."""

    connections: int
    logins: int


@contextmanager
def telling_lab(folder: Path, scheme: AuthenticationScheme) -> Iterator[Lab]:
    """A lab of one broker that tells in its log who comes."""
    logging = folder / "log4j2.properties"
    logging.write_text(TELLING)
    environ = os.environ
    topology = PATTERNS["in_vpc"].build(PatternOptions(brokers=1, authentication=scheme))
    distribution = kafka_dist.locate(topology.clusters[0].kafka_version, environ=environ)
    java = preflight.find_java(environ)
    assert java is not None, "no Java"
    judges = iam_handler.compiled(distribution, java, environ) if scheme is AuthenticationScheme.IAM else None
    options = jvm.arguments(distribution, java, environ, judges)
    lab = Lab._spawn(f"spent-{os.getpid()}-{secrets.token_hex(2)}")
    lab.build(
        topology,
        java=str(java.path),
        jvm=[*options, f"-Dlog4j2.configurationFile={logging}"],
        progress=lambda _words: None,
    )
    with lab:
        yield lab


def logged(lab: Lab) -> str:
    log = [*lab.command_prefix(CLIENT), "cat", f"{jvm.STATE_DIR}/log/{BROKER}.log"]
    return subprocess.run(log, capture_output=True, text=True, check=True).stdout


def counted(lab: Lab, port: int) -> Counted:
    said = logged(lab)
    return Counted(ACCEPTED.findall(said).count(str(port)), len(LOGIN_BEGUN.findall(said)))


def spent_on(lab: Lab) -> tuple[Spent, Counted]:
    view = without_isolation(expect(lab.topology, CLIENT))
    plan = make_plan(view, lab.topology.client(CLIENT), measure=False, limits=PATIENT)
    # Addresses where nothing lives have no broker that counts.
    plan = msgspec.structs.replace(plan, control_connects=())
    [broker] = view.brokers
    before = counted(lab, broker.port)
    with lab_vantage(lab, CLIENT) as vantage:
        result = conclude(view, plan, vantage.run(plan))
    run = result.run
    assert [check for check in result.checks if check.verdict in {Verdict.FAILED, Verdict.ERROR}] == []
    assert run.closing is not None
    assert run.closing.spent is not None
    spent, until = run.closing.spent, time.monotonic() + SETTLED_S
    while True:
        after = counted(lab, broker.port)
        seen = Counted(after.connections - before.connections, after.logins - before.logins)
        if seen == (spent.connections, spent.authentications) or time.monotonic() > until:
            return spent, seen
        time.sleep(0.2)  # a log is written a moment after what it tells


@pytest.mark.parametrize("scheme", AuthenticationScheme)
def test_what_was_spent_is_what_the_broker_counted(tmp_path: Path, scheme: AuthenticationScheme) -> None:
    with telling_lab(tmp_path, scheme) as lab:
        spent, seen = spent_on(lab)
        cut_short = spent.connections - seen.connections
        assert 0 <= cut_short <= CUT_SHORT, (spent, seen, logged(lab)[-20_000:])
    assert spent.authentications == seen.logins
    assert 0 < spent.client_connections < spent.connections
    by_sasl = bool(scheme.mechanism)
    assert (spent.authentications > spent.client_authentications > 0) is by_sasl
    assert by_sasl or spent.authentications == 0
