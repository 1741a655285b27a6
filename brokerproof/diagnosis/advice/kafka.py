"""Advice of Kafka clients: versions of requests, racks, and connections that are silent for long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.advice.spec import AdviceSpec, Sighting
from brokerproof.diagnosis.rules.case import Case
from brokerproof.probes.outcome import ApiFacts, IdentityFacts, IdleFacts, MetadataFacts, Outcome, Reason, Stage, Status
from brokerproof.topology.expectation.view import ClientView

_ZONE_ID: Final = re.compile(r"[a-z]{2,5}\d+-az\d+", re.ASCII)
"""Such as use1-az1: the same zone in every account (AWS RAM guide, AZ IDs)."""
_ZONE_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+[a-z]", re.ASCII)
"""Such as us-east-1a: each account's own (AWS RAM guide, AZ IDs)."""
_PRODUCE_UNDERSTOOD: Final = 3
"""The lowest version of Produce that Kafka 4.0 and later understand; they advertise 0 (KAFKA-18659)."""
_BY_RACK: Final = "RackAwareReplicaSelector"
_FORGOTTEN: Final = frozenset({Reason.RESET, Reason.TIMED_OUT})


def _old_versions(case: Case) -> Iterator[Sighting]:
    """Brokers that no longer understand the first version of ListOffsets, which KIP-896 took away with others."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.API):
            facts = outcome.facts
            if outcome.status is Status.OK and isinstance(facts, ApiFacts) and facts.list_offsets_min_version > 0:
                observed = f"ListOffsets is offered from version {facts.list_offsets_min_version} on"
                if 0 <= facts.produce_min_version < _PRODUCE_UNDERSTOOD:
                    observed += (
                        f", and Produce from version {facts.produce_min_version} on, though such brokers understand "
                        f"version {_PRODUCE_UNDERSTOOD} and later alone"
                    )
                yield Sighting(view, _check_of(case, view, outcome), observed)


def _racks(case: Case, pattern: re.Pattern[str], selector: str) -> Iterator[Sighting]:
    """Clusters with such racks, where a broker's settings name such a selector of replicas."""
    for view in case.views:
        selectors = {
            outcome.facts.replica_selector
            for outcome in case.of_stage(view, Stage.IDENTITY)
            if outcome.status is Status.OK and isinstance(outcome.facts, IdentityFacts)
        }
        for outcome in case.of_stage(view, Stage.METADATA):
            if outcome.status is not Status.OK or not isinstance(outcome.facts, MetadataFacts):
                continue
            racks = sorted({broker.rack or "" for broker in outcome.facts.brokers})
            if racks and all(map(pattern.fullmatch, racks)) and any(name.endswith(selector) for name in selectors):
                yield Sighting(view, _check_of(case, view, outcome), f"the brokers' racks are {', '.join(racks)}")


def _idle_cut(case: Case) -> Iterator[Sighting]:
    """Connections that were forgotten in a silence, while new ones work."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.IDLE):
            facts = outcome.facts
            if outcome.reason in _FORGOTTEN and isinstance(facts, IdleFacts) and facts.works_anew:
                how = "reset" if outcome.reason is Reason.RESET else "not answered"
                silence = f"after {facts.silent_ms / 1000:g} s of silence"
                observed = f"{silence} a request is {how}, and on a new connection it is answered"
                yield Sighting(view, _check_of(case, view, outcome), observed)


def _check_of(case: Case, view: ClientView, outcome: Outcome) -> str:
    """The check of the outcome's stage at its address, or at its broker where it has none of its own."""
    target = outcome.target
    mine = [check for check in case.checks(view) if check.stage is outcome.stage]
    at = next((c for c in mine if (c.name, c.address, c.port) == (target.name, target.address, target.port)), None)
    of_broker = at or next((c for c in mine if c.broker_id is not None and c.broker_id == target.broker_id), None)
    return outcome.stage.value if of_broker is None else of_broker.check_id


SPECS: Final = (
    AdviceSpec(
        code=AdviceCode.KAFKA_OLD_VERSIONS,
        title="the brokers no longer understand the requests of clients older than Kafka 2.1",
        affected=(
            "Burrow up to 1.9.3",
            "Metricbeat up to 9.0.0 (both send ListOffsets v0)",
            "producers that send Produce v0 to v2 without asking",
        ),
        because="the broker ends the connection on a version that is gone, and says why in its own log alone; what it "
        "advertises of Produce is wrong on purpose, for librdkafka's sake",
        change="move monitors and clients to versions that ask ApiVersions first; for Produce, do not trust the lowest "
        "version that ApiVersions names",
        sources=("KIP-896", "KAFKA-18659", "linkedin/Burrow issue 843", "elastic/beats issue 44435"),
        look=_old_versions,
    ),
    AdviceSpec(
        code=AdviceCode.KAFKA_RACKS_ARE_IDS,
        title="consumers are sent to the nearest replica by zone id",
        affected=("consumers that set client.rack to a zone's name (us-east-1a), as instances are told it",),
        because="racks are compared letter by letter, and the brokers' are zone ids: such a consumer reads from the "
        "leader, in another zone, without a word",
        change="set client.rack to the zone id (EC2 instance metadata: placement/availability-zone-id)",
        sources=("KIP-392", "MSK developer guide, client rack awareness", "AWS RAM guide, AZ IDs"),
        look=lambda case: _racks(case, _ZONE_ID, _BY_RACK),
    ),
    AdviceSpec(
        code=AdviceCode.KAFKA_RACKS_ARE_NAMES,
        title="the brokers' racks are names of zones, which differ between accounts",
        affected=(
            "consumers that set client.rack to a zone id (use1-az1), as MSK's guide says",
            "consumers of another account that set it to their own zone's name",
        ),
        because="racks are compared letter by letter, and the same name is another zone in another account",
        change="set broker.rack to zone ids, as MSK does, and client.rack likewise",
        sources=("KIP-392", "MSK developer guide, client rack awareness", "AWS RAM guide, AZ IDs"),
        look=lambda case: _racks(case, _ZONE_NAME, ""),
    ),
    AdviceSpec(
        code=AdviceCode.KAFKA_IDLE_CUT,
        title="new connections work, and those that are silent for long are forgotten",
        affected=(
            "librdkafka by default (connections.max.idle.ms 0, socket.keepalive.enable false)",
            "Java clients whose connections.max.idle.ms (9 minutes by default) is longer than that silence",
        ),
        because="they take such a connection for a good one, and their next request waits for its own timeout, or is "
        "sent twice",
        change="set connections.max.idle.ms of the clients below that silence, or socket.keepalive.enable of "
        "librdkafka to true with an interval of the operating system below it",
        sources=("librdkafka CONFIGURATION.md", "Kafka documentation, consumer and producer configs"),
        look=_idle_cut,
    ),
)
