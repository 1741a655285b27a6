"""What carries a fleet out, as every engine has it: runs started, looked at, stopped, and asked why items did not run.

What an engine says explains; who ran is read off S3 alone. Engines are listed in :mod:`.engines`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from brokerproof.errors import CouldNotError
from brokerproof.fleet.far.values import Item
from brokerproof.fleet.items import Made, Reach
from brokerproof.topology.models import Client, Topology
from brokerproof.vantages.bundle import FarPlatform


class EngineError(CouldNotError):
    """An engine refused; one sentence."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How a run is at one engine, and what the engine says of its end."""

    state: str
    """In its words, lower case: ``running``."""
    is_over: bool
    """Whether nothing more will run."""
    why: str = ""
    """Of all items, where it ended before them."""
    began: datetime | None = None
    ended: datetime | None = None
    """None while it runs, and where the engine does not say."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a run is to be carried out."""

    at_once: int
    """Clients at a time."""
    tolerated: float = 100
    """At which percentage of items that fail no more are begun; 100 is never."""
    stays: bool = True
    """Whether whoever starts it goes on looking at it."""
    python: str = ""
    """Of ``ssm``: the interpreter on the instances; empty is what their PATH has."""
    platforms: tuple[FarPlatform, ...] = ()
    """Of ``ssm``: what the instances' Pythons are; none is as here."""


class Access(Protocol):
    """Credentials: one's own, or those of a role that is assumed with them."""

    def client(self, service: str, role_arn: str = "") -> Any:
        """A client of boto3 for a service in the hub's Region.

        Raises:
            EngineError: the role cannot be assumed.
        """
        ...

    def account(self) -> str:
        """Whose credentials one's own are.

        Raises:
            EngineError: AWS does not say.
        """
        ...


class Engine(Protocol):
    """What carries out the items of a hub."""

    def reach(self, topology: Topology, clients: Sequence[Client], stated: Mapping[str, str]) -> Reach:
        """Where the probes of these clients are.

        Args:
            topology: Of the clients.
            clients: Those of the hub's Region.
            stated: The instances that a file names, by client.

        Raises:
            FleetError: an engine of this kind reaches none of them.
            EngineError: AWS does not say.
        """
        ...

    def start(self, made: Made, run: str, wanted: Wanted) -> None:
        """Start a run of this name.

        Raises:
            EngineError: it cannot be.
        """
        ...

    def scheduled(self, set_name: str, wanted: Wanted) -> dict[str, Any]:
        """What a schedule starts a set with.

        Raises:
            FleetError: no schedule starts this engine.
        """
        ...

    def look(self, set_name: str, run: str) -> Execution | None:
        """How a run is; None where the engine knows none of that name.

        Raises:
            EngineError: it does not say.
        """
        ...

    def newest(self, set_name: str) -> str | None:
        """The newest run of a set, also one that left no object; None where the engine knows none.

        Raises:
            EngineError: they cannot be listed.
        """
        ...

    def stop(self, set_name: str, run: str) -> None:
        """Have nothing more begun.

        Raises:
            EngineError: it cannot be.
        """
        ...

    def reasons(self, set_name: str, run: str, missing: Collection[Item]) -> dict[str, str]:
        """Why items did not run, by client, as far as the engine says; never raises: it only explains."""
        ...


Opens = Callable[[Any, Any, Access], Engine]
"""Opens the engine of a hub, by the hub, its store and the access; see :mod:`.engines`."""
