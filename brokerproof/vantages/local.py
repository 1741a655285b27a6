"""The vantage on this machine: the same process as everywhere, without a command prefix."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import brokerproof
from brokerproof.vantages.exec import ExecVantage, Patience


def this_probe() -> dict[str, str]:
    """The environment in which this machine's Python runs the very probes this process imports.

    Also for a vantage elsewhere on this machine (``ip netns exec``). The directory a person
    happens to stand in is kept out: a folder ``brokerproof`` there would be run instead.
    """
    here = str(Path(brokerproof.__file__).resolve().parents[1])
    inherited = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([here, inherited] if inherited else [here]),
        "PYTHONSAFEPATH": "1",
    }


class LocalVantage(ExecVantage):
    """Probes from this machine, in this network namespace."""

    def __init__(self, name: str, *, patience: Patience | None = None) -> None:
        super().__init__(name, (), python=sys.executable, environment=this_probe(), patience=patience)


def open_vantage(client: str, _settings: object) -> LocalVantage:
    """The vantage of a client that is this machine; there is nothing to say of it."""
    return LocalVantage(client)
