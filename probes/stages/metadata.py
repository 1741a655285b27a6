"""Stage ``metadata``: which brokers this listener advertises.

No topics are asked for, so that the answer is small and needs no permission on any topic.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from kio.schema.metadata.v4 import MetadataRequest, MetadataResponse

from brokerproof.probes.observation import Observation, failed, ok
from brokerproof.probes.outcome import AdvertisedBroker, MetadataFacts, Reason
from brokerproof.probes.outcome.bounds import BROKERS
from brokerproof.probes.outcome.foreign_text import printable
from brokerproof.probes.wire.kafka_connection import KafkaConnection
from brokerproof.probes.wire.stream import BrokenStreamError

NAME_CHARACTERS: Final = 255
"""Of a DNS name (RFC 1035, 2.3.4)."""


async def ask_metadata(
    connection: KafkaConnection, *, limit_ms: int, then: Any = None
) -> tuple[Observation, MetadataFacts | None]:
    """Ask for the brokers; the facts come also on their own where the stage is ok.

    ``then`` is the request of the stage that comes next, to be sent at once.
    """
    request = MetadataRequest(topics=(), allow_auto_topic_creation=False)
    try:
        async with asyncio.timeout(limit_ms / 1000):
            response = await connection.call(request, MetadataResponse, then=then)
    except TimeoutError:
        return failed(Reason.TIMED_OUT, f"no Metadata response within {limit_ms} ms"), None
    except BrokenStreamError as failure:
        return failed(failure.reason, failure.detail), None
    if len(response.brokers) > BROKERS:
        return failed(Reason.TOO_MUCH, f"it lists {len(response.brokers)} brokers; {BROKERS} are taken at most"), None
    brokers = (
        AdvertisedBroker(
            broker_id=int(broker.node_id),
            name=printable(broker.host, NAME_CHARACTERS),
            port=int(broker.port),
            rack=broker.rack if broker.rack is None else printable(broker.rack, NAME_CHARACTERS),
        )
        for broker in response.brokers
    )
    facts = MetadataFacts(
        cluster_id=printable(response.cluster_id or ""),
        controller_id=int(response.controller_id),
        throttle_time_ms=response.throttle_time // timedelta(milliseconds=1),
        brokers=tuple(sorted(brokers, key=lambda broker: broker.broker_id)),
    )
    if not facts.brokers:
        return failed(Reason.NO_BROKERS, "the Metadata response lists no broker", facts), None
    pairs = pairwise(broker.broker_id for broker in facts.brokers)  # they are in their order
    twice = next((one for one, other in pairs if one == other), None)
    if twice is not None:
        return failed(Reason.KAFKA_ERROR, f"the Metadata response lists broker {twice} more than once", facts), None
    return ok(facts), facts
