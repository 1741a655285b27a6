"""Which trials a selection stands for: a pattern, and the faults that are put into it. Nothing runs here.

The same selection gives the same cases in the same order, so an interrupted proof can be
continued and a drawn combination can be seen again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Final

from brokerproof.accuracy.trial import Injected, Selection, Trial, TrialKind
from brokerproof.errors import WrongUseError
from brokerproof.lab.daemons.quorum import can_elect
from brokerproof.lab.faults import FAULTS, Fault
from brokerproof.lab.faults.fault import FaultLayer
from brokerproof.lab.network.blueprint import Blueprint, compile_topology
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.running.lab_pool import brokers_of
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

DRAWS_A_CASE: Final = 200
"""How often a combination is drawn anew where its faults do not go together, before giving up."""
AT_LEAST: Final = 2

VARIANTS: Final[Mapping[str, PatternOptions | None]] = {
    "": None,
    "dual-stack": PatternOptions(dual_stack=True),
    **{
        scheme.value: PatternOptions(authentication=scheme) for scheme in AuthenticationScheme if scheme.value != "none"
    },
}
"""How a pattern is built, in the order of preference: the first in which a fault can be is taken."""


class SelectionError(WrongUseError):
    """The selection names what there is not, or chooses nothing; one sentence."""


@dataclass(frozen=True, slots=True)
class Case:
    """One trial to be carried out."""

    case_id: str
    kind: TrialKind
    pattern: str
    variant: str = ""
    faults: tuple[str, ...] = ()

    @property
    def intended(self) -> Topology:
        """What the lab is meant to be."""
        return built(self.pattern, self.variant)

    @property
    def broken(self) -> Topology:
        """What the lab is made."""
        return together(self.intended, self.faults)

    @property
    def injected(self) -> tuple[Injected, ...]:
        """Its faults with what each must be diagnosed as."""
        return tuple(expected(FAULTS[name], self.pattern) for name in self.faults)


@lru_cache(maxsize=64)
def built(pattern: str, variant: str) -> Topology:
    """The topology of a pattern in a variant."""
    return PATTERNS[pattern].build(VARIANTS[variant])


@lru_cache(maxsize=64)
def _brokers(pattern: str, variant: str) -> str:
    return str(brokers_of(built(pattern, variant)))


def together(topology: Topology, faults: Sequence[str]) -> Topology:
    """The topology with all the faults in it."""
    for name in faults:
        topology = FAULTS[name].edit(topology)
    return topology


def expected(fault: Fault, pattern: str) -> Injected:
    """What the diagnosis of a fault may name in a pattern, as the fault states it."""
    if fault.cause is None:
        code = fault.advice
        return Injected(fault=fault.name, layer=fault.layer.value, cause=code, codes=(code,), advice=True)
    return Injected(
        fault=fault.name,
        layer=fault.layer.value,
        cause=fault.cause.value,
        codes=tuple(sorted(code.value for code in fault.codes(pattern))),
    )


def cases_of(selection: Selection) -> tuple[Case, ...]:
    """The cases, those that can share a lab side by side, and of these last those that restart brokers.

    Raises:
        SelectionError: it names an unknown pattern, layer or fault, or chooses nothing.
    """
    _check(selection)
    patterns = [name for name in PATTERNS if name in selection.patterns or not selection.patterns]
    faults = [
        fault
        for fault in FAULTS.values()
        if (not selection.layers or fault.layer.value in selection.layers)
        and (not selection.faults or fault.name in selection.faults)
    ]
    singles = tuple(_singles(patterns, faults))
    chosen = [
        *(singles if selection.singles else ()),
        *(_drawn(selection, singles) if selection.together else ()),
        *_clean(selection, patterns),
    ]
    if not chosen:
        raise SelectionError("nothing is chosen: no fault of these layers and names applies to these patterns")
    return tuple(sorted(chosen, key=_order))


def case_of(trial: Trial) -> Case | None:
    """What a trial carried out, whatever would be chosen or drawn today; None where that cannot be made any more."""
    faults = tuple(cause.fault for cause in trial.injected)
    if trial.pattern not in PATTERNS or not set(faults) <= FAULTS.keys():
        return None
    variant = next((v for v in VARIANTS if all(_fits(FAULTS[fault], trial.pattern, v) for fault in faults)), None)
    return None if variant is None else Case(trial.case_id, trial.kind, trial.pattern, variant, faults)


def digest(cases: Sequence[Case]) -> str:
    """SHA-256 of the cases with what each must be diagnosed as."""
    known = hashlib.sha256()
    for case in cases:
        known.update(repr((case, case.injected)).encode())
    return known.hexdigest()


def _check(selection: Selection) -> None:
    for what, given, there in (
        ("pattern", selection.patterns, tuple(PATTERNS)),
        ("layer", selection.layers, tuple(layer.value for layer in FaultLayer)),
        ("fault", selection.faults, tuple(FAULTS)),
    ):
        unknown = sorted(set(given) - set(there))
        if unknown:
            raise SelectionError(f"no {what} {', '.join(unknown)}; there is: {', '.join(sorted(there))}")
    if selection.together == 1:
        raise SelectionError("one fault at once is not several: --together takes 2 or more")
    if bool(selection.together) != bool(selection.draws):
        raise SelectionError("--together sets how many faults at once, --draws how often: give both or neither")


def _singles(patterns: Sequence[str], faults: Sequence[Fault]) -> Iterator[Case]:
    for pattern in patterns:
        for fault in faults:
            variant = next((v for v in VARIANTS if pattern in fault.patterns and _fits(fault, pattern, v)), None)
            if variant is not None:
                kind = TrialKind.FIELD if fault.source else TrialKind.SINGLE
                yield Case(f"{kind}/{pattern}/{fault.name}", kind, pattern, variant, (fault.name,))


def _fits(fault: Fault, pattern: str, variant: str) -> bool:
    return not fault.why_not(built(pattern, variant))


def _clean(selection: Selection, patterns: Sequence[str]) -> Iterator[Case]:
    for kind, runs in ((TrialKind.CLEAN, selection.clean), (TrialKind.BUSY, selection.busy)):
        for index in range(runs):
            pattern = patterns[index % len(patterns)]
            yield Case(f"{kind}/{pattern}/{index // len(patterns) + 1}", kind, pattern)


def _drawn(selection: Selection, singles: Sequence[Case]) -> Iterator[Case]:
    """Combinations of faults of one pattern, drawn at random; the seed decides."""
    rng = random.Random(selection.seed)  # noqa: S311 - a draw to be seen again, not a secret
    at_home: dict[tuple[str, str], list[str]] = {}
    for case in singles:
        at_home.setdefault((case.pattern, case.variant), []).extend(case.faults)
    homes = [home for home, faults in at_home.items() if len(faults) >= AT_LEAST]
    if not homes:
        raise SelectionError("two faults at once need a pattern that two of the chosen faults apply to")
    # By how many faults each has: a variant of few is not drawn as often as one of a hundred.
    weights = [len(at_home[home]) for home in homes]
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for index in range(selection.draws):
        for pattern, variant in rng.choices(homes, weights, k=DRAWS_A_CASE):
            there = at_home[pattern, variant]
            many = min(rng.randint(AT_LEAST, selection.together), len(there))
            faults = tuple(sorted(rng.sample(there, many), key=list(FAULTS).index))
            if (pattern, variant, faults) not in seen and go_together(pattern, variant, faults):
                seen.add((pattern, variant, faults))
                case_id = f"{TrialKind.TOGETHER}/{index + 1:03}/{pattern}/{'+'.join(faults)}"
                yield Case(case_id, TrialKind.TOGETHER, pattern, variant, faults)
                break
        else:
            raise SelectionError(f"only {len(seen)} of {selection.draws} combinations were found that go together")


def go_together(pattern: str, variant: str, faults: tuple[str, ...]) -> bool:
    """Whether the lab can have all these faults at once, each of them apart from the others and in what runs.

    Two edits of one field make a third fault, of which neither entry tells what it is diagnosed as.
    """
    if _hides_silence([FAULTS[fault] for fault in faults]):
        return False
    intended = built(pattern, variant)
    fields = [_edited(intended, FAULTS[fault].edit(intended)) for fault in faults]
    if any(_overlap(one, other) for one, other in combinations(fields, 2)):
        return False
    try:
        every = _laid_out(pattern, variant, faults)
        without = [_laid_out(pattern, variant, tuple(one for one in faults if one != left)) for left in faults]
    except Exception:  # noqa: BLE001 - what one fault took away another may need; such edits raise anything
        return False
    return not any(one == every for one in without) and _can_restart(_laid_out(pattern, variant, ()), every)


_MAY_BE_SILENT: Final = frozenset(
    {FaultLayer.ROUTE, FaultLayer.SECURITY, FaultLayer.LOAD_BALANCER, FaultLayer.TCP, FaultLayer.BROKER}
)
"""Layers of faults that may keep a target from accepting a connection."""


def _hides_silence(faults: Sequence[Fault]) -> bool:
    """Whether a client would be answered by the lab where, with an NLB, nobody answered it."""
    return any(
        one.accepts_itself and any(other.layer in _MAY_BE_SILENT for other in faults if other is not one)
        for one in faults
    )


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether both edit one place, or one a place within what the other replaces."""
    return any(f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.") for a in one for b in other)


def _edited(before: Topology, after: Topology) -> frozenset[str]:
    """Where two topologies differ. What disturbs the lab, and what is added, lies beside the rest."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    common = {
        name: (items, new[name][: len(items)]) for name, items in old.items() if isinstance(items, list) and new[name]
    }
    return frozenset(place for name, (was, now) in common.items() for place in _differing(was, now, name))


_DEEPEST: Final[Mapping[str, int]] = {"clusters": 4, "target_groups": 1}
"""A cluster's brokers have fields of their own; where a target group leads is one thing, by target or by port."""


_WHOLE: Final = frozenset({"scram_users", "client_identity", "iam"})
"""Fields whose parts judge one login: the first that does not fit decides."""


def _differing(was: object, now: object, place: str) -> Iterator[str]:
    """Down to an item of a resource's field, such as one rule, or to what :data:`_DEEPEST` states."""
    deepest = _DEEPEST.get(place.partition(".")[0], 3)
    match was, now:
        case _ if was != now and (place.count(".") >= deepest or place.rpartition(".")[2] in _WHOLE):
            yield place
        case dict(), dict():
            for key in was.keys() | now.keys():
                yield from _differing(was.get(key), now.get(key), f"{place}.{key}")
        case list(), list() if len(was) == len(now):
            for index, (one, other) in enumerate(zip(was, now, strict=True)):
                yield from _differing(one, other, f"{place}.{index}")
        case _ if was != now:
            yield place
        case _:
            pass


@lru_cache(maxsize=512)
def _laid_out(pattern: str, variant: str, faults: tuple[str, ...]) -> Blueprint:
    """What the lab is made with the faults, less what is set for brokers that do not run: no client meets that."""
    blueprint = compile_topology(together(built(pattern, variant), faults))
    brokers = tuple(b if b.running else replace(b, properties=(), frozen=False) for b in blueprint.brokers)
    return replace(blueprint, brokers=brokers)


def _can_restart(before: Blueprint, after: Blueprint) -> bool:
    """Whether every broker that runs with other settings can be started with them.

    A broker that starts registers with the active controller (KIP-631): none is active without a majority, and one
    that is cut off from the others reaches none.
    """
    settings = {broker.key: broker.properties for broker in before.brokers}
    running = [broker for broker in after.brokers if broker.running]
    return all(
        broker.properties == settings[broker.key]
        or (not broker.cut_off and can_elect(broker, [b for b in running if b.cluster_name == broker.cluster_name]))
        for broker in running
    )


def _order(case: Case) -> tuple[bool, str, str, str, bool, str]:
    """Cases of one lab side by side; what its brokers may have to be restarted for comes last.

    Those on a busy machine come after all others, which have it to themselves.
    """
    brokers = _brokers(case.pattern, case.variant)
    restarts = case.broken.clusters != case.intended.clusters
    return case.kind is TrialKind.BUSY, brokers, case.pattern, case.variant, restarts, case.case_id
