"""The names of a look, each resolved once, for all endpoints that have it."""

from __future__ import annotations

import asyncio
from typing import Final

from brokerproof.probes.following import Following
from brokerproof.probes.host import Asked
from brokerproof.probes.ledger import Ledger
from brokerproof.probes.observation import Observation
from brokerproof.probes.outcome import Outcome, Reason, ResolveFacts, Role, Stage, Target
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.plan import Plan
from brokerproof.probes.stages.resolve import BY_HOST, Addresses, resolve
from brokerproof.probes.wire.dns_exchange import Server

Resolved = tuple[Outcome | None, Addresses]

AHEAD_S: Final = 0.25
"""How long the first answers are waited for before anything else: every resolver that works has answered by then."""


class Names:
    """Who asks first decides whose name it is in the outcome; whoever asks later has the same answer."""

    def __init__(self, plan: Plan, ledger: Ledger, asked: Asked, limiter: asyncio.Semaphore) -> None:
        self._plan = plan
        self._ledger = ledger
        self._asked = asked
        self._limiter = limiter
        self._resolutions: dict[str, asyncio.Future[Resolved]] = {}
        self._ahead: set[asyncio.Task[Resolved]] = set()
        self.following = Following()
        """What this look follows of what names and brokers say."""

    async def ask_ahead(self) -> None:
        """Ask for the plan's names before there is anything to use the answers, for at most :data:`AHEAD_S`.

        What has no answer by then stays under way.
        """
        if not self._plan.bootstrap:
            return
        roles = ((Role.BROKER, self._plan.brokers), (Role.BOOTSTRAP, self._plan.bootstrap))
        first: dict[str, tuple[Role, str]] = {}
        for role, endpoints in roles:
            for each in endpoints:
                first.setdefault(canonical(each.name), (role, each.name))
        self._ahead = {asyncio.ensure_future(self.resolve(role, name)) for role, name in first.values()}
        if self._ahead:
            await asyncio.wait(self._ahead, timeout=AHEAD_S)

    async def resolve(self, role: Role, name: str, *, left_out: Observation | None = None) -> Resolved:
        """What became of the name, and its addresses; no outcome where the plan leaves the stage out.

        ``left_out`` is why nobody is to be asked for it.
        """
        if Stage.RESOLVE not in self._plan.stages:
            return None, ()
        key = canonical(name)
        known = self._resolutions.get(key)
        if known is not None:
            return await asyncio.shield(known)
        known = self._resolutions[key] = asyncio.get_running_loop().create_future()
        try:
            resolved = await self._resolve_once(Target(role=role, name=name), left_out)
        except BaseException:
            known.cancel()
            raise
        known.set_result(resolved)
        return resolved

    @property
    def server(self) -> Server | None:
        """The resolver to measure: the one that answered last, or the first; none where names are of the host."""
        said = [each.result()[0] for each in self._resolutions.values() if each.done() and not each.cancelled()]
        facts = [each.facts for each in said if each is not None and isinstance(each.facts, ResolveFacts)]
        if any(each.rcode == BY_HOST for each in facts):
            return None
        answered = [each.resolver for each in facts]
        servers = self._asked.servers
        return next((each for each in servers if str(each) in answered), next(iter(servers), None))

    def is_found_by_host(self, name: str) -> bool:
        """Whether what asks the operating system, as Kafka clients do, is led where the resolver leads.

        True too where that was not asked.
        """
        resolution = self._resolutions.get(canonical(name))
        if resolution is None or not resolution.done() or resolution.cancelled():
            return True
        outcome, _ = resolution.result()
        return outcome is None or outcome.reason not in {Reason.OS_ANSWER_DIFFERS, Reason.OS_RESOLUTION_FAILED}

    def close(self) -> None:
        """Wait for no answer any more."""
        for task in self._ahead:
            task.cancel()

    async def _resolve_once(self, target: Target, left_out: Observation | None) -> Resolved:
        if left_out is not None:
            return self._ledger.settle(Stage.RESOLVE, target, left_out), ()
        found: Addresses = ()

        async def work() -> tuple[Observation, None]:
            nonlocal found
            limit_ms = self._plan.limits.resolve_ms
            told = await resolve(
                target.name,
                self._asked.servers,
                limit_ms=limit_ms,
                host=self._asked.host,
                by_host=self._plan.names_by_host,
            )
            seen, found = self.following.take_addresses(*told)
            return seen, None

        async with self._limiter:
            outcome, _ = await self._ledger.measure(Stage.RESOLVE, target, work())
        return outcome, found
