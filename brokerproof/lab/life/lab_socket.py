"""The abstract Unix socket a running lab is known by, and whether the process that holds it is this user's.

Any user of the machine may bind an abstract name (unix(7)), also one with another user's number in it. Commands are run
as whoever attaches, in the namespaces of the process that answers, so a name alone proves nothing: the kernel says who
listens (SO_PEERCRED), as the user is known in this process's user namespace.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from brokerproof.lab.errors import LabError

_CREDENTIALS: Final = struct.Struct("iII")
"""``struct ucred``: process, user and group, seen from here."""
_LISTED_S: Final = 1.0
"""How long a lab may take to accept, to be listed: it does at once."""


class Holder(NamedTuple):
    """The process that listens at a lab's name."""

    pid: int
    """0 where it cannot be seen from this PID namespace."""
    uid: int


def socket_name(name: str) -> str:
    """The address of this user's lab of that name."""
    return f"\0brokerproof/{os.getuid()}/{name}"


def holder_of(connection: socket.socket) -> Holder:
    """Who listens at the other end of a connected socket, as of its call of listen(2)."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Holder(pid, uid)


def connect(name: str, *, timeout_s: float) -> tuple[socket.socket, int]:
    """A connection to this user's lab of that name, and the lab's process id.

    Raises:
        OSError: nobody listens there.
        LabError: somebody else does.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(socket_name(name))
        holder = holder_of(connection)
        _require_ours(name, holder)
    except BaseException:
        connection.close()
        raise
    return connection, holder.pid


def _require_ours(name: str, holder: Holder) -> None:
    if holder.uid != os.geteuid():
        raise LabError(
            f"the name of lab {name!r} is held by process {holder.pid} of {_user(holder.uid)}, not by a lab of "
            f"{_user(os.geteuid())}; nothing was asked of it or run in it. End it, or choose another --name"
        )
    if holder.pid <= 0:
        raise LabError(
            f"lab {name!r} runs in a PID namespace that cannot be seen from here; attach to it where it was started"
        )


def running_labs() -> tuple[str, ...]:
    """Names of this user's labs on this machine: those that a process of this user listens at."""
    prefix = f"@brokerproof/{os.getuid()}/"
    names = {path.removeprefix(prefix) for path in _bound() if path.startswith(prefix)}
    return tuple(sorted(filter(_ours, names)))


def users_with(name: str) -> tuple[str, ...]:
    """Other users in whose numbers a lab of that name is bound, in words."""
    found = set()
    for path in _bound():
        match path.split("/", 2):
            case ["@brokerproof", number, bound] if bound == name and number.isdecimal() and int(number) != os.getuid():
                found.add(int(number))
    return tuple(_user(uid) for uid in sorted(found))


def _bound() -> set[str]:
    """Every Unix socket address of this network namespace (proc(5), /proc/net/unix)."""
    lines = (line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text(errors="replace").splitlines())
    return {columns[7] for columns in lines if len(columns) > 7}  # noqa: PLR2004 - the Path column


def _ours(name: str) -> bool:
    with suppress(OSError, LabError):
        connect(name, timeout_s=_LISTED_S)[0].close()
        return True
    return False


def _user(uid: int) -> str:
    with suppress(KeyError):
        return f"user {pwd.getpwuid(uid).pw_name}"
    return f"user {uid}"
