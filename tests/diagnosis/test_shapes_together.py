"""Two faults at once: what fails now and then blurs no shape, and what one makes of the other is no third cause."""

from __future__ import annotations

import msgspec

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence, Diagnosis
from brokerproof.probes.outcome import Reason, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import REFUSED, SILENT, SINGLE, in_zone, outside_own_zone
from tests.diagnosis.bent import Bend, answers, at, judged, seen, views_of


def codes(found: Diagnosis) -> list[set[Code]]:
    return [set(finding.codes) for finding in found.findings]


def test_an_attempt_that_is_lost_elsewhere_leaves_a_silent_zone_a_silent_zone() -> None:
    def lossy(view: ClientView, *, loses: bool) -> ClientEvidence:
        """One zone is silent for every broker; one more attempt at another zone's address is lost, if asked for."""
        zones = sorted({a.zone_id for a in view.brokers[0].addresses})
        outcomes = list(seen(view, Bend(at(Stage.CONNECT, where=in_zone(zones[0])), SILENT)).outcomes)
        other = next(a.address for a in view.brokers[0].addresses if a.zone_id == zones[1])
        at_other = [o for o in outcomes if o.stage is Stage.CONNECT and o.target.address == other]
        first = next(o for o in at_other if o.target.broker_id == view.brokers[0].broker_id)
        lost = msgspec.structs.replace(first, attempt=2, status=Status.FAILED, reason=Reason.TIMED_OUT)
        return judged(view, [*outcomes, lost] if loses else outcomes)

    [view] = [view for view in views_of(SINGLE) if view.client == "account_b"]
    [zone] = codes(diagnose([lossy(view, loses=False)]))
    both = codes(diagnose([lossy(view, loses=True)]))
    assert Code.TCP_PACKET_LOSS not in zone
    assert zone in both
    assert [found for found in both if Code.TCP_PACKET_LOSS in found]


def test_a_broker_asked_in_another_zone_alone_is_silent_because_zones_are_not_joined() -> None:
    """Its record leads to one zone's address, and without cross-zone load balancing nothing there leads to it."""
    [view] = [view for view in views_of(SINGLE) if view.client == "account_b"]
    second = view.brokers[1]
    address = next(a.address for a in second.addresses if a.zone_id != second.zone_id)
    run = seen(
        view,
        Bend(at(Stage.RESOLVE, brokers=[second.broker_id]), answers(address)),
        Bend(at(Stage.CONNECT, where=outside_own_zone), REFUSED),
    )
    asked = [
        o
        for o in run.outcomes
        if o.target.role is not Role.BROKER or o.target.name != second.name or o.target.address in {"", None, address}
    ]
    found = codes(diagnose([judged(view, asked)]))
    assert {Code.NLB_CROSS_ZONE_OFF} in found
    assert not [each for each in found if Code.NLB_NO_TARGET in each]
