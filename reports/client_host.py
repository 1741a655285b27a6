"""What a client's host is set to, as rows of a report. No markup."""

from __future__ import annotations

from brokerproof.probes.outcome import HostFacts
from brokerproof.reports import words


def client_host(facts: HostFacts | None) -> tuple[tuple[str, str], ...]:
    """What bears on names and connections, as (what it is, what it is set to); nothing where the probe read nothing."""
    if facts is None:
        return ()
    ports = f"{facts.first_local_port} to {facts.last_local_port}" if facts.first_local_port is not None else ""
    entries = (f"{entry.name}: {', '.join(entry.addresses)}" for entry in facts.hosts_entries)
    rows = (
        ("Nameservers", ", ".join(facts.nameservers)),
        ("Search list", ", ".join(facts.search) and f"{', '.join(facts.search)} (ndots {facts.ndots})"),
        ("Resolver options", " ".join(facts.options)),
        ("Name services", " ".join(facts.name_services)),
        ("In /etc/hosts", "; ".join(entries)),
        ("Name cache", facts.name_cache),
        ("Proxy variables", ", ".join(facts.proxies)),
        ("Local ports", ports),
        ("TCP sockets", "" if facts.tcp_sockets is None else words.count(facts.tcp_sockets, "socket")),
        ("Clock source", facts.clock_source),
    )
    return tuple((what, value) for what, value in rows if value)
