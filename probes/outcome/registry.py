"""All stages' declarations, and what follows from them: order, sets, the union of facts.

There is no second list: for each name of :class:`~brokerproof.probes.outcome.stages.Stage` the module of that name
in :mod:`brokerproof.probes.outcome.specs` is imported. A stage comes after those that its spec names.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias, Union

from brokerproof.probes.outcome.spec import Per, StageFacts, StageSpec
from brokerproof.probes.outcome.stages import Reason, Stage


def _declared() -> dict[Stage, StageSpec]:
    return {stage: import_module(f"brokerproof.probes.outcome.specs.{stage.value}").SPEC for stage in Stage}


def in_order(specs: Mapping[Stage, StageSpec]) -> dict[Stage, StageSpec]:
    """The same specs, each as soon as all that it comes after are there; those of one moment as they are in ``specs``.

    Raises:
        ValueError: stages come after each other in a circle.
    """
    ordered: dict[Stage, StageSpec] = {}
    while len(ordered) < len(specs):
        left = {stage: spec for stage, spec in specs.items() if stage not in ordered}
        ready = {stage: spec for stage, spec in left.items() if ordered.keys() >= {*spec.after}}
        if not ready:
            raise ValueError(f"no order of these stages has each behind those it comes after: {', '.join(left)}")
        ordered |= ready
    return ordered


SPECS: Final[Mapping[Stage, StageSpec]] = in_order(_declared())
"""The spec of each stage, in order."""
STAGES: Final = tuple(SPECS)
"""All stages, each behind those it comes after."""
ORDER: Final[Mapping[Stage, int]] = {stage: place for place, stage in enumerate(STAGES)}
"""The place of each stage in that order, to sort by."""
STAGE_REASONS: Final[Mapping[Stage, frozenset[Reason]]] = {stage: spec.reasons for stage, spec in SPECS.items()}
"""The closed list of reasons a ``failed`` outcome of each stage may carry."""


def _needed() -> dict[Stage, frozenset[Stage]]:
    found: dict[Stage, frozenset[Stage]] = {}
    for stage, spec in SPECS.items():
        needs = spec.after if spec.needs is None else spec.needs
        found[stage] = frozenset(needs).union(*(found[earlier] for earlier in needs))
    return found


_NEEDED: Final = _needed()


def precedes(earlier: Stage, later: Stage) -> bool:
    """Whether ``later`` needs ``earlier``, by whatever stages between."""
    return earlier in _NEEDED[later]


def up_to(stage: Stage) -> tuple[Stage, ...]:
    """A stage and all that it needs, in order."""
    return tuple(each for each in STAGES if each is stage or precedes(each, stage))


def run_per(per: Per) -> tuple[Stage, ...]:
    """The stages with one outcome a ``per``, in order."""
    return tuple(stage for stage, spec in SPECS.items() if spec.per is per)


def judged_per(per: Per) -> tuple[Stage, ...]:
    """The stages with one check a ``per``, in order."""
    return tuple(stage for stage, spec in SPECS.items() if spec.judged is per)


if TYPE_CHECKING:
    Facts: TypeAlias = StageFacts
else:
    # What msgspec decodes by tag; type checkers see what they have in common.
    Facts = Union[tuple(facts for spec in SPECS.values() for facts in spec.facts)]  # noqa: UP007  made of a tuple
