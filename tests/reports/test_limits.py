"""What limited a throughput: each limit by its own evidence, the surest first, and none without."""

from __future__ import annotations

from typing import Any

import pytest

from brokerproof.probes.outcome import HostLoad, ProduceLimits
from brokerproof.reports.limits import Limit, limited_by

MS = 1_000_000
BUSY_HOST = HostLoad(busy_share=0.99, steal_share=0, late_mean_ns=0, late_max_ns=0)


def seen(**fields: Any) -> ProduceLimits:
    usual: dict[str, Any] = {
        "sender_cpu_share": 0.3,
        "process_cpu_share": 0.6,
        "connections": 3,
        "busy_share": 0.9,
        "rtt_ns": MS,
        "min_rtt_ns": MS,
    }
    return ProduceLimits(**usual | fields)


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, Limit.NOT_TOLD),
        ({"throttled_ms": 20, "sender_cpu_share": 1.0}, Limit.THROTTLE),
        ({"sender_cpu_share": 0.9, "rwnd_limited_share": 0.9}, Limit.CLIENT_CPU),
        ({"rwnd_limited_share": 0.5, "sndbuf_limited_share": 0.4}, Limit.RECEIVE_WINDOW),
        ({"sndbuf_limited_share": 0.4, "retransmitted": 5}, Limit.SEND_BUFFER),
        ({"retransmitted": 5}, Limit.PATH),
        ({"retransmitted": 5, "host": BUSY_HOST}, Limit.HOST_CPU),
        ({"rwnd_limited_share": 0.9, "host": BUSY_HOST}, Limit.HOST_CPU),
        ({"sndbuf_limited_share": 0.9, "host": BUSY_HOST}, Limit.HOST_CPU),
        ({"rtt_ns": 61 * MS, "min_rtt_ns": 60 * MS, "host": BUSY_HOST}, Limit.HOST_CPU),
        ({"throttled_ms": 20, "host": BUSY_HOST}, Limit.THROTTLE),
        ({"sender_cpu_share": 0.9, "host": BUSY_HOST}, Limit.CLIENT_CPU),
        ({"rtt_ns": 3 * MS}, Limit.PATH),
        ({"rtt_ns": 3 * MS, "busy_share": 0.2}, Limit.NOT_TOLD),
        ({"rtt_ns": 3 * MS, "min_rtt_ns": 0}, Limit.NOT_TOLD),
        ({"host": BUSY_HOST}, Limit.HOST_CPU),
        ({"sender_cpu_share": 0.9, "handing_over_share": 0.02}, Limit.NOT_TOLD),
        ({"rtt_ns": 61 * MS, "min_rtt_ns": 60 * MS}, Limit.ROUND_TRIP),
        ({"rtt_ns": 61 * MS, "min_rtt_ns": 60 * MS, "busy_share": 0.3}, Limit.NOT_TOLD),
        ({"rtt_ns": 61 * MS, "min_rtt_ns": 60 * MS, "retransmitted": 1}, Limit.PATH),
    ],
)
def test_each_limit_has_its_evidence(fields: dict[str, Any], limit: Limit) -> None:
    assert limited_by(seen(**fields)).limit is limit


def test_on_a_busy_host_what_the_connections_show_is_told_as_undecided() -> None:
    found = limited_by(seen(rwnd_limited_share=0.9, host=BUSY_HOST))
    assert found.because == (
        "the client's host was busy 99% of the time, with whatever else runs there too; it may be the host's own doing "
        "that the brokers' receive window was full 90% of the time, at 1.00 ms RTT"
    )


def test_what_was_not_recorded_is_not_told() -> None:
    assert limited_by(None).limit is Limit.NOT_TOLD
    assert "0.5" not in limited_by(seen()).because
