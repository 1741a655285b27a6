"""A real Kafka on this host's loopback, without a lab: what somebody who tries the tool has."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from brokerproof.lab.daemons import iam_handler, jvm, kafka_dist
from brokerproof.lab.daemons.certificates import Authority, make_authority, make_server_pem
from brokerproof.lab.daemons.credentials import LabCredentials
from brokerproof.lab.daemons.kafka_config import properties_text
from brokerproof.lab.life import preflight
from brokerproof.topology.models import ClientIdentity, IamJudgement

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
    ports = _free_ports(2 * len(ids))
    clients, controllers = ports[: len(ids)], ports[len(ids) :]
    ca_file = _server_pem(folder, make_authority("Loopback", dt.datetime.now(dt.UTC)), host) if tls else None
    scheme = "SSL" if tls else "PLAINTEXT"
    voters = ",".join(f"{one}@127.0.0.1:{port}" for one, port in zip(ids, controllers, strict=True))
    wanted = {
        broker_id: {
            **_COMMON,
            "node.id": str(broker_id),
            "controller.quorum.voters": voters,
            "listeners": f"{scheme}://127.0.0.1:{clients[index]},CONTROLLER://127.0.0.1:{controllers[index]}",
            "advertised.listeners": f"{scheme}://{host}:{clients[index]}",
            "listener.security.protocol.map": f"{scheme}:{scheme},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": scheme,
            **(_stores(folder, ca_file) if ca_file else {}),
        }
        for index, broker_id in enumerate(ids)
    }
    with _started(folder, wanted) as processes:
        yield LoopbackKafka(host, tuple(clients), ca_file, processes)


@dataclass(frozen=True)
class LoginKafka:
    """A broker that clients log in to: a port for each way, and in files what they log in with."""

    scram: str
    mtls: str
    iam: str
    """Bootstrap strings."""
    ca_file: Path
    credentials: Path
    """A folder: ``lab.username`` and ``lab.password``, ``lab.pem`` and ``lab.key``, ``aws`` (profile ``lab``)."""


@contextmanager
def login_kafka(folder: Path) -> Iterator[LoginKafka]:
    """A broker with listeners for SCRAM, mutual TLS and IAM at ``localhost``; it ends with the block."""
    names = ("scram", "mtls", "iam", "admin")
    *ports, controller = _free_ports(len(names) + 1)
    authority = make_authority("Loopback", dt.datetime.now(dt.UTC))
    ca_file = _server_pem(folder, authority, "localhost")
    held = folder / "credentials"
    secrets = LabCredentials(held)
    secrets.leave("lab", given=True)
    secrets.issue(ClientIdentity(), authority, "lab")
    secrets.sign_for_iam(IamJudgement(), folder / "iam", "lab")
    listeners = [f"{name.upper()}://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)]
    module = "org.apache.kafka.common.security"
    properties = {
        **_COMMON,
        **_stores(folder, ca_file),
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
        "advertised.listeners": ",".join(listeners).replace("127.0.0.1", "localhost"),
        "listener.security.protocol.map": ("SCRAM:SASL_SSL,MTLS:SSL,IAM:SASL_SSL,ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        "inter.broker.listener.name": "ADMIN",
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.iam.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.iam.oauthbearer.sasl.jaas.config": (
            f'{module}.oauthbearer.OAuthBearerLoginModule required state="{folder / "iam"}" listener="IAM";'
        ),
        "listener.name.iam.oauthbearer.sasl.server.callback.handler.class": iam_handler.HANDLER,
        "listener.name.iam.oauthbearer.sasl.login.callback.handler.class": iam_handler.HANDLER,
    }
    with _started(folder, {1: properties}, handlers=True):
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{ports[3]}"})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion("lab", info, secrets.password("lab").encode())
        for future in admin.alter_user_scram_credentials([user]).values():
            future.result(timeout=30)
        scram, mtls, iam = (f"localhost:{port}" for port in ports[:3])
        yield LoginKafka(scram, mtls, iam, ca_file=ca_file, credentials=held)


_COMMON = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "auto.create.topics.enable": "false",
}


def _server_pem(folder: Path, authority: Authority, host: str) -> Path:
    now = dt.datetime.now(dt.UTC)
    window = (now - dt.timedelta(days=1), now + dt.timedelta(days=30))
    (folder / "ca.pem").write_bytes(authority.root_pem)
    (folder / "server.pem").write_bytes(make_server_pem(authority, (host,), *window))
    return folder / "ca.pem"


def _stores(folder: Path, ca_file: Path) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca_file),
    }


@contextmanager
def _started(
    folder: Path, wanted: Mapping[int, Mapping[str, str]], *, handlers: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], ...]]:
    """Brokers with these properties, by id, once they serve."""
    environ = os.environ
    distribution = kafka_dist.locate(kafka_dist.wanted_version(environ), environ=environ)
    java = preflight.find_java(environ)
    assert java is not None, "no Java"
    classes = iam_handler.compiled(distribution, java, environ) if handlers else None
    with ExitStack() as stack:
        started = []
        for broker_id, properties in wanted.items():
            home = folder / f"broker-{broker_id}"
            (home / "data").mkdir(parents=True)
            (home / "tmp").mkdir()
            text = properties_text(sorted({**properties, "log.dirs": str(home / "data")}.items()))
            (home / "server.properties").write_text(text)
            meta = f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={broker_id}\n"
            (home / "data" / "meta.properties").write_text(meta)
            options = [
                option if "java.io.tmpdir" not in option else f"-Djava.io.tmpdir={home / 'tmp'}"
                for option in jvm.arguments(distribution, java, environ, classes)
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
        yield tuple(process for process, _ in started)


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
