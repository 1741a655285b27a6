"""What the probe's host is set to, as far as it bears on names and connections. Values only, and never a secret."""

from __future__ import annotations

from brokerproof.probes.outcome.base import Value


class HostsEntry(Value, frozen=True):
    """What ``/etc/hosts`` has for a name of the plan (hosts(5))."""

    name: str
    addresses: tuple[str, ...]


class HostFacts(Value, frozen=True):
    """The host's own configuration, read once a run. What could not be read is empty, or None."""

    nameservers: tuple[str, ...] = ()
    """Of ``/etc/resolv.conf``, in the order in which they are asked; at most three are (resolv.conf(5))."""
    search: tuple[str, ...] = ()
    ndots: int = 1
    """A name with fewer dots is tried with the search list first (resolv.conf(5))."""
    options: tuple[str, ...] = ()
    """All other options of resolv.conf(5), as written there."""
    name_services: tuple[str, ...] = ()
    """The line ``hosts`` of ``/etc/nsswitch.conf``, word by word (nsswitch.conf(5))."""
    hosts_entries: tuple[HostsEntry, ...] = ()
    """Lines of ``/etc/hosts`` for names of the plan."""
    name_cache: str = ""
    """A daemon that answers the host's lookups from memory: ``nscd`` or ``sssd``."""
    proxies: tuple[str, ...] = ()
    """Variables of the environment that name a proxy; not what they are set to, which may hold a password."""
    first_local_port: int | None = None
    last_local_port: int | None = None
    """The ports that connections leave from (``ip_local_port_range``, ip(7))."""
    tcp_sockets: int | None = None
    """In use or waiting for their end, over IPv4 (``/proc/net/sockstat``)."""
    clock_source: str = ""
    """What the kernel reads the time from, such as ``tsc`` or ``kvm-clock``."""
