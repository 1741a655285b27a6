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
        keeps = client.listener == "CLIENT" or (client.ca_file or "").startswith(_OF_THE_LAB)
        ca_file = client.ca_file if keeps else CA_FILE
        return client.model_copy(update={"vantage": ClientVantage(), "ca_file": ca_file})

    return topology.model_copy(update={"clients": tuple(twin(client) for client in topology.clients)})
