"""The engine ``ssm``: Run Command over the instances of clients, one command for 50 instances of an account.

Where there are more commands than clients may run at a time, they are sent as others end; what is sent is in
:mod:`.ssm_send`, and what its statuses mean in :mod:`.ssm_reasons`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
from botocore.exceptions import ClientError

from brokerproof.errors import CouldNotError
from brokerproof.fleet.access import called
from brokerproof.fleet.command import NAMED
from brokerproof.fleet.engine import Access, EngineError, Execution, Wanted
from brokerproof.fleet.far.values import Item
from brokerproof.fleet.hub import CommandHub, FleetError
from brokerproof.fleet.instances import instance_of
from brokerproof.fleet.items import Made, Reach
from brokerproof.fleet.parts import shared_out
from brokerproof.fleet.ssm_reasons import FORGOTTEN, why, words
from brokerproof.fleet.ssm_send import Batch, Sender, Sent
from brokerproof.fleet.store import Store
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.topology.models import Client, Topology
from brokerproof.wording import listed

T = TypeVar("T")
RECORD: Final = "commands.json"
_UNDER_WAY: Final = frozenset({"Pending", "InProgress", "Cancelling"})
_NOT_YET: Final = timedelta(minutes=1)
"""How long SSM may not know a command that it has taken."""
_NEXT_IS_SENT: Final = timedelta(minutes=1)
"""Whoever runs the fleet looks every few seconds: so long after the last script, nobody does any more."""
_UNKNOWN: Final = "InvalidCommandId"
_TURN: Final = "its turn had not come when the command that ran the fleet ended"
_STOPPED: Final = "it was not begun: more had failed by then than --stop-when-failed allows"


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was sent for a run, and for whom nothing was: kept in the bucket, since SSM gives commands their ids."""

    commands: tuple[Sent, ...] = ()
    not_sent: dict[str, str] = {}
    """Why, by client."""
    waiting: tuple[str, ...] = ()
    """Clients whose command's turn has not come."""


def open_engine(hub: CommandHub, store: Store, access: Access) -> Ssm:
    """The engine of a hub without a state machine."""
    return Ssm(hub, store, access)


class Ssm:
    """Run Command in the accounts of a Region's clients.

    Args:
        hub: The Region and its bucket.
        store: The bucket.
        access: Credentials.
    """

    def __init__(self, hub: CommandHub, store: Store, access: Access) -> None:
        self._store = store
        self._access = access
        self._sender = Sender(hub, store, access)
        self._waiting: list[Batch] = []
        self._over: dict[str, Mapping[str, Any]] = {}
        """Commands that have ended, as they were told then."""

    def reach(self, topology: Topology, clients: Sequence[Client], stated: Mapping[str, str]) -> Reach:
        """The instance of each client: the one that a file names, or the one with the tag."""
        return self._sender.reach(topology, clients, stated)

    def scheduled(self, set_name: str, _wanted: Wanted) -> dict[str, Any]:
        """Nothing: what a command carries are links, which end."""
        raise FleetError(
            f"no schedule starts {set_name} by Run Command, whose links end: have a schedule of yours call brokerproof "
            "fleet run, or take the engine step-functions"
        )

    def start(self, made: Made, run: str, wanted: Wanted) -> None:
        """Send the commands of a run, as many as clients may run at a time."""
        self._waiting = batches(made, run, wanted)
        if len(self._waiting) > wanted.at_once and not wanted.stays:
            raise FleetError(
                f"{len(self._waiting)} commands are needed, one for {NAMED} instances of an account, and "
                f"{wanted.at_once} may run at a time: leave --no-wait out, so that the others are sent when their turn "
                "comes"
            )
        commands, failed = len(self._waiting), list[CouldNotError]()
        record = self._sent(Record(not_sent=dict(made.lost)), wanted.at_once, failed)
        if failed and len(failed) == commands:
            raise EngineError(str(failed[0]))
        self._keep(made.set.name, run, record)  # also where nothing is to be sent

    def look(self, set_name: str, run: str) -> Execution | None:
        """How the commands of a run are, told as one; sends those whose turn has come."""
        record = self._record(set_name, run)
        if record is None:
            return None
        told = self._told(record)
        if self._waiting:
            record = self._advanced(record, told)
            told = self._told(record)
        is_over = not self._waiting and all(each["Status"] not in _UNDER_WAY for each in told)
        ended = self._ended(record) if is_over else None
        if record.waiting and ended is not None and datetime.now(UTC) - ended < _NEXT_IS_SENT:
            is_over, ended = False, None  # another process sends what waits
        return Execution(
            listed(sorted({words(each) for each in told})) if told else "sent to nobody",
            is_over,
            began=min((sent.at for sent in record.commands), default=None),
            ended=ended,
        )

    def newest(self, _set_name: str) -> str | None:
        """None: a set has one run, which is called as the set is."""
        return None

    def stop(self, set_name: str, run: str) -> None:
        """Have nothing more begun, and what runs be ended."""
        self._waiting.clear()
        record = self._record(set_name, run) or Record()
        failed = list[CouldNotError]()
        for sent in record.commands:
            try:
                ssm = self._access.client("ssm", sent.role_arn)
                called(f"command {sent.command_id} cannot be cancelled", _cancel(ssm, sent))
            except CouldNotError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def reasons(self, set_name: str, run: str, missing: Collection[Item]) -> dict[str, str]:
        """Why items did not run, by client, as far as SSM says; never raises: it only explains."""
        try:
            record = self._record(set_name, run) or Record()
        except CouldNotError:
            return {}
        found = dict.fromkeys(record.waiting, _TURN) | record.not_sent
        for sent in record.commands:
            own = {item.client: instance_of(item) for item in missing if item.client not in found}
            own = {client: one for client, one in own.items() if one in sent.instances}
            if not own:
                continue
            try:
                told, command = self._invocations(sent), self._command(sent)
            except CouldNotError:
                continue
            by_instance = {str(each["InstanceId"]): each for each in told}
            found |= {client: why(client, one, by_instance.get(one), command) for client, one in own.items()}
        return {item.client: found[item.client] for item in missing if item.client in found}

    # Commands

    def _sent(self, record: Record, free: int, failed: list[CouldNotError]) -> Record:
        """The record with what was sent now: as many commands as are free, whose turn it is."""
        while self._waiting and free > 0:
            # What was sent must be known to whoever stops it: SSM alone gives a command its id.
            with interrupted_afterwards():
                batch = self._waiting.pop(0)
                commands, lost = record.commands, dict(record.not_sent)
                try:
                    sent, left_out = self._sender.send(batch)
                except (CouldNotError, FleetError) as error:
                    failed.append(CouldNotError(str(error)))
                    lost |= dict.fromkeys(batch.clients, str(error))
                else:
                    lost |= left_out
                    if sent is not None:
                        commands = (*commands, sent)
                        free -= batch.at_once
                record = Record(commands=commands, not_sent=lost, waiting=_clients(self._waiting))
                self._keep(batch.made.set.name, batch.run, record)
        return record

    def _advanced(self, record: Record, told: Sequence[Mapping[str, Any]]) -> Record:
        """The record after the commands were sent whose turn has come; none where too many items failed."""
        wanted, made, run = self._waiting[0].wanted, self._waiting[0].made, self._waiting[0].run
        if self._did_not_run(record, told, made.set.items) > len(made.set.items) * wanted.tolerated / 100:
            stopped = dict.fromkeys(_clients(self._waiting), _STOPPED)
            self._waiting.clear()
            record = Record(commands=record.commands, not_sent=record.not_sent | stopped)
            self._keep(made.set.name, run, record)
            return record
        under_way = sum(each["Status"] in _UNDER_WAY for each in told)
        return self._sent(record, wanted.at_once - under_way, [])

    def _did_not_run(self, record: Record, told: Sequence[Mapping[str, Any]], items: Sequence[Item]) -> int:
        """Clients that nothing was sent for, and those of instances where the script failed or never came."""
        bad = {
            str(each["InstanceId"])
            for sent, command in zip(record.commands, told, strict=True)
            if command.get("ErrorCount") or command.get("DeliveryTimedOutCount")
            for each in self._invocations(sent)
            if each["Status"] not in _UNDER_WAY | {"Delayed", "Success"}
        }
        return sum(item.client in record.not_sent or instance_of(item) in bad for item in items)

    def _told(self, record: Record) -> list[Mapping[str, Any]]:
        return [self._command(sent) for sent in record.commands]

    def _command(self, sent: Sent) -> Mapping[str, Any]:
        """What SSM says of a command.

        Raises:
            EngineError: it does not say, or has forgotten it: it keeps commands for 30 days.
        """
        if sent.command_id in self._over:
            return self._over[sent.command_id]
        ssm = self._access.client("ssm", sent.role_arn)
        told = called(f"command {sent.command_id} cannot be looked at", lambda: _known(lambda: _listed(ssm, sent)))
        if told is None:
            told = {"Status": "Pending" if datetime.now(UTC) - sent.at < _NOT_YET else FORGOTTEN}
        if told["Status"] not in _UNDER_WAY:
            self._over[sent.command_id] = told
        return told

    def _invocations(self, sent: Sent) -> list[Mapping[str, Any]]:
        ssm = self._access.client("ssm", sent.role_arn)
        listing = f"the instances of command {sent.command_id} cannot be listed"
        return called(listing, lambda: _known(lambda: _invocations(ssm, sent))) or []

    def _ended(self, record: Record) -> datetime | None:
        """When the last script ended."""
        plugins = [
            plugin
            for sent in record.commands
            for each in self._invocations(sent)
            for plugin in each.get("CommandPlugins", ())
        ]
        return max(
            (each["ResponseFinishDateTime"] for each in plugins if "ResponseFinishDateTime" in each), default=None
        )

    # The record

    def _keep(self, set_name: str, run: str, record: Record) -> None:
        self._store.put_engine(set_name, run, RECORD, encode_json(record))

    def _record(self, set_name: str, run: str) -> Record | None:
        text = self._store.engine(set_name, run, RECORD)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=Record)
        except msgspec.DecodeError as error:
            raise EngineError(f"what was sent for run {run} cannot be read: {error}") from None


def batches(made: Made, run: str, wanted: Wanted) -> list[Batch]:
    """The commands of a run; each with its share of what may run at a time, one instance at least."""
    by_account: dict[str, dict[str, list[Item]]] = {}
    for item in made.set.items:
        if item.client not in made.lost:
            by_account.setdefault(_account(item), {}).setdefault(instance_of(item), []).append(item)
    found: dict[str, tuple[str, list[list[Item]]]] = {}
    for account in sorted(by_account):
        instances = [by_account[account][one] for one in sorted(by_account[account])]
        for start in range(0, len(instances), NAMED):
            found[f"{account}-{start // NAMED + 1}"] = (account, instances[start : start + NAMED])
    shares = dict.fromkeys(found, 1)
    if len(found) <= wanted.at_once:
        shares = shared_out(wanted.at_once, {name: len(instances) for name, (_, instances) in found.items()})
    return [
        Batch(name, account, tuple(item for items in instances for item in items), shares[name], made, run, wanted)
        for name, (account, instances) in found.items()
    ]


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """Hold an interruption back within the block, which is short: it comes when that has ended."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(came[0], None)


def _account(item: Item) -> str:
    return item.resource.split(":")[4]


def _cancel(ssm: Any, sent: Sent) -> Any:
    return lambda: ssm.cancel_command(CommandId=sent.command_id)


def _known(call: Callable[[], T]) -> T | None:
    """What SSM says of a command; None where it knows none of that id."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] != _UNKNOWN:
            raise
        return None


def _listed(ssm: Any, sent: Sent) -> Mapping[str, Any] | None:
    return next(iter(ssm.list_commands(CommandId=sent.command_id)["Commands"]), None)


def _invocations(ssm: Any, sent: Sent) -> list[Mapping[str, Any]]:
    pages = ssm.get_paginator("list_command_invocations").paginate(CommandId=sent.command_id, Details=True)
    return [each for page in pages for each in page["CommandInvocations"]]


def _clients(waiting: Iterable[Batch]) -> tuple[str, ...]:
    return tuple(client for batch in waiting for client in batch.clients)
