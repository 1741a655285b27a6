"""The kernel's side of a lab: namespaces, links, addresses, rulesets. Runs inside the lab's own namespaces."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lab.blueprint import Blueprint, Namespace
from lab.errors import LabError

T = TypeVar("T")

NETNS_DIR = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_COMMAND_TIMEOUT_S = 30

_SYSCTLS = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/accept_local": "1",
}
_FORWARD = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/send_redirects": "0"}


def run(command: Sequence[str], *, feed: str = "") -> str:
    """Run a short command of the lab's own.

    Raises:
        LabError: it failed; the text has the command, its words, and the line it was fed.
    """
    try:
        done = subprocess.run(
            command, input=feed, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed; run `make setup`") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(command)} did not end within {_COMMAND_TIMEOUT_S} s") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(command)} failed ({done.returncode}): {words}")
    return done.stdout


def inside(namespace: str, *command: str) -> list[str]:
    """The command, run in a network namespace of the lab."""
    return ["nsenter", f"--net={NETNS_DIR / namespace}", "--", *command]


def in_namespace(namespace: str, work: Callable[[], T]) -> T:
    """Call ``work`` in a thread of its own that has entered the namespace; sockets it opens stay there."""
    result: list[T] = []
    failure: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = os.open(NETNS_DIR / namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            finally:
                os.close(descriptor)
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=enter_and_work, name=f"in-{namespace}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def build(blueprint: Blueprint) -> None:
    """Make every namespace and link, then address and filter them, several at a time."""
    lines = [f"netns add {n.name}" for n in blueprint.namespaces]
    lines += [
        f"link add {link.interface} netns {link.namespace} type veth"
        f" peer name {link.peer_interface} netns {link.peer_namespace}"
        for link in blueprint.links
    ]
    run(["ip", "-batch", "-"], feed="\n".join(lines) + "\n")
    _each(_configure, blueprint.namespaces)


def filter_packets(namespaces: Iterable[Namespace]) -> None:
    """Replace the rulesets of these namespaces, each in one transaction."""
    _each(_filter, [n for n in namespaces if n.ruleset])


def _each(work: Callable[[Namespace], None], namespaces: Sequence[Namespace]) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in pool.map(work, namespaces):
            pass


def _configure(namespace: Namespace) -> None:
    settings = {**_SYSCTLS, **(_FORWARD if namespace.forwards else {})}
    script = "; ".join(f"echo {value} > /proc/sys/{key}" for key, value in settings.items())
    run(inside(namespace.name, "sh", "-ec", script))
    _ip(namespace, ["link set lo up", *namespace.ip_lines, *namespace.routing])
    if namespace.ruleset:
        _filter(namespace)


def route_packets(namespaces: Iterable[Namespace]) -> None:
    """Replace what these namespaces route by: their rules, and the tables that the rules lead to."""
    for namespace in namespaces:
        # A table that was never filled cannot be flushed, which is as good.
        flush = [f"route flush table {number}" for number in namespace.tables]
        lines = ["rule flush", "rule add pref 32766 lookup main", *flush]
        _ip(namespace, lines, force=True)
        _ip(namespace, namespace.routing)


def _ip(namespace: Namespace, lines: Sequence[str], *, force: bool = False) -> None:
    command = ["ip", "-n", namespace.name, *(["-force"] if force else []), "-batch", "-"]
    feed = "\n".join(lines) + "\n"
    if force:
        subprocess.run(command, input=feed, capture_output=True, text=True, check=False, timeout=_COMMAND_TIMEOUT_S)
    else:
        run(command, feed=feed)


def _filter(namespace: Namespace) -> None:
    try:
        run(inside(namespace.name, "nft", "-f", "-"), feed=namespace.ruleset)
    except LabError as error:
        raise LabError(f"{error}\nin namespace {namespace.name}, ruleset:\n{namespace.ruleset}") from None
