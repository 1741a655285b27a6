"""The vantage behind ssh(1): OpenSSH as it is set up here, with one connection kept for all of a client's processes.

Host keys are checked, and nothing is asked at a terminal. What runs over the connection is
:mod:`brokerproof.vantages.exec`'s business.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from brokerproof.vantages.exec import ExecSettings, ExecVantage, Patience, installs

ALIVE_S: Final = 5
"""Seconds between two questions to a silent server; after three without an answer the connection is given up."""
CONNECT_S: Final = 10
PERSIST_S: Final = 60
"""How long a kept connection outlives its last process: a client that is probed again soon has it still."""
LOGINS_AT_ONCE: Final = 8
"""Of this process. A server, so a jump host of many, begins to refuse when 10 are under way (MaxStartups,
sshd_config(5)); and each has ``CONNECT_S`` to be through, also where one host carries them all."""
_LOGINS: Final = threading.BoundedSemaphore(LOGINS_AT_ONCE)
_LEAVES: Final = 'folder=$1; shift; read -r _; "$@"; rm -rf -- "$folder"'
"""Waits for the end of its standard input, however that comes; then ends the kept connection and removes its folder."""


class SshSettings(ExecSettings, Protocol):
    """What a topology file says of such a vantage."""

    @property
    def host(self) -> str | None:
        """Where to."""
        ...

    @property
    def user(self) -> str | None:
        """As whom; None is as OpenSSH is set up."""
        ...

    @property
    def port(self) -> int | None:
        """At which port; likewise."""
        ...

    @property
    def jump_hosts(self) -> Sequence[str]:
        """Through which hosts."""
        ...

    @property
    def identity_file(self) -> str | None:
        """With which key."""
        ...

    @property
    def known_hosts_file(self) -> str | None:
        """Where host keys are known from."""
        ...

    @property
    def config_file(self) -> str | None:
        """Instead of the user's configuration."""
        ...


def open_vantage(client: str, settings: SshSettings) -> SshVantage:
    """The vantage of a client that ssh leads to.

    Raises:
        ValueError: no host is given.
    """
    return SshVantage(client, settings)


def ssh_command(settings: SshSettings, control: Path) -> tuple[str, ...]:
    """The prefix that runs a command there.

    Raises:
        ValueError: no host is given.
    """
    if not settings.host:
        raise ValueError("vantage ssh without a host")
    files = (("-i", settings.identity_file), ("-F", settings.config_file))
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_S),
        "ServerAliveInterval": str(ALIVE_S),
        "StrictHostKeyChecking": "yes",
        "ControlMaster": "auto",
        "ControlPath": str(control),
        "ControlPersist": str(PERSIST_S),
        **({"UserKnownHostsFile": settings.known_hosts_file} if settings.known_hosts_file else {}),
        **({"IdentitiesOnly": "yes"} if settings.identity_file else {}),
    }
    return (
        "ssh",
        "-T",
        *(word for flag, path in files if path for word in (flag, path)),
        *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
        *(("-J", ",".join(settings.jump_hosts)) if settings.jump_hosts else ()),
        *(("-p", str(settings.port)) if settings.port else ()),
        *(("-l", settings.user) if settings.user else ()),
        "--",
        settings.host,
    )


class SshVantage(ExecVantage):
    """Runs plans through one probe process at a host that ssh leads to."""

    def __init__(self, name: str, settings: SshSettings, *, patience: Patience | None = None) -> None:
        # Short, since a socket's path has 108 bytes at most; made with the first process, and nobody else may enter it.
        self._folder = Path(tempfile.gettempdir()) / f"bp-ssh-{secrets.token_hex(6)}"
        self._prefix = ssh_command(settings, self._folder / "c")
        self._keeper: subprocess.Popen[bytes] | None = None
        """Outlives this process by as long as it takes to leave nothing behind, also when this one is killed."""
        super().__init__(
            name,
            self._prefix,
            python=settings.python,
            environment=settings.environment,
            far_shell=True,
            install=installs(settings),
            patience=patience,
        )

    def _turn(self) -> AbstractContextManager[object]:
        return _LOGINS

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._keeper is None:
            leave = (*self._prefix[:-2], "-O", "exit", *self._prefix[-2:])
            self._keeper = subprocess.Popen(
                ["sh", "-c", _LEAVES, "sh", str(self._folder), *leave],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interruption at the terminal is not for it
            )

    def close(self) -> None:
        """End the probe, then the connection, and whatever of it is on this host."""
        super().close()
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        if keeper.stdin is not None:
            keeper.stdin.close()
        try:
            keeper.wait(CONNECT_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
