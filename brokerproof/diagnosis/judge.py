"""Outcomes against a view: every thing a client must see, with its verdict. Pure.

A check that was not made because an earlier one failed is ``blocked`` and names it. What was made and failed is red,
whatever failed before it. What was not probed is never green.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brokerproof.diagnosis.basis import Basis, RunOutcomes
from brokerproof.diagnosis.check import Check
from brokerproof.diagnosis.cluster_checks import ClusterChecks
from brokerproof.diagnosis.consequences import without_consequences
from brokerproof.diagnosis.endpoint_checks import EndpointChecks
from brokerproof.diagnosis.isolation_checks import IsolationChecks
from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.registry import STAGES
from brokerproof.topology.expectation.view import ClientView


def judge(view: ClientView, evidence: RunOutcomes, stages: Sequence[Stage] = STAGES) -> tuple[Check, ...]:
    """Every check of one client, in stage order within each broker.

    ``stages`` are those the plan asked for; nothing is said about others.
    """
    basis = Basis(view, evidence)
    checks = [check for check in _every(basis) if check.stage in stages]
    return tuple(without_consequences(checks, basis.derived))


def _every(basis: Basis) -> Iterator[Check]:
    view, endpoints = basis.view, EndpointChecks(basis)
    for broker in view.brokers:
        yield from endpoints.broker(broker)
    brokers = {(b.name, b.port) for b in view.brokers}
    for entry in view.bootstrap:
        if (entry.name, entry.port) not in brokers:
            yield from endpoints.bootstrap(entry)
    yield from ClusterChecks(basis).all()
    if view.isolation:
        yield from IsolationChecks(basis).all()
