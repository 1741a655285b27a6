"""Records through every leader that is ready, once: ordered from the client process, and what it saw, noted.

:mod:`brokerproof.probes.exchange` makes topic and group ready and removes them; nothing here knows paths, and the Kafka
client runs in :mod:`brokerproof.probes.kafka_client.serving`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from brokerproof.probes.group_told import GroupTold, SeenFrom
from brokerproof.probes.kafka_client.client_process import ClientProcess, Ended
from brokerproof.probes.kafka_client.messages import (
    AskOfGroup,
    AskSeenFrom,
    AtGroup,
    Broke,
    CoordinatorFound,
    HasRead,
    Joining,
    Left,
    Move,
    Produced,
    Report,
    Saw,
    ToldOfGroup,
    ToldSeenFrom,
)
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.librdkafka import Leader
from brokerproof.probes.observation import Observation, error, failed
from brokerproof.probes.outcome import Reason, Role, Stage, Target, WaitedFor
from brokerproof.probes.outcome.registry import SPECS
from brokerproof.probes.plan import Plan

CLUSTER: Final = Target(role=Role.CLUSTER)


class Records(msgspec.Struct):
    """Records through every leader that is ready, once."""

    plan: Plan
    ledger: Ledger
    client: ClientProcess
    topic: str
    group: str
    nonce: str
    leaders: Sequence[Leader]
    partition_count: int
    joins_beside: bool
    """Whether the group is joined beside the records."""
    client_host: Callable[[], Coroutine[Any, Any, SeenFrom]]
    """Asks the coordinator about this member."""
    told_of_group: Callable[[], Coroutine[Any, Any, GroupTold]]
    """Asks about a group that failed."""
    stopped: bool = False
    """The run is over: what is seen from here on comes too late."""
    joined: bool = False
    """The group may exist from here on."""
    at_group: bool = False
    """The group is what is under way from here on."""
    member_id: str = ""
    """The group's member, once there is nothing left for it but to leave."""
    left: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    """Set once the client has left the group, or is gone."""
    _produced: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    _read: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    _broke: Broke | None = None
    _asking: set[asyncio.Future[None]] = msgspec.field(default_factory=set)
    _finding: asyncio.Future[int | None] | None = None

    async def run(self, coordinator: Awaitable[int | None]) -> None:
        """Produce, consume, and join the group if ``coordinator`` names one.

        Done when every stage is; the consumer may still be leaving.
        """
        stages = self.plan.stages
        if Stage.CONSUME not in stages and Stage.GROUP not in stages:
            self._read.set()
            self.left.set()
        self.client.listen(self._hear)
        self.client.ended.add_done_callback(lambda _ended: self.left.set())
        leaders, beside = tuple(self.leaders), self.joins_beside
        self.client.send(Move(self.plan, self.topic, self.group, self.nonce, leaders, self.partition_count, beside))
        finding = self._finding = asyncio.ensure_future(coordinator)
        finding.add_done_callback(self._found)
        done = asyncio.ensure_future(self._done(finding))
        try:
            both: set[asyncio.Future[Any]] = {done, self.client.ended}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                self.note_the_end(self.client.ended.result())
            else:
                done.result()
                if self._broke is not None:
                    self._settle_the_rest(self._broke)
        finally:
            done.cancel()
            finding.cancel()
            for each in self._asking:
                each.cancel()

    async def _done(self, finding: asyncio.Future[int | None]) -> None:
        await finding
        await self._produced.wait()
        await self._read.wait()

    def _found(self, finding: asyncio.Future[int | None]) -> None:
        broken = finding.cancelled() or finding.exception() is not None
        self.client.send(CoordinatorFound(None if broken else finding.result()))

    def _hear(self, report: Report) -> None:
        match report:
            case Saw():
                self._note(report)
            case Joining():
                self.joined = True
            case AtGroup():
                self.at_group = True
            case AskSeenFrom():
                self._answer(self._tell_seen_from())
            case AskOfGroup():
                self._answer(self._tell_of_group())
            case Produced():
                self._broke = self._broke or report.broke
                self._produced.set()
                if report.broke is not None:
                    # What was not produced is not waited for.
                    self._read.set()
            case HasRead():
                self._broke = self._broke or report.broke
                self.member_id = report.member_id
                self._read.set()
            case Left():
                self.left.set()
            case _:
                # Of a measurement; none is under way.
                pass

    def _note(self, saw: Saw) -> None:
        if self.stopped or SPECS[saw.stage].measurement:
            return
        timed = saw.timed
        self.ledger.record(saw.stage, saw.target, timed.seen, started_ns=timed.started_ns, ended_ns=timed.ended_ns)

    def _answer(self, asking: Coroutine[Any, Any, None]) -> None:
        self._asking.add(asyncio.ensure_future(asking))

    async def _tell_seen_from(self) -> None:
        if self._finding is not None:
            # A member may be there before it is known where.
            await asyncio.wait({self._finding})
        self.client.send(ToldSeenFrom(await self.client_host()))

    async def _tell_of_group(self) -> None:
        self.client.send(ToldOfGroup(await self.told_of_group()))

    # Where the client does not do what it is to do.

    def note_the_end(self, ended: Ended) -> None:
        """What was under way has ended with the client; a group that was not joined yet waits for that."""
        under_way = self._under_way()
        seen = ended_at(ended, under_way)
        for stage, target in under_way:
            self.ledger.settle(stage, target, seen)
        if under_way and Stage.GROUP in self.plan.stages and self.ledger.get(Stage.GROUP, CLUSTER) is None:
            stage, target = under_way[0]
            self.ledger.skip(Stage.GROUP, CLUSTER, Reason.WAITS_FOR, WaitedFor(stage=stage, target=target))

    def _under_way(self) -> list[tuple[Stage, Target]]:
        found = [(Stage.PRODUCE, each.target) for each in self.leaders if self._is_open(Stage.PRODUCE, each.target)]
        produced = [each.target for each in self.leaders if self._is_produced(each)]
        found += [(Stage.CONSUME, target) for target in produced if self._is_open(Stage.CONSUME, target)]
        if self.at_group and self._is_open(Stage.GROUP, CLUSTER):
            found.append((Stage.GROUP, CLUSTER))
        return found

    def _is_produced(self, leader: Leader) -> bool:
        produced = self.ledger.get(Stage.PRODUCE, leader.target)
        return produced is not None and produced.reason is None

    def _is_open(self, stage: Stage, target: Target) -> bool:
        return stage in self.plan.stages and self.ledger.get(stage, target) is None

    def _settle_the_rest(self, broke: Broke) -> None:
        """A client that could not be used to the end: what it says, on every stage without an outcome."""
        seen = error(Reason.PROBE_CRASHED, broke.words) if broke.reason is None else failed(broke.reason, broke.words)
        for stage, target in self._under_way():
            self.ledger.settle(stage, target, seen)
        if self._is_open(Stage.GROUP, CLUSTER) and all(self._is_produced(each) for each in self.leaders):
            self.ledger.settle(Stage.GROUP, CLUSTER, seen)


def ended_at(ended: Ended, under_way: Sequence[tuple[Stage, Target]]) -> Observation:
    """A client that crashed did so on what it was sent; one that something else ended says nothing of the path."""
    stages = tuple(dict.fromkeys(stage.value for stage, _ in under_way))
    words = f"the Kafka client {ended.words}, at stage{'s' if len(stages) > 1 else ''} {' and '.join(stages)}"
    return failed(Reason.CLIENT_DIED, words) if ended.by_itself else error(Reason.CLIENT_DIED, words)
