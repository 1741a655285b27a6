"""Checks of what must not be possible: forbidden addresses, and names that a zone hides. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from brokerproof.diagnosis.basis import CLUSTER, Basis, changed, inverted, slug
from brokerproof.diagnosis.check import Assertion, Check, Verdict
from brokerproof.diagnosis.zones import NO_SUCH_NAME, hiding_zone
from brokerproof.probes.outcome import Outcome, ResolveFacts, Role, Stage
from brokerproof.topology.expectation.view import ForbiddenView


class IsolationChecks:
    """Of one client."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis

    def all(self) -> Iterator[Check]:
        """Every check of isolation."""
        yield from self._isolation()
        yield from self._hidden()

    def _isolation(self) -> Iterator[Check]:
        groups: dict[str, list[ForbiddenView]] = {}
        for entry in self._basis.view.forbidden:
            groups.setdefault(entry.why, []).append(entry)
        for why, entries in groups.items():
            verdicts = []
            for entry in entries:
                outcomes = self._basis.seen.forbidden(entry.address, entry.port)
                check_id = f"isolation/{slug(why)}"
                check = self._basis.check(check_id, Stage.CONNECT, CLUSTER, outcomes, why, asserts=Assertion.FORBIDDEN)
                check = changed(check, isolation=True, barrier=entry.barrier, address=entry.address, port=entry.port)
                verdicts.append(inverted(check, outcomes, entry.fails_with))
            worst = max(verdicts, key=lambda c: _WORST[c.verdict])
            if worst.verdict is Verdict.PASSED:
                worst = changed(worst, address="", port=0, observed="")
            yield self._basis.with_remedy(worst)

    def _hidden(self) -> Iterator[Check]:
        """Names that are somebody else's: a private zone wider than the cluster answers for them, and lacks them."""
        for name in self._basis.view.other_names:
            outcomes = [o for o in self._basis.seen.resolve(name) if o.target.role is Role.OTHER]
            title = f"no private hosted zone of {self._basis.view.vpc_id} hides {name}"
            check_id = f"isolation/hides-not/{slug(name)}"
            check = self._basis.check(
                check_id, Stage.RESOLVE, CLUSTER, outcomes, title, asserts=Assertion.NAME_NOT_HIDDEN
            )
            check = changed(check, isolation=True, name=name)
            hiding = next((zone for o in outcomes if (zone := hiding_zone(self._basis.view, o))), "")
            if hiding:
                check = changed(check, verdict=Verdict.FAILED, observed=f"zone {hiding} answers for it, and lacks it")
            elif check.verdict is Verdict.FAILED and _tells(outcomes):
                check = changed(check, verdict=Verdict.PASSED, reason=None, observed="")
            elif check.verdict is Verdict.FAILED:
                check = changed(check, verdict=Verdict.BLOCKED, reason=None)
            yield self._basis.with_remedy(check)


_WORST: Final = {
    Verdict.PASSED: 0,
    Verdict.NOT_COVERED: 1,
    Verdict.BLOCKED: 2,
    Verdict.NOT_SEEN: 3,
    Verdict.ERROR: 4,
    Verdict.FAILED: 5,
}


def _has_addresses(outcome: Outcome) -> bool:
    return isinstance(outcome.facts, ResolveFacts) and bool(outcome.facts.a or outcome.facts.aaaa)


def _tells(outcomes: Sequence[Outcome]) -> bool:
    """Whether the resolver said what it makes of the name, be it that there is none."""
    return all(o.reason in NO_SUCH_NAME or _has_addresses(o) for o in outcomes)
