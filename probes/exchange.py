"""Records through the cluster: which leaders get records, what must exist before, and what is removed after.

The exchange makes and awaits the topic over the probe's own verified connections, and decides for every leader
whether records can go there. :mod:`brokerproof.probes.records` moves them. Topic and group are removed again, also
after a failure.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from kio.schema.errors import ErrorCode

from brokerproof.probes.clean_up import CleanUp
from brokerproof.probes.coordinator import (
    Coordinator,
    CoordinatorError,
    describe_group,
    find_coordinator,
    offsets_partition,
)
from brokerproof.probes.endpoints import ProbedEndpoint, Verified
from brokerproof.probes.group_told import GroupTold, SeenFrom
from brokerproof.probes.kafka_client.ahead import Ahead, group_of, needs_consumer, new_nonce
from brokerproof.probes.kafka_client.client_process import ClientProcess
from brokerproof.probes.kafka_client.fork_server import ForkServer
from brokerproof.probes.kafka_client.messages import Drop, Learn, Making, Prepare, Stop
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import Leader, Settings
from brokerproof.probes.observation import Observation, failed
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    GroupFacts,
    OffsetsPartition,
    Outcome,
    Reason,
    Role,
    Stage,
    Status,
    Target,
    TopicFacts,
    WaitedFor,
)
from brokerproof.probes.outcome.registry import SPECS, run_per
from brokerproof.probes.outcome.spec import Per
from brokerproof.probes.paths import Paths
from brokerproof.probes.plan import Plan, TopicMode
from brokerproof.probes.records import CLUSTER, Records
from brokerproof.probes.spending import Used
from brokerproof.probes.stages.authorize import ask_permissions
from brokerproof.probes.topic import (
    Partitions,
    TopicError,
    create_topic,
    end_offset,
    find_partitions,
    led,
    spread,
)
from brokerproof.probes.wire.stream import BrokenStreamError

_OF_CLUSTER: Final = tuple(stage for stage in run_per(Per.CLUSTER) if not SPECS[stage].measurement)
_WITH_RECORDS: Final = (Stage.CONSUME, *_OF_CLUSTER)
"""What is run where records are."""
RECORD_STAGES: Final = run_per(Per.BROKER)
"""The stages with one outcome a leader."""


class Candidate(msgspec.Struct, frozen=True):
    """A broker that leads, or should lead, a partition of the topic."""

    broker_id: int | None
    target: Target
    verified: Verified | None
    root: WaitedFor
    """Where it is not verified: what to wait for."""


class Exchange(msgspec.Struct):
    """One run's records."""

    plan: Plan
    ledger: Ledger
    paths: Paths
    server: ForkServer
    """Makes the process of the Kafka client."""
    begun: Ahead | None = None
    """What began before this."""
    stop: threading.Event = msgspec.field(default_factory=threading.Event)
    nonce: str = msgspec.field(default_factory=new_nonce)
    settings: Settings | None = None
    leaders: list[Leader] = msgspec.field(default_factory=list)
    """Those that were ready for records."""
    candidates: list[Candidate] = msgspec.field(default_factory=list)
    _control: Verified | None = None
    _owes: int | None = None
    """The broker that gave no answer about the topic in time."""
    _creating: asyncio.Task[None] | None = None
    _coordinator: Verified | None = None
    _client: ClientProcess | None = None
    _used_before: Used = msgspec.field(default_factory=Used)
    """By client processes that have ended."""
    _making: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    _ahead: ProbedEndpoint | None = None
    """Where clients were told to start before it is known who is there."""
    _records: Records | None = None

    def __post_init__(self) -> None:
        if self.begun is not None:
            self.nonce, self._client = self.begun.nonce, self.begun.client

    @property
    def topic(self) -> str:
        """The name of the topic records go through."""
        name = self.plan.topic.name
        return f"{name}-{self.nonce}" if self.plan.topic.mode is TopicMode.CREATE else name

    @property
    def group(self) -> str:
        """The name of the consumer group."""
        return group_of(self.plan, self.nonce)

    async def run(self) -> None:
        """Run the planned stages to one outcome a leader, and one for the group."""
        if Stage.PRODUCE not in self.plan.stages:
            for stage in {*_WITH_RECORDS} & set(self.plan.stages):
                waits = WaitedFor(stage=Stage.PRODUCE, target=CLUSTER)
                self.ledger.skip(stage, CLUSTER, Reason.NOT_PLANNED, waits)
            return
        # Made while the path is being verified: it costs nothing then.
        await self.client()
        first_far, first_verified = self.paths.first_far, self.paths.first_verified
        either: set[asyncio.Future[Any]] = {first_far, first_verified}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if first_far.done() and (start := first_far.result()) is not None:
            self._ahead = self._began()
            if self._ahead is None:
                self._ahead = start
                await self._prepare(start, Making.NOW)
        control = self._control = await asyncio.shield(first_verified)
        if control is None:
            self._drop_clients()
            await self._nothing_verified()
            return
        making = asyncio.ensure_future(self._known_partitions(control))
        try:
            listed = await asyncio.gather(*map(self._candidate, control.metadata.brokers))
            self.candidates = [*listed, *await self._unlisted(control)]
            self.settings = self._settings(self._start(control))
            partitions = await making
        finally:
            making.cancel()
        self.leaders = await self._ready(partitions)
        asking = asyncio.ensure_future(self._authorize(control))
        try:
            if self.leaders and isinstance(partitions, Partitions):
                await self._move(control, partitions.count)
            await asking
        finally:
            asking.cancel()
        self._skip_what_needs_records()

    async def _authorize(self, control: Verified) -> None:
        """Ask beside the records what else the client may do."""
        if Stage.AUTHORIZE not in self.plan.stages:
            return
        plan = self.plan
        asked = self._answering(control)
        if asked is None:
            self._skip(Stage.AUTHORIZE, CLUSTER, WaitedFor(stage=Stage.PRODUCE, target=self.candidates[0].target))
            return

        async def work() -> tuple[Observation, None]:
            seen = await ask_permissions(
                asked.connection,
                plan.permissions,
                transactional_id=plan.transactional_id,
                answered_by=asked.answered_by,
                limit_ms=plan.limits.request_ms,
            )
            return seen, None

        await self.ledger.measure(Stage.AUTHORIZE, CLUSTER, work())

    def _answering(self, control: Verified) -> Verified | None:
        """Who is asked what comes after the topic: not who still owes an answer about it.

        A broker answers the requests of a connection one after another, so that nothing else is heard before that.
        """
        if self._owes is None:
            return control
        return next((one for one in self._verified if one.answered_by != self._owes), None)

    @property
    def _verified(self) -> list[Verified]:
        """The candidates that are."""
        return [one.verified for one in self.candidates if one.verified is not None]

    @property
    def used(self) -> Used:
        """What the Kafka clients of this exchange have used."""
        return self._used_before if self._client is None else self._used_before.plus(self._client.used)

    def root_of(self, candidate: Candidate) -> WaitedFor | None:
        """What went wrong first with a leader's records; None where they went and came back."""
        for stage in RECORD_STAGES:
            outcome = self.ledger.get(stage, candidate.target)
            if outcome is not None and outcome.status is not Status.OK:
                return outcome.waited_for or WaitedFor(stage=stage, target=candidate.target)
        return None if any(each.target == candidate.target for each in self.leaders) else candidate.root

    async def _move(self, control: Verified, partition_count: int) -> None:
        are_ahead = self._are_ahead(control)
        if not are_ahead:
            await self._prepare(self._start(control), Making.NEEDED)
        self._records = Records(
            plan=self.plan,
            ledger=self.ledger,
            client=await self.client(),
            topic=self.topic,
            group=self.group,
            nonce=self.nonce,
            leaders=self.leaders,
            partition_count=partition_count,
            # Where every broker is verified, the coordinator is.
            joins_beside=are_ahead and Stage.GROUP in self.plan.stages and len(self._verified) == len(self.candidates),
            client_host=self._client_host,
            told_of_group=self._told_of_group,
        )
        await self._records.run(self._find_coordinator(control))

    async def clean_up(self, limit_s: float) -> tuple[str, ...]:
        """Stop the clients, remove topic and group.

        Returns:
            What could not be removed within ``limit_s``, each with the reason.
        """
        self.stop.set()
        if self._records is not None:
            self._records.stopped = True
        if self._client is not None:
            self._client.send(Stop())
        clean_up = CleanUp(self.paths, self.plan.limits, limit_s)
        left = await asyncio.gather(self._remove_topic(clean_up), self._remove_group(clean_up))
        if self._client is not None:
            self._client.close()
        return tuple(each for each in left if each)

    async def _remove_topic(self, clean_up: CleanUp) -> str:
        if self._control is None or self._creating is None:
            return ""
        return await clean_up.topic(self.topic, self._control, self._creating)

    async def _remove_group(self, clean_up: CleanUp) -> str:
        if self._records is None:
            return ""
        leaving = () if self._records.member_id else (asyncio.ensure_future(self._records.left.wait()),)
        left_s = await clean_up.left_after(leaving)
        for each in leaving:
            each.cancel()
        # A client that got a member's id has joined somewhere, whatever the probe was told.
        coordinator = self._coordinator or (self._control if self._records.member_id else None)
        if not self._records.joined or coordinator is None:
            return ""
        member_id = None if self._records.client.ended.done() else self._records.member_id
        return await clean_up.group(self.group, coordinator, member_id, left_s)

    # The Kafka clients.

    def _settings(self, endpoint: ProbedEndpoint) -> Settings:
        return Settings.at(self.plan, endpoint.name, endpoint.port)

    async def client(self) -> ClientProcess:
        """The client process; a new one where the last has ended."""
        async with self._making:
            if self._client is not None and not self._client.alive:
                self._client.close()
                self._used_before = self._used_before.plus(self._client.used)
                self._client = None
            if self._client is None:
                self._client = await ClientProcess.start(self.server)
            return self._client

    async def _prepare(self, endpoint: ProbedEndpoint, making: Making) -> None:
        reads = needs_consumer(self.plan)
        (await self.client()).send(Prepare(self._settings(endpoint), self.group, reads, making))

    def _began(self) -> ProbedEndpoint | None:
        """Where clients began before this; None where they did not."""
        if self.begun is None or self.begun.client is not self._client or not self._client.began:
            return None
        return self.paths.at(self.begun.start)

    def _start(self, control: Verified) -> ProbedEndpoint:
        """Where Kafka clients start: at a verified name that leads them there, or no leader would get a record."""
        there = (control.endpoint, *(one.endpoint for one in self._verified))
        return next(filter(self.paths.is_found_by_host, there), control.endpoint)

    def _are_ahead(self, control: Verified) -> bool:
        """Whether there are clients that started ahead from where they may be used."""
        ahead = self._ahead if self._client is not None and self._client.alive else None
        return ahead is not None and self._is_of(ahead, control) and self.paths.is_found_by_host(ahead)

    @staticmethod
    def _is_of(start: ProbedEndpoint, control: Verified) -> bool:
        """Whether what started from there started from a verified endpoint of this cluster."""
        return any(each.metadata.cluster_id == control.metadata.cluster_id for each in start.verified.values())

    def _drop_clients(self) -> None:
        """Close what was made ahead and not used; nothing waits for that."""
        if self._client is not None:
            self._client.send(Drop())
        self._ahead = None

    # Before the records: who can be produced to.

    async def _nothing_verified(self) -> None:
        """No way in: every leader waits for its own broker's root outcome."""
        brokers = [each for each in self.paths.endpoints if each.role is Role.BROKER]
        for endpoint in brokers or self.paths.endpoints[:1]:
            await endpoint.done.wait()
            root = endpoint.root or WaitedFor(stage=Stage.IDENTITY, target=endpoint.target(endpoint.addresses[0]))
            target = endpoint.target("") if brokers else CLUSTER
            self.candidates.append(Candidate(endpoint.broker_id, target, None, root))
            for stage in RECORD_STAGES:
                self._skip(stage, target, root)
        if self.candidates:
            for stage in _OF_CLUSTER:
                self._skip(stage, CLUSTER, self.candidates[0].root)

    def _skip(self, stage: Stage, target: Target, waits: WaitedFor) -> None:
        if stage in self.plan.stages:
            reason = Reason.WAITS_FOR if waits.stage in self.plan.stages else Reason.NOT_PLANNED
            self.ledger.skip(stage, target, reason, waits)

    async def _candidate(self, broker: AdvertisedBroker) -> Candidate:
        endpoint = await self.paths.advertised(broker)
        await endpoint.settled.wait()
        if broker.broker_id not in endpoint.verified:
            await endpoint.done.wait()
        role = Role.BROKER if endpoint.role is Role.BROKER else Role.ADVERTISED
        return Candidate(
            broker_id=broker.broker_id,
            target=Target(role=role, name=broker.name, port=broker.port, broker_id=broker.broker_id),
            verified=endpoint.verified.get(broker.broker_id),
            root=endpoint.root or WaitedFor(stage=Stage.IDENTITY, target=endpoint.target(endpoint.addresses[0])),
        )

    async def _unlisted(self, control: Verified) -> list[Candidate]:
        """Brokers of the plan that Metadata does not list: stopped, or of another cluster."""
        listed = {broker.broker_id for broker in control.metadata.brokers}
        planned = (each for each in self.plan.brokers if each.broker_id not in listed)
        missing = {
            each.broker_id: AdvertisedBroker(broker_id=each.broker_id, name=each.name, port=each.port)
            for each in planned
            if each.broker_id is not None
        }
        return list(await asyncio.gather(*map(self._candidate, missing.values())))

    async def _ready(self, partitions: Partitions | Observation) -> list[Leader]:
        """The leaders that accept records; the others get their outcome here."""
        waiting = []
        for candidate in self.candidates:
            if candidate.verified is None:
                for stage in RECORD_STAGES:
                    self._skip(stage, candidate.target, candidate.root)
            elif isinstance(partitions, Observation):
                self.ledger.settle(Stage.PRODUCE, candidate.target, partitions)
            elif candidate.broker_id is not None and candidate.broker_id in partitions.led_by:
                led_by = partitions.led_by[candidate.broker_id]
                waiting.append(self._leader(candidate.target, candidate.broker_id, candidate.verified, led_by))
            else:
                self._not_a_leader(candidate, partitions)
        return [leader for leader in await asyncio.gather(*waiting) if leader is not None]

    def _not_a_leader(self, candidate: Candidate, partitions: Partitions) -> None:
        """A broker that leads no partition: a fault, but for a topic that was there already and is led by others."""
        detail = f"broker {candidate.broker_id} leads no partition of {self.topic}"
        missing = partitions.missing_at(candidate.broker_id)
        if self.plan.topic.mode is TopicMode.CREATE or missing is not None:
            if missing is not None:
                detail += f"; partition {missing}, of which it has a replica, has no leader"
            self.ledger.settle(Stage.PRODUCE, candidate.target, failed(Reason.NO_LEADER, detail))
            return
        seen = Observation(Status.SKIPPED, Reason.NOT_COVERED, detail)
        for stage in RECORD_STAGES:
            if stage in self.plan.stages:
                self.ledger.settle(stage, candidate.target, seen)

    def is_covered(self, candidate: Candidate) -> bool:
        """Whether the topic can show anything of this broker as a leader."""
        produced = self.ledger.get(Stage.PRODUCE, candidate.target)
        return produced is None or produced.reason is not Reason.NOT_COVERED

    async def _leader(self, target: Target, broker_id: int, verified: Verified, led_by: Sequence[int]) -> Leader | None:
        limit_ms = self.plan.limits.produce_ms
        partition = led_by[0]
        try:
            async with asyncio.timeout(limit_ms / 1000):
                offset = await end_offset(verified.connection, self.topic, partition)
        except TimeoutError:
            seen = failed(Reason.NO_LEADER, f"partition {partition} is not led within {limit_ms} ms")
        except TopicError as refusal:
            code = refusal.error_code.value
            facts = TopicFacts(topic=self.topic, error_code=code, asked_broker_id=broker_id, denied=refusal.denied)
            seen = failed(refusal.reason, refusal.detail, facts if refusal.denied is not None else None)
        except BrokenStreamError as broken:
            seen = failed(Reason.TRANSPORT, f"ListOffsets: {broken.detail}")
        else:
            return Leader(target, broker_id, partition, offset, tuple(led_by[1 : self._partitions_each]))
        self.ledger.settle(Stage.PRODUCE, target, seen)
        return None

    # The topic.

    async def _known_partitions(self, control: Verified) -> Partitions | Observation:
        """The same as :meth:`_partitions`; clients that are there already ask for them meanwhile."""
        partitions = await self._partitions(control)
        if self._client is not None and isinstance(partitions, Partitions) and self._are_ahead(control):
            self._client.send(Learn(self.topic))
        return partitions

    async def _partitions(self, control: Verified) -> Partitions | Observation:
        """The topic's partitions, after making it where the plan says so; or why there is none."""
        limit_ms = self.plan.limits.produce_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                if self.plan.topic.mode is TopicMode.EXISTING:
                    return await find_partitions(control.connection, self.topic)
                # Every broker of the cluster leads one partition, reachable or not: so the topic is
                # made while other brokers are still being probed.
                ids = [broker.broker_id for broker in control.metadata.brokers]
                # Not cancelled with the run: what is half made must be known to be removed.
                self._creating = asyncio.ensure_future(self._create(control, ids))
                await asyncio.shield(self._creating)
                return led(ids * self._partitions_each)
        except TimeoutError:
            broker_id = self._owes = self._asked(control).answered_by
            facts = TopicFacts(topic=self.topic, asked_broker_id=broker_id)
            detail = f"{self.topic}: no answer of broker {broker_id} within {limit_ms} ms"
            return failed(Reason.TOPIC_NOT_CREATED, detail, facts)
        except TopicError as refusal:
            # What no broker answered has no broker that did.
            asked_id = None if refusal.error_code is ErrorCode.none else self._asked(control).answered_by
            facts = TopicFacts(
                topic=self.topic,
                error_code=refusal.error_code.value,
                asked_broker_id=asked_id,
                denied=refusal.denied,
            )
            return failed(refusal.reason, refusal.detail, facts)
        except BrokenStreamError as broken:
            return failed(Reason.TRANSPORT, f"{self.topic}: {broken.detail}")

    def _asked(self, control: Verified) -> Verified:
        """Who is asked about topics: the controller, where the first one said that it is another."""
        return self._control or control

    @property
    def _partitions_each(self) -> int:
        """How many a broker leads: one, but for a load that wants more."""
        return 1 if self.plan.throughput is None else self.plan.throughput.partitions_per_broker

    async def _create(self, control: Verified, ids: Sequence[int]) -> None:
        replicas = spread(ids, self.plan.topic.replication_factor, self._partitions_each)
        limit_ms = self.plan.limits.produce_ms
        try:
            await create_topic(control.connection, self.topic, replicas, limit_ms=limit_ms)
        except TopicError as refusal:
            if not refusal.wrong_controller:
                raise
            self._control = await self._controller(control)
            await create_topic(self._control.connection, self.topic, replicas, limit_ms=limit_ms)

    async def _controller(self, control: Verified) -> Verified:
        """The connection to the controller Metadata names (clusters without KRaft)."""
        for broker in control.metadata.brokers:
            if broker.broker_id == control.metadata.controller_id:
                candidate = await self._candidate(broker)
                if candidate.verified is not None:
                    return candidate.verified
        detail = f"the controller, broker {control.metadata.controller_id}, is not reached"
        raise TopicError(Reason.TOPIC_NOT_CREATED, detail)

    # The group.

    async def _find_coordinator(self, control: Verified) -> int | None:
        """The coordinator to join at; where there is none to reach, the group's outcome is made here."""
        if Stage.GROUP not in self.plan.stages:
            return None
        limit_ms = self.plan.limits.group_ms
        answers: list[ErrorCode] = []
        try:
            async with asyncio.timeout(limit_ms / 1000):
                candidate = await self._coordinating(control, answers.append)
        except TimeoutError:
            last = f"; broker {control.answered_by} answers {answers[-1].name}" if answers else ""
            facts = GroupFacts(
                group=self.group,
                error_name=answers[-1].name.upper() if answers else "",
                offsets=await self._offsets() if answers else None,
            )
            seen = failed(Reason.COORDINATOR_UNAVAILABLE, f"no coordinator within {limit_ms} ms{last}", facts)
        except CoordinatorError as refusal:
            seen = failed(refusal.reason, refusal.detail, GroupFacts(group=self.group, denied=refusal.denied))
        except BrokenStreamError as broken:
            seen = failed(Reason.TRANSPORT, f"FindCoordinator: {broken.detail}", GroupFacts(group=self.group))
        else:
            if candidate.verified is not None:
                self._coordinator = candidate.verified
                return candidate.broker_id
            self._skip(Stage.GROUP, CLUSTER, candidate.root)
            return None
        self.ledger.settle(Stage.GROUP, CLUSTER, seen)
        return None

    async def _client_host(self) -> SeenFrom:
        """Where the coordinator sees the group's member."""
        if self._coordinator is None:
            return SeenFrom(unknown="there is no connection to the coordinator")
        try:
            try:
                return await self._seen_from(self._coordinator)
            except CoordinatorError as refusal:
                # Leaders move, and with them the groups: the member has found the new coordinator already.
                now = (await self._coordinating(self._coordinator)).verified if refusal.moved else None
                if now is None:
                    raise
                self._coordinator = now
                return await self._seen_from(now)
        except (CoordinatorError, BrokenStreamError) as refusal:
            return SeenFrom(unknown=refusal.detail)

    async def _coordinating(self, asked: Verified, told: Callable[[ErrorCode], None] = lambda _code: None) -> Candidate:
        """The group's coordinator, by what this broker says."""
        return await self._candidate(_as_broker(await find_coordinator(asked.connection, self.group, told)))

    async def _seen_from(self, coordinator: Verified) -> SeenFrom:
        _, found = await describe_group(coordinator.connection, self.group)
        return SeenFrom(", ".join(found), "" if found else "the group has no members", coordinator.answered_by)

    async def _told_of_group(self) -> GroupTold:
        """What the coordinator says of a group that was not joined or did not commit, and how its offsets are kept."""
        (state, unknown), offsets = await asyncio.gather(self._group_state(), self._offsets())
        return GroupTold(state, unknown, offsets)

    async def _group_state(self) -> tuple[str, str]:
        """The group's state at its coordinator, or why it is not known."""
        if self._coordinator is None:
            return "", "there is no connection to the coordinator"
        limit_ms = self._beside_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                state, _ = await describe_group(self._coordinator.connection, self.group)
        except TimeoutError:
            return "", f"no DescribeGroups response within {limit_ms} ms"
        except (CoordinatorError, BrokenStreamError) as refusal:
            return "", refusal.detail
        return state, ""

    async def _offsets(self) -> OffsetsPartition | None:
        """How the group's offsets are kept, as far as the broker that is asked about topics says."""
        if self._control is None:
            return None
        try:
            async with asyncio.timeout(self._beside_ms / 1000):
                return await offsets_partition(self._control.connection, self.group)
        except (TimeoutError, BrokenStreamError):
            return None

    @property
    def _beside_ms(self) -> int:
        """For a question that somebody waits for who has a request's time: a little less."""
        return self.plan.limits.request_ms * 9 // 10

    # After the records.

    def _skip_what_needs_records(self) -> None:
        """Consume and group where nothing was produced."""
        roots: list[Outcome] = []
        for candidate in filter(self.is_covered, self.candidates):
            produced = self.ledger.get(Stage.PRODUCE, candidate.target)
            if produced is not None and produced.status is not Status.OK:
                roots.append(produced)
                waits = produced.waited_for or WaitedFor(stage=Stage.PRODUCE, target=candidate.target)
                if self.ledger.get(Stage.CONSUME, candidate.target) is None:
                    self._skip(Stage.CONSUME, candidate.target, waits)
        if roots and self.ledger.get(Stage.GROUP, CLUSTER) is None:
            # A failure of its own says more than a broker nobody could produce to.
            root = next((each for each in roots if each.status is not Status.SKIPPED), roots[0])
            self._skip(Stage.GROUP, CLUSTER, root.waited_for or WaitedFor(stage=root.stage, target=root.target))


def _as_broker(coordinator: Coordinator) -> AdvertisedBroker:
    return AdvertisedBroker(broker_id=coordinator.broker_id, name=coordinator.name, port=coordinator.port)
