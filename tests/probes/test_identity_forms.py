"""Stage ``identity`` where a peer does not take the question: the second form, and what it says of the peer."""

from __future__ import annotations

from typing import Any

import pytest
from kio.schema.describe_configs.v1 import DescribeConfigsRequest
from kio.schema.errors import ErrorCode

from brokerproof.probes.outcome import IdentityFacts, Outcome, Reason, Role, Stage, Status
from tests.probes.fake_kafka import CLOSE, Handler, alone, broker, described, identify
from tests.probes.peers import peer, run
from tests.probes.running import plan, probe

pytestmark = pytest.mark.usefixtures("distance")


def identified(handler: Handler, *, role: Role = Role.BROKER) -> Outcome:
    """What comes of identity at a broker whose DescribeConfigs is answered so."""

    async def work() -> Outcome:
        ports: list[int] = []
        handlers = alone(1, lambda: ports[0]) | {DescribeConfigsRequest: handler}
        async with peer(broker(handlers)) as port:
            ports.append(port)
            planned: dict[str, Any] = {} if role is Role.BROKER else {"brokers": ()}
            result = await probe(plan(port, **planned))
            return result.one(Stage.IDENTITY, role=role)

    return run(work())


def only_without_keys(own_id: int) -> Handler:
    """As tansu 0.6.0: a question with keys ends the connection."""

    def handle(request: DescribeConfigsRequest) -> Any:
        return identify(own_id)(request) if request.resources[0].configuration_keys is None else CLOSE

    return handle


@pytest.mark.parametrize("role", [Role.BROKER, Role.BOOTSTRAP])
def test_a_peer_that_takes_the_question_without_keys_alone_is_identified(role: Role) -> None:
    outcome = identified(only_without_keys(1), role=role)
    assert outcome.status is Status.OK, outcome
    assert isinstance(outcome.facts, IdentityFacts)
    assert (outcome.facts.answered_by, outcome.facts.without_keys) == (1, True)


def test_another_broker_is_told_in_the_second_form_as_well() -> None:
    outcome = identified(only_without_keys(7))
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.OTHER_BROKER)
    assert isinstance(outcome.facts, IdentityFacts)
    assert outcome.facts.answered_by == 7


def test_a_peer_that_takes_neither_form_does_not_support_what_is_asked() -> None:
    outcome = identified(lambda _request: CLOSE)
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.CLOSED)
    assert isinstance(outcome.facts, IdentityFacts)
    assert outcome.facts.unsupported
    assert outcome.detail == (
        "the peer answers ApiVersions, and ends the connection on DescribeConfigs, with keys and without"
    )


def test_a_peer_that_answers_for_a_broker_that_nobody_is_proves_nothing() -> None:
    outcome = identified(lambda _request: described(ErrorCode.none, ""), role=Role.BOOTSTRAP)
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.KAFKA_ERROR)
    assert isinstance(outcome.facts, IdentityFacts)
    assert outcome.facts.unsupported
    assert outcome.facts.answered_by is None
