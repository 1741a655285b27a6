"""Which controller leads the metadata quorum, from what the controllers keep on disk.

Kafka's own request, DescribeQuorum, is answered by the active controller alone. It is of no use where that one stands
still.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from brokerproof.lab.daemons.kafka_config import data_dir
from brokerproof.lab.network.blueprint import BrokerProcess


def active_controller(broker: BrokerProcess) -> int | None:
    """The node this controller follows, or its own, as its raft client wrote it down (``quorum-state``, KIP-595).

    None where it knows of none, or is a broker alone.
    """
    path = Path(data_dir(broker.cluster_name, broker.broker_id), "__cluster_metadata-0", "quorum-state")
    try:
        leader = json.loads(path.read_text("utf-8"))["leaderId"]
    except (OSError, ValueError):
        return None
    return leader if leader >= 0 else None


def can_elect(broker: BrokerProcess, among: Collection[BrokerProcess]) -> bool:
    """Whether ``among`` these brokers is a majority of the cluster's controllers."""
    voters = {int(voter.partition("@")[0]) for voter in broker.voters.split(",")}
    return len(voters & {b.broker_id for b in among}) > len(voters) / 2
