"""Debian's own sshd, with keys of its own: in a process for each connection, or listening on loopback."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from brokerproof.topology.models import ClientVantage, VantageKind

SSHD: Final = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
needs_sshd = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None, reason="needs Debian's openssh-server and openssh-client"
)
_SEPARATION: Final = Path("/run/sshd")
"""Where a sshd of root's wants an empty folder; its package makes it when the service starts."""


class SshHost:
    """A host called ``far``: its keys, its configuration, and the client's that leads there."""

    def __init__(self, folder: Path, prefix: Sequence[str] = ()) -> None:
        self.folder = folder
        for name in ("host_key", "user_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        (folder / "authorized").write_text((folder / "user_key.pub").read_text())
        self.server = folder / "sshd_config"
        self.server.write_text(
            f"HostKey {folder / 'host_key'}\nAuthorizedKeysFile {folder / 'authorized'}\nPidFile none\nUsePAM no\n"
            "StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nListenAddress 127.0.0.1\n"
        )
        key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        self.known = folder / "known_hosts"
        self.known.write_text(f"far {key}\n[127.0.0.1]:* {key}\ninner {key}\n")
        inetd = shlex.join([*prefix, str(SSHD), "-i", "-f", str(self.server), "-E", str(folder / "sshd.log")])
        self.client = folder / "ssh_config"
        self.client.write_text(
            f"UserKnownHostsFile {self.known}\nGlobalKnownHostsFile /dev/null\nIdentityFile {folder / 'user_key'}\n"
            f"IdentitiesOnly yes\nHost far\n  ProxyCommand {inetd}\n"
        )

    def vantage(self, **more: object) -> ClientVantage:
        """A client there, with a cache of its own."""
        settings: dict[str, object] = {
            "kind": VantageKind.SSH,
            "host": "far",
            "user": getpass.getuser(),
            "config_file": str(self.client),
            "python": sys.executable,
            "environment": {"XDG_CACHE_HOME": str(self.folder / "far_cache")},
            "probe": "install",
        }
        return ClientVantage.model_validate(settings | more)


@contextmanager
def separation() -> Iterator[None]:
    """The folder that a sshd of root's wants, where it is not there."""
    made = os.geteuid() == 0 and not _SEPARATION.exists()
    if made:
        _SEPARATION.mkdir(mode=0o755)
    try:
        yield
    finally:
        if made:
            _SEPARATION.rmdir()


@contextmanager
def listening(host: SshHost) -> Iterator[int]:
    """The same sshd at a port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(SSHD), "-D", "-e", "-f", str(host.server), "-p", str(port)]
    with (host.folder / "sshd.listening").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 20
            while "listening" not in (host.folder / "sshd.listening").read_text():
                assert process.poll() is None, (host.folder / "sshd.listening").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait()
