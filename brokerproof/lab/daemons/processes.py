"""The processes of a lab: brokers, the certificates they read, and what stands beside them. Runs as its PID 1."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from brokerproof.lab.daemons import broker_calls, quorum
from brokerproof.lab.daemons.issued import Issued
from brokerproof.lab.daemons.kafka_config import (
    HEARTBEAT_MS,
    IAM_STATE,
    certificate_path,
    data_dir,
    properties_text,
)
from brokerproof.lab.daemons.logs import log_of, tail
from brokerproof.lab.daemons.resolvers import Resolvers
from brokerproof.lab.daemons.sts import Sts
from brokerproof.lab.daemons.told import Told
from brokerproof.lab.daemons.waiting import wait_until
from brokerproof.lab.daemons.witnesses import Witnesses
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import kernel
from brokerproof.lab.network.blueprint import (
    Blueprint,
    BrokerProcess,
    Certificate,
    Proxy,
    StrangerProcess,
)
from brokerproof.topology.models import KafkaAcl, ScramUser

BROKER_START_S = 90
ANNOUNCED_S = 0.4
"""Within which a controller has heard that a broker is shutting down."""
ELECTION_S = 20
ORDERLY_S = 30
"""Within which a broker that is told to end has handed its leaders over."""
IN_SYNC_S = 60
SETTLED_S = 2 * HEARTBEAT_MS / 1000
"""For which a broker must be listed to be back: a heartbeat of its own, and one in which others hear of it."""
STARTED = "Kafka Server started"
"""What KafkaRaftServer logs once the broker is registered and unfenced."""

Progress = Callable[[str], None]


class Daemons:
    """Every process the lab runs, by what it is."""

    def __init__(self, *, java: str, jvm: Sequence[str]) -> None:
        self._java = java
        self._jvm = tuple(jvm)
        self._brokers: dict[str, tuple[BrokerProcess, subprocess.Popen[bytes]]] = {}
        self._stopped: dict[str, BrokerProcess] = {}
        self._frozen: set[str] = set()
        self._thawed: set[str] = set()
        """Those that move again, and may still be taken for dead."""
        self._cut_off: set[str] = set()
        self.resolvers = Resolvers()
        self.witnesses = Witnesses()
        self._proxies: Told[Proxy] = Told("proxy")
        self._strangers: Told[StrangerProcess] = Told("stranger")
        self._sts: dict[str, Sts] = {}
        self.issued = Issued()
        self._scram_users: dict[str, tuple[ScramUser, ...]] = {}
        """By cluster, as its brokers know them."""
        self._cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def write_certificates(self, certificates: Iterable[Certificate]) -> dict[tuple[str, str], str]:
        """Write a key and chain for each of these; gives path by cluster and listener."""
        return self.issued.write(certificates, {broker.cluster_name for broker in self._known()})

    def present_certificates(self, paths: Mapping[tuple[str, str], str]) -> None:
        """Have running brokers present other certificates, by dynamic configuration (KIP-226, KIP-978).

        Raises:
            LabError: a broker refuses.
        """
        for (cluster_name, listener), path in paths.items():
            running = [b for b, _ in self._brokers.values() if b.cluster_name == cluster_name]
            if running and path != certificate_path(cluster_name, listener):  # which brokers start with
                change = partial(broker_calls.set_keystore, running, listener, path)
                kernel.in_namespace(running[0].namespace, change)

    def set_sts(self, namespaces: Sequence[str]) -> None:
        """Have STS answer in these, and in no other."""
        for namespace in [each for each in self._sts if each not in namespaces]:
            self._sts.pop(namespace).end()
        for namespace in namespaces:
            if namespace not in self._sts:
                self._sts[namespace] = kernel.in_namespace(namespace, partial(Sts, Path(IAM_STATE)))

    # brokers

    def start_brokers(self, brokers: Sequence[BrokerProcess]) -> None:
        """Start these brokers; :meth:`wait_for_brokers` returns when they serve."""
        for broker in brokers:
            self._brokers[broker.key] = (broker, self._start(broker))
            self._stopped.pop(broker.key, None)

    def _start(self, broker: BrokerProcess) -> subprocess.Popen[bytes]:
        data = Path(data_dir(broker.cluster_name, broker.broker_id))
        data.mkdir(parents=True, exist_ok=True)
        meta = data / "meta.properties"
        if not meta.exists():
            # What StorageTool would write, without three more JVM starts.
            directory_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").lstrip("-_") or "A"
            meta.write_text(
                f"version=1\ncluster.id={self._cluster_id}\nnode.id={broker.broker_id}\n"
                f"directory.id={directory_id.ljust(22, 'A')}\n"
            )
        configuration = data.parent / f"{broker.key}.properties"
        configuration.write_text(properties_text(broker.properties), encoding="ascii")
        with log_of(broker.key).open("wb") as log:
            return subprocess.Popen(
                kernel.inside(broker.namespace, self._java, *self._jvm, "kafka.Kafka", str(configuration)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
            )

    def wait_for_brokers(self, brokers: Sequence[BrokerProcess], progress: Progress) -> None:
        """Wait until every one of these serves.

        Raises:
            LabError: one ended or did not come up in time; with the tail of its log.
        """
        waiting = {b.key: self._brokers[b.key][1] for b in brokers}
        deadline = time.monotonic() + BROKER_START_S
        while waiting:
            for key, process in list(waiting.items()):
                text = log_of(key).read_text(errors="replace")
                if STARTED in text:
                    del waiting[key]
                    progress(f"brokers: {key} is up, {len(waiting)} to go")
                elif process.poll() is not None:
                    raise LabError(f"broker {key} ended ({process.returncode}) while starting:\n{tail(text)}")
                elif time.monotonic() > deadline:
                    raise LabError(f"broker {key} did not start within {BROKER_START_S} s:\n{tail(text)}")
            time.sleep(0.02)

    def warm_up(self) -> None:
        """Have brokers do what any cluster in use has done: handshakes, and, not waited for, the offsets topic."""
        running = [b for b, _ in self._brokers.values()]
        if running:
            inside = partial(kernel.in_namespace, running[0].namespace)
            offsets = partial(inside, partial(broker_calls.make_offsets_topic, running))
            threading.Thread(target=offsets, daemon=True).start()
            inside(partial(broker_calls.warm, running))

    def forget_clusters(self, new: Blueprint) -> set[str]:
        """End the brokers of clusters that go, lose a broker or get other controllers, and drop what they stored.

        Gives the names of those clusters. Replicas on a broker that is gone, and a quorum of other voters,
        cannot be carried over.
        """
        keys = {b.key for b in new.brokers}
        voters = {b.cluster_name: b.voters for b in new.brokers}
        known = self._known()
        gone = {b.cluster_name for b in known if b.key not in keys or voters.get(b.cluster_name) != b.voters}
        for broker in [b for b in known if b.cluster_name in gone]:
            if broker.key in self._brokers:
                self._stop(broker.key)
            del self._stopped[broker.key]
            shutil.rmtree(data_dir(broker.cluster_name, broker.broker_id))
            self._scram_users.pop(broker.cluster_name, None)
        return gone

    def _known(self) -> list[BrokerProcess]:
        """Brokers that run or did, as they were started."""
        return [*(b for b, _ in self._brokers.values()), *self._stopped.values()]

    def set_brokers(self, brokers: Sequence[BrokerProcess], progress: Progress) -> None:
        """Start or restart those that are to run, until they do as asked."""
        start = [b for b in brokers if b.running and not self._is_same(b)]
        again = [b.key for b in start if b.key in self._brokers]
        self._announce_restart(again)
        for key in again:
            progress(f"brokers: stopping {key}")
            self._stop(key)
        if start:
            progress(f"brokers: starting {', '.join(b.key for b in start)}")
            self.start_brokers(start)
            self.wait_for_brokers(start, progress)
            for broker in start:
                # To itself, so that no group or route of a fault is in the way.
                kernel.in_namespace(broker.namespace, partial(broker_calls.shake_hands, broker))

    def restart(self, key: str, progress: Progress) -> None:
        """End a broker as an operator does, start it again, and wait until all replicas are in sync.

        Raises:
            LabError: it does not come back.
        """
        broker, process = self._brokers[key]
        progress(f"brokers: stopping {key}")
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(ORDERLY_S)
        self._stop(key)
        self.set_brokers([broker], progress)
        wait_until(
            partial(kernel.in_namespace, broker.namespace, partial(broker_calls.all_in_sync, broker)),
            within_s=IN_SYNC_S,
            otherwise=lambda: f"broker {key} is back, and not all replicas are in sync after {IN_SYNC_S} s",
        )

    def stop_brokers(self, brokers: Sequence[BrokerProcess]) -> None:
        """End those that are not to run."""
        for broker in brokers:
            if not broker.running and broker.key in self._brokers:
                self._stop(broker.key)

    def _is_same(self, broker: BrokerProcess) -> bool:
        """Whether it runs as asked."""
        running = self._brokers.get(broker.key)
        return running is not None and running[0].properties == broker.properties

    def _announce_restart(self, keys: Sequence[str]) -> None:
        """Let brokers tell their controller that they are about to end, so that they can come back at once.

        A controller takes no second registration of a broker while the first one's session lasts, unless it is
        shutting down (ClusterControlManager.registerBroker). It hears so with the next heartbeat; the orderly end
        itself is not waited for, because it needs a majority of controllers, which may be ending as well.
        """
        for key in keys:
            self._brokers[key][1].send_signal(signal.SIGTERM)
        if keys:
            time.sleep(ANNOUNCED_S)

    def _stop(self, key: str) -> None:
        """End a broker as a crash would: at once. Its log is recovered on the next start."""
        broker, process = self._brokers.pop(key)
        self._frozen.discard(key)
        self._thawed.discard(key)
        process.kill()
        process.wait()
        self._stopped[key] = broker

    def set_acls(self, acls: Iterable[tuple[str, tuple[KafkaAcl, ...]]]) -> None:
        """Have running clusters enforce these ACLs; they are kept, but not enforced, without an authorizer.

        Raises:
            LabError: the brokers do not take one.
        """
        for cluster_name, wanted in acls:
            running = [b for b, _ in self._brokers.values() if b.cluster_name == cluster_name]
            if running:
                kernel.in_namespace(running[0].namespace, partial(broker_calls.set_acls, running, wanted))

    def set_scram_users(self, users: Iterable[tuple[str, tuple[ScramUser, ...]]]) -> None:
        """Have running clusters know these users, and clients their passwords.

        Raises:
            LabError: the brokers do not take one.
        """
        wanted = dict(users)
        for cluster_name in {*wanted, *self._scram_users}:
            now, before = wanted.get(cluster_name, ()), self._scram_users.get(cluster_name, ())
            running = [b for b, _ in self._brokers.values() if b.cluster_name == cluster_name]
            if now == before or not running:
                continue
            for user in now:
                self.issued.credentials.leave(user.name, given=user.given)
            credentials = self.issued.credentials
            told = {user.name: credentials.password(user.name) for user in now if user.associated}
            told |= {user.name: credentials.another_password() for user in now if user.name in told and user.rotated}
            gone = {user.name for user in before if user.associated} - told.keys()
            change = partial(broker_calls.set_scram_users, running, told, gone)
            kernel.in_namespace(running[0].namespace, change)
            self._scram_users[cluster_name] = now

    def freeze(self, brokers: Sequence[BrokerProcess]) -> None:
        """Have those stand still that are to, and see the others of their clusters know every broker that does not.

        A broker that stood still for longer than its session was taken for dead meanwhile.

        Raises:
            LabError: a broker that moves again is not taken back in time.
        """
        wanted = {b.key for b in brokers if b.frozen} & set(self._brokers)
        for key in self._thawed - wanted:
            self._await_unfenced(self._brokers[key][0])
        self._thawed.clear()
        moving = {b.key: b for b, _ in self._brokers.values() if b.key not in wanted}
        for key in wanted - self._frozen:
            broker, process = self._brokers[key]
            others = [b for b in moving.values() if b.cluster_name == broker.cluster_name]
            if quorum.active_controller(broker) == broker.broker_id and quorum.can_elect(broker, others):
                self._have_elected(others, broker, process)
            process.send_signal(signal.SIGSTOP)
            self._frozen.add(key)

    def _have_elected(
        self, others: Sequence[BrokerProcess], broker: BrokerProcess, process: subprocess.Popen[bytes]
    ) -> None:
        """Have another controller take over, and every other broker know it.

        MSK's controllers are not its brokers. What a broker had asked of a controller that stands still would
        hang for ``controller.socket.timeout.ms``, and with it every topic that a client wants made.
        """

        def is_replaced() -> bool:
            return any(quorum.active_controller(b) not in {None, broker.broker_id} for b in others)

        words = f"no controller took over from broker {broker.key} within {ELECTION_S} s"
        process.send_signal(signal.SIGSTOP)
        try:
            wait_until(is_replaced, within_s=ELECTION_S, otherwise=lambda: words, every_s=0.1)
        finally:
            process.send_signal(signal.SIGCONT)
        for other in others:
            kernel.in_namespace(other.namespace, partial(broker_calls.ask_controller, other))
        self._await_unfenced(broker)

    def part(self, brokers: Sequence[BrokerProcess]) -> None:
        """Before the network cuts brokers off: have another controller where one of them is the active one.

        Raises:
            LabError: none takes over.
        """
        wanted = self._to_be_cut_off(brokers)
        for key in wanted - self._cut_off:
            broker, process = self._brokers[key]
            others = self._others(broker, wanted)
            if quorum.active_controller(broker) == broker.broker_id and quorum.can_elect(broker, others):
                self._have_elected(others, broker, process)

    def await_parted(self, brokers: Sequence[BrokerProcess]) -> None:
        """After the network cut brokers off, or no longer does: see that the others have noticed.

        Raises:
            LabError: they have not in time.
        """
        wanted = self._to_be_cut_off(brokers)
        for key in (self._cut_off - wanted) & set(self._brokers):
            self._await_unfenced(self._brokers[key][0])
        for key in wanted - self._cut_off:
            self._await_left_out(self._brokers[key][0], wanted)
        self._cut_off = wanted

    def _to_be_cut_off(self, brokers: Sequence[BrokerProcess]) -> set[str]:
        return {b.key for b in brokers if b.cut_off} & set(self._brokers)

    def _others(self, broker: BrokerProcess, unwell: set[str]) -> list[BrokerProcess]:
        """The other brokers of its cluster that run and are well."""
        running = [b for b, _ in self._brokers.values() if b.key not in unwell | self._frozen]
        return [b for b in running if b.cluster_name == broker.cluster_name and b.key != broker.key]

    def _await_left_out(self, broker: BrokerProcess, unwell: set[str]) -> None:
        others = self._others(broker, unwell)

        def is_left_out() -> bool:
            return {broker_calls.is_listed(asked, broker.broker_id) for asked in others} <= {False}

        if others:
            wait_until(
                partial(kernel.in_namespace, others[0].namespace, is_left_out),
                within_s=ELECTION_S,
                otherwise=lambda: f"broker {broker.key} is cut off, and is still listed after {ELECTION_S} s",
            )

    def thaw(self) -> None:
        """Let every broker move that stands still."""
        for key in self._frozen:
            self._brokers[key][1].send_signal(signal.SIGCONT)
        self._thawed |= self._frozen
        self._frozen.clear()

    def _await_unfenced(self, broker: BrokerProcess) -> None:
        """See that it is listed by every broker that answers, and stays so: what just moves again may yet be fenced."""
        moving = [b for b, _ in self._brokers.values() if b.key not in self._frozen]
        others = [b for b in moving if b.cluster_name == broker.cluster_name and b != broker]
        known_since: float | None = None

        def is_settled() -> bool:
            nonlocal known_since
            answers = {broker_calls.is_listed(asked, broker.broker_id) for asked in others or [broker]} - {None}
            now = time.monotonic()
            if answers != {True}:
                known_since = None
            elif known_since is None:
                known_since = now
            return known_since is not None and now - known_since >= SETTLED_S

        wait_until(
            partial(kernel.in_namespace, broker.namespace, is_settled),
            within_s=BROKER_START_S,
            otherwise=lambda: f"broker {broker.key}, which stood still, is not taken back within {BROKER_START_S} s",
        )

    def broker_states(self) -> dict[str, str]:
        """``running``, ``frozen``, ``stopped`` or ``ended (code)`` by broker."""
        states = dict.fromkeys(self._stopped, "stopped")
        for key, (_, process) in self._brokers.items():
            code = process.poll()
            alive = "frozen" if key in self._frozen else "running"
            states[key] = alive if code is None else f"ended ({code})"
        return dict(sorted(states.items()))

    def broker_pids(self) -> dict[str, int]:
        """Process id, in the lab's PID namespace, of each broker that runs: another id is another start."""
        return {key: process.pid for key, (_, process) in sorted(self._brokers.items()) if process.poll() is None}

    # proxies and strangers

    def set_proxies(self, proxies: Sequence[Proxy]) -> None:
        """Have these run, and no others.

        Raises:
            LabError: one does not start.
        """
        self._proxies.keep(proxies, lambda proxy: proxy.namespace, lambda proxy: proxy.listeners)

    def set_strangers(self, strangers: Sequence[StrangerProcess]) -> None:
        """Have these run, and no others.

        Raises:
            LabError: one does not start.
        """
        self._strangers.keep(strangers, lambda stranger: stranger.namespace, self._asked_of)

    def _asked_of(self, stranger: StrangerProcess) -> dict[str, object]:
        onward = (stranger.address, stranger.broker_port)
        return {
            "address": stranger.address,
            "port": stranger.port,
            "pem": self.issued.for_stranger(stranger),
            "onward": onward,
        }
