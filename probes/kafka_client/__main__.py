"""``python -m brokerproof.probes.kafka_client FD``: the fork server, for a probe that runs within another program."""

from __future__ import annotations

import gc
import sys

from brokerproof.probes.kafka_client.fork_server import run_server
from brokerproof.probes.kafka_client.serving import serve

gc.freeze()
run_server(int(sys.argv[1]), serve)
