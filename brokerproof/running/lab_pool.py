"""One running lab for many topologies: it is changed where the brokers stay as they are, and else made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from brokerproof.lab.errors import LabError
from brokerproof.lab.life.handle import Lab
from brokerproof.lab.network.blueprint import compile_topology
from brokerproof.topology.models import Topology

Progress = Callable[[str], None]


def brokers_of(topology: Topology) -> Hashable:
    """What a lab cannot take over from another: brokers with their properties, Kafka's version, certificates.

    Brokers can be restarted in a running lab, but that is no quicker than another lab: a broker that
    was killed may register again only when its session has ended.

    Raises:
        LabError: the lab cannot build this topology.
    """
    blueprint = compile_topology(topology)
    return blueprint.kafka_version, blueprint.brokers, blueprint.certificates


class LabPool:
    """At most one lab. Whatever goes wrong with it, the next topology gets a new one."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lab: Lab | None = None
        self._newest: Lab | None = None
        """The last one that was begun; it may not be built yet."""
        self._killed = False

    def lab(self, topology: Topology) -> Lab:
        """A lab that is this topology, as intended.

        Raises:
            LabError: it could not be started or changed; no lab is left.
        """
        if self._lab is not None and not self._can_become(self._lab, topology):
            self.close()
        try:
            if self._lab is None:
                self._lab = self._start(topology)
            elif not self._lab.topology == self._lab.intended == topology:
                self._change(self._lab, topology)
        except BaseException:
            self.close()
            raise
        return self._lab

    def kill(self) -> None:
        """End the lab at once, from another thread, also one that is being built; none is started any more."""
        self._killed = True
        newest = self._newest
        if newest is not None:
            newest.kill()

    def close(self) -> None:
        """End the lab, if there is one."""
        lab, self._lab = self._lab, None
        if lab is not None:
            lab.stop()

    def _can_become(self, lab: Lab, topology: Topology) -> bool:
        if lab.unknown or brokers_of(lab.intended) != brokers_of(topology):
            return False
        try:
            status = lab.status()
        except LabError as error:
            self._progress(f"lab: {error}; starting another")
            return False
        ended = [key for key, state in status["brokers"].items() if state.startswith("ended")]
        if ended:
            self._progress(f"lab: {', '.join(ended)} ended by itself; starting another")
        # A broker that a fault stopped or changed would have to be restarted.
        return not ended and brokers_of(lab.topology) == brokers_of(topology)

    def _start(self, topology: Topology) -> Lab:
        began = time.monotonic()

        def progress(text: str) -> None:
            self._progress(f"lab {topology.name}: {time.monotonic() - began:4.1f} s  {text}")

        def spawned(lab: Lab) -> None:
            self._newest = lab
            if self._killed:
                lab.kill()

        return Lab.start(topology, progress=progress, spawned=spawned)

    def _change(self, lab: Lab, topology: Topology) -> None:
        began = time.monotonic()
        lab.rebuild(topology)
        self._progress(f"lab: changed to {topology.name} in {time.monotonic() - began:.1f} s")
