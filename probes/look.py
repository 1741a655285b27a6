"""One look at what a plan names: everything at once, each thing once."""

from __future__ import annotations

import asyncio

from brokerproof.probes.exchange import Exchange
from brokerproof.probes.host import Asked
from brokerproof.probes.kafka_client.ahead import Ahead
from brokerproof.probes.kafka_client.fork_server import ForkServer
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.load.measurements import Measurements
from brokerproof.probes.names import Names
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import Role, Stage, Target
from brokerproof.probes.paths import Paths
from brokerproof.probes.plan import ControlConnect, ForbiddenConnect, Plan
from brokerproof.probes.stages.connect import connect
from brokerproof.probes.stages.resolve import ask_for, resolve


class Look:
    """One look.

    ``follow`` is whether what the cluster advertises is probed as well, ``names`` what was asked for ahead, ``begun``
    the Kafka clients that began ahead.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        asked: Asked,
        limiter: asyncio.Semaphore,
        server: ForkServer,
        *,
        follow: bool = True,
        names: Names | None = None,
        begun: Ahead | None = None,
    ) -> None:
        self.plan = plan
        self.ledger = ledger
        self.paths = Paths(plan, ledger, names or Names(plan, ledger, asked, limiter), limiter, follow=follow)
        self.exchange = Exchange(plan, ledger, self.paths, server, begun)
        self._asked = asked
        self._limiter = limiter

    async def run(self) -> None:
        """Probe everything to its end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forbidden())
            group.create_task(self._other_names())
            group.create_task(self._controls())
            if self.plan.bootstrap:
                group.create_task(self.paths.run())
                group.create_task(self._records())

    async def _records(self) -> None:
        await self.exchange.run()
        await Measurements(self.plan, self.ledger, self.exchange).run()

    async def _forbidden(self) -> None:
        # Silence is the usual answer here: it has places of its own, so as not to hold up what is meant to work.
        places = asyncio.Semaphore(self.plan.limits.concurrency)

        async def one(forbidden: ForbiddenConnect) -> None:
            async with places:
                await self.ledger.measure(Stage.CONNECT, target_of(forbidden), self._knock(forbidden))

        await asyncio.gather(*map(one, dict.fromkeys(self.plan.forbidden)))

    async def _other_names(self) -> None:
        async def one(name: str) -> None:
            async with self._limiter:
                await self.ledger.measure(Stage.RESOLVE, other_target(name), self._look_up(name))

        if Stage.RESOLVE in self.plan.stages:
            await asyncio.gather(*map(one, dict.fromkeys(self.plan.other_names)))

    async def _look_up(self, name: str) -> tuple[Observation, None]:
        asked = self._asked
        seen, _ = await resolve(name, asked.servers, limit_ms=self.plan.limits.resolve_ms, host=asked.host)
        return seen, None

    async def _controls(self) -> None:
        """What nobody has: silence and NXDOMAIN are the right answers, so nothing waits for them."""
        plan, measure = self.plan, self.ledger.measure

        async def ask(name: str) -> tuple[Observation, None]:
            return await ask_for(name, self._asked.servers, limit_ms=plan.limits.resolve_ms), None

        names = dict.fromkeys(plan.control_names if Stage.RESOLVE in plan.stages else ())
        connects = dict.fromkeys(plan.control_connects if Stage.CONNECT in plan.stages else ())
        await asyncio.gather(
            *(measure(Stage.RESOLVE, control_name(name), ask(name)) for name in names),
            *(measure(Stage.CONNECT, control_target(each), self._knock(each)) for each in connects),
        )

    async def _knock(self, at: ForbiddenConnect | ControlConnect) -> tuple[Observation, None]:
        limit_ms = self.plan.limits.connect_ms
        seen, sock = await connect(at.address, at.port, limit_ms=limit_ms)
        if sock is not None:
            sock.close()
        return seen, None


def target_of(forbidden: ForbiddenConnect) -> Target:
    """The target of what must not answer."""
    return Target(role=Role.FORBIDDEN, address=forbidden.address, port=forbidden.port)


def other_target(name: str) -> Target:
    """The target of a name that is not of the cluster."""
    return Target(role=Role.OTHER, name=name)


def control_name(name: str) -> Target:
    """The target of a name that nobody has."""
    return Target(role=Role.CONTROL, name=name)


def control_target(control: ControlConnect) -> Target:
    """The target of an address that nobody has."""
    return Target(role=Role.CONTROL, address=control.address, port=control.port)
