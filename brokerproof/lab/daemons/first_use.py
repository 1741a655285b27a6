"""A first use of the broker whose classes are archived, so that the archive has what clients have a broker load too.

It needs the packages of the lab; :mod:`brokerproof.lab.daemons.jvm` runs it by an interpreter that has them.

    python -m brokerproof.lab.daemons.first_use keystore FILE          what the broker's TLS listener presents
    python -m brokerproof.lab.daemons.first_use client HOST:PORT       topic, records, group, as any client; over TLS
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from brokerproof.lab.daemons.certificates import make_authority, make_server_pem

_LIMIT_S: Final = 20
_TOPIC: Final = "first-use"
_RECORDS: Final = 10


def main(what: str, argument: str) -> int:
    """Do one of the two; 0 where it was done, 1 where not everything came back."""
    if what == "keystore":
        _write_keystore(Path(argument))
        return 0
    try:
        return 0 if _use(argument) else 1
    except KafkaException:
        return 1


def _write_keystore(path: Path) -> None:
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    path.write_bytes(make_server_pem(make_authority("Archive", now), ("localhost",), now - day, now + day))


def _use(bootstrap: str) -> bool:
    """Whether every record that was written came back."""
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        "security.protocol": "ssl",
        "enable.ssl.certificate.verification": False,
        "ssl.endpoint.identification.algorithm": "none",
        "log_level": 0,
    }
    admin, producer = AdminClient(settings), Producer(settings)
    for future in admin.create_topics([NewTopic(_TOPIC, num_partitions=3, replication_factor=1)]).values():
        future.result(timeout=_LIMIT_S)
    for number in range(_RECORDS):
        producer.produce(_TOPIC, b"record", key=str(number))
    producer.flush(_LIMIT_S)
    consumer = Consumer({**settings, "group.id": _TOPIC, "auto.offset.reset": "earliest"})
    consumer.subscribe([_TOPIC])
    records = consumer.consume(_RECORDS, timeout=_LIMIT_S)
    consumer.commit(asynchronous=False)
    consumer.close()
    for future in admin.delete_topics([_TOPIC]).values():
        future.result(timeout=_LIMIT_S)
    return len(records) == _RECORDS


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
