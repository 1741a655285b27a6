"""A real Kafka on this host's loopback, without a lab: what somebody who tries the tool has."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from brokerproof.lab.daemons import jvm, kafka_dist
from brokerproof.lab.daemons.certificates import make_authority, make_server_pem
from brokerproof.lab.daemons.kafka_config import properties_text
from brokerproof.lab.life import preflight

CLUSTER_ID = "abcdefghijklmnopqrstuA"
_START_S = 90.0


@dataclass(frozen=True)
class LoopbackKafka:
    """Brokers that serve, each at a port of its own of one address."""

    host: str
    ports: tuple[int, ...]
    ca_file: Path | None
    processes: tuple[subprocess.Popen[bytes], ...]

    @property
    def bootstrap(self) -> str:
        """As clients are given it."""
        return ",".join(f"{self.host}:{port}" for port in self.ports)


@contextmanager
def loopback_kafka(
    folder: Path, ids: Sequence[int] = (1,), *, host: str = "localhost", tls: bool = False
) -> Iterator[LoopbackKafka]:
    """Brokers of these ids that advertise ``host``; they end with the block."""
    environ = os.environ
    distribution = kafka_dist.locate(kafka_dist.wanted_version(environ), environ=environ)
    java = preflight.find_java(environ)
    assert java is not None, "no Java"
    ports = _free_ports(2 * len(ids))
    clients, controllers = ports[: len(ids)], ports[len(ids) :]
    now = dt.datetime.now(dt.UTC)
    ca_file = None
    if tls:
        authority = make_authority("Loopback", now)
        ca_file = folder / "ca.pem"
        ca_file.write_bytes(authority.root_pem)
        window = (now - dt.timedelta(days=1), now + dt.timedelta(days=30))
        (folder / "server.pem").write_bytes(make_server_pem(authority, (host,), *window))
    with ExitStack() as stack:
        started = []
        for index, broker_id in enumerate(ids):
            home = folder / f"broker-{broker_id}"
            (home / "data").mkdir(parents=True)
            (home / "tmp").mkdir()
            scheme = "SSL" if tls else "PLAINTEXT"
            properties = {
                "process.roles": "broker,controller",
                "node.id": str(broker_id),
                "controller.quorum.voters": ",".join(
                    f"{one}@127.0.0.1:{port}" for one, port in zip(ids, controllers, strict=True)
                ),
                "listeners": f"{scheme}://127.0.0.1:{clients[index]},CONTROLLER://127.0.0.1:{controllers[index]}",
                "advertised.listeners": f"{scheme}://{host}:{clients[index]}",
                "listener.security.protocol.map": f"{scheme}:{scheme},CONTROLLER:PLAINTEXT",
                "controller.listener.names": "CONTROLLER",
                "inter.broker.listener.name": scheme,
                "log.dirs": str(home / "data"),
                "offsets.topic.num.partitions": "1",
                "offsets.topic.replication.factor": "1",
                "group.initial.rebalance.delay.ms": "0",
                "log.cleaner.dedupe.buffer.size": "4194304",
                "auto.create.topics.enable": "false",
            }
            if tls:
                properties |= {
                    "ssl.keystore.type": "PEM",
                    "ssl.keystore.location": str(folder / "server.pem"),
                    "ssl.truststore.type": "PEM",
                    "ssl.truststore.location": str(ca_file),
                }
            (home / "server.properties").write_text(properties_text(sorted(properties.items())))
            meta = f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={broker_id}\n"
            (home / "data" / "meta.properties").write_text(meta)
            options = [
                option if "java.io.tmpdir" not in option else f"-Djava.io.tmpdir={home / 'tmp'}"
                for option in jvm.arguments(distribution, java, environ)
            ]
            log = stack.enter_context((home / "log").open("wb"))
            process = subprocess.Popen(
                [str(java.path), *options, "kafka.Kafka", str(home / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append((process, home / "log"))
        until = time.monotonic() + _START_S
        for process, log_path in started:
            while "Kafka Server started" not in log_path.read_text(errors="replace"):
                assert process.poll() is None, log_path.read_text(errors="replace")[-2000:]
                assert time.monotonic() < until, log_path.read_text(errors="replace")[-2000:]
                time.sleep(0.1)
        yield LoopbackKafka(host, tuple(clients), ca_file, tuple(process for process, _ in started))


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
