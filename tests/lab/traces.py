"""What labs started by one test process leave on this machine, told apart from other labs by a mark."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from brokerproof.lab.life.lab_socket import running_labs

MARK = f"brokerproof-test-{os.getpid()}"
"""In the environment of everything these tests start, so that other labs of this machine do not count."""


def traces() -> set[str]:
    """Everything a lab of these tests could leave on this machine: processes, sockets, mounts, files."""
    found = {f"socket {name}" for name in running_labs() if str(os.getpid()) in name}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            with suppress(OSError):
                if MARK.encode() in (entry / "environ").read_bytes():
                    found.add(f"process {entry.name} {(entry / 'cmdline').read_bytes()[:80]!r}")
    found |= {f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if "brokerproof" in line}
    for directory in (Path("/run"), Path("/run/netns"), Path("/tmp"), Path("/dev/shm")):
        if directory.is_dir():
            found |= {f"file {p}" for p in directory.iterdir() if "brokerproof" in p.name or directory.name == "netns"}
    return found
