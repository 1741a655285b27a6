"""The engines there are: a line each. An engine's own module opens it; it is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from brokerproof.fleet.engine import Access, Engine, Opens
from brokerproof.fleet.hub import Hub

if TYPE_CHECKING:
    from brokerproof.fleet.store import Store  # boto3 is an extra

ENGINES: Final = {
    "ssm": "brokerproof.fleet.ssm",
    "step-functions": "brokerproof.fleet.step_functions",
}
"""By the name that a hub states: the module that has its ``open_engine``."""


def open_engine(hub: Hub, store: Store, access: Access) -> Engine:
    """The engine of a hub."""
    opened = cast("Opens", import_module(ENGINES[hub.engine]).open_engine)
    return opened(hub, store, access)
