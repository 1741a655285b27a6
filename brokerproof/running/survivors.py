"""Clients that stay in a client VPC: their plan, and the command that starts them there."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from brokerproof.errors import WrongUseError
from brokerproof.lab.daemons import kafka_dist
from brokerproof.lab.life import preflight
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.plan import Endpoint, Tls
from brokerproof.probes.survival.values import SMALL_JVM, SurvivalPlan
from brokerproof.running.planning import authentication_of
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Client, Topology, VantageKind
from brokerproof.vantages.exec import installs, probe_command
from brokerproof.vantages.local import this_probe

SURVIVAL: Final = ("brokerproof.probes.survival",)
ESTABLISHED: Final = (*SURVIVAL, "--established")


def survival_plan(topology: Topology, client: Client) -> SurvivalPlan:
    """What survives in this client's VPC."""
    view = expect(topology, client.name)
    return SurvivalPlan(
        client=client.name,
        brokers=tuple(Endpoint(name=b.name, port=b.port, broker_id=b.broker_id) for b in view.brokers),
        tls=Tls(ca_file=client.ca_file) if view.tls else None,
        authentication=authentication_of(client),
        topic=client.existing_topic or "",
    )


def survivors_command(client: Client, lab: Lab | None, *, module: Sequence[str] = SURVIVAL) -> tuple[str, ...]:
    """The command that starts survivors in this client's VPC.

    Raises:
        WrongUseError: there is no way that keeps a process there.
    """
    vantage = client.vantage
    match vantage.kind:
        case VantageKind.LAB if lab is not None:
            prefix = lab.command_prefix(client.name)
            return probe_command(prefix, python=sys.executable, environment=this_probe(), module=module)
        case VantageKind.LOCAL:
            return probe_command((), python=sys.executable, environment=this_probe(), module=module)
        case VantageKind.EXEC if not installs(vantage):
            return probe_command(
                vantage.command,
                python=vantage.python,
                environment=vantage.environment,
                far_shell=bool(vantage.far_shell),
                module=module,
            )
        case _:
            raise WrongUseError(
                f"client {client.name}: survivors are started by kinds local and exec alone, and where the probe is "
                "present; state PYTHONPATH in its vantage's environment, or leave it out with --client"
            )


def lab_java(topology: Topology) -> tuple[str, ...]:
    """The words that run a class of the Kafka that the lab's brokers have; every client of the lab has them."""
    java = preflight.find_java(os.environ)
    if java is None:
        return ()
    distribution = kafka_dist.locate(topology.clusters[0].kafka_version, environ=os.environ)
    return (str(java.path), *SMALL_JVM, "-cp", distribution.classpath)
