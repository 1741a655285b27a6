"""Vantages as plain values, for topology files and settings, and the one table that opens them.

A new kind of vantage is a module beside this one, a :class:`VantageKind` and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from vantages.exec import ExecVantage
from vantages.local import LocalVantage
from vantages.protocol import Vantage

_PYTHON: Final = "python3"


class VantageKind(StrEnum):
    """How a plan reaches the client VPC."""

    LOCAL = "local"
    """This machine, where the harness runs, is in the client VPC."""
    EXEC = "exec"
    """A command prefix lands in the client VPC."""


class VantageSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the probes of a client run.

    Raises:
        ValueError: a command or settings for ``local``, which knows its own; no command for ``exec``.
    """

    kind: VantageKind = VantageKind.LOCAL
    command: tuple[str, ...] = ()
    """``exec``: the prefix, for example ``["ssh", "-o", "BatchMode=yes", "client-host", "--"]``.

    It must connect stdin and stdout and no terminal: ``kubectl exec -i`` and ``docker exec -i``
    without ``-t``.
    """
    python: str = _PYTHON
    """``exec``: the interpreter there, with the probes' dependencies."""
    environment: dict[str, str] = {}
    """``exec``: set for the probe there, for example ``PYTHONPATH`` where ``probes`` was copied to."""
    far_shell: bool | None = None
    """``exec``: whether the prefix hands its words to a shell there; None knows ssh by its name."""

    def __post_init__(self) -> None:
        match self.kind:
            case VantageKind.LOCAL:
                settings = (self.command, self.python, self.environment, self.far_shell)
                if settings != ((), _PYTHON, {}, None):
                    raise ValueError("a local vantage takes no command and no settings; kind exec does")
            case VantageKind.EXEC:
                if not self.command:
                    raise ValueError("an exec vantage needs a command that lands in the client VPC")


def _open_local(spec: VantageSpec, name: str) -> Vantage:
    del spec  # this machine's own interpreter and probes
    return LocalVantage(name)


def _open_exec(spec: VantageSpec, name: str) -> Vantage:
    return ExecVantage(
        name,
        spec.command,
        python=spec.python,
        environment=spec.environment,
        far_shell=spec.far_shell,
    )


_OPENERS: Final[dict[VantageKind, Callable[[VantageSpec, str], Vantage]]] = {
    VantageKind.LOCAL: _open_local,
    VantageKind.EXEC: _open_exec,
}


def open_vantage(spec: VantageSpec, name: str) -> Vantage:
    """The vantage of a spec. Nothing is started before its first run."""
    return _OPENERS[spec.kind](spec, name)
