"""One client's outcomes, found by stage and target. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from brokerproof.probes.outcome import MetadataFacts, Outcome, Role, Stage, Status


def first_look(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Those by which checks are judged: nothing turns green, or red, by looking again."""
    return tuple(outcome for outcome in outcomes if outcome.look == 1)


def second_look(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """What was observed once more because it had failed; a look that the run had no time for is none."""
    return tuple(outcome for outcome in outcomes if outcome.look > 1 and outcome.status is not Status.ERROR)


def is_of_another(outcome: Outcome) -> bool:
    """Whether it is of a broker that the cluster advertises at an address of another's: metadata is what is wrong."""
    target = outcome.target
    return target.role is Role.ADVERTISED and bool(target.address)


class OutcomeIndex:
    """Outcomes of the first look, found by stage and target; what nobody has is no part of the path, and left out."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.all = outcomes = first_look(o for o in outcomes if o.target.role is not Role.CONTROL)
        self._by_target: dict[tuple[Stage, str, str, int], list[Outcome]] = {}
        self._by_broker: dict[tuple[Stage, int | None], list[Outcome]] = {}
        for outcome in outcomes:
            target = outcome.target
            self._by_broker.setdefault((outcome.stage, target.broker_id), []).append(outcome)
            if is_of_another(outcome):
                continue
            if target.role is Role.FORBIDDEN:
                key = (outcome.stage, "forbidden", target.address, target.port)
            else:
                key = (outcome.stage, *target.place)
            self._by_target.setdefault(key, []).append(outcome)

    def resolve(self, name: str) -> list[Outcome]:
        """Of the resolution of a name."""
        return self._by_target.get((Stage.RESOLVE, name.lower(), "", 0), [])

    def connection(self, stage: Stage, name: str, address: str, port: int) -> list[Outcome]:
        """Of a stage at one address of a name."""
        return self._by_target.get((stage, name.lower(), address, port), [])

    def forbidden(self, address: str, port: int) -> list[Outcome]:
        """Of connects to what must not answer."""
        return self._by_target.get((Stage.CONNECT, "forbidden", address, port), [])

    def broker(self, stage: Stage, broker_id: int | None) -> list[Outcome]:
        """Of a stage at whatever was expected to be this broker."""
        return self._by_broker.get((stage, broker_id), [])

    def metadata(self) -> Iterator[MetadataFacts]:
        """What every metadata answer says."""
        for outcome in self.all:
            if outcome.stage is Stage.METADATA and isinstance(outcome.facts, MetadataFacts):
                yield outcome.facts
