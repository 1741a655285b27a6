"""Distance in a running lab: measured through the path, changed while it runs, and gone with what carries it."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.blueprint import Link
from brokerproof.lab.network.distance import distance_text, links_text, netem
from brokerproof.topology.models import RegionLink, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

EAST, WEST = "us-east-1", "us-west-2"

CONNECT = """
import socket, struct, sys, time
for _ in range(int(sys.argv[1])):
    with socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=20) as s:
        print(struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 68)[0] / 1000)
    time.sleep(0.005)
"""
"""Round trips of TCP's own handshake, in ms, as the kernel's clock sees them (tcpi_rtt, in us)."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start(PATTERNS["peering"].build(PatternOptions(brokers=1))) as built:
        yield built


def rtt_p50_ms(lab: Lab, client: str, samples: int = 25) -> float:
    done = subprocess.run(
        [*lab.command_prefix(client), sys.executable, "-c", CONNECT, str(samples), "10.0.0.10", "9094"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return statistics.median(float(line) for line in done.stdout.split())


def is_about(rtt_ms: float, injected_ms: float) -> bool:
    """Within what a busy machine adds; it is never less but for the microseconds that waking is made up for."""
    return injected_ms - 0.1 <= rtt_ms < injected_ms + 2


def at(topology: Topology, *links: RegionLink) -> Topology:
    """The topology with other distances."""
    return topology.model_copy(update={"lab": topology.lab.model_copy(update={"links": links})})


def in_router(lab: Lab, namespace: str, *command: str) -> list[str]:
    user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
    enter = ("nsenter", "--target", str(lab.pid), *user, "--mount", "--pid", "--")
    return [*enter, "ip", "netns", "exec", namespace, *command]


@pytest.mark.lab
def test_no_distance_is_plain_links_and_back_without_a_broker_restart(lab: Lab) -> None:
    before = lab.status()
    pair = ((EAST, WEST), (EAST, EAST))
    lab.apply(at(lab.intended, *(RegionLink(regions=regions, one_way_delay_ms=0) for regions in pair)))
    assert lab.status()["distance"]["links"] == []
    assert rtt_p50_ms(lab, "remote_by_peering") < 2
    lab.apply(lab.intended)
    assert is_about(rtt_p50_ms(lab, "remote_by_peering"), 60)
    assert is_about(rtt_p50_ms(lab, "peered"), 0.5)
    assert lab.status()["broker_pids"] == before["broker_pids"]


@pytest.mark.lab
def test_another_pattern_has_its_own_links_and_leaves_none_of_the_old(lab: Lab) -> None:
    gateways = PATTERNS["transit_gateway"].build(PatternOptions(brokers=1))
    lab.apply(gateways)
    links = dict(links_text(lab.status()["distance"]))
    assert links[f"{EAST} - {WEST}"] == "RTT 60 ms: tgw-east to tgw-west"
    assert is_about(rtt_p50_ms(lab, "remote_by_gateway"), 61)
    lab.apply(lab.intended)
    assert f"{EAST} - {WEST}" in dict(links_text(lab.status()["distance"]))
    assert is_about(rtt_p50_ms(lab, "remote_by_peering"), 60)


@pytest.fixture
def open_router(lab: Lab) -> Iterator[None]:
    """A router lets nothing in but DNS; for what is sent between two routers themselves."""
    subprocess.run(in_router(lab, "r-vpc-cluster", "nft", "flush", "ruleset"), check=True)
    yield
    lab.apply(lab.intended)


@pytest.mark.lab
def test_a_region_away_is_sixty_ms_and_next_door_half_a_ms(lab: Lab) -> None:
    status = lab.status()["distance"]
    assert status["carrier"] in {"netem", "relay"}
    assert [words.split(":")[0] for _, words in links_text(status)] == ["RTT 0.5 ms", "RTT 60 ms"]
    assert is_about(rtt_p50_ms(lab, "remote_by_peering"), 60)
    assert is_about(rtt_p50_ms(lab, "peered"), 0.5)


@pytest.mark.lab
def test_it_changes_in_a_running_lab_at_once(lab: Lab) -> None:
    before = lab.status()
    intended = lab.topology
    began = time.monotonic()
    lab.apply(
        at(
            intended,
            RegionLink(regions=(EAST, WEST), one_way_delay_ms=5),
            RegionLink(regions=(EAST, EAST), one_way_delay_ms=15),
        )
    )
    assert time.monotonic() - began < 2
    assert is_about(rtt_p50_ms(lab, "remote_by_peering"), 10)
    assert is_about(rtt_p50_ms(lab, "peered"), 30)
    lab.apply(intended)
    assert is_about(rtt_p50_ms(lab, "remote_by_peering"), 60)
    assert lab.status()["brokers"] == before["brokers"]


@pytest.mark.lab
@pytest.mark.usefixtures("open_router")
def test_rate_and_loss_are_of_packets_on_the_wire(lab: Lab) -> None:
    """One datagram after another: some get lost, and those that do not come no faster than the rate."""
    lab.apply(at(lab.intended, RegionLink(regions=(EAST, WEST), one_way_delay_ms=1, rate_bits_per_s=800_000, loss=0.2)))
    listen = (  # when each came, by the kernel's clock (socket(7), SO_TIMESTAMPNS)
        "import socket, struct; s = socket.socket(2, 2); s.setsockopt(1, 35, 1); s.bind(('', 5001));"
        "s.settimeout(5); print('ready', flush=True); t = []\n"
        "try:\n"
        "    while True:\n"
        "        second, ns = struct.unpack('qq', s.recvmsg(2000, 64)[1][0][2])\n"
        "        t.append(second * 1000 + ns / 1e6)\n"
        "        s.settimeout(1)\n"
        "except TimeoutError: print(len(t), t[-1] - t[0])\n"
    )
    addresses = subprocess.run(
        in_router(lab, "r-vpc-cluster", "ip", "-o", "-4", "addr", "show", "dev", "pcx1"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    address = addresses.split("inet ")[1].split("/")[0]
    with subprocess.Popen(
        in_router(lab, "r-vpc-cluster", sys.executable, "-c", listen), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        send = f"import socket; s = socket.socket(2, 2); [s.sendto(bytes(972), ('{address}', 5001)) for _ in range(40)]"
        subprocess.run(in_router(lab, "r-vpc-c", sys.executable, "-c", send), check=True)
        count, ms = server.stdout.readline().split()
    assert 20 <= int(count) < 40
    assert float(ms) >= 0.98 * (int(count) - 1) * 10, "1000 bytes at 800 kbit/s are 10 ms"
    status = lab.status()["distance"]
    assert "RTT 2 ms, 0.8 Mbit/s, loss 20 %" in dict(links_text(status))[f"{EAST} - {WEST}"]
    if status["carrier"] == "relay":
        assert status["lost"] == 40 - int(count)


@pytest.mark.lab
@pytest.mark.usefixtures("open_router")
def test_ipv6_passes_too(lab: Lab) -> None:
    for namespace, address in (("r-vpc-cluster", "fd00::1/64"), ("r-vpc-c", "fd00::2/64")):
        subprocess.run(
            in_router(lab, namespace, "ip", "-6", "addr", "add", address, "dev", "pcx1", "nodad"), check=True
        )
    serve = "import socket; s = socket.create_server(('fd00::1', 5002), family=10); print(flush=True); s.accept()"
    with subprocess.Popen(
        in_router(lab, "r-vpc-cluster", sys.executable, "-c", serve), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        done = subprocess.run(
            in_router(lab, "r-vpc-c", sys.executable, "-c", CONNECT, "1", "fd00::1", "5002"),
            capture_output=True,
            text=True,
            check=True,
        )
    assert is_about(float(done.stdout), 60)


def relay_of(lab: Lab) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == lab.pid and b"brokerproof.lab.network.relay" in words:
                return int(entry.name)
    pytest.skip("this kernel has netem, so there is no relay")


@pytest.mark.lab
def test_a_relay_that_ends_is_said_and_the_lab_can_be_ended() -> None:
    topology = PATTERNS["peering"].build(PatternOptions(brokers=1))
    with Lab.start(topology) as lab:
        os.kill(relay_of(lab), signal.SIGKILL)
        assert "ended (-9); start a new lab" in distance_text(lab.status()["distance"])
        with pytest.raises(LabError, match=r"ended \(-9\); start a new lab"):
            lab.apply(at(topology, RegionLink(regions=(EAST, WEST), one_way_delay_ms=5)))


@pytest.mark.lab
def test_a_machine_that_can_carry_no_distance_still_builds_what_has_none() -> None:
    script = (
        "import sys\n"
        "from brokerproof.lab.errors import LabError\n"
        "from brokerproof.lab.life.handle import Lab\n"
        "from brokerproof.topology.patterns import PATTERNS, PatternOptions\n"
        "def up(**options):\n"
        "    with Lab.start(PATTERNS['peering'].build(PatternOptions(brokers=1, **options))) as lab:\n"
        "        return lab.status()['distance']['carrier']\n"
        "try:\n"
        "    print(up())\n"
        "except LabError as error:\n"
        "    print(error)\n"
        "    print(up(cross_region_rtt_ms=0, in_region_rtt_ms=0))\n"
    )
    namespaces = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    hidden = 'mount -t tmpfs none /dev/net && exec "$@"'
    done = subprocess.run(
        [*namespaces, "sh", "-ec", hidden, "sh", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    if done.stdout == "netem\n":
        return
    assert "netem or /dev/net/tun, one of which carries the distance between Regions" in done.stdout
    assert done.stdout.endswith("\nnone\n")


# without a lab


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"one_way_delay_ms": 30}, "netem limit 22369 delay 30000us"),
        ({"one_way_delay_ms": 0.25, "loss": 0.015}, "netem limit 22369 delay 250us loss 1.5%"),
        ({"one_way_delay_ms": 10, "rate_bits_per_s": 10**8}, "netem limit 916 delay 10000us rate 100000000bit"),
    ],
)
def test_a_shape_in_netems_words(link: dict[str, Any], words: str) -> None:
    assert " ".join(netem(RegionLink(regions=(EAST, WEST), **link))) == words


def test_many_links_are_said_in_one_line() -> None:
    shape = RegionLink(regions=(EAST, EAST), one_way_delay_ms=0.25).model_dump(mode="json")
    status = {"links": [{**shape, "between": [f"vpce-{i} to nlb" for i in range(9) for _ in range(3)]}]}
    [(regions, words)] = links_text(status)
    assert regions == EAST
    assert words == "RTT 0.5 ms: vpce-0 to nlb, vpce-1 to nlb, vpce-2 to nlb, vpce-3 to nlb and 5 more"


def test_links_that_differ_in_shape_alone_are_the_same_link() -> None:
    near, far = (
        Link("a", "x", "b", "x", distant=True, shape=RegionLink(regions=(EAST, WEST), one_way_delay_ms=ms))
        for ms in (1, 30)
    )
    assert near == far
    assert near != Link("a", "x", "b", "x")
