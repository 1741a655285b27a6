"""Advice of metadata: where brokers say they are, in a form that this probe takes and others do not. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.advice.spec import AdviceSpec, Sighting
from brokerproof.diagnosis.rules.case import Case
from brokerproof.probes.outcome import MetadataFacts, Stage, Status
from brokerproof.topology.expectation.view import ClientView


def _final_dots(case: Case) -> Iterator[Sighting]:
    """Names of a TLS listener that end in a dot: in metadata, or in what a broker told another client of it."""
    for view in (view for view in case.views if view.tls and view.brokers):
        dotted = {
            (broker.broker_id, broker.name, broker.port)
            for outcome in case.of_stage(view, Stage.METADATA)
            if outcome.status is Status.OK and isinstance(outcome.facts, MetadataFacts)
            for broker in outcome.facts.brokers
            if broker.name.endswith(".")
        }
        dotted |= {
            (entry.broker_id, entry.name, entry.port)
            for (cluster, listener, _), entry in case.told.items()
            if (cluster, listener) == (view.cluster_name, view.listener) and entry.name.endswith(".")
        }
        for broker_id, name, port in sorted(dotted):
            observed = f"broker {broker_id} is advertised as {name}:{port}"
            yield Sighting(view, _check_of(case, view, broker_id), observed)


def _check_of(case: Case, view: ClientView, broker_id: int) -> str:
    """The check of where the broker is advertised."""
    mine = (c.check_id for c in case.checks(view) if c.stage is Stage.METADATA and c.broker_id == broker_id)
    return next(mine, Stage.METADATA.value)


SPECS: Final = (
    AdviceSpec(
        code=AdviceCode.METADATA_FINAL_DOT,
        title="brokers are advertised by names that end in a dot",
        affected=(
            "clients on librdkafka 2.6.1 and 2.0.2, and on any before its pull request 5253 (November 2025)",
            "Java before 8u372, 11.0.19 and 17.0.6",
            "ruby-kafka",
        ),
        because="they hand the name to TLS with its dot, as the server name and to be verified, and no certificate has "
        "one; newer ones and this probe take the dot away",
        change="advertise the names without their final dot: advertised.listeners of the brokers, or the custom domain "
        "that it is made of",
        sources=(
            "confluentinc/librdkafka issue 4348 and pull request 5253",
            "zendesk/ruby-kafka issue 989",
            "RFC 6066, section 3 (a server name has no trailing dot)",
        ),
        look=_final_dots,
    ),
)
