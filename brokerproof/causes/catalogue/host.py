"""Entries of the client's own host: how it looks names up, and what takes its connections."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import EVERY
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

ENTRIES: Final = (
    Entry(
        code=Code.HOST_HOSTS_ENTRY,
        sits=Piece.CLIENT,
        title="a line of /etc/hosts on the client host holds other addresses for the name than DNS",
        patterns=EVERY,
        evidence="the operating system's addresses are those of the line in /etc/hosts, and not the resolver's",
        confused_with=((Code.DNS_STALE_RECORD, "there the resolver itself gives the wrong address"),),
        remedy="remove the line for {name} from /etc/hosts of {client}",
        call="getent -s files hosts NAME, on the client host",
        sources=("hosts(5)", "nsswitch.conf(5)"),
    ),
    Entry(
        code=Code.HOST_SEARCH_LIST,
        sits=Piece.CLIENT,
        title="the client host's search list makes another name of it, which exists",
        patterns=EVERY,
        evidence="the operating system's addresses are those of the name with a suffix of the search list behind it",
        confused_with=((Code.HOST_HOSTS_ENTRY, "there the address is in /etc/hosts"),),
        remedy="take the suffix out of the search list of {client}, lower ndots there, or remove the wildcard record "
        "of that domain",
        call="/etc/resolv.conf of the client host (search, ndots); the pod's dnsConfig in Kubernetes",
        sources=("resolv.conf(5)",),
    ),
    Entry(
        code=Code.HOST_NAME_SERVICE,
        sits=Piece.CLIENT,
        title="the client host looks names up by something else than its resolver",
        patterns=EVERY,
        evidence="the line hosts of nsswitch.conf asks no resolver, or other services before it, or a daemon answers "
        "from memory",
        confused_with=((Code.DNS_RESOLVER_BYPASSED, "there it asks a resolver, and another one"),),
        remedy="let the line hosts of /etc/nsswitch.conf on {client} end in dns without a [NOTFOUND=return] before it, "
        "and restart the daemon that keeps answers there (nscd, sssd, systemd-resolved)",
        call="getent hosts NAME; nscd -i hosts; resolvectl flush-caches, on the client host",
        sources=("nsswitch.conf(5)", "nscd(8)", "systemd-resolved.service(8)"),
    ),
    Entry(
        code=Code.HOST_INTERCEPTED,
        sits=Piece.CLIENT,
        title="something on or beside the client host takes its connections, wherever they are sent",
        patterns=EVERY,
        evidence="connections to addresses that nobody has are accepted, or refused, at the brokers' port",
        confused_with=(
            (Code.NLB_WRONG_TARGET, "there an address that nobody has stays silent"),
            (Code.DNS_WRONG_ENDPOINT, "there the name has the wrong address"),
        ),
        remedy="let the connections of {client} to port {port} go where they are sent: exclude the port from its "
        "sidecar or transparent proxy, or remove the NAT rule (output chain) that redirects it",
        call="nft list ruleset, iptables-save -t nat, on the client host; the mesh's excluded outbound ports",
        sources=("nft(8), nat", "istio/istio#24937"),
    ),
)
