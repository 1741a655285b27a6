"""Stage ``throughput``: produce a bounded amount as fast as it goes, consume the same records; then, maybe, a ramp.

Bounded in bytes and in time, whichever ends first; loss and duplicates are counted, because a
fast path that loses records is not a fast path.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from brokerproof.probes.librdkafka import LOAD_BYTES, ClientLog, Leader, Settings, Timed, reason_of, since
from brokerproof.probes.load.host_load import HostTicks
from brokerproof.probes.load.producers import BETWEEN_S, INDEX_BYTES, POLL_S, Load
from brokerproof.probes.load.ramp import knee, next_rate, step_ms
from brokerproof.probes.observation import Observation, error, failed, ok
from brokerproof.probes.outcome import (
    STAGE_REASONS,
    ProduceLimits,
    RampEnd,
    RampFacts,
    RampStep,
    Reason,
    Stage,
    ThroughputFacts,
)
from brokerproof.probes.plan import RampPlan, ThroughputPlan
from brokerproof.probes.wire.tcp_info import flows

BATCH_RECORDS: Final = 1000


class _Reader(msgspec.Struct, frozen=True):
    """A consumer and where its partitions ended before the first record that counts."""

    consumer: Consumer
    places: tuple[TopicPartition, ...]

    def take(self, seen: bytearray, wait_s: float) -> tuple[int, int]:
        """Read what is there, noting each index in ``seen``; how many were new, and how many came again."""
        new = again = 0
        for message in self.consumer.consume(num_messages=BATCH_RECORDS, timeout=wait_s):
            value = message.value()
            if message.error() is not None or value is None:
                continue
            index = int.from_bytes(value[:INDEX_BYTES], "big")
            if index < len(seen):
                new += not seen[index]
                again += bool(seen[index])
                seen[index] = 1
        return new, again

    def is_at_end(self) -> bool:
        """Whether the logs hold nothing that was not read: what is missing then is lost, not late."""
        for place in self.consumer.position(list(self.places)):
            _, end = self.consumer.get_watermark_offsets(place, cached=True)
            if end < 0 or place.offset < end:
                return False
        return True


class Throughput(msgspec.Struct):
    """One measurement over all leaders of a topic."""

    settings: Settings
    topic: str
    group: str
    plan: ThroughputPlan
    leaders: Sequence[Leader]
    stop: threading.Event
    log: ClientLog = msgspec.field(default_factory=ClientLog)
    _consumers: list[Consumer] = msgspec.field(default_factory=list)

    def run(self) -> Timed:
        """Measure."""
        started = time.monotonic_ns()
        load = Load(self.settings, self.topic, self.plan, self._partitions(), self.stop, self.log)
        try:
            self._open_consumers()
            seen = self._measure(load)
        finally:
            load.close()
            for consumer in self._consumers:
                consumer.close()
        return since(started, seen)

    def _partitions(self) -> list[int]:
        """The leaders' in turn, so that records that follow one another go to different brokers."""
        of_each = [(leader.partition, *leader.more_partitions) for leader in self.leaders]
        most = max(map(len, of_each))
        return [partitions[index] for index in range(most) for partitions in of_each if index < len(partitions)]

    def _open_consumers(self) -> None:
        limits = self.settings.limits
        config = self.settings.consumer(self.log, self.group, limit_ms=limits.consume_ms)
        most = max(1 + len(leader.more_partitions) for leader in self.leaders)
        for _ in range(min(self.plan.connections_per_broker, most)):
            # Large fetches, at the client's own pace.
            self._consumers.append(Consumer(config | LOAD_BYTES | {"fetch.wait.max.ms": 100}))

    def _measure(self, load: Load) -> Observation:
        load.open()
        readers = self._readers()
        produced, produce_ns, limits = (0, 0, None) if load.failure or load.outstanding else self._produce(load)
        seen = bytearray(produced)
        consume_ns, duplicated, reached_end = self._consume(load, readers, seen)
        consumed = sum(1 for times in seen if times)
        size = self.plan.record_bytes
        facts = ThroughputFacts(
            record_bytes=size,
            records_produced=load.acknowledged,
            produce_bytes_per_s=load.acknowledged * size / (produce_ns / 1e9) if produce_ns else 0.0,
            produce_duration_ns=produce_ns,
            records_consumed=consumed,
            consume_bytes_per_s=consumed * size / (consume_ns / 1e9) if consume_ns else 0.0,
            consume_duration_ns=consume_ns,
            lost=max(0, load.acknowledged - consumed),
            duplicated=duplicated,
            limits=limits,
            acks=self.plan.acks,
            compression=self.plan.compression,
            partitions=len(load.partitions),
            producers=self.plan.connections_per_broker,
            consumers=len(self._consumers),
        )
        judged = self._judge(load, facts, produced, reached_end=reached_end)
        if not judged.is_ok or self.plan.ramp is None or self.stop.is_set():
            return judged
        for consumer in self._consumers:
            # What it would fetch meanwhile takes from what is measured.
            consumer.unassign()
        return self._with_ramp(load, facts, self.plan.ramp)

    def _readers(self) -> list[_Reader]:
        """Each partition at one of the consumers; a broker's at different ones."""
        places: list[list[TopicPartition]] = [[] for _ in self._consumers]
        for leader in self.leaders:
            for index, partition in enumerate((leader.partition, *leader.more_partitions)):
                end = self._end(partition)
                places[index % len(places)].append(TopicPartition(self.topic, partition, end))
        return [_Reader(consumer, tuple(each)) for consumer, each in zip(self._consumers, places, strict=True)]

    def _end(self, partition: int) -> int:
        """Where the partition's log ends."""
        limit_s = self.settings.limits.consume_ms / 1000
        _, end = self._consumers[0].get_watermark_offsets(TopicPartition(self.topic, partition), timeout=limit_s)
        return int(end)

    def _produce(self, load: Load) -> tuple[int, int, ProduceLimits]:
        """How many records were sent, how long until the last was acknowledged, and what held it up."""
        ticks = HostTicks.read()
        total = max(1, self.plan.total_bytes // self.plan.record_bytes)
        begin = time.monotonic_ns()
        process_ns, thread_ns = time.process_time_ns(), time.thread_time_ns()
        end = begin + self.plan.max_ms * 1_000_000
        index = 0
        while index < total and time.monotonic_ns() < end and not self.stop.is_set():
            taken = load.offer_some(index, total)
            index += taken
            load.serve(0 if taken else POLL_S)
        # Of the handing over alone: afterwards the thread only waits.
        handed_ns = max(1, time.monotonic_ns() - begin)
        sender_cpu = (time.thread_time_ns() - thread_ns) / handed_ns
        load.wait(end)
        if load.outstanding:
            load.take_back()
            load.wait()
        took_ns = max(1, time.monotonic_ns() - begin)
        process_cpu = (time.process_time_ns() - process_ns) / took_ns
        limits = self._seen_of_limits(
            load, ticks, took_ns, sender_cpu=sender_cpu, process_cpu=process_cpu, handing_over=handed_ns / took_ns
        )
        return index, max(0, load.last_ack_ns - begin), limits

    def _seen_of_limits(
        self,
        load: Load,
        before: HostTicks | None,
        took_ns: int,
        *,
        sender_cpu: float,
        process_cpu: float,
        handing_over: float,
    ) -> ProduceLimits:
        """While the producers' connections are still open."""
        every = flows(frozenset(leader.target.port for leader in self.leaders))
        most = max((flow.bytes_acked for flow in every), default=0)
        # Connections of other clients of this process carry next to nothing.
        carried = [flow for flow in every if flow.bytes_acked * 10 >= most > 0]
        busy_ns = sum(flow.busy_ns for flow in carried)
        after = HostTicks.read()
        return ProduceLimits(
            sender_cpu_share=sender_cpu,
            process_cpu_share=process_cpu,
            handing_over_share=handing_over,
            throttled_ms=load.throttled_ms,
            connections=len(carried),
            busy_share=min(1.0, max((flow.busy_ns for flow in carried), default=0) / took_ns),
            rwnd_limited_share=sum(flow.rwnd_limited_ns for flow in carried) / busy_ns if busy_ns else 0.0,
            sndbuf_limited_share=sum(flow.sndbuf_limited_ns for flow in carried) / busy_ns if busy_ns else 0.0,
            retransmitted=sum(flow.retransmitted for flow in carried),
            rtt_ns=max((flow.rtt_ns for flow in carried), default=0),
            min_rtt_ns=max((flow.min_rtt_ns for flow in carried), default=0),
            host=None if before is None or after is None else before.until(after, ()),
        )

    def _consume(self, load: Load, readers: Sequence[_Reader], seen: bytearray) -> tuple[int, int, bool]:
        """How long the records took to come, how many came twice, and whether the logs were read to their end."""
        limit_ms = max(self.plan.max_ms, self.settings.limits.consume_ms)
        for reader in readers:
            reader.consumer.assign(list(reader.places))
        begin = time.monotonic_ns()
        deadline = begin + limit_ms * 1_000_000
        last_ns, received, duplicated = begin, 0, 0
        wait_s = POLL_S if len(readers) == 1 else 0
        while received < load.acknowledged and not self.stop.is_set():
            if time.monotonic_ns() > deadline:
                return last_ns - begin, duplicated, False
            took = [reader.take(seen, wait_s) for reader in readers]
            received += sum(new for new, _ in took)
            duplicated += sum(again for _, again in took)
            if any(new + again for new, again in took):
                last_ns = time.monotonic_ns()
            elif all(reader.is_at_end() for reader in readers):
                break
            elif not wait_s:
                time.sleep(BETWEEN_S)
        return last_ns - begin, duplicated, True

    def _with_ramp(self, load: Load, facts: ThroughputFacts, plan: RampPlan) -> Observation:
        """Rates one after another, and the end of each log before and after, instead of reading it all."""
        ends = {partition: self._end(partition) for partition in load.partitions}
        fastest, size = facts.produce_bytes_per_s, facts.record_bytes
        lasts_ms = step_ms(plan, fastest, size)
        begin = time.monotonic_ns()
        steps: list[RampStep] = []
        sent = acknowledged = 0
        ended: float | RampEnd = 0.0
        while not isinstance(ended, RampEnd):
            spent_ns = time.monotonic_ns() - begin
            ended = next_rate(plan, fastest, steps, lasts_ms=lasts_ms, sent_bytes=sent * size, spent_ns=spent_ns)
            if not isinstance(ended, RampEnd):
                step, of_step = load.step(ended, lasts_ms, steps)
                steps.append(step)
                sent += of_step
                acknowledged += step.records
                if step.records < of_step or self.stop.is_set():
                    ended = RampEnd.STOPPED
        grown = self._grown(ends, acknowledged)
        found = knee(steps, ended)
        ramp = RampFacts(
            steps=tuple(steps),
            ended=ended,
            knee_bytes_per_s=found,
            knee_records_per_s=None if found is None else found / size,
            records_sent=sent,
            not_acknowledged=sent - acknowledged,
            missing=max(0, acknowledged - grown),
            surplus=max(0, grown - acknowledged),
        )
        facts = msgspec.structs.replace(facts, ramp=ramp)
        if load.failure is not None:
            reason = reason_of(load.failure, STAGE_REASONS[Stage.THROUGHPUT])
            return failed(reason, f"in the ramp: {load.failure.str()}", facts)
        if ramp.not_acknowledged and not self.stop.is_set():
            detail = f"in the ramp: {acknowledged} of {sent} records acknowledged in time"
            return failed(Reason.TIMED_OUT, detail, facts)
        if ramp.missing:
            return failed(Reason.RECORDS_LOST, f"in the ramp: {ramp.missing} of {acknowledged} records lost", facts)
        return ok(facts)

    def _grown(self, ends: dict[int, int], acknowledged: int) -> int:
        """By how many records the logs grew, once that is as many as were acknowledged, or the time is up."""
        deadline = time.monotonic_ns() + self.settings.limits.consume_ms * 1_000_000
        while True:
            # Consumers may see a record a little after its leader alone acknowledged it.
            grown = sum(self._end(partition) - end for partition, end in ends.items())
            if grown >= acknowledged or time.monotonic_ns() > deadline or self.stop.wait(POLL_S):
                return grown

    def _judge(self, load: Load, facts: ThroughputFacts, handed_over: int, *, reached_end: bool) -> Observation:
        sent = handed_over - load.not_sent
        if load.failure is not None:
            reason = reason_of(load.failure, STAGE_REASONS[Stage.THROUGHPUT])
            return failed(reason, load.failure.str(), facts)
        if load.outstanding or facts.records_produced < sent:
            detail = f"{facts.records_produced} of {sent} records acknowledged in time"
            return failed(Reason.TIMED_OUT, detail, facts)
        return self._of_what_came(facts, handed_over, reached_end=reached_end)

    def _of_what_came(self, facts: ThroughputFacts, handed_over: int, *, reached_end: bool) -> Observation:
        if not facts.records_produced:
            return self._of_nothing(facts, handed_over)
        if facts.lost and not reached_end:
            detail = f"{facts.records_consumed} of {facts.records_produced} records came in time"
            return failed(Reason.TIMED_OUT, detail, facts)
        if facts.lost:
            return failed(Reason.RECORDS_LOST, f"{facts.lost} of {facts.records_produced} records lost", facts)
        if facts.duplicated:
            return failed(Reason.RECORDS_DUPLICATED, f"{facts.duplicated} records came twice", facts)
        return ok(facts)

    def _of_nothing(self, facts: ThroughputFacts, handed_over: int) -> Observation:
        """Without a record there is no rate, and nothing to lose: not a success, whoever is to blame."""
        if handed_over:
            detail = f"no connection took any of {handed_over} records within {self.plan.max_ms} ms"
            return failed(Reason.TIMED_OUT, detail, facts)
        detail = f"this host handed over no record within the {self.plan.max_ms} ms that the measurement may take"
        return error(Reason.DEADLINE_OF_PLAN, detail, facts)
