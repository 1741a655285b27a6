"""Clients that stay, beside the fresh connections of rounds: what is established can fail where all that is new works.

They are looked at when a round of their client is over, and have a state of their own at each broker. A leader's
records come once a second; two connections to each broker are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from brokerproof.canary.events import Found
from brokerproof.canary.state import Reading
from brokerproof.canary.watched import Watched
from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.diagnosis.rules.authentication import told_alone
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.survival.values import Flow, Lived, LoginRefused, SurvivalPlan
from brokerproof.topology.expectation.view import ClientView
from brokerproof.vantages.survivors import Survivors, SurvivorsError

ESTABLISHED: Final = "established"
"""Stands where an address does."""
SILENT_MS: Final = 5000.0
"""Without an acknowledgement, or a record that comes back: an election of a leader takes less."""
SHORTEST_S: Final = 2.0
"""Less time than this says nothing: records come once a second."""
HOST_LATE_MS: Final = 2000.0


class Noticed(Value, frozen=True, kw_only=True):
    """What clients that stay noticed since the round before; nothing where they have only begun."""

    lived: Lived | None = None
    refused: tuple[LoginRefused, ...] = ()
    """Logins that failed since the round before the last. A refusal is sure at once, and comes once a session, which
    may last for hours: read in two rounds, each is an alert."""
    trouble: str = ""
    """Why they do not live."""


NOTHING_YET: Final = Noticed()


def established_of(view: ClientView) -> tuple[Watched, ...]:
    """What is watched of clients that stay."""
    return tuple(
        Watched(client=view.client, broker=f"broker-{broker.broker_id}", address=ESTABLISHED) for broker in view.brokers
    )


def established_readings(things: Sequence[Watched], noticed: Noticed, *, red: bool) -> dict[Watched, Reading]:
    """What is read of each; a broker that leads no partition of the topic is left out.

    Args:
        things: Those of the client, as :func:`established_of` has them.
        noticed: What its clients that stay noticed.
        red: Whether the round saw something fail: then clients that could not begin say nothing new.
    """
    if noticed.trouble:
        return dict.fromkeys(things, Reading.NOT_SEEN if red else Reading.BROKEN)
    lived = noticed.lived
    if lived is None or lived.at - lived.since < SHORTEST_S:
        return {}
    flows = {f"broker-{flow.broker_id}": flow for flow in lived.flows}
    if lived.host_late_ms >= HOST_LATE_MS:
        return {thing: Reading.DID_NOT_RUN for thing in things if thing.broker in flows}
    return {
        thing: Reading.FAILED if is_silent(flows[thing.broker]) or refusals(thing, noticed) else Reading.OK
        for thing in things
        if thing.broker in flows
    }


def is_silent(flow: Flow) -> bool:
    """Whether an application would notice."""
    return bool(flow.failed) or max(flow.unacknowledged_ms, flow.unread_ms) >= SILENT_MS


def refusals(thing: Watched, noticed: Noticed) -> tuple[LoginRefused, ...]:
    """Logins that failed at its broker, or before one was chosen."""
    return tuple(
        each for each in noticed.refused if each.broker_id is None or f"broker-{each.broker_id}" == thing.broker
    )


def established_found(
    said: Mapping[Watched, Reading], noticed: Noticed, named: Mapping[Watched, Found]
) -> dict[Watched, Found]:
    """What is named of those that failed: what is named of the broker; else that new ones work, where they do."""
    flows = {f"broker-{flow.broker_id}": flow for flow in (noticed.lived.flows if noticed.lived else ())}
    found = {}
    for thing, reading in said.items():
        if thing.address == ESTABLISHED and reading is Reading.FAILED:
            of_the_broker = [each for other, each in named.items() if other.broker == thing.broker]
            new = {read for other, read in said.items() if other.broker == thing.broker and other != thing}
            found[thing] = next(
                iter(of_the_broker),
                _of_refusals(thing, refused)
                if (refused := refusals(thing, noticed))
                else _of_flow(flows[thing.broker], new_work=new == {Reading.OK}),
            )
    return found


def _of_refusals(thing: Watched, refused: Sequence[LoginRefused]) -> Found:
    """What the words of the first name by themselves."""
    first, times = refused[0], sum(each.count for each in refused)
    observed = f"{times} logins of clients that stay failed: {first.said}"
    code = told_alone(first.reason)
    if code is None:
        wrong = "a login of a client that stays was refused, and its words have several causes"
        return Found(codes=("unknown",), wrong=wrong, change="", observed=observed)
    entry = CATALOGUE[code]
    wrong, change = (text.replace("{client}", thing.client) for text in (entry.title, entry.remedy))
    return Found(codes=(code.value,), wrong=wrong, change=change, observed=observed)


def _of_flow(flow: Flow, *, new_work: bool) -> Found:
    silent_s = max(flow.unacknowledged_ms, flow.unread_ms) / 1000
    anew = f"{flow.connects} connections were made anew" if flow.connects else "no connection was made anew"
    while_new = ", while new ones work" if new_work else ""
    told = ", ".join(f"{count} {name}" for name, count in sorted(flow.errors.items()))
    return Found(
        codes=("unknown",),
        wrong=f"connections that were established passed nothing for a time{while_new}",
        change=(
            "find what keeps state for each connection and lost it: a firewall or NAT that failed over, a target that "
            "was deregistered, a security group that was exchanged; until then clients recover by their own time-outs"
        )
        if new_work
        else "",
        observed=f"nothing for {silent_s:.1f} s; {anew}" + (f"; records not delivered: {told}" if told else ""),
    )


class Staying:
    """The clients that stay in one client VPC: begun at the first look, and begun anew once they have ended."""

    def __init__(self, name: str, command: Sequence[str], plan: SurvivalPlan) -> None:
        self._name = name
        self._command = command
        self._plan = plan
        self._alive: Survivors | None = None
        self._refused: tuple[LoginRefused, ...] = ()

    def look(self) -> Noticed:
        """What they noticed since the last look; does not wait for a start."""
        try:
            if self._alive is None:
                self._alive = Survivors(self._name, self._command, self._plan)
                return NOTHING_YET
            if not self._alive.has_begun():
                return NOTHING_YET
            lived = self._alive.look()
        except SurvivorsError as problem:
            self.close()
            return Noticed(trouble=f"clients that stay: {problem}")
        before, self._refused = self._refused, lived.refused
        return Noticed(lived=lived, refused=(*before, *lived.refused))

    def close(self) -> None:
        """End them."""
        alive, self._alive = self._alive, None
        if alive is not None:
            alive.close()
