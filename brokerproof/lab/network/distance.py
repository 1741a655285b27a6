"""What carries the distance of a lab's links: netem where the kernel has it, else a relay of the lab's own.

Runs inside the lab's own namespaces, as :mod:`brokerproof.lab.network.kernel` does. A link without a shape is a
plain pair of interfaces, which neither of them touches.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.lab.errors import LabError
from brokerproof.lab.network import kernel, relay
from brokerproof.lab.network.blueprint import Link
from brokerproof.topology.models import RegionLink

_ANSWER_S = 30
_PACKET_BYTES = 1500
_SHOWN = 4
WITHOUT = "--cross-region-rtt-ms 0 --in-region-rtt-ms 0"
"""What to ask a pattern's builder for, to need neither."""


class Carrier(StrEnum):
    """How packets are held."""

    NETEM = "netem"
    RELAY = "relay"
    NONE = "none"


class Distance:
    """The shaped links of a lab. What carries them is chosen when the first is added."""

    def __init__(self) -> None:
        self.carrier = Carrier.NONE
        self._why = ""
        self._links: dict[Link, RegionLink] = {}
        self._relay: _RelayProcess | None = None

    def add(self, links: Iterable[Link]) -> None:
        """Make these links, shaped and plain.

        Raises:
            LabError: nothing here can carry a distance, or a link cannot be made.
        """
        links = tuple(links)
        shaped = {link: link.shape for link in links if link.shape is not None}
        if shaped and self.carrier is Carrier.NONE:
            self._choose()
        if self._relay is None:
            kernel.add_links(links)
            self._set_netem(shaped)
        else:
            kernel.add_links([link for link in links if link.shape is None])
            self._relay.ask("add", shaped)
        self._links |= shaped

    def remove(self, links: Iterable[Link]) -> None:
        """Remove these links, shaped and plain, whose namespaces stay.

        Raises:
            LabError: a link cannot be removed.
        """
        links = tuple(links)
        if self._relay is None:
            kernel.remove_links(links)
        else:
            kernel.remove_links([link for link in links if not link.distant])
        self._give_up([link for link in links if link in self._links])

    def keep(self, links: Iterable[Link]) -> None:
        """Give up what is carried and not among these; before their namespaces go, which would wait for it.

        Raises:
            LabError: the relay has ended.
        """
        wanted = set(links)
        self._give_up([link for link in self._links if link not in wanted])

    def _give_up(self, links: Sequence[Link]) -> None:
        if self._relay is not None and links:
            self._relay.ask("remove", {link: self._links[link] for link in links})
        for link in links:
            del self._links[link]

    def reshape(self, links: Iterable[Link]) -> None:
        """Give these links their new shape at once; those added before stay in use.

        Raises:
            LabError: it could not be carried out.
        """
        changed = {link: link.shape for link in links if link.shape is not None and self._links.get(link) != link.shape}
        if self._relay is None:
            self._set_netem(changed)
        elif changed:
            self._relay.ask("reshape", changed)
        self._links |= changed

    def status(self) -> dict[str, Any]:
        """What carries, why, and the links by their distance; of the relay also the packets it has lost and dropped."""
        groups: dict[RegionLink, list[str]] = {}
        for link, shape in self._links.items():
            groups.setdefault(shape, []).append(f"{link.namespace} to {link.peer_namespace}")
        counts: dict[str, int] = {}
        why = self._why
        if self._relay is not None:
            try:
                told = self._relay.ask("status", {})
                counts = {what: sum(sum(link[what]) for link in told) for what in ("lost", "dropped")}
            except LabError as error:
                why = str(error)
        return {
            "carrier": self.carrier,
            "why": why,
            "links": [{**shape.model_dump(mode="json"), "between": between} for shape, between in groups.items()],
            **counts,
        }

    def _choose(self) -> None:
        without_netem = _why_no_netem()
        if not without_netem:
            self.carrier = Carrier.NETEM
            return
        self._relay = _RelayProcess()
        self.carrier, self._why = Carrier.RELAY, without_netem

    def _set_netem(self, shaped: dict[Link, RegionLink]) -> None:
        for link, shape in shaped.items():
            for namespace, interface in ((link.namespace, link.interface), (link.peer_namespace, link.peer_interface)):
                kernel.run(["tc", "-n", namespace, "qdisc", "replace", "dev", interface, "root", *netem(shape)])


def distance_text(status: dict[str, Any]) -> str:
    """The carrier that :meth:`Distance.status` reports, in words."""
    return f"{status['carrier']} ({status['why']})" if status["why"] else str(status["carrier"])


def links_text(status: dict[str, Any]) -> list[tuple[str, str]]:
    """The links by their Regions, and what each does to a packet: ``("us-east-1 - us-west-2", "RTT 60 ms, ...")``."""
    said = []
    for link in status["links"]:
        words = [f"RTT {2 * link['one_way_delay_ms']:g} ms"]
        if link["rate_bits_per_s"] is not None:
            words.append(f"{link['rate_bits_per_s'] / 1e6:g} Mbit/s")
        if link["loss"]:
            words.append(f"loss {link['loss'] * 100:g} %")
        shown = list(dict.fromkeys(link["between"]))
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        said.append(
            (" - ".join(dict.fromkeys(link["regions"])), f"{', '.join(words)}: {', '.join(shown[:_SHOWN])}{more}")
        )
    return said


def netem(shape: RegionLink) -> list[str]:
    """The shape as words of tc-netem(8), for the outgoing side of an interface."""
    words = ["netem", "limit", str(_told(shape).held_bytes // _PACKET_BYTES)]
    words += ["delay", f"{shape.one_way_delay_ms * 1000:.0f}us"]
    if shape.loss:
        words += ["loss", f"{shape.loss * 100:g}%"]
    if shape.rate_bits_per_s is not None:
        words += ["rate", f"{shape.rate_bits_per_s}bit"]
    return words


def _why_no_netem() -> str:
    """Empty where a netem discipline can be made here."""
    if os.environ.get("BROKERPROOF_DISTANCE") == Carrier.RELAY:
        return "BROKERPROOF_DISTANCE asks for it"
    if shutil.which("tc") is None:
        return "tc is not installed"
    try:
        kernel.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
        kernel.run(["tc", "qdisc", "del", "dev", "lo", "root"])
    except LabError:
        return "this kernel has no netem"
    return ""


class _RelayProcess:
    """The relay and the line to it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._log = Path(STATE_DIR, "log", "relay.log")
        with theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "brokerproof.lab.network.relay"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=log,
            )
        ours.settimeout(_ANSWER_S)
        self._connection = ours
        self._answers = ours.makefile("rb")
        self._asking = threading.Lock()

    def ask(self, what: str, links: dict[Link, RegionLink]) -> list[dict[str, Any]]:
        request = {"do": what, "links": [{"ends": _ends(link), "shape": _told(s)} for link, s in links.items()]}
        with self._asking:
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(self._answers.readline())
            except (OSError, ValueError):  # it ended, or it is stuck, which nothing after this could rely on
                self._process.kill()
                self._process.wait()
                answer = None
        match answer:
            case {"done": list(result)}:
                return result
            case {"error": str(words)}:
                raise LabError(
                    f"the relay, which carries the distance between VPCs where there is no netem, cannot "
                    f"{what} links: {words}. It needs /dev/net/tun; without distance it is not needed ({WITHOUT})"
                )
            case _:
                words = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
                raise LabError(
                    f"the relay, which carries the distance between VPCs, ended ({self._process.poll()}); "
                    f"start a new lab. It said: {words or 'nothing'}"
                )


def _ends(link: Link) -> Sequence[tuple[str, str]]:
    return (link.namespace, link.interface), (link.peer_namespace, link.peer_interface)


def _told(shape: RegionLink) -> relay.Shape:
    return relay.Shape(round(shape.one_way_delay_ms * 1_000_000), shape.rate_bits_per_s, shape.loss)
