"""The registry of stages: what is declared, and what is derived from it."""

from collections.abc import Iterable
from itertools import combinations

import msgspec
import pytest

from brokerproof.probes.outcome import STAGE_REASONS, Facts, Stage
from brokerproof.probes.outcome.registry import ORDER, SPECS, STAGES, in_order, judged_per, precedes, run_per, up_to
from brokerproof.probes.outcome.spec import Per
from brokerproof.probes.plan import VERIFY_STAGES, Limits

IN_ORDER = (
    Stage.RESOLVE,
    Stage.CONNECT,
    Stage.HANDSHAKE,
    Stage.API,
    Stage.AUTHENTICATE,
    Stage.METADATA,
    Stage.IDENTITY,
    Stage.PATH_SIZE,
    Stage.PRODUCE,
    Stage.CONSUME,
    Stage.GROUP,
    Stage.LATENCY,
    Stage.THROUGHPUT,
    Stage.IDLE,
)
"""A stage that is added stands in here where something follows from its place, and need not otherwise."""


def known(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    return tuple(stage for stage in stages if stage in IN_ORDER)


def test_every_stage_is_declared_under_its_own_name() -> None:
    assert set(SPECS) == set(Stage) == set(STAGE_REASONS)
    assert all(spec.stage is stage for stage, spec in SPECS.items())


def test_the_order_is_that_of_what_comes_after_what() -> None:
    assert tuple(ORDER) == STAGES
    assert known(STAGES) == IN_ORDER
    assert not any(precedes(second, first) for first, second in combinations(IN_ORDER, 2))
    assert not any(precedes(stage, stage) for stage in Stage)


@pytest.mark.parametrize(
    ("beside", "needs"),
    [
        (Stage.PRODUCE, Stage.PATH_SIZE),
        (Stage.IDLE, Stage.PRODUCE),
        (Stage.IDLE, Stage.THROUGHPUT),
        (Stage.LATENCY, Stage.GROUP),
        (Stage.THROUGHPUT, Stage.LATENCY),
    ],
)
def test_what_only_comes_later_does_not_wait(beside: Stage, needs: Stage) -> None:
    assert ORDER[needs] < ORDER[beside]
    assert not precedes(needs, beside)
    assert precedes(Stage.IDENTITY, beside)


def test_the_order_does_not_depend_on_that_of_the_names() -> None:
    assert known(in_order(dict(reversed(list(SPECS.items()))))) == IN_ORDER


def test_stages_in_a_circle_are_refused() -> None:
    circle = {**SPECS, Stage.CONNECT: msgspec.structs.replace(SPECS[Stage.CONNECT], after=(Stage.API,))}
    with pytest.raises(ValueError, match=r"behind those it comes after: connect, handshake, api\b"):
        in_order(circle)


def test_every_kind_of_facts_is_decoded_by_its_tag() -> None:
    kinds = [facts for spec in SPECS.values() for facts in spec.facts]
    tags = [msgspec.structs.fields(facts) and facts.__struct_config__.tag for facts in kinds]
    assert len(set(tags)) == len(kinds)
    for facts in kinds:
        sent = {"type": facts.__struct_config__.tag}
        try:
            assert type(msgspec.convert(sent, Facts)) is facts
        except msgspec.ValidationError as missing:
            assert "missing required field" in str(missing)  # noqa: PT017  the tag was understood


def test_a_stages_limit_is_one_of_the_plans() -> None:
    limits = {spec.limit for spec in SPECS.values()} - {""}
    assert limits
    assert limits <= set(Limits.__struct_fields__)


def test_sets_are_derived() -> None:
    assert known(VERIFY_STAGES) == IN_ORDER[:11]
    assert known(run_per(Per.BROKER)) == (Stage.PRODUCE, Stage.CONSUME)
    assert Stage.METADATA in run_per(Per.ADDRESS)
    assert Stage.METADATA not in judged_per(Per.ADDRESS)
    assert known(judged_per(Per.CLUSTER)) == (Stage.GROUP, Stage.THROUGHPUT)
    assert known(judged_per(Per.BROKER)) == (Stage.METADATA, Stage.PRODUCE, Stage.CONSUME, Stage.LATENCY)
    assert known(up_to(Stage.HANDSHAKE)) == IN_ORDER[:3]
    assert known(stage for stage, spec in SPECS.items() if spec.brokers_only) == (Stage.PATH_SIZE, Stage.IDLE)
