"""Objects of a run read back into the journal that every run has: judged, diagnosed and reported as a local one.

One client at a time: what is in memory does not grow with the fleet. A far side is not trusted: what an object says is
heard as the lines of every vantage are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from brokerproof.fleet.far.values import Item, ItemResult, Place, decode_result
from brokerproof.fleet.items import verification
from brokerproof.fleet.parts import Part, the_one_topology
from brokerproof.fleet.store import AT_ONCE
from brokerproof.probes.outcome import encode_line
from brokerproof.probes.plan import Plan, decode_plan
from brokerproof.reports.document import TopologyAudit
from brokerproof.reports.journal import Journal
from brokerproof.running.planning import conclude
from brokerproof.running.site import drawing_of, write_end
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.files import digest
from brokerproof.topology.models import Topology
from brokerproof.vantages.conversation import Conversation
from brokerproof.vantages.protocol import VantageRun
from brokerproof.vantages.tail import Tail
from brokerproof.wording import one_line

NOT_RUN: Final = "did not run"
REPLACED: Final = "its plan was replaced or is gone"
FUNCTION_ENGINE: Final = "lambda"
"""Of a place: a function, which is not the client's own host."""
_LINK: Final = "169.254."
"""RFC 3927."""


class Collector:
    """Writes the clients of one run down, each once, in whatever order their objects come.

    Args:
        parts: Where the objects are: at one hub, or at several.
        journal: Where to.

    Raises:
        FleetError: the parts are of several topologies, or a client is in none.
    """

    def __init__(self, parts: Sequence[Part], journal: Journal) -> None:
        self._topology = the_one_topology(parts)
        self._journal = journal
        self._known_as = digest(self._topology)
        self._part_of = {item.client: part for part in parts for item in part.made.items}
        self._left = {item.client: item for part in parts for item in part.made.items}
        journal.drawing(drawing_of(self._topology, self._known_as))
        audit = parts[0].made.audit
        if audit is not None:
            journal.audited(TopologyAudit(topology_digest=self._known_as, audit=audit))

    @property
    def left(self) -> Mapping[str, Item]:
        """Whose object was not seen yet."""
        return self._left

    def take(self, clients: Iterable[str]) -> int:
        """Read these clients' objects and judge them; returns how many there were.

        Raises:
            StoreError: S3 refused.
        """
        taken = 0
        wanted = [self._left[client] for client in sorted(set(clients) & set(self._left))]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for some in batched(wanted, AT_ONCE):
                for item, (plan, text) in zip(some, threads.map(self._read, some), strict=True):
                    if text is not None:
                        self._judge(item, plan, text)
                        taken += 1
        return taken

    def _read(self, item: Item) -> tuple[Plan | None, bytes | None]:
        part = self._part_of[item.client]
        return self._plan(item), part.at.store.result(part.made.name, part.run, item.client)

    def _judge(self, item: Item, plan: Plan | None, text: bytes) -> None:
        if plan is None:
            self._write(item, VantageRun(error=f"{REPLACED}, so what it answers to is unknown"))
        else:
            run, where = self._heard(item, plan, text)
            self._write(item, run, plan, where)

    def did_not_run(self, reasons: Mapping[str, str]) -> tuple[str, ...]:
        """Write the clients down that left no object; returns who they are."""
        names = tuple(self._left)
        for name in names:
            why = reasons.get(name, "")
            item = self._left[name]
            self._write(item, VantageRun(error=one_line(f"{NOT_RUN}{f': {why}' if why else ''}")), self._plan(item))
        return names

    def _plan(self, item: Item) -> Plan | None:
        text = self._part_of[item.client].at.store.plan(item)
        if text is None or hashlib.sha256(text).hexdigest() != item.plan_sha256:
            return None
        try:
            return decode_plan(text)
        except msgspec.DecodeError:
            return None

    def _heard(self, item: Item, plan: Plan, text: bytes) -> tuple[VantageRun, str]:
        try:
            result = decode_result(text)
        except (msgspec.DecodeError, RecursionError) as why:
            return VantageRun(error=one_line(f"its object cannot be read: {why}")), ""
        part = self._part_of[item.client]
        meant = (part.made.name, part.run, item.client, item.plan_sha256)
        answered = (result.set, result.run, result.client, result.plan_sha256)
        if answered != meant:
            fault = f"its object is of {answered[:3]} and another plan, not of {meant[:3]}"
            return VantageRun(error=one_line(fault)), ""
        return heard_again(plan, result), one_line(ran_as(result.place))

    def _write(self, item: Item, run: VantageRun, plan: Plan | None = None, where: str = "") -> None:
        view = expect(self._topology, item.client)
        if ":lambda:" in item.resource:
            view = behind_forwarder(view, self._topology, run)
        # Of a client whose plan cannot be read, the checks of what would have been asked.
        asked = plan if plan is not None else verification(self._topology, self._topology.client(item.client))
        written = self._journal.client(view, topology_digest=self._known_as, ran_as=where)
        for outcome in run.outcomes:
            written.line(outcome)
        write_end(written, conclude(view, asked, run))
        del self._left[item.client]


def batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """These, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def ran_as(place: Place) -> str:
    """Where an item ran, and what that proves."""
    if place.engine != FUNCTION_ENGINE:
        return f"{place.resource} ({place.machine}, {place.memory_mb} MB): this is the client's own host"
    start = "cold" if not place.earlier_runs else "warm"
    what = f"{place.resource} ({place.machine}, {place.memory_mb} MB, {start} start)"
    return f"{what}: this is the path of the function's own subnets and security groups"


def behind_forwarder(view: ClientView, topology: Topology, run: VantageRun) -> ClientView:
    """The view of a client whose probe is set to a nameserver of its own link, as a function's environment is.

    It hands questions on to the resolver that the VPC's DHCP options name. Where they name none of their own, that is
    the VPC's, so that it is not taken for somebody else's.
    """
    vpc = next((each for each in topology.vpcs if each.vpc_id == view.vpc_id), None)
    if vpc is None or vpc.domain_name_servers or run.started is None or run.started.host_facts is None:
        return view
    here = tuple(each for each in run.started.host_facts.nameservers if each.startswith(_LINK))
    return msgspec.structs.replace(view, resolvers=(*view.resolvers, *here)) if here else view


def heard_again(plan: Plan, result: ItemResult) -> VantageRun:
    """What an object says, judged line by line as if the probe were speaking."""
    said = Tail()
    said.feed(result.said.said.encode())
    conversation = Conversation(plan, said=said)
    run = result.said
    for line in (run.started, *run.outcomes, *run.samples, run.closing):
        if line is not None and not conversation.over:
            conversation.hear(encode_line(line).rstrip(b"\n"))
    if run.error:
        conversation.end(run.error)
    return conversation.result()
