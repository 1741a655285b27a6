"""Runs as people meet them: with findings, measurements and pictures; and one too large to be shown whole."""

from __future__ import annotations

import msgspec

from brokerproof.probes.outcome import Reason, Stage
from brokerproof.reports.document import Drawing, ResultDocument
from brokerproof.reports.findings import diagnosed
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.picture import picture
from tests.diagnosis.bends import NO_NAME
from tests.diagnosis.bent import Bend, at, failed
from tests.reports.builder import STARTED, client_result, document, mixed, started
from tests.reports.measured import measured, timed
from tests.reports.path import view
from tests.reports.test_findings import results

ONE_BROKER_SILENT = Bend(at(Stage.CONNECT, clients=["account_b"], brokers=[2]), failed(Reason.TIMED_OUT))
BROKERS = 10


def failing(*, few: bool = False) -> ResultDocument:
    """Two topologies and nine clients: a finding with a set of causes, a probe that died, a test that failed.

    ``few``: five clients, who have all that the others have.
    """
    pattern = "privatelink_single_nlb"
    clients = [
        timed(msgspec.structs.replace(result, started=started(result.view)), slower=1 + place / 2)
        for place, result in enumerate(results(pattern, ONE_BROKER_SILENT))
        if result.view.brokers
    ]
    whole, broken = mixed().clients
    if few:
        clients = [each for each in clients if each.view.client in {"cluster_vpc", "account_b"}]
    every = (*clients, measured(view("orders"), slower=3), whole, broken)
    run = document(*every, tests=mixed().tests)
    return msgspec.structs.replace(run, diagnoses=diagnosed(clients), drawings=(drawn(pattern),))


def drawn(pattern: str) -> Drawing:
    """The picture of a pattern, as a run writes it down."""
    made = picture(PATTERNS[pattern].build(PatternOptions()))
    return Drawing(
        topology_digest=pattern, title=made.title, description=made.description, dot=made.dot, ways=made.drawn
    )


def marked() -> ResultDocument:
    """A picture with findings in it: one cause at a zone, one at a load balancer, and a set."""
    pattern = "privatelink_single_nlb"
    nowhere = Bend(at(Stage.CONNECT, clients=["account_b"]), failed(Reason.TIMED_OUT))
    refuses = Bend(at(Stage.IDENTITY, clients=["cluster_vpc"], brokers=[3]), failed(Reason.OTHER_BROKER))
    no_name = Bend(at(Stage.RESOLVE, clients=["overlapping"], brokers=[2]), NO_NAME)
    clients = [one for one in results(pattern, nowhere, refuses, no_name) if one.view.brokers]
    run = document(*clients)
    return msgspec.structs.replace(run, diagnoses=diagnosed(clients), drawings=(drawn(pattern),))


def passing() -> ResultDocument:
    """Two clients, everything green."""
    return document(measured(view("billing")), measured(view("orders"), slower=2))


def large(pairs: int) -> ResultDocument:
    """So many (client, broker) pairs, one client in twenty with a broker that does not answer."""
    fault = {(2, Stage.CONNECT): Reason.TIMED_OUT}
    clients = (
        client_result(view(f"client-{number:05}", brokers=BROKERS), {} if number % 20 else fault)
        for number in range(pairs // BROKERS)
    )
    run = document(*clients)
    return msgspec.structs.replace(run, finished=STARTED)
