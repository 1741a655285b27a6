"""Whether one cluster shows one certificate: those that were each found right, compared over all clients. Pure.

All brokers of an MSK cluster present one wildcard certificate of one issuer. Something that ends TLS on the way, with a
certificate that clients trust, is seen by this comparison alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import msgspec

from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.diagnosis.clusters import answers_elsewhere
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.diagnosis.outcome_index import first_look
from brokerproof.probes.outcome import HandshakeFacts, IdentityFacts, Outcome, Reason, Role, Stage, Status, Target
from brokerproof.wording import listed


@dataclass(frozen=True, slots=True)
class Shown:
    """One certificate that one client was content with."""

    client: str
    cluster: tuple[str, str]
    """Its name, and the listener: each listener of a broker may have a certificate of its own."""
    target: Target
    broker_id: int
    facts: HandshakeFacts
    started_ns: int
    ended_ns: int

    @property
    def key(self) -> tuple[str, Target]:
        """Where it was shown to whom."""
        return self.client, self.target


def shown(clients: Iterable[ClientEvidence]) -> tuple[Shown, ...]:
    """Every certificate that was found right, where the broker is known that has the client's own cluster's name."""
    return tuple(one for seen in clients for one in _shown(seen))


def _shown(seen: ClientEvidence) -> Iterator[Shown]:
    elsewhere = answers_elsewhere(seen.outcomes)
    answered = {
        o.target: o.facts.answered_by
        for o in seen.outcomes
        if isinstance(o.facts, IdentityFacts) and o.facts.answered_by is not None
    }
    for outcome in first_look(seen.outcomes):
        facts, broker_id = outcome.facts, answered.get(outcome.target, outcome.target.broker_id)
        right = outcome.status is Status.OK and outcome.target not in elsewhere
        planned = outcome.target.role in {Role.BROKER, Role.BOOTSTRAP}
        if right and planned and isinstance(facts, HandshakeFacts) and facts.sha256 and broker_id is not None:
            yield _one(seen, outcome, facts, broker_id)


def _untrusted_issuers(clients: Iterable[ClientEvidence]) -> Iterator[tuple[tuple[str, str], str]]:
    """The issuer of each certificate that a client did not trust, with the cluster that it was shown for."""
    for seen in clients:
        for outcome in first_look(seen.outcomes):
            facts, planned = outcome.facts, outcome.target.role in {Role.BROKER, Role.BOOTSTRAP}
            if planned and outcome.reason is Reason.CHAIN_UNTRUSTED and isinstance(facts, HandshakeFacts):
                yield (seen.view.cluster_name, seen.view.listener), facts.issuer


def _one(seen: ClientEvidence, outcome: Outcome, facts: HandshakeFacts, broker_id: int) -> Shown:
    return Shown(
        client=seen.view.client,
        cluster=(seen.view.cluster_name, seen.view.listener),
        target=outcome.target,
        broker_id=broker_id,
        facts=facts,
        started_ns=outcome.started_ns,
        ended_ns=outcome.started_ns + outcome.duration_ns,
    )


def one_certificate(clients: Sequence[ClientEvidence]) -> tuple[ClientEvidence, ...]:
    """The same runs, with those handshakes red that were shown another certificate than most of the same cluster.

    Brokers may have certificates of their own, but of one issuer; and one broker has one certificate a name. A later
    certificate of the same issuer and names in its place is its renewal, and right.
    Where neither of two has most, nobody knows which is the broker's own, and both are red.
    """
    words: dict[tuple[str, Target], str] = {}
    every = shown(clients)
    untrusted = list(_untrusted_issuers(clients))
    for cluster in sorted({one.cluster for one in every}):
        of_cluster = [one for one in every if one.cluster == cluster]
        beside = [issuer for where, issuer in untrusted if where == cluster]
        words |= _of_other_issuers(of_cluster, beside) or _beside_another(of_cluster)
    return tuple(_marked(seen, words) for seen in clients) if words else tuple(clients)


def _of_other_issuers(found: Sequence[Shown], untrusted: Sequence[str]) -> dict[tuple[str, Target], str]:
    """Of what was found right, what has another issuer than most of the cluster; that may be one nobody trusts."""
    every = [*(one.facts.issuer for one in found), *untrusted]
    most, issuers = _most(every), frozenset(every)
    return {
        one.key: f"its certificate {_short(one)} is issued by {one.facts.issuer}, "
        f"others of this cluster by {listed(sorted(issuers - {one.facts.issuer}))}"
        for one in found
        if len(issuers) > 1 and one.facts.issuer != most
    }


def _beside_another(found: Sequence[Shown]) -> dict[tuple[str, Target], str]:
    places: dict[tuple[int, str], list[Shown]] = {}
    for one in found:
        places.setdefault((one.broker_id, one.facts.sni.lower()), []).append(one)
    return {key: words for there in places.values() for key, words in _of_one_broker(there)}


def _of_one_broker(there: Sequence[Shown]) -> Iterator[tuple[tuple[str, Target], str]]:
    names = {frozenset(name.lower() for name in one.facts.dns_names) for one in there}
    leaves = {one.facts.sha256 for one in there}
    if len(leaves) < 2 or (len(names) == 1 and not went_back(there)):  # noqa: PLR2004 - one is no difference
        return
    most = _most(one.facts.sha256 for one in there)
    for one in there:
        if one.facts.sha256 != most:
            others = sorted({_short(other) for other in there if other.facts.sha256 != one.facts.sha256})
            yield one.key, f"broker {one.broker_id} shows certificate {_short(one)} here and {listed(others)} elsewhere"


def went_back(there: Iterable[Shown]) -> int:
    """How often a client was shown the earlier of a broker's two certificates after the later one.

    No renewal does that.
    """
    found = {
        earlier.key
        for earlier, later in permutations(there, 2)
        if earlier.client == later.client
        and earlier.broker_id == later.broker_id
        and earlier.facts.not_before < later.facts.not_before
        and earlier.started_ns > later.ended_ns
    }
    return len(found)


def _most(values: Iterable[str]) -> str:
    """The value that more than half have; empty where none has."""
    found = Counter(values)
    value, count = found.most_common(1)[0]
    return value if 2 * count > found.total() else ""


def _short(one: Shown) -> str:
    return f"{one.facts.sha256[:12]} (valid from {one.facts.not_before})"


def _marked(seen: ClientEvidence, words: dict[tuple[str, Target], str]) -> ClientEvidence:
    mine = {target: text for (client, target), text in words.items() if client == seen.view.client}
    return msgspec.structs.replace(seen, checks=tuple(_red(check, mine) for check in seen.checks)) if mine else seen


def _red(check: Check, words: dict[Target, str]) -> Check:
    observed = next((text for target, text in words.items() if target.place == check.place), "")
    if not observed or check.stage is not Stage.HANDSHAKE or check.verdict is not Verdict.PASSED:
        return check
    expected = "all clients and addresses are shown one certificate of a broker, and one issuer of a cluster"
    return msgspec.structs.replace(check, verdict=Verdict.FAILED, observed=observed, expected=expected)
