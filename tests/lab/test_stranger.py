"""What listens on a broker's host beside the broker, over loopback, and as compiled."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brokerproof.lab.daemons.certificates import make_authority, make_server_pem
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.network.blueprint import StrangerProcess, compile_topology
from brokerproof.topology.patterns import PATTERNS

STRANGER = (sys.executable, "-m", "brokerproof.lab.daemons.stranger")
NAME = "b-2.demo.example"
NOW = dt.datetime.now(dt.UTC)
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


@contextmanager
def stranger(pem: str = "", onward: int = 1) -> Iterator[int]:
    port = free_port()
    with subprocess.Popen(STRANGER, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"address": LOOPBACK, "port": port, "pem": pem, "onward": (LOOPBACK, onward)}
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        yield port
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def pem_file(path: Path, common_name: str) -> tuple[Path, bytes]:
    authority = make_authority(common_name, NOW)
    path.write_bytes(make_server_pem(authority, (NAME,), NOW - dt.timedelta(days=1), NOW + dt.timedelta(days=1)))
    return path, authority.root_pem


def test_a_web_server_answers_anything_as_one() -> None:
    with stranger() as port, socket.create_connection((LOOPBACK, port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01no request")
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_a_proxy_shows_a_certificate_of_its_own_and_carries_what_is_inside(tmp_path: Path) -> None:
    own, root = pem_file(tmp_path / "proxy.pem", "Corporate CA")
    broker, _ = pem_file(tmp_path / "broker.pem", "Broker CA")
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(broker)
    trusting = ssl.create_default_context(cadata=root.decode())
    with socket.create_server((LOOPBACK, 0)) as target, stranger(str(own), target.getsockname()[1]) as port:
        target.settimeout(10)
        with (
            socket.create_connection((LOOPBACK, port), timeout=10) as sock,
            trusting.wrap_socket(sock, server_hostname=NAME) as client,
        ):
            client.sendall(b"request")
            taken, _ = target.accept()
            with taken, inside.wrap_socket(taken, server_side=True) as served:
                assert served.recv(4096) == b"request"
                served.sendall(b"answer")
                assert client.recv(4096) == b"answer"


@pytest.mark.parametrize(
    ("fault", "names"),
    [("target-web-server", ()), ("target-inspects-tls", ("*.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com",))],
)
def test_a_target_leads_to_it(fault: str, names: tuple[str, ...]) -> None:
    topology = PATTERNS["privatelink_single_nlb"].build()
    whole, broken = compile_topology(topology), compile_topology(FAULTS[fault].edit(topology))
    assert whole.strangers == ()
    assert broken.strangers == (
        StrangerProcess(namespace="demo-b2", address="10.0.16.10", port=9443, dns_names=names, broker_port=9094),
    )
    rules = next(n.ruleset for n in broken.namespaces if n.name == "nlb-all")
    assert "10.0.16.10 . 9443" in rules or "10.0.16.10:9443" in rules
