"""Kafka clients that begin before the probe has imported what its own stages need, where the cluster is far away.

An import takes longer than several round trips, and a client process needs none of it. Nothing here waits for what the
client process finds.
"""

from __future__ import annotations

import os

import msgspec

from brokerproof.probes.kafka_client.client_process import ClientProcess
from brokerproof.probes.kafka_client.fork_server import ForkServer
from brokerproof.probes.kafka_client.messages import Making, Prepare
from brokerproof.probes.librdkafka import Settings
from brokerproof.probes.outcome import Stage
from brokerproof.probes.plan import Endpoint, Plan


class Ahead(msgspec.Struct, frozen=True):
    """A client process that was told to begin where the cluster is far away."""

    client: ClientProcess
    nonce: str
    """Of the run; its group has it in its name."""
    start: Endpoint
    """Where the clients begin."""


async def begin(plan: Plan, server: ForkServer) -> Ahead | None:
    """Begin at the first bootstrap endpoint; None where clients are not made ahead, or not needed."""
    # Clients that are made ahead may be made for nothing: not where that is an authentication at every broker.
    if Stage.PRODUCE not in plan.stages or plan.authentication is not None or not plan.bootstrap:
        return None
    ahead = Ahead(await ClientProcess.start(server), new_nonce(), plan.bootstrap[0])
    settings = Settings.at(plan, ahead.start.name, ahead.start.port)
    ahead.client.send(Prepare(settings, group_of(plan, ahead.nonce), needs_consumer(plan), Making.WHERE_FAR))
    return ahead


def new_nonce() -> str:
    """What no other run has."""
    return os.urandom(6).hex()


def group_of(plan: Plan, nonce: str) -> str:
    """The name of a run's consumer group."""
    return f"{plan.topic.name}-{nonce}"


def needs_consumer(plan: Plan) -> bool:
    """Whether anything is read."""
    return not {Stage.CONSUME, Stage.GROUP}.isdisjoint(plan.stages)
