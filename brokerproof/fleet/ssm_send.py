"""One command: its instances looked up, what it leads to put into the bucket, and sent.

Plans, the probe and outcomes go by links that whoever runs the fleet signs, so that an instance needs no permission for
S3. The hash of what an instance runs is in the command itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from brokerproof.fleet.access import called
from brokerproof.fleet.bundle import instance_bundle
from brokerproof.fleet.command import LINK_S, Limits, index, limits, request, script
from brokerproof.fleet.engine import Access, EngineError, Wanted
from brokerproof.fleet.far.values import VERSION, Invocation, Item, Linked, result_key, runs_prefix
from brokerproof.fleet.hub import OUTPUT, CommandHub, account_of
from brokerproof.fleet.instances import Tags, by_instance, not_reached, reach, tagged
from brokerproof.fleet.items import Made, Reach
from brokerproof.fleet.store import Store
from brokerproof.topology.models import Client, Topology
from brokerproof.vantages.bundle import Bundle, FarPlatform, this_platform


class Sent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command."""

    role_arn: str
    command_id: str
    at: datetime
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What of a run is one command's: instances of one account, 50 at most."""

    name: str
    """Among the commands of the run."""
    account: str
    items: tuple[Item, ...]
    at_once: int
    """Instances at a time."""
    made: Made
    run: str
    wanted: Wanted

    @property
    def clients(self) -> tuple[str, ...]:
        """Whose items these are."""
        return tuple(item.client for item in self.items)


class Sender:
    """Sends commands to the instances of a Region.

    Args:
        hub: The Region and its bucket.
        store: The bucket.
        access: Credentials.
    """

    def __init__(self, hub: CommandHub, store: Store, access: Access) -> None:
        self._hub = hub
        self._store = store
        self._access = access

    def reach(self, topology: Topology, clients: Sequence[Client], stated: Mapping[str, str]) -> Reach:
        """The instance of each client: the one that a file names, or the one with the tag.

        An account that does not say keeps no other from being run.

        Raises:
            EngineError: AWS does not say whose credentials these are.
        """
        own = self._access.account()
        tags: dict[str, Tags | str] = {}
        for account in sorted({account_of(topology, each)[0] for each in clients if each.name not in stated}):
            try:
                tags[account] = self._tags(account, "" if account == own else self._hub.role_in(account))
            except EngineError as error:
                tags[account] = str(error)
        return reach(self._hub, own, stated, tags)

    def _tags(self, account: str, role_arn: str) -> Tags:
        ec2 = self._access.client("ec2", role_arn)
        return called(f"instances of account {account} cannot be listed", lambda: tagged(ec2))

    def send(self, batch: Batch) -> tuple[Sent | None, dict[str, str]]:
        """Send a command; None where SSM reaches none of its instances. Beside it who is left out, and why.

        Raises:
            EngineError: it cannot be sent.
            StoreError: S3 refused.
            BundleError: the probe is not to be had for a platform.
            FleetError: the script is too long.
        """
        role = batch.items[0].role_arn
        ssm = self._access.client("ssm", role)
        work = by_instance(batch.items)
        why = called(f"account {batch.account} does not say what SSM reaches", lambda: not_reached(ssm, work))
        lost = {item.client: said for instance, said in why.items() for item in work.pop(instance)}
        if not work:
            return None, lost
        plans = {one: [batch.made.plans[item.client] for item in items] for one, items in work.items()}
        bounds = limits(plans, batch.at_once)
        asked = request(
            batch.run,
            self._script(batch, work, bounds),
            sorted(work),
            bounds,
            at_once=batch.at_once,
            errors=int(len(work) * batch.wanted.tolerated / 100),
            bucket=self._hub.bucket,
            output=f"{runs_prefix(self._hub.prefix, batch.made.set.name)}{OUTPUT}/{batch.run}",
        )
        told = called(f"no command can be sent in account {batch.account}", lambda: ssm.send_command(**asked))
        command_id, now = told["Command"]["CommandId"], datetime.now(UTC)
        return Sent(role_arn=role, command_id=command_id, at=now, instances=tuple(sorted(work))), lost

    def _script(self, batch: Batch, work: Mapping[str, Sequence[Item]], bounds: Limits) -> str:
        """The script of a command; what it leads to is put into the bucket before."""
        lasts_s = min(LINK_S, bounds.all_s)
        linked = {one: [self._linked(batch, item, lasts_s) for item in items] for one, items in work.items()}
        platforms = batch.wanted.platforms or (this_platform(),)
        probes: dict[FarPlatform, tuple[Bundle, str]] = {}
        for far in platforms:
            bundle = instance_bundle(far)
            probes[far] = (bundle, self._store.link(self._store.put_probe(bundle), lasts_s))
        text = index(linked, probes)
        key = self._store.put_engine(batch.made.set.name, batch.run, f"index-{batch.name}.json", text)
        link = self._store.link(key, lasts_s)
        return script(text, link, python=batch.wanted.python, platforms=platforms, run_s=bounds.run_s)

    def _linked(self, batch: Batch, item: Item, lasts_s: int) -> Linked:
        hub, name, run = self._hub, batch.made.set.name, batch.run
        asked = Invocation(version=VERSION, bucket=hub.bucket, prefix=hub.prefix, set=name, run=run, item=item)
        key = result_key(hub.prefix, name, run, item.client)
        plan = self._store.link(item.plan_key, lasts_s)
        return Linked(asked=asked, plan=plan, result=self._store.link(key, lasts_s, once=True))
