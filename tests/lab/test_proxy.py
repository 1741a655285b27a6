"""PROXY protocol before the client's first byte, over loopback, and as compiled."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

from brokerproof.lab.daemons.proxy import SIGNATURE, header
from brokerproof.lab.faults import FAULTS
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.topology.patterns import PATTERNS

PROXY = (sys.executable, "-m", "brokerproof.lab.daemons.proxy")


def test_a_header_has_both_addresses() -> None:
    told = header(("10.1.0.201", 40000), ("10.0.0.100", 8443))
    assert told == SIGNATURE + bytes.fromhex("21 11 000c 0a0100c9 0a000064 9c40 20fb")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_bytes_pass_after_the_header_and_the_end_is_passed_on() -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", 0)) as target,
        subprocess.Popen(PROXY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        target.settimeout(10)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([(port, 0, [target.getsockname()])]).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"hello")
            taken, _ = target.accept()
            with taken:
                taken.settimeout(10)
                expected = header(client.getsockname(), ("127.0.0.1", port)) + b"hello"
                seen = b""
                while len(seen) < len(expected):
                    seen += taken.recv(4096)
                assert seen == expected
                taken.sendall(b"welcome")
                assert client.recv(4096) == b"welcome"
            assert client.recv(4096) == b""
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_each_listener_has_a_port_in_each_zone() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build()
    whole, broken = compile_topology(topology), compile_topology(FAULTS["proxy-protocol-on"].edit(topology))
    assert whole.proxies == ()
    [proxy] = broken.proxies
    assert proxy.namespace == "nlb-all"
    assert len({port for port, _, _ in proxy.listeners}) == len(proxy.listeners) == 4 * 3
    rules = next(n.ruleset for n in broken.namespaces if n.name == "nlb-all")
    assert {f"redirect to :{port}\n" in rules for port, _, _ in proxy.listeners} == {True}
    assert "dnat to" not in rules
    first = next(targets for port, _, targets in proxy.listeners if port == min(p for p, _, _ in proxy.listeners))
    assert first == (("10.0.0.10", 9094),)
