"""The vantages there are: a line each. A vantage's own module opens it; it is imported when it is used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, cast

from brokerproof.vantages.protocol import PutsProbe, Vantage

Open = Callable[[str, Any], Vantage]
"""Opens the vantage of a client, by the client's name and what the topology file says of its vantage."""

VANTAGES: Final = {
    "docker": "brokerproof.vantages.container",
    "exec": "brokerproof.vantages.exec",
    "kubernetes": "brokerproof.vantages.kubernetes",
    "local": "brokerproof.vantages.local",
    "podman": "brokerproof.vantages.container",
    "ssh": "brokerproof.vantages.ssh",
    "ssm": "brokerproof.vantages.ssm",
}
"""By the kind a topology file names: the module that has its ``open_vantage``."""


def forget(kind: str, client: str, settings: object) -> str:
    """Remove every probe that was put on a client's far side; returns where they were.

    Raises:
        InstallError: it cannot be.
        ValueError: such a vantage puts none anywhere.
    """
    opened = open_vantage(kind, client, settings)
    with opened:
        if not isinstance(opened, PutsProbe):
            raise ValueError(f"a vantage of the kind {kind} puts no probe anywhere")  # noqa: TRY004  a kind, no type
        return opened.forget()


def open_vantage(kind: str, client: str, settings: object) -> Vantage:
    """The vantage of a client; nothing is started before its first plan.

    ``settings`` is what the topology file says of it; which of its fields are read, the kind's own module says.
    """
    opened = cast("Open", import_module(VANTAGES[kind]).open_vantage)
    return opened(client, settings)
