"""The new way beside the old one: after a change two clients take turns, and the ratio of their times is estimated.

What disturbs the machine or the cluster meets both in the same way, which two looks at different times cannot say.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from brokerproof.comparison.series import Series
from brokerproof.comparison.values import LEAST_ROUNDS, Compared
from brokerproof.errors import WrongUseError
from brokerproof.extras import Extra, require
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Measured
from brokerproof.probes.outcome.base import Value
from brokerproof.running.rounds import RoundPart, Wanted, measure_in_rounds
from brokerproof.running.site import Site
from brokerproof.topology.models import Topology

MEDIAN: Final = 0.5
ROUNDS: Final = 2 * LEAST_ROUNDS
"""Of each pair: so many that one that fails leaves enough."""
SAMPLES: Final = 30


class Paired(Value, frozen=True, kw_only=True):
    """How many times as long the new way takes as the old one, by medians of turns. None: too few turns to say."""

    client: str
    other: str
    what: str
    low: float | None
    high: float | None
    rounds: int


def check_beside(topology: Topology, clients: Mapping[str, str]) -> None:
    """Refuse what cannot be timed, before anything is changed.

    Raises:
        WrongUseError: a client is not there, or is its own old way, or is of another cluster.
        MissingExtraError: what estimates is not installed.
    """
    known = {client.name: client for client in topology.clients}
    for pair in clients.items():
        for name in pair:
            if name not in known:
                raise WrongUseError(f"latency.beside: {topology.name} has no client {name}; it has: {', '.join(known)}")
        new, old = (known[name] for name in pair)
        if new.name == old.name or new.cluster_name != old.cluster_name:
            raise WrongUseError(f"latency.beside: {old.name} is no other client of the cluster of {new.name}")
    if clients:
        require(Extra.COMPARE, "latency.beside")


def pairs(
    topology: Topology, clients: Mapping[str, str], *, lab: Lab | None, rounds: int = ROUNDS
) -> tuple[Paired, ...]:
    """Time each client of a change in turns with the one that goes the old way.

    Args:
        topology: As it is after the change.
        clients: Whoever went through the change, and who goes the old way.
        lab: The lab, where the clients are in one.
        rounds: Turns of each.
    """
    return tuple(one for pair in clients.items() for one in _of_pair(topology, pair, lab=lab, rounds=rounds))


def _of_pair(topology: Topology, pair: tuple[str, str], *, lab: Lab | None, rounds: int) -> tuple[Paired, ...]:
    from brokerproof.comparison.pairs import compare_together  # noqa: PLC0415  an extra, and slow to import

    taken: list[Series] = []

    def on_part(part: RoundPart) -> None:
        if not part.trouble:
            taken.extend(part.series)

    seed = secrets.randbelow(2**31)
    with Site(topology, lab=lab, journal=None) as site:
        runs = [site.run(name, measure=False) for name in pair]
        wanted = Wanted(seed=seed, rounds=rounds, samples=SAMPLES)
        measure_in_rounds(site, runs, wanted, run_id=f"change-{seed}", on_part=on_part)
    client, other = pair
    kinds = (Measured.CONNECT, Measured.HANDSHAKE)
    if {series.whose.client for series in taken} != set(pair):
        return tuple(
            Paired(client=client, other=other, what=kind.value, low=None, high=None, rounds=0) for kind in kinds
        )
    compared = compare_together(taken, seed=seed, whats=kinds).compared
    return tuple(paired_of(one, client, other) for one in compared if one.contrast.quantile == MEDIAN)


def paired_of(one: Compared, client: str, other: str) -> Paired:
    """A comparison of the two as the new way by the old one, whichever it has first."""
    ratio = one.contrast.ratio
    low, high = (None, None) if ratio is None else (ratio.low, ratio.high)
    if low is not None and high is not None and one.first.client != client:
        low, high = 1 / high, 1 / low
    rounds = min(one.contrast.rounds)
    return Paired(client=client, other=other, what=one.what.value, low=low, high=high, rounds=rounds)
