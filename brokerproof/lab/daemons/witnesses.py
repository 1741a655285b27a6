"""The witnesses of a lab: sockets on client hosts that show what reaches them. Runs as the lab's PID 1."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial

from brokerproof.lab.network import kernel
from brokerproof.lab.network.blueprint import Witness


class Witnesses:
    """Those that listen."""

    def __init__(self) -> None:
        self._open: dict[Witness, socket.socket] = {}

    def set(self, witnesses: Sequence[Witness]) -> None:
        """Open listening sockets on client hosts, and close those that are not among these."""
        self.close(witnesses)
        for witness in witnesses:
            if witness not in self._open:
                family = socket.AF_INET6 if ":" in witness.address else socket.AF_INET
                listen = partial(socket.create_server, (witness.address, witness.port), family=family, backlog=16)
                self._open[witness] = kernel.in_namespace(witness.namespace, listen)

    def close(self, wanted: Sequence[Witness]) -> None:
        """Close the others."""
        for witness in [w for w in self._open if w not in wanted]:
            self._open.pop(witness).close()
