"""An account's topology as a lab of it: what no account tells of clients is the lab's own. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.topology.models import Client, ClientVantage, Topology
from brokerproof.topology.patterns.options import CA_FILE

_OF_THE_LAB: Final = "/run/brokerproof/"


def as_twin(topology: Topology) -> Topology:
    """A topology of an account, as the lab's own clients and certificates fit it.

    Every client is one of the lab, and trusts the lab's certificate authority: a discovered topology names neither.
    """

    def twin(client: Client) -> Client:
        ca = client.ca_file if (client.ca_file or "").startswith(_OF_THE_LAB) else CA_FILE
        if client.listener == "CLIENT":
            ca = client.ca_file
        return client.model_copy(update={"vantage": ClientVantage(), "ca_file": ca})

    return topology.model_copy(update={"clients": tuple(twin(client) for client in topology.clients)})
