"""PrivateLink with one NLB for all brokers.

The client VPC has one interface endpoint, an ENI a zone. A private zone sends every broker name to
it; what tells brokers apart is the port: the NLB has a listener a broker, each with that broker as
its only target, and brokers advertise their own name with their own port. One more listener has
all brokers as targets, for bootstrap. ``account_b`` has a CIDR of its own; ``overlapping`` has the cluster VPC's,
which PrivateLink allows. ``remote_by_peering`` and ``remote_by_gateway`` are in another Region and use the endpoint
of ``account_b``'s VPC. ``cluster_vpc`` needs a zone of its own that leads to the NLB, because the advertised ports
are not at the broker ENIs. Nothing in the cluster VPC can open a connection to a client.
"""

from __future__ import annotations

import pytest

from brokerproof.diagnosis.check import Subject
from brokerproof.probes.outcome import Reason, Stage, Status
from brokerproof.running.planning import ClientRun
from brokerproof.scenarios.contract import ClientContract, MeasuredContract, require
from brokerproof.topology.expectation.view import Barrier
from brokerproof.topology.models import Unserved
from brokerproof.topology.patterns import PatternName, PatternOptions

PATTERN = PatternName.PRIVATELINK_SINGLE_NLB


class TestClients(MeasuredContract):
    """Every client behind the endpoint, cross-zone load balancing on."""


class TestCrossZoneOff(ClientContract):
    """AWS's default: an NLB node only uses targets of its own zone, so one address of each name is alive.

    Not measured: a client first has to get past the dead addresses. They answer with a reset here, so
    that this takes a client milliseconds; where they are silent it takes seconds an address.
    """

    VARIANT = "cross-zone-off"
    OPTIONS = PatternOptions(cross_zone=False, unserved=Unserved.RESET)

    def test_dead_addresses_refuse(self, run: ClientRun) -> None:
        """A silent one would cost a client 2 s, and the records after some of them their deadline."""
        reasons = {
            outcome.reason
            for outcome in run.run.outcomes
            if outcome.stage is Stage.CONNECT and outcome.target.broker_id is not None
        }
        assert reasons == {None, Reason.REFUSED}


class TestLocalWithoutZone:
    """A client in the cluster VPC without the private zone: bootstrap works, and everything after it fails."""

    VARIANT = "without-local-zone"
    OPTIONS = PatternOptions(local_zone=False)
    CLIENTS = PatternName.LOCAL_WITHOUT_ZONE

    def test_bootstrap_works(self, run: ClientRun) -> None:
        """The names lead to the broker ENIs, where the bind port still answers with a valid certificate."""
        require(run, [c for c in run.checks if c.subject is Subject.BOOTSTRAP])

    @pytest.mark.isolation
    def test_the_advertised_ports_do_not_answer(self, run: ClientRun) -> None:
        """Metadata sends the client to ports that only the NLB has."""
        require(run, [c for c in run.checks if c.barrier is Barrier.ADVERTISED_PORT])

    def test_no_record_goes_through(self, run: ClientRun) -> None:
        """The finding to expect: every leader waits for a connect that is never answered."""
        sent = run.outcomes(Stage.PRODUCE)
        assert sent, "nothing was probed for this"
        for outcome in sent:
            assert outcome.status is Status.SKIPPED, outcome
            assert outcome.waited_for is not None
            assert outcome.waited_for.stage is Stage.CONNECT, outcome
            assert outcome.waited_for.target.port != run.view.bootstrap[0].port, outcome
