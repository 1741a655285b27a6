"""What a host is set to, read from a folder that stands for its root."""

from __future__ import annotations

from pathlib import Path

from brokerproof.probes.host import read_host, servers_of
from brokerproof.probes.outcome import HostFacts, HostsEntry
from brokerproof.probes.wire.dns_exchange import Server

NAME = "b-1.demo.kafka.us-east-1.amazonaws.com"


def host(root: Path, files: dict[str, str], **environment: str) -> HostFacts:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_host({NAME}, root=root, environment=environment)


def test_a_host_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    assert host(tmp_path, {}) == HostFacts()
    assert servers_of(HostFacts()) == ()


def test_resolv_conf_is_read_as_the_c_library_does(tmp_path: Path) -> None:
    lines = (
        "# nameserver 1.1.1.1",
        "; nameserver 1.1.1.2",
        "domain one.example",
        "search apps.example svc.cluster.local",
        "nameserver nonsense",
        "nameserver 10.0.0.2",
        "nameserver fe80::1%eth0",
        "nameserver 10.0.0.3 # third",
        "nameserver 10.0.0.4",
        "options ndots:5 timeout:1 rotate",
    )
    facts = host(tmp_path, {"etc/resolv.conf": "\n".join(lines)})
    assert facts.nameservers == ("10.0.0.2", "fe80::1%eth0", "10.0.0.3")
    assert facts.search == ("apps.example", "svc.cluster.local")
    assert (facts.ndots, facts.options) == (5, ("timeout:1", "rotate"))
    assert servers_of(facts)[0] == Server("10.0.0.2")


def test_the_environment_wins_over_resolv_conf(tmp_path: Path) -> None:
    conf = {"etc/resolv.conf": "search x.example\noptions ndots:2\n"}
    facts = host(tmp_path, conf, LOCALDOMAIN="y.example z.example", RES_OPTIONS="ndots:7")
    assert (facts.search, facts.ndots) == (("y.example", "z.example"), 7)


def test_of_the_hosts_file_the_names_of_the_plan_alone_are_kept(tmp_path: Path) -> None:
    lines = (
        "127.0.0.1 localhost",
        f"10.9.9.9 other.example {NAME.upper()}. alias # pinned",
        f"fd00::9 {NAME}",
        f"nonsense {NAME}",
        f"#10.9.9.8 {NAME}",
    )
    facts = host(tmp_path, {"etc/hosts": "\n".join(lines)})
    assert facts.hosts_entries == (HostsEntry(name=NAME, addresses=("10.9.9.9", "fd00::9")),)


def test_how_names_are_looked_up(tmp_path: Path) -> None:
    switch = "passwd: files\nhosts: files mdns4_minimal [NOTFOUND=return] dns # usual\n"
    facts = host(tmp_path, {"etc/nsswitch.conf": switch, "run/nscd/socket": ""})
    assert facts.name_services == ("files", "mdns4_minimal", "[NOTFOUND=return]", "dns")
    assert facts.name_cache == "nscd"


def test_of_a_proxy_only_its_variable_is_told(tmp_path: Path) -> None:
    facts = host(
        tmp_path, {}, HTTPS_PROXY="http://user:secret@proxy:3128", no_proxy="", all_proxy="socks://x", HOME="/"
    )
    assert facts.proxies == ("HTTPS_PROXY", "all_proxy")
    assert "secret" not in repr(facts)


def test_ports_sockets_and_clock(tmp_path: Path) -> None:
    files = {
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "proc/net/sockstat": "sockets: used 311\nTCP: inuse 12 orphan 0 tw 30 alloc 14 mem 2\nUDP: inuse 3\n",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock\n",
    }
    facts = host(tmp_path, files)
    assert (facts.first_local_port, facts.last_local_port, facts.tcp_sockets) == (32768, 60999, 42)
    assert facts.clock_source == "kvm-clock"
