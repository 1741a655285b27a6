"""Checks of the cluster as a whole: who answers, who is listed, where the client is seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brokerproof.diagnosis.basis import CLUSTER, Basis, changed
from brokerproof.diagnosis.check import Assertion, Check, Verdict
from brokerproof.diagnosis.membership import Lists, disputed, lists_of
from brokerproof.probes.outcome import GroupFacts, Role, Stage, Status
from brokerproof.probes.outcome.registry import SPECS, judged_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.wording import listed


class ClusterChecks:
    """Of one client."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis

    def all(self) -> Iterator[Check]:
        """Every check of the cluster; where nobody knows its brokers yet, whether anybody names them."""
        view = self._basis.view
        if not view.brokers and view.found_as:
            yield self._names_brokers()
        if view.brokers:
            yield self._nothing_unexpected_advertised()
            yield self._same_brokers()
            for stage in judged_per(Per.CLUSTER):
                yield self._cluster(stage)
            yield from self._source()

    def _nothing_unexpected_advertised(self) -> Check:
        expected = {b.broker_id for b in self._basis.view.brokers}
        extra = sorted(
            {
                f"broker {e.broker_id} at {e.name}:{e.port}"
                for f in self._basis.metadata
                for e in f.brokers
                if e.broker_id not in expected
            }
        )
        clusters = sorted({facts.cluster_id for facts in self._basis.seen.metadata()})
        title = "every answer is from one cluster, and metadata lists no broker that the topology does not have"
        check = self._of_answers("cluster/metadata", title, Assertion.ONE_CLUSTER)
        if extra:
            check = changed(check, verdict=Verdict.FAILED, observed=f"metadata also lists {listed(extra)}")
        if len(clusters) > 1:
            check = changed(check, verdict=Verdict.FAILED, observed=f"answers come from clusters {listed(clusters)}")
        return self._basis.with_remedy(self._where_another_answers(check))

    def _of_answers(self, check_id: str, title: str, asserts: Assertion) -> Check:
        """A check of what metadata says, passed where any was read."""
        seen = self._basis.seen.all
        read = [o for o in seen if o.stage is Stage.METADATA and o.status is Status.OK][:1]
        check = self._basis.check(check_id, Stage.METADATA, CLUSTER, read, title, asserts=asserts)
        if check.verdict is Verdict.NOT_SEEN and seen:
            return changed(check, verdict=Verdict.BLOCKED, observed="no metadata was read")
        return check

    def _names_brokers(self) -> Check:
        """Where nobody knows the brokers yet: whether anybody names them."""
        outcomes = [o for o in self._basis.seen.all if o.stage is Stage.METADATA]
        title = "metadata names the brokers"
        return self._basis.check("cluster/metadata", Stage.METADATA, CLUSTER, outcomes, title)

    def _where_another_answers(self, check: Check) -> Check:
        """The check, with the place at which another cluster answers, where it is one and known."""
        if check.verdict is not Verdict.FAILED or not self._basis.elsewhere:
            return check
        places = [
            f"{facts.cluster_id} at {t.name}:{t.port} ({t.address})" for t, facts in self._basis.elsewhere.items()
        ]
        ids = {facts.cluster_id for facts in self._basis.metadata}
        check = changed(
            check, observed=f"brokers are of cluster {listed(sorted(ids))}; another answers: {listed(places)}"
        )
        names = {(t.name, t.port) for t in self._basis.elsewhere}
        return changed(check, **dict(zip(("name", "port"), *names, strict=True))) if len(names) == 1 else check

    def _same_brokers(self) -> Check:
        """Every broker's answer against every other's, about those brokers that answered for themselves."""
        check = self._of_answers("cluster/metadata/same", "all brokers list the same brokers", Assertion.SAME_BROKERS)
        lists = lists_of(self._basis.seen.all)
        if told := [_left_out(broker_id, by, lists) for broker_id, by in disputed(lists).items()]:
            check = changed(check, verdict=Verdict.FAILED, observed="; ".join(told))
        return check

    def _cluster(self, stage: Stage) -> Check:
        outcomes = [o for o in self._basis.seen.all if o.stage is stage and o.target.role is Role.CLUSTER]
        check = self._basis.check(f"cluster/{stage}", stage, CLUSTER, outcomes, SPECS[stage].title)
        coordinators = [o.facts.coordinator_id for o in outcomes if isinstance(o.facts, GroupFacts)]
        if check.verdict is Verdict.FAILED and coordinators:
            check = changed(check, broker_id=coordinators[0])
        return self._basis.with_remedy(check)

    def _source(self) -> Iterator[Check]:
        """The path a connection took shows at its far end: where the coordinator sees this client from."""
        outcomes = [o for o in self._basis.seen.all if o.stage is Stage.GROUP and o.target.role is Role.CLUSTER]
        facts = next((o.facts for o in outcomes if isinstance(o.facts, GroupFacts)), None)
        by_id = {b.broker_id: b.sources for b in self._basis.view.brokers}
        wanted = by_id.get(facts.coordinator_id) if facts is not None and facts.coordinator_id else None
        if wanted is None:
            wanted = tuple(dict.fromkeys(address for sources in by_id.values() for address in sources))
        if not wanted:
            return
        title = f"the group's coordinator sees this client at {' or '.join(wanted)}"
        check = self._basis.check("cluster/source", Stage.GROUP, CLUSTER, outcomes, title, asserts=Assertion.SOURCE)
        if check.verdict is Verdict.FAILED:
            check = changed(check, verdict=Verdict.BLOCKED, reason=None, blocked_by="cluster/group")
        if check.verdict is Verdict.PASSED and facts is not None and facts.client_host not in wanted:
            why = f": {facts.client_host_unknown}" if facts.client_host_unknown else ""
            seen = (
                f"it sees it at {facts.client_host}" if facts.client_host else f"it did not say where it sees it{why}"
            )
            check = changed(check, verdict=Verdict.FAILED if facts.client_host else Verdict.NOT_SEEN, observed=seen)
        yield self._basis.with_remedy(check)


def _left_out(broker_id: int, by: Sequence[int], lists: Lists) -> str:
    whose = "itself" if broker_id in lists[broker_id] else "not itself"
    brokers = f"broker {by[0]} does" if len(by) == 1 else f"brokers {listed(by)} do"
    return f"{brokers} not list broker {broker_id}, which answers, and lists {whose}"
