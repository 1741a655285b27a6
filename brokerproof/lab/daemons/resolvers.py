"""The resolvers of a lab: an unbound a VPC. Runs as the lab's PID 1."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.query
import dns.rdataclass
import dns.rdatatype

from brokerproof.lab.daemons import nameserver
from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.lab.daemons.kafka_config import UNBOUND
from brokerproof.lab.daemons.logs import log_of, tail
from brokerproof.lab.daemons.waiting import wait_until
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import kernel
from brokerproof.lab.network.blueprint import Resolver

RESOLVER_START_S: Final = 10


class Resolvers:
    """Those that run, by namespace."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Resolver, subprocess.Popen[bytes]]] = {}

    def set(self, resolvers: Sequence[Resolver]) -> None:
        """Start or reload what changed, and see every change take effect.

        Raises:
            LabError: unbound refuses its configuration or does not answer.
        """
        changed = [r for r in resolvers if self._running.get(r.namespace, (None,))[0] != r]
        for resolver in changed:
            path = Path(STATE_DIR, "unbound", f"{resolver.namespace}.conf")
            path.write_text(resolver.configuration)
            known = self._running.get(resolver.namespace)
            if known is None:
                with log_of(f"resolver-{resolver.namespace}").open("wb") as log:
                    process = subprocess.Popen(
                        kernel.inside(resolver.namespace, UNBOUND, "-d", "-c", str(path)),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
            else:
                process = known[1]
                process.send_signal(signal.SIGHUP)
            self._running[resolver.namespace] = (resolver, process)
        for resolver in changed:
            self._await_resolver(resolver)

    def end(self, wanted: Sequence[Resolver]) -> None:
        """End the resolvers of VPCs that go or answer at another address; a reload binds no other address."""
        places = {(r.vpc_id, r.namespace, r.address) for r in wanted}
        for namespace, (resolver, process) in list(self._running.items()):
            if (resolver.vpc_id, namespace, resolver.address) not in places:
                process.kill()
                process.wait()
                del self._running[namespace]

    def _await_resolver(self, resolver: Resolver) -> None:
        wanted = nameserver.identity_of(resolver.configuration)
        process = self._running[resolver.namespace][1]
        log = log_of(f"resolver-{resolver.namespace}")

        def announced() -> bool:
            if process.poll() is not None:
                raise LabError(f"resolver of {resolver.vpc_id} ended:\n{tail(log.read_text(errors='replace'))}")
            return kernel.in_namespace(resolver.namespace, lambda: _identity(resolver.address)) == wanted

        def silent() -> str:
            words = tail(log.read_text(errors="replace"))
            return f"resolver of {resolver.vpc_id} does not answer at {resolver.address}:\n{words}"

        wait_until(announced, within_s=RESOLVER_START_S, otherwise=silent, every_s=0.01)


def _identity(address: str) -> str:
    query = dns.message.make_query("id.server.", dns.rdatatype.TXT, dns.rdataclass.CH)
    with suppress(dns.exception.DNSException, OSError):
        answer = dns.query.udp(query, address, timeout=0.2)
        for rrset in answer.answer:
            return str(rrset[0]).strip('"')
    return ""
