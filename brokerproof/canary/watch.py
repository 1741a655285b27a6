"""The core of the canary: what each round changes. No thread, no socket, no clock of its own.

Rounds come in from whoever ran them; what comes out is kept in the store and told as events.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from brokerproof.canary.established import (
    ESTABLISHED,
    NOTHING_YET,
    Noticed,
    established_found,
    established_of,
    established_readings,
)
from brokerproof.canary.events import Found, RoundEnded, StateChanged, found_of
from brokerproof.canary.hold import Hold, is_held
from brokerproof.canary.rounds import Depth
from brokerproof.canary.schedule import DEEP_EVERY_S
from brokerproof.canary.state import MOST_MISSED, Reading, Rules, Standing, State, begun, missed, shown, step
from brokerproof.canary.store import DAY_S, KEEP_DAYS, ClientTimes, RoundRecord, Store
from brokerproof.canary.timing import took_s
from brokerproof.canary.watched import ISOLATION, Watched, is_frozen, readings, red_checks, watched_of
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.probes.outcome.base import Value
from brokerproof.running.planning import ClientRun
from brokerproof.topology.expectation.view import ClientView

MOST_WITNESSES: Final = 12
"""Clients without anything red that a diagnosis looks at beside those with: more of them tell it nothing new."""

USUAL: Final = Rules()


class RoundDone(Value, frozen=True, kw_only=True):
    """A round that was run. Times are Unix seconds."""

    run: ClientRun
    depth: Depth
    began: float
    ended: float
    noticed: Noticed = NOTHING_YET
    """By clients that stay, since the round before."""


class Snapshot(Value, frozen=True, kw_only=True):
    """Everything that an export shows, at one moment."""

    now: float
    states: dict[Watched, State]
    standings: dict[Watched, Standing]
    clients: dict[str, ClientTimes]
    findings: dict[str, tuple[Found, ...]]
    named: dict[Watched, Found]
    holds: tuple[Hold, ...]


class Watch:
    """What is watched, what it was so far, and what is named of it.

    Things that are no longer watched are not told of; the store keeps their past.
    """

    def __init__(
        self,
        views: Sequence[ClientView],
        store: Store,
        *,
        every_s: float,
        now: float,
        deep_every_s: float = DEEP_EVERY_S,
        rules: Rules = USUAL,
        established: Collection[str] = (),
    ) -> None:
        """Watch what each view leads to.

        Args:
            views: Of all clients.
            store: What was so far; it takes what is to come.
            every_s: How often a round of each client is due.
            now: Unix seconds.
            deep_every_s: How often a deep one is.
            rules: When readings become a state.
            established: The clients beside whose rounds others stay.
        """
        self._store = store
        self._rules = rules
        self._every_s = every_s
        self._deep_every_s = max(deep_every_s, every_s)
        self._established = {view.client: established_of(view) for view in views if view.client in established}
        self._watched = {view.client: (*watched_of(view), *self._established.get(view.client, ())) for view in views}
        before = store.standings()
        self._standings = {
            thing: before.get(thing, begun(now)) for things in self._watched.values() for thing in things
        }
        times = store.clients()
        self._times = {view.client: times.get(view.client, ClientTimes()) for view in views}
        self._held: frozenset[Watched] = frozenset()
        self._evidence: dict[str, tuple[float, ClientEvidence]] = {}
        self._findings: dict[str, tuple[Found, ...]] = {}
        self._named: dict[Watched, Found] = {}
        self._told = {thing: standing.state for thing, standing in self._standings.items()}
        self._forgets_at = 0.0
        self._alone = threading.RLock()

    @property
    def every_s(self) -> float:
        """How often a round of each client is due."""
        return self._every_s

    def times(self, client: str) -> ClientTimes:
        """When this client's rounds were."""
        return self._times[client]

    def _due_every_s(self, thing: Watched) -> float:
        """How often a thing is looked at."""
        return self._deep_every_s if thing.broker == ISOLATION else self._every_s

    def is_red(self, client: str) -> bool:
        """Whether the client's last round saw something fail: the next one looks at everything."""
        return any(self._standings[thing].recent[-1:] == (Reading.FAILED,) for thing in self._watched[client])

    def is_pending(self, client: str) -> bool:
        """Whether the last round read something that is not well and is no alert yet: it is looked at again soon."""
        return any(
            standing.recent[-1:] not in {(), (Reading.OK,)} and not standing.state.alerts
            for standing in (self._standings[thing] for thing in self._watched[client])
        )

    def took(self, done: RoundDone) -> tuple[RoundEnded, tuple[StateChanged, ...]]:
        """Take a round; what it changes is kept when this returns."""
        with self._alone:
            return self._took(done)

    def _took(self, done: RoundDone) -> tuple[RoundEnded, tuple[StateChanged, ...]]:
        client = done.run.view.client
        holds = self._store.holds(done.began)
        said = dict(readings(done.run, self._watched[client]))
        late = min(missed(self._times[client].began, done.began, self._every_s), MOST_MISSED)
        held = frozenset(thing for thing in self._watched[client] if is_held(holds, thing, done.began))
        found = self._diagnosed(done, said)
        red = Reading.FAILED in said.values()
        ran = Reading.DID_NOT_RUN not in said.values()
        said |= established_readings(self._established.get(client, ()), done.noticed, red=red)
        found |= established_found(said, done.noticed, found)
        changes: list[StateChanged] = []
        after: dict[Watched, Standing] = {}
        for thing in self._watched[client]:
            before = self._standings[thing]
            if thing in held:
                standing = before if thing in self._held else begun(done.began)
                last_run = before.last_run if Reading.DID_NOT_RUN in said.values() else done.began
                standing = Standing(since=standing.since, last_run=last_run, last_ok=before.last_ok)
            elif thing in said or (late and thing.broker != ISOLATION):
                standing = before
                for place in range(late if thing.broker != ISOLATION else 0, 0, -1):
                    standing = step(standing, Reading.DID_NOT_RUN, done.began - place * self._every_s, self._rules)
                if thing in said:
                    standing = step(standing, said[thing], done.began, self._rules)
            elif ran and thing.address == ESTABLISHED:
                # The round ran beside it: it has only begun, or its broker leads nothing now, and is a new thing then.
                leads = done.noticed.lived is None or before.state is State.NOT_YET
                standing = msgspec.structs.replace(before if leads else begun(done.began), last_run=done.began)
            else:
                continue
            after[thing] = standing
            now_is = State.HELD if thing in held else standing.state
            changes += self._change(thing, now_is, done.ended, found)
        self._keep(
            RoundRecord(
                client=client,
                times=self._times_after(done, said),
                standings=after,
                readings=said,
                missed=late,
                held=held,
                took_s=took_s(done.run),
                changes=tuple(changes),
            ),
            found,
        )
        counts = Counter(said.values())
        return (
            RoundEnded(
                client=client,
                depth=done.depth,
                began=done.began,
                ended=done.ended,
                readings={each: counts[each] for each in Reading if counts[each]},
                trouble=_trouble(done.run) or done.noticed.trouble,
            ),
            tuple(changes),
        )

    def _change(
        self, thing: Watched, now_is: State, at: float, found: Mapping[Watched, Found]
    ) -> Iterator[StateChanged]:
        """The change of a thing since it was last told of, if there is one."""
        before = self._told[thing]
        if before is not now_is:
            self._told[thing] = now_is
            named = found.get(thing) if now_is in {State.FAILED, State.FLAPPING} else None
            yield StateChanged(at=at, watched=thing, before=before, after=now_is, found=named)

    def quiet(self, now: float) -> tuple[StateChanged, ...]:
        """What has changed by time alone: rounds that did not come, a hold that began or ended."""
        with self._alone:
            holds = self._store.holds(now)
            changes: list[StateChanged] = []
            for thing, standing in self._standings.items():
                now_is = shown(standing, now, every_s=self._due_every_s(thing), held=is_held(holds, thing, now))
                changes += self._change(thing, now_is, now, self._named)
            if changes:
                self._store.changed(changes)
            if now >= self._forgets_at:
                self._store.forget(now - KEEP_DAYS * DAY_S)
                self._forgets_at = now + DAY_S
            return tuple(changes)

    def _keep(self, record: RoundRecord, found: Mapping[Watched, Found]) -> None:
        self._store.keep(record)
        self._times[record.client] = record.times
        self._standings |= record.standings
        mine = set(self._watched[record.client])
        self._held = (self._held - mine) | record.held
        others = {thing: each for thing, each in self._named.items() if thing not in mine}
        self._named = others | {thing: each for thing, each in found.items() if thing in mine}

    def _times_after(self, done: RoundDone, said: Mapping[Watched, Reading]) -> ClientTimes:
        before = self._times[done.run.view.client]
        ran = Reading.DID_NOT_RUN not in said.values()
        well = bool(said) and all(reading is Reading.OK for reading in said.values())
        return ClientTimes(
            began=done.began,
            ended=done.ended,
            ok=done.began if well else before.ok,
            deep=done.began if done.depth is Depth.DEEP and ran else before.deep,
        )

    def _diagnosed(self, done: RoundDone, said: dict[Watched, Reading]) -> dict[Watched, Found]:
        """What is named of this client's things, by what all clients saw of late."""
        client = done.run.view.client
        if Reading.FAILED not in said.values():
            self._findings.pop(client, None)
            if done.run.run.started is not None and not is_frozen(done.run.plan, done.run.run):
                self._evidence[client] = (done.began, done.run.seen)
            return {}
        self._evidence[client] = (done.began, done.run.seen)
        red = red_checks(done.run)
        whole = diagnose(self._witnesses(done))
        mine = {key for keys in red.values() for key in keys}
        findings = tuple(found_of(each) for each in whole.findings if mine & set(each.evidence))
        self._findings[client] = findings
        return {
            thing: next((each for each in findings if set(keys) & set(each.evidence)), _UNNAMED)
            for thing, keys in red.items()
            if said.get(thing) is Reading.FAILED
        }

    def _witnesses(self, done: RoundDone) -> list[ClientEvidence]:
        """What clients of the same cluster saw within the last two intervals: all that saw red, some that did not."""
        cluster = done.run.view.cluster_name
        fresh = [
            (name, evidence)
            for name, (at, evidence) in self._evidence.items()
            if done.began - at <= 2 * self._every_s and evidence.view.cluster_name == cluster
        ]
        red = [evidence for name, evidence in fresh if name in self._findings or name == done.run.view.client]
        well = [evidence for name, evidence in fresh if name not in self._findings and name != done.run.view.client]
        return red + well[:MOST_WITNESSES]

    def snapshot(self, now: float) -> Snapshot:
        """Everything that an export shows; silence is told also while no round ends."""
        with self._alone:
            return self._snapshot(now)

    def _snapshot(self, now: float) -> Snapshot:
        holds = tuple(hold for hold in self._store.holds(now) if hold.since <= now)
        states = {
            thing: shown(standing, now, every_s=self._due_every_s(thing), held=is_held(holds, thing, now))
            for thing, standing in self._standings.items()
        }
        return Snapshot(
            now=now,
            states=states,
            standings=dict(self._standings),
            clients=dict(self._times),
            findings=dict(self._findings),
            named=dict(self._named),
            holds=holds,
        )


_UNNAMED: Final = Found(codes=("unknown",), wrong="no cause of the catalogue explains what was seen", change="")


def _trouble(run: ClientRun) -> str:
    if run.run.error:
        return run.run.error
    if is_frozen(run.plan, run.run):
        return "the probe's host stood still meanwhile: what it saw says nothing of the path"
    return ""
