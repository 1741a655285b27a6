"""A path that is too narrow is told where TCP shows what vanished; an answer that did not come says nothing of it."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.probes.outcome import PathSizeFacts, Reason, Stage, TcpInfo
from tests.diagnosis.bends import PEERING, sent_again
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, views_of

VANISHED = PathSizeFacts(
    to_broker_passed_bytes=1280,
    to_broker_stopped_bytes=1400,
    sent_again_segments=3,
    tcp=TcpInfo(unacknowledged_segments=3, selectively_acknowledged_segments=1),
)
UNREADABLE = PathSizeFacts(to_client_passed_bytes=90, to_client_stopped_bytes=1500, unreadable_segments=2)
ANY_OF_THEM = {
    Code.TCP_PATH_MTU,
    Code.TCP_PACKET_LOSS,
    Code.TCP_PATH_MEMBER,
    Code.CLUSTER_BROKER_UNRESPONSIVE,
}


def without(facts: PathSizeFacts, **changes: object) -> PathSizeFacts:
    return msgspec.structs.replace(facts, **changes)


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        (VANISHED, {Code.TCP_PATH_MTU}),
        (UNREADABLE, {Code.TCP_PATH_MTU}),
        (without(VANISHED, sent_again_segments=1), ANY_OF_THEM),
        (without(VANISHED, tcp=TcpInfo(unacknowledged_segments=3)), ANY_OF_THEM),
        (without(VANISHED, tcp=None), ANY_OF_THEM),
        (without(VANISHED, tcp=TcpInfo()), {Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS}),
        (
            without(UNREADABLE, unreadable_segments=0),
            {Code.TCP_PATH_MTU, Code.CLUSTER_BROKER_UNRESPONSIVE, Code.TCP_PACKET_LOSS},
        ),
    ],
    ids=[
        "sent again, and the small one behind it acknowledged",
        "the end of an answer without its beginning",
        "sent again once",
        "nothing behind it acknowledged",
        "a kernel that does not say",
        "acknowledged, and merely late",
        "no part of the answer",
    ],
)
def test_the_witness_is_asked_for(facts: PathSizeFacts, codes: set[Code]) -> None:
    bend = Bend(at(Stage.PATH_SIZE, clients=["peered"], brokers=[2]), failed(Reason.TIMED_OUT, facts))
    [found] = diagnosis_of(views_of(PEERING), bend).findings
    assert (set(found.codes), found.clients, found.broker_ids) == (codes, ("peered",), (2,))


@pytest.mark.parametrize("facts", [VANISHED, UNREADABLE])
def test_it_is_not_sure_on_a_path_that_loses_packets(facts: PathSizeFacts) -> None:
    bends = [
        Bend(at(Stage.CONNECT, clients=["peered"], brokers=[1]), sent_again),
        Bend(at(Stage.PATH_SIZE, clients=["peered"], brokers=[2]), failed(Reason.TIMED_OUT, facts)),
    ]
    [found] = [f for f in diagnosis_of(views_of(PEERING), *bends).findings if f.stage is Stage.PATH_SIZE]
    assert {Code.TCP_PATH_MTU, Code.TCP_PACKET_LOSS} < set(found.codes)
