"""Reads what the probe's host is set to: its nameservers, its own names, its ports. It changes nothing.

Only files that any user may read are looked at, once a run, and what cannot be read is left empty.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from brokerproof.probes.outcome import HostFacts, HostsEntry
from brokerproof.probes.outcome.foreign_text import number
from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.wire.dns_exchange import Server, is_address

_MOST_NAMESERVERS: Final = 3
"""MAXNS of resolv.conf(5): further ones are not asked."""
_MOST_BYTES: Final = 1 << 20
"""Of a file: a list of blocked hosts has megabytes, and no broker of anybody's at its end."""
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy", "socks_proxy"})
_CACHES: Final = {"nscd": "run/nscd/socket", "sssd": "var/lib/sss/pipes/nss"}


class Asked(msgspec.Struct, frozen=True):
    """Who is asked for names."""

    servers: tuple[Server, ...]
    """In their order."""
    host: HostFacts = HostFacts()


def read_host(
    names: Collection[str], *, root: Path = Path("/"), environment: Mapping[str, str] | None = None
) -> HostFacts:
    """The host's own configuration, and what its ``/etc/hosts`` has for ``names``."""
    settings = os.environ if environment is None else environment
    resolver = list(_lines(root / "etc/resolv.conf"))
    options = [word for words in resolver if words[0] == "options" for word in words[1:]]
    options += settings.get("RES_OPTIONS", "").split()
    search = next((tuple(words[1:]) for words in reversed(resolver) if words[0] in {"search", "domain"}), ())
    ports = next(_lines(root / "proc/sys/net/ipv4/ip_local_port_range"), [])
    return HostFacts(
        nameservers=tuple(_nameservers(resolver)),
        search=tuple(settings["LOCALDOMAIN"].split()) if "LOCALDOMAIN" in settings else search,
        ndots=_ndots(options),
        options=tuple(option for option in options if not option.startswith("ndots:")),
        name_services=next((tuple(w[1:]) for w in _lines(root / "etc/nsswitch.conf") if w[0] == "hosts:"), ()),
        hosts_entries=tuple(_hosts(root / "etc/hosts", names)),
        name_cache=next((name for name, path in _CACHES.items() if (root / path).exists()), ""),
        proxies=tuple(sorted(name for name in settings if name.lower() in _PROXIES and settings[name])),
        first_local_port=_number(ports, 0),
        last_local_port=_number(ports, 1),
        tcp_sockets=_tcp_sockets(root / "proc/net/sockstat"),
        clock_source=" ".join(
            next(_lines(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"), [])
        ),
    )


def servers_of(host: HostFacts) -> tuple[Server, ...]:
    """The nameservers that the host's applications ask, in their order."""
    return tuple(Server(address) for address in host.nameservers)


def _lines(path: Path) -> Iterator[list[str]]:
    """The words of each line that has any, comments left out."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_BYTES)
    except OSError:
        return
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and not words[0].startswith(";"):
            yield words


def _nameservers(lines: list[list[str]]) -> Iterator[str]:
    found = (words[1] for words in lines if words[0] == "nameserver" and len(words) > 1)
    usable = [address for address in found if is_address(address.partition("%")[0])]
    yield from usable[:_MOST_NAMESERVERS]


def _ndots(options: list[str]) -> int:
    told = [option.removeprefix("ndots:") for option in options if option.startswith("ndots:")]
    known = number(told[-1]) if told else None
    return 1 if known is None else known


def _hosts(path: Path, names: Collection[str]) -> Iterator[HostsEntry]:
    wanted = {canonical(name) for name in names}
    found: dict[str, list[str]] = {}
    for address, *aliases in _lines(path):
        for alias in aliases:
            name = canonical(alias)
            if name in wanted and is_address(address.partition("%")[0]):
                found.setdefault(name, []).append(address)
    for name, addresses in found.items():
        yield HostsEntry(name=name, addresses=tuple(dict.fromkeys(addresses)))


def _number(words: list[str], place: int) -> int | None:
    return number(words[place]) if len(words) > place else None


def _tcp_sockets(path: Path) -> int | None:
    told = next((words[1:] for words in _lines(path) if words[0] == "TCP:"), [])
    counts = {word: _number(told, place + 1) for place, word in enumerate(told)}
    if counts.get("inuse") is None:
        return None
    return (counts.get("inuse") or 0) + (counts.get("tw") or 0)
