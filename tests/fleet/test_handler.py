"""A client's function: one item in, one object out, and what is no item leaves none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from brokerproof.fleet.far.handler import Handler, HandlerError, most_ms
from brokerproof.fleet.far.objects import ByRole
from brokerproof.fleet.far.values import Invocation, decode_result, encode, result_key
from brokerproof.fleet.hub import MachineHub, reached_by
from brokerproof.fleet.items import make_set
from brokerproof.probes.plan import decode_plan
from brokerproof.topology.patterns import PATTERNS
from tests.fleet.aws import BUCKET, MACHINE, FleetAws
from tests.fleet.probes import Context, Scripted

HUB = MachineHub(MACHINE, BUCKET, "p")
TOPOLOGY = reached_by((HUB,), PATTERNS["peering"].build())
MADE = make_set(HUB, "s", TOPOLOGY, HUB.reach)
ITEM = MADE.set.items[0]
KEY = result_key("p", "s", "r", ITEM.client)


def event(**other: Any) -> dict[str, Any]:
    asked = Invocation(version=1, bucket=BUCKET, prefix="p", set="s", run="r", item=ITEM)
    told: dict[str, Any] = msgspec.to_builtins(asked)
    return told | other


@pytest.fixture
def aws() -> FleetAws:
    aws = FleetAws()
    aws.objects[ITEM.plan_key] = MADE.plans[ITEM.client]
    return aws


def handler(aws: FleetAws) -> Handler:
    return Handler(Scripted(TOPOLOGY), ByRole(aws.session("function").client("s3")))


def test_an_item_leaves_its_object_and_a_summary(aws: FleetAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
    run = handler(aws)
    summary = run(event(), Context())
    result = decode_result(aws.objects[KEY])
    assert (result.set, result.run, result.client, result.plan_sha256) == ("s", "r", ITEM.client, ITEM.plan_sha256)
    assert result.said.error == ""
    assert result.place.resource == Context().invoked_function_arn
    assert (result.place.memory_mb, result.place.earlier_runs) == (1024, 0)
    assert summary["outcomes"] == len(result.said.outcomes) > 10
    assert summary["key"] == KEY
    assert len(encode(result)) > 20 * len(str(summary))  # the engine keeps no evidence


def test_the_second_run_of_an_instance_is_a_warm_one(aws: FleetAws) -> None:
    run = handler(aws)
    run(event(), Context())
    run(event(run="r2"), Context())
    assert decode_result(aws.objects[result_key("p", "s", "r2", ITEM.client)]).place.earlier_runs == 1


def test_of_two_invocations_of_one_item_the_first_ones_object_stays(aws: FleetAws) -> None:
    run = handler(aws)
    run(event(), Context())
    kept = aws.objects[KEY]
    with pytest.raises(HandlerError, match="cannot be written"):
        run(event(), Context())
    assert aws.objects[KEY] == kept


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"version": 2}, "deploy its bundle"),
        ({"item": {}}, "client"),
        ({"item": msgspec.to_builtins(ITEM) | {"plan_key": "p/none"}}, "cannot be read"),
        ({"item": msgspec.to_builtins(ITEM) | {"plan_sha256": "0"}}, "replaced meanwhile"),
        ({"item": msgspec.to_builtins(ITEM) | {"client": "another"}}, "not another"),
    ],
)
def test_what_is_no_item_is_refused_and_leaves_no_object(aws: FleetAws, other: dict[str, Any], words: str) -> None:
    with pytest.raises(HandlerError, match=words):
        handler(aws)(event(**other), Context())
    assert list(aws.objects) == [ITEM.plan_key]


def test_a_function_without_the_time_for_a_plan_that_hangs_runs_nothing(aws: FleetAws) -> None:
    most = most_ms(decode_plan(MADE.plans[ITEM.client]))
    with pytest.raises(HandlerError, match=f"may take {most} ms and .* ms are left; raise the function's timeout"):
        handler(aws)(event(), Context(left_ms=most - 1))
    assert list(aws.objects) == [ITEM.plan_key]
    handler(aws)(event(), Context(left_ms=most))
