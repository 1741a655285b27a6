"""What no client can see alone: whether all reach the same cluster, and what brokers tell others of its listener. Pure.

Each client's checks are judged by its own run. Here runs are laid side by side, and a check that only
the others can falsify turns red.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from brokerproof.diagnosis.certificates import one_certificate
from brokerproof.diagnosis.check import Assertion, Check, Verdict
from brokerproof.diagnosis.clusters import own_cluster_id
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.diagnosis.outcome_index import first_look
from brokerproof.diagnosis.remedy import remedy
from brokerproof.probes.outcome import AdvertisedBroker, IdentityFacts
from brokerproof.probes.outcome.names import canonical
from brokerproof.topology.expectation.view import ClientView

_LISTENER: Final = re.compile(r"([^,:/\s]+)://([^,]*):(\d+)", re.ASCII)


def compared(clients: Sequence[ClientEvidence]) -> tuple[ClientEvidence, ...]:
    """The same runs, with those red that reach another cluster, or see another certificate, than most of it do.

    Where no cluster id has the majority, nobody knows which is the right one, and all are red. The id is the
    cluster's own and never changes (``cluster.id``, Apache Kafka).
    """
    reached = [(seen, _cluster_id(seen)) for seen in clients]
    found: dict[str, Counter[str]] = {}
    for seen, cluster_id in reached:
        if cluster_id:
            found.setdefault(seen.view.cluster_name, Counter())[cluster_id] += 1
    marked = [_marked(seen, cluster_id, found.get(seen.view.cluster_name, Counter())) for seen, cluster_id in reached]
    told = told_listeners(clients)
    return one_certificate([_told(seen, told) for seen in marked])


Told = Mapping[tuple[str, str, int], AdvertisedBroker]
"""By cluster, listener and broker: where the broker says that it advertises that listener."""


def told_listeners(clients: Iterable[ClientEvidence]) -> Told:
    """What brokers told whichever client asked them for their settings.

    ``advertised.listeners`` is one setting for all listeners of a broker (Apache Kafka, broker configs).
    """
    found: dict[tuple[str, str, int], AdvertisedBroker] = {}
    for seen in clients:
        for facts in (outcome.facts for outcome in first_look(seen.outcomes)):
            if not isinstance(facts, IdentityFacts) or facts.answered_by is None:
                continue
            for listener, name, port in _LISTENER.findall(facts.advertised_listeners):
                entry = AdvertisedBroker(broker_id=facts.answered_by, name=name.strip("[]"), port=int(port))
                key = (seen.view.cluster_name, listener, facts.answered_by)
                found[key] = min(entry, found.get(key, entry), key=lambda e: (e.name, e.port))
    return found


def _told(seen: ClientEvidence, told: Told) -> ClientEvidence:
    """The run, with those metadata checks red that it could not make, and that brokers' own words falsify."""
    view = seen.view
    wrong = {
        broker.broker_id: entry
        for broker in view.brokers
        if (entry := told.get((view.cluster_name, view.listener, broker.broker_id))) is not None
        and (canonical(entry.name), entry.port) != (broker.name.lower(), broker.port)
    }
    checks = tuple(_advertised(check, view, wrong) for check in seen.checks) if wrong else seen.checks
    return msgspec.structs.replace(seen, checks=checks)


def _advertised(check: Check, view: ClientView, wrong: Mapping[int, AdvertisedBroker]) -> Check:
    if check.asserts is not Assertion.ADVERTISED or check.verdict not in {Verdict.BLOCKED, Verdict.NOT_SEEN}:
        return check
    entry = None if check.broker_id is None else wrong.get(check.broker_id)
    if entry is None:
        return check
    observed = f"it told another client that it is advertised at {entry.name}:{entry.port}"
    red = msgspec.structs.replace(check, verdict=Verdict.FAILED, reason=None, blocked_by="", observed=observed)
    return msgspec.structs.replace(red, change=remedy(red, view))


def _cluster_id(seen: ClientEvidence) -> str:
    """The one cluster that a client reached at its brokers; empty where nobody knows which is its own."""
    return own_cluster_id(seen.outcomes)


def _marked(seen: ClientEvidence, cluster_id: str, found: Counter[str]) -> ClientEvidence:
    others = sorted(set(found) - {cluster_id})
    if not cluster_id or not others or 2 * found[cluster_id] > found.total():
        return seen
    observed = f"cluster {cluster_id} answers, other clients reach {' and '.join(others)}"
    checks = tuple(_red(check, observed) if check.asserts is Assertion.ONE_CLUSTER else check for check in seen.checks)
    return msgspec.structs.replace(seen, checks=checks)


def _red(check: Check, observed: str) -> Check:
    if check.verdict is not Verdict.PASSED:
        return check
    return msgspec.structs.replace(check, verdict=Verdict.FAILED, observed=observed)
