"""What goes to a client's probe, what it leaves in S3, and where: the contract of every engine of a fleet.

A *set* is the plans of a fleet's clients at one time; a *run* is one execution of a set. An item did not run exactly
where its object is missing, whatever the engine says of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.vantages.protocol import VantageRun

VERSION: Final = 1
MAX_OBJECT_BYTES: Final = 128 * 1024 * 1024
"""A run is 64 MiB at most, and what is around it next to nothing."""


class Item(Value, frozen=True):
    """One client of a set, as the engine's list of items has it."""

    client: str
    resource: str
    """The ARN of what runs the client's probe: a function, or an instance."""
    role_arn: str
    """Who has it run: a role of the client's own account; empty: whoever runs the fleet."""
    plan_key: str
    plan_sha256: str


class Invocation(Value, frozen=True):
    """What one client's probe is run for; the event of its function."""

    version: int
    bucket: str
    prefix: str
    set: str
    run: str
    item: Item

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(
                f"version {self.version} of the event; this probe understands {VERSION}: deploy its bundle"
            )


class Linked(Value, frozen=True):
    """An item for a probe that has no role: what it is run for, and links to its plan and to its object."""

    asked: Invocation
    plan: str
    result: str


class Work(Value, frozen=True):
    """What one instance runs, one item after another."""

    left_ms: int
    """Before Run Command ends it."""
    items: tuple[Linked, ...]


class Place(Value, frozen=True):
    """Where an item ran: for whoever looks for its log, and for what its path proves."""

    engine: str
    """As in ``lambda`` or ``ssm``."""
    resource: str
    """The ARN of what ran it."""
    version: str = ""
    request_id: str = ""
    log: str = ""
    machine: str = ""
    """As in ``x86_64``."""
    memory_mb: int = 0
    earlier_runs: int = 0
    """Of the same process: 0 is a cold start."""


class ItemResult(Value, frozen=True):
    """The object of one item: everything that its run said, judged by nobody yet."""

    version: int
    set: str
    run: str
    client: str
    plan_sha256: str
    place: Place
    began: str
    """Wall clock, ISO 8601."""
    took_ms: int
    """From the event to the last line."""
    said: VantageRun


class Summary(Value, frozen=True):
    """What the engine keeps of an item: 1 KB or so, and no evidence."""

    client: str
    key: str
    outcomes: int
    failed: int
    """Outcomes that are."""
    error: str = ""


def items_key(prefix: str, set_name: str) -> str:
    """Where the engine reads its items."""
    return f"{_below(prefix)}{set_name}/items.json"


def plan_key(prefix: str, set_name: str, client: str) -> str:
    """Where a client's plan is."""
    return f"{_below(prefix)}{set_name}/plans/{client}.json"


def set_key(prefix: str, set_name: str, file: str) -> str:
    """Where a file of a set is that no client reads."""
    return f"{_below(prefix)}{set_name}/{file}"


def runs_prefix(prefix: str, set_name: str) -> str:
    """Below which all runs of a set are."""
    return f"{_below(prefix)}{set_name}/runs/"


def result_key(prefix: str, set_name: str, run: str, client: str) -> str:
    """Where the object of an item is."""
    return f"{runs_prefix(prefix, set_name)}{run}/{client}.json"


def _below(prefix: str) -> str:
    return f"{prefix.strip('/')}/" if prefix.strip("/") else ""


_result_decoder: Final = msgspec.json.Decoder(ItemResult)
_work_decoder: Final = msgspec.json.Decoder(Work)
_items_decoder: Final = msgspec.json.Decoder(tuple[Item, ...])


def encode(value: Invocation | ItemResult | Summary | tuple[Item, ...]) -> bytes:
    """As JSON."""
    return encode_json(value)


def decode_items(text: bytes) -> tuple[Item, ...]:
    """The items of a set.

    Raises:
        msgspec.DecodeError: it is no list of items.
    """
    return _items_decoder.decode(text)


def decode_work(line: bytes) -> Work:
    """What an instance is to run.

    Raises:
        msgspec.DecodeError: it is none of this version; the message names the path.
    """
    return _work_decoder.decode(line)


def decode_event(event: object) -> Invocation:
    """The event of an invocation.

    Raises:
        msgspec.DecodeError: it is none of this version; the message names the path.
    """
    return msgspec.convert(event, Invocation)


def decode_result(text: bytes) -> ItemResult:
    """The object of an item.

    Raises:
        msgspec.DecodeError: it is none of this version.
    """
    return _result_decoder.decode(text)
