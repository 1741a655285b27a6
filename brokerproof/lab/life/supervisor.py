"""The lab's first process: PID 1 of its own namespaces. It builds, changes and ends the lab.

Everything in the lab is its descendant or lives in its namespaces, so when it goes, by whatever
means, nothing is left. It ends when its owner's connection closes, unless it was detached.
Started by :mod:`brokerproof.lab.life.handle`; it is of no use on its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.lab.daemons.kafka_config import UNBOUND
from brokerproof.lab.daemons.processes import Daemons
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import kernel
from brokerproof.lab.network.blueprint import Blueprint, Namespace, compile_topology
from brokerproof.lab.network.difference import difference, from_nothing
from brokerproof.lab.network.distance import Distance, distance_text
from brokerproof.topology.models import Topology

_OWNER_BYTES = 1 << 26
"""A request is one line; a topology of 60 brokers is far below this bound."""

_ENTER = """\
#!/bin/sh
# usage: enter NAMESPACE DIRECTORY COMMAND...   Runs a command on a client host of the lab.
namespace=$1 directory=$2
shift 2
exec nsenter --net="/run/netns/$namespace" -- unshare --mount --propagation private -- \\
  sh -c 'mount --bind "/run/brokerproof/resolv/$0" /etc/resolv.conf \\
    && mount --bind "/run/brokerproof/hosts/$0" /etc/hosts && cd "$1" && shift && exec "$@"' \\
  "$namespace" "$directory" "$@"
"""

Answer = Callable[[dict[str, Any]], None]


def mount_private_run() -> None:
    """Give the lab a /run of its own, and a resolv.conf that sends nothing anywhere.

    Raises:
        LabError: this machine does not let the lab mount.
    """
    kernel.run(["mount", "--make-rprivate", "/"])
    resolv = Path("/etc/resolv.conf").resolve()
    kernel.run(["mount", "-t", "tmpfs", "-o", "mode=755", "brokerproof", "/run"])
    for directory in ("tls", "kafka", "unbound", "log", "resolv", "hosts", "tmp"):
        Path(STATE_DIR, directory).mkdir(parents=True)
    kernel.NETNS_DIR.mkdir()
    if resolv.is_relative_to("/run"):  # systemd-resolved keeps the real file below /run
        resolv.parent.mkdir(parents=True, exist_ok=True)
        resolv.touch()
    elif not resolv.is_file():
        raise LabError(f"/etc/resolv.conf leads to {resolv}, which is not there; make it a file")
    nowhere = Path(STATE_DIR, "resolv", "nowhere")
    nowhere.write_text("nameserver 127.0.0.1\n")
    kernel.run(["mount", "--bind", str(nowhere), "/etc/resolv.conf"])
    unbound = shutil.which("unbound")
    if unbound is None:
        raise LabError("unbound is not installed; run `make setup`")
    # Debian's AppArmor profile binds /usr/sbin/unbound to /etc/unbound; a copy has no profile.
    shutil.copy(unbound, UNBOUND)
    enter = Path(STATE_DIR, "enter")
    enter.write_text(_ENTER)
    enter.chmod(0o755)


class Supervisor:
    """One lab's state and the requests that change it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._changing = threading.Lock()
        self._topology: Topology | None = None
        self._intended: Topology | None = None
        self._unknown = ""
        """Why the state of the lab is unknown; empty while it is as its topology describes."""
        self._blueprint: Blueprint | None = None
        self._daemons: Daemons | None = None
        self._distance = Distance()
        self._started = time.monotonic()
        self.detached = False

    def handle(self, request: dict[str, Any], answer: Answer) -> None:
        """Carry out one request; every request ends in exactly one ``done`` or ``error``."""
        try:
            match request.get("op"):
                case "build":
                    with self._changing:
                        self._build(request, answer)
                case "apply":
                    with self._changing:
                        self._apply(request, answer)
                case "restart":
                    with self._changing:
                        self._restart(request, answer)
                case "status":
                    answer({"done": self._status()})
                case "detach":
                    self.detached = True
                    answer({"done": {}})
                case "stop":
                    answer({"done": {}})
                    os._exit(0)
                case other:
                    answer({"error": f"unknown request {other!r}: this lab was started by another version"})
        except LabError as error:
            answer({"error": str(error)})
        except Exception as error:  # noqa: BLE001 - the owner must hear of it, whatever it is
            answer({"error": f"{type(error).__name__}: {error}"})

    def _build(self, request: dict[str, Any], answer: Answer) -> None:
        if self._blueprint is not None:
            raise LabError("this lab is already built")
        topology = Topology.model_validate(request["topology"])
        blueprint = compile_topology(topology)
        mount_private_run()
        for namespace in blueprint.namespaces:
            if namespace.resolver:
                _write_lookups(namespace)
        kernel.run(["ip", "link", "set", "lo", "up"])
        daemons = Daemons(java=request["java"], jvm=request["jvm"])
        answer({"progress": f"networks: {len(blueprint.namespaces)} namespaces, {len(blueprint.links)} links"})
        # Brokers take seconds and need only their addresses, so they start before the rest is filtered.
        daemons.write_certificates(blueprint.certificates)
        daemons.issued.issue_identities(blueprint.client_identities)
        daemons.issued.set_iam(blueprint.iam)
        kernel.change(from_nothing(blueprint), self._distance)
        answer({"progress": f"distance: {distance_text(self._distance.status())}"})
        answer({"progress": f"brokers: starting {len(blueprint.brokers)} Kafka {blueprint.kafka_version}"})
        daemons.start_brokers([b for b in blueprint.brokers if b.running])
        answer({"progress": f"resolvers: {len(blueprint.resolvers)}"})
        daemons.resolvers.set(blueprint.resolvers)
        daemons.witnesses.set(blueprint.witnesses)
        daemons.set_sts(blueprint.sts)
        daemons.set_proxies(blueprint.proxies)
        daemons.set_strangers(blueprint.strangers)
        daemons.wait_for_brokers([b for b in blueprint.brokers if b.running], lambda text: answer({"progress": text}))
        self._topology, self._blueprint, self._daemons = topology, blueprint, daemons
        self._intended = topology
        daemons.set_acls(blueprint.acls)
        daemons.set_scram_users(blueprint.scram_users)
        answer({"progress": "brokers: warming up"})
        daemons.warm_up()
        daemons.await_parted(blueprint.brokers)
        daemons.freeze(blueprint.brokers)
        answer({"done": self._status()})

    def _built(self) -> tuple[Blueprint, Daemons]:
        if self._blueprint is None or self._daemons is None:
            raise LabError("this lab is not built yet")
        if self._unknown:
            raise LabError(self._unknown)
        return self._blueprint, self._daemons

    def _restart(self, request: dict[str, Any], answer: Answer) -> None:
        _, daemons = self._built()
        broker = str(request["broker"])
        running = daemons.broker_pids()
        if broker not in running:
            raise LabError(f"no broker {broker!r} runs in this lab; there are: {', '.join(running)}")
        with self._half_way(f"restart of broker {broker}"):
            daemons.restart(broker, lambda text: answer({"progress": text}))
        answer({"done": self._status()})

    @contextmanager
    def _half_way(self, change: str) -> Iterator[None]:
        """Until the change is whole, the state of the lab is unknown, and stays so where it fails."""
        self._unknown = "the lab is in the middle of a change"
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the lab is half changed
            words = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            self._unknown = (
                f"a change of this lab failed half-way, so its state is unknown; end it and start a new one. "
                f"The {change} failed: {words}"
            )
            raise LabError(self._unknown) from None
        self._unknown = ""

    def _apply(self, request: dict[str, Any], answer: Answer) -> None:
        old, daemons = self._built()
        topology = Topology.model_validate(request["topology"])
        new = compile_topology(topology, old)
        if old.kafka_version != new.kafka_version:
            raise LabError(f"this lab runs Kafka {old.kafka_version}; Kafka {new.kafka_version} needs a new lab")
        with self._half_way(f"change to {topology.name}"):
            _carry_out(old, new, daemons, self._distance, lambda text: answer({"progress": text}))
        self._topology, self._blueprint = topology, new
        if request.get("intended"):
            self._intended = topology
        answer({"done": self._status()})

    def _status(self) -> dict[str, Any]:
        blueprint, daemons, topology, intended = self._blueprint, self._daemons, self._topology, self._intended
        if blueprint is None or daemons is None or topology is None or intended is None:
            return {"name": self.name, "built": False, "uptime_s": self._uptime()}
        return {
            "name": self.name,
            "built": True,
            "unknown": self._unknown,
            "uptime_s": self._uptime(),
            "detached": self.detached,
            "topology": topology.model_dump(mode="json"),
            "intended": intended.model_dump(mode="json"),
            "kafka_version": blueprint.kafka_version,
            "clients": dict(blueprint.clients),
            "brokers": daemons.broker_states(),
            "broker_pids": daemons.broker_pids(),
            "distance": self._distance.status(),
            "resolvers": [{"vpc_id": r.vpc_id, "address": r.address} for r in blueprint.resolvers],
        }

    def _uptime(self) -> float:
        return round(time.monotonic() - self._started, 1)


def _write_lookups(namespace: Namespace) -> None:
    """What client hosts have as /etc/resolv.conf and /etc/hosts."""
    Path(STATE_DIR, "hosts", namespace.name).write_text("\n".join(["127.0.0.1 localhost", *namespace.hosts, ""]))
    lines = [*(f"nameserver {address}" for address in namespace.resolver.split()), "options timeout:2 attempts:2"]
    Path(STATE_DIR, "resolv", namespace.name).write_text("".join(f"{line}\n" for line in lines))


def _carry_out(
    old: Blueprint, new: Blueprint, daemons: Daemons, distance: Distance, progress: Callable[[str], None]
) -> None:
    """End what has no place in the new network, change the network, then set what runs in it.

    Raises:
        LabError: a step failed; nothing is undone.
    """
    steps = difference(old, new)
    daemons.thaw()
    daemons.part(new.brokers)
    anew = daemons.forget_clusters(new)
    daemons.resolvers.end(new.resolvers)
    daemons.witnesses.close(new.witnesses)
    daemons.set_proxies([p for p in old.proxies if p in new.proxies])
    daemons.set_strangers([s for s in old.strangers if s in new.strangers])
    if steps:
        progress(steps.words())
    distance.keep(new.links)
    kernel.change(steps, distance)
    distance.reshape(new.links)
    for namespace in (*steps.namespaces_added, *(c.namespace for c in steps.namespaces_changed)):
        if namespace.resolver:
            _write_lookups(namespace)
    daemons.resolvers.set(new.resolvers)
    daemons.witnesses.set(new.witnesses)
    daemons.set_sts(new.sts)
    daemons.set_proxies(new.proxies)
    daemons.set_strangers(new.strangers)
    changed = [c for c in new.certificates if c not in old.certificates or c.cluster_name in anew]
    written = daemons.write_certificates(changed)
    daemons.issued.issue_identities(new.client_identities)
    daemons.issued.set_iam(new.iam)
    daemons.set_brokers(new.brokers, progress)
    daemons.present_certificates(written)
    daemons.set_acls(new.acls)
    daemons.set_scram_users(new.scram_users)
    # Last: without a majority of controllers nothing more can be set.
    daemons.await_parted(new.brokers)
    daemons.stop_brokers(new.brokers)
    daemons.freeze(new.brokers)


def _serve(connection: socket.socket, supervisor: Supervisor) -> None:
    """Answer one connection's requests until it closes."""
    write_lock = threading.Lock()

    def answer(message: dict[str, Any]) -> None:
        with write_lock:
            try:
                connection.sendall(json.dumps(message).encode() + b"\n")
            except OSError:
                return  # the other side went away; what was asked is still carried out

    with connection, connection.makefile("rb") as lines:
        while line := lines.readline(_OWNER_BYTES):
            try:
                request = json.loads(line)
            except ValueError:
                answer({"error": "the request is not JSON"})
                return
            # A thread of its own, so that the owner's going is seen at once, also in mid-build.
            threading.Thread(target=supervisor.handle, args=(request, answer), daemon=True).start()


def _serve_owner(connection: socket.socket, supervisor: Supervisor) -> None:
    try:
        _serve(connection, supervisor)
    finally:
        if not supervisor.detached:
            os._exit(0)


def _accept(listener: socket.socket, supervisor: Supervisor) -> None:
    listener.listen(16)
    while True:
        connection, _ = listener.accept()
        # SO_PEERCRED, seen from here: this user is 0, everybody else is not.
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if int.from_bytes(credentials[4:8], sys.byteorder) != 0:
            connection.close()
            continue
        threading.Thread(target=_serve, args=(connection, supervisor), daemon=True).start()


def main(arguments: list[str]) -> None:
    """``supervisor NAME OWNER_FD LISTENER_FD``."""
    name, owner_fd, listener_fd = arguments[0], int(arguments[1]), int(arguments[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    supervisor = Supervisor(name)
    owner = socket.socket(fileno=owner_fd)
    threading.Thread(target=_serve_owner, args=(owner, supervisor), daemon=True).start()
    _accept(socket.socket(fileno=listener_fd), supervisor)


if __name__ == "__main__":
    main(sys.argv[1:])
