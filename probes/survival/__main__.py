"""``python -m brokerproof.probes.survival``: a plan on stdin, one line; ``stop`` on stdin, or its end, ends it.

``--remove`` takes a :class:`~brokerproof.probes.survival.values.Removal` instead, for survivors that are over;
``--established`` lives on for months, and says at each line ``look`` what it noticed since the one before.
It says ``steady`` once all leaders acknowledge and records come back, and at the end what was noticed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Final

import msgspec
from confluent_kafka import KafkaException

from brokerproof.probes.credentials import CredentialsError
from brokerproof.probes.kafka_client.memory import bound_memory, bound_stacks
from brokerproof.probes.outcome.bounds import CLIENT_LOAD_MEMORY_BYTES
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.probes.survival.bookkeeping import Resent, Stalls, lost
from brokerproof.probes.survival.established import live
from brokerproof.probes.survival.java import JavaClients, java_words
from brokerproof.probes.survival.path import (
    FRESH_S,
    NAMES_S,
    SAMPLED_S,
    Every,
    Fresh,
    Idle,
    LaterFresh,
    Names,
    Segments,
    beat,
    trust,
)
from brokerproof.probes.survival.records import DRAIN_S, CannotBeginError, Consuming, Producing, Topic, remove
from brokerproof.probes.survival.values import Refused, Removal, Said, Steady, SurvivalPlan, SurvivalReport, encode

STEADY_S: Final = 60.0
JAVA_STEADY_S: Final = 180.0
"""Two Java processes start slowly on a host that is busy."""
LOOK_BACK_S: Final = 0.25
"""Segments are looked at now and then: one that was sent again is noted that much later."""


def say(said: Said) -> None:
    """One line, at once."""
    sys.stdout.buffer.write(encode(said))
    sys.stdout.buffer.flush()


def survive(plan: SurvivalPlan, stop: threading.Event) -> SurvivalReport:
    """Live until told to stop.

    Raises:
        CannotBeginError: the clients could not be made, or are not steady in time.
    """
    began = time.time()
    stalls, resent, names = Stalls(), Resent(), Names(plan.brokers)
    try:
        context = trust(plan)
    except OSError as problem:
        raise CannotBeginError(f"the CA file cannot be used: {problem}") from problem
    names.look()
    places = [(broker, address) for broker in plan.brokers for address in names.current.get(broker.name, ())]
    topic = Topic(plan)
    consuming = Consuming(plan, topic)
    producing = Producing(plan, topic)
    fresh = [Fresh(broker, address, context, names, stalls) for broker, address in places]
    later = LaterFresh(plan.brokers, places, context, names, stalls)
    idle = [Idle(broker, address, context) for broker, address in places]
    segments = Segments(names, plan.brokers, resent)
    loops = [
        Every(0, beat(stalls), "beat"),
        Every(NAMES_S, names.look, "names"),
        Every(SAMPLED_S, segments.look, "segments"),
        Every(FRESH_S, later.attempt, "later"),
        *(Every(SAMPLED_S, each.look, "idle") for each in idle),
        # One after another: all handshakes at once would be a load of its own.
        *(Every(FRESH_S, each.attempt, "fresh", after_s=n * FRESH_S / len(fresh)) for n, each in enumerate(fresh)),
    ]
    java: JavaClients | None = None
    try:
        words = java_words(plan)
        if words:
            java = JavaClients(words, plan, topic)
        _settle(producing, consuming, java, stop)
        began = time.time()
        assignments = consuming.assignments
        say(Steady(at=began))
        stop.wait(plan.most_s)
    finally:
        producing.stop()
        if java is not None:
            java.stop_producing()
        _drain(producing, consuming, java)
        ended = time.time()
        consuming.stop()
        if java is not None:
            java.stop()
        for loop in loops:
            loop.stop()
        left = topic.remove(consuming.group, *([java.group] if java is not None else []))
    leaders = tuple(producing.leaders.values())
    return SurvivalReport(
        client=plan.client,
        began=began,
        ended=ended,
        leaders=tuple(each.survival(stalls, resent, look_back_s=LOOK_BACK_S) for each in leaders),
        fresh=(*(each.survival() for each in fresh), *later.survivals()),
        idle=tuple(each.survival() for each in idle),
        names=tuple(names.seen),
        producer=producing.noticed.client(),
        consumer=consuming.noticed.client(),
        sent=producing.sent,
        acknowledged=sum(len(each.sequences) for each in leaders),
        received=consuming.count,
        lost=lost(leaders, consuming.received),
        duplicated=sum(each.duplicated for each in consuming.received.values()),
        out_of_order=sum(each.out_of_order for each in consuming.received.values()),
        rebalances=consuming.assignments - assignments,
        host_late_ms=round(stalls.longest_ms(began, ended), 1),
        left_behind=left,
        beside=None if java is None else java.report(began, ended, stalls, resent, look_back_s=LOOK_BACK_S),
    )


def _settle(producing: Producing, consuming: Consuming, java: JavaClients | None, stop: threading.Event) -> None:
    until = time.monotonic() + STEADY_S
    while not (producing.all_acknowledge and producing.leaders.keys() <= consuming.received.keys()):
        _unless_told(stop)
        if time.monotonic() > until:
            silent = [str(each.broker_id) for each in producing.leaders.values() if not each.sequences]
            unread = [str(broker) for broker in producing.leaders.keys() - consuming.received.keys()]
            what = f"no record of brokers {', '.join(unread)} comes back"
            what = f"brokers {', '.join(silent)} acknowledge nothing" if silent else what
            raise CannotBeginError(f"{what} within {STEADY_S:g} s")
        time.sleep(0.05)
    until = time.monotonic() + JAVA_STEADY_S
    while java is not None and (missing := java.missing):
        _unless_told(stop)
        if java.has_ended or time.monotonic() > until:
            raise CannotBeginError(missing if java.has_ended else f"{missing} within {JAVA_STEADY_S:g} s")
        time.sleep(0.05)
    # The libraries' statistics come once a second.
    time.sleep(1.2)
    producing.noticed.settle()
    consuming.noticed.settle()
    for each in producing.leaders.values():
        each.settle()
    if java is not None:
        java.settle()


def _unless_told(stop: threading.Event) -> None:
    if stop.is_set():
        raise CannotBeginError("it was told to stop before it was steady")


def _drain(producing: Producing, consuming: Consuming, java: JavaClients | None) -> None:
    until = time.monotonic() + DRAIN_S
    leaders = tuple(producing.leaders.values())
    while (lost(leaders, consuming.received) or (java and java.lost)) and time.monotonic() < until:
        time.sleep(0.05)


def main() -> int:
    """Run it; 0 where it lived until it was told to end, 1 where it could not begin."""
    bound_stacks()
    bound_memory(CLIENT_LOAD_MEMORY_BYTES)
    if sys.argv[1:] == ["--remove"]:
        left = remove(msgspec.json.decode(sys.stdin.buffer.read(), type=Removal))
        sys.stdout.buffer.write(encode_json(left))
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=SurvivalPlan)
    except (msgspec.DecodeError, ValueError) as problem:
        say(Refused(why=f"the plan cannot be used: {problem}"))
        return 1
    asked = threading.Semaphore(0)

    def read() -> None:
        for line in sys.stdin.buffer:
            if line.strip() != b"look":
                break
            asked.release()
        stop.set()
        asked.release()

    threading.Thread(target=read, name="stdin", daemon=True).start()
    try:
        if sys.argv[1:] == ["--established"]:
            live(plan, asked, stop, say)
        else:
            say(survive(plan, stop))
    except (CannotBeginError, CredentialsError, KafkaException) as problem:
        say(Refused(why=str(problem)))
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
