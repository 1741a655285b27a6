"""The kernel's side of a lab: namespaces, links, addresses, rulesets. Runs inside the lab's own namespaces."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from brokerproof.lab.errors import LabError
from brokerproof.lab.network.blueprint import Link, Namespace
from brokerproof.lab.network.difference import Difference, NamespaceChange

T = TypeVar("T")

NETNS_DIR = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_COMMAND_TIMEOUT_S = 30

_SYSCTLS = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/tcp_fwmark_accept": "1",  # an NLB's proxy answers by the zone it was asked in
    "net/ipv4/fwmark_reflect": "1",  # and so does its reset
    "net/ipv6/fwmark_reflect": "1",
    "net/ipv4/conf/all/accept_local": "1",
    # Windows for 60 ms at 1 Gbit/s and more; the sender's usual limit of 4 MiB is half of that.
    "net/ipv4/tcp_rmem": "4096 131072 33554432",
    "net/ipv4/tcp_wmem": "4096 16384 33554432",
}
_SYN_SENT = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent"
_HALF_OPEN_S = 2
"""After which a NAT forgets a SYN without answer, instead of 120 s: a SYN from the same port would be sent where the
rules of back then had it, and a probe's next ports are near its last."""
_DOOMED = 99
"""The interface group of links about to be removed."""


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


class Links(Protocol):
    """What makes and removes links; some are more than a pair of interfaces."""

    def add(self, links: Iterable[Link]) -> None:
        """Make these."""

    def remove(self, links: Iterable[Link]) -> None:
        """Remove these; their namespaces stay."""


def change(steps: Difference, links: Links) -> None:
    """Carry out a difference: remove, add, then settle what stays; several namespaces at a time.

    Raises:
        LabError: a step failed; what it was part of is then half done.
    """
    links.remove(steps.links_removed)
    # One process for all of them: removing and adding a namespace takes less than starting `ip`.
    _batch([f"netns delete {name}" for name in steps.namespaces_removed])
    _batch([f"netns add {n.name}" for n in steps.namespaces_added])
    links.add(steps.links_added)
    _each(_configure, steps.namespaces_added)
    _each(_alter, steps.namespaces_changed)


def add_links(links: Iterable[Link]) -> None:
    """Make plain pairs of interfaces."""
    _batch(
        f"link add {link.interface} netns {link.namespace} type veth"
        f" peer name {link.peer_interface} netns {link.peer_namespace}"
        for link in links
    )


def remove_links(links: Iterable[Link]) -> None:
    """Remove links by one end each, those of one namespace at once: one at a time, the kernel waits for each."""
    ends: dict[str, list[str]] = {}
    for link in links:
        ends.setdefault(link.namespace, []).append(link.interface)
    for namespace, interfaces in ends.items():
        lines = [f"link set {interface} group {_DOOMED}" for interface in interfaces]
        _ip(namespace, [*lines, f"link delete group {_DOOMED}"])


def _fed(lines: Iterable[str]) -> str:
    """Lines for ``ip -batch``.

    Raises:
        LabError: one would be several.
    """
    lines = tuple(lines)
    for line in lines:
        if not line.isprintable():
            raise LabError(f"{line!a} cannot be a line for `ip -batch`: it has control characters")
    return "".join(f"{line}\n" for line in lines)


def _batch(lines: Iterable[str]) -> None:
    feed = _fed(lines)
    if feed:
        run(["ip", "-batch", "-"], feed=feed)


def _each(work: Callable[[T], None], namespaces: Sequence[T]) -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in pool.map(work, namespaces):
            pass


def _configure(namespace: Namespace) -> None:
    _set(namespace)
    _ip(namespace.name, ["link set lo up", *namespace.ip_lines, *namespace.routing])
    if namespace.ruleset:
        _filter(namespace)


def _alter(altered: NamespaceChange) -> None:
    namespace = altered.namespace
    if altered.settings:
        _set(namespace)
    if altered.undone:
        _ip(namespace.name, altered.undone, force=True)
    if altered.run:
        _ip(namespace.name, altered.run)
    if altered.ruleset:
        _filter(namespace)


def _set(namespace: Namespace) -> None:
    forward = {"net/ipv4/ip_forward": "1", "net/ipv4/conf/all/send_redirects": "0"} if namespace.forwards else {}
    settings = {"net/ipv4/ip_forward": "0", **_SYSCTLS, **forward, **_ipv6_settings(namespace)}
    script = "; ".join(f"echo {value} > /proc/sys/{key}" for key, value in settings.items())
    run(inside(namespace.name, "sh", "-ec", script))


def _ipv6_settings(namespace: Namespace) -> dict[str, str]:
    if not namespace.ipv6:
        return {}
    if not Path("/proc/sys/net/ipv6").exists():
        raise LabError("this kernel has IPv6 turned off, which this topology needs; build it without --dual-stack")
    forward = {"net/ipv6/conf/all/forwarding": "1"} if namespace.forwards else {}
    return {f"net/ipv6/conf/{which}/disable_ipv6": "0" for which in ("all", "default")} | forward


def _ip(namespace: str, lines: Sequence[str], *, force: bool = False) -> None:
    """Run ``ip -batch`` lines; those that begin with ``-6`` afterwards, by the command's IPv6 side."""
    for family in ([], ["-6"]):
        mine = [line.removeprefix("-6 ") for line in lines if line.startswith("-6 ") is bool(family)]
        if not mine:
            continue
        command = ["ip", *family, "-n", namespace, *(["-force"] if force else []), "-batch", "-"]
        feed = _fed(mine)
        if force:
            subprocess.run(command, input=feed, capture_output=True, text=True, check=False, timeout=_COMMAND_TIMEOUT_S)
        else:
            run(command, feed=feed)


def _filter(namespace: Namespace) -> None:
    script = "nft -f -"
    if "type nat" in namespace.ruleset:
        # Before Linux 5.7 only root of the first user namespace has this setting.
        script += f"; if [ -w {_SYN_SENT} ]; then echo {_HALF_OPEN_S} > {_SYN_SENT}; fi"
    try:
        run(inside(namespace.name, "sh", "-ec", script), feed=namespace.ruleset or "flush ruleset\n")
    except LabError as error:
        raise LabError(f"{error}\nin namespace {namespace.name}, ruleset:\n{namespace.ruleset}") from None
