"""Outcomes: what a probe saw, as values.

An outcome is never an exception. ``failed`` is about the path, ``error`` is about the probe
itself, ``skipped`` names what it waited for. Every stage has a closed list of reasons; a reason
outside it cannot be constructed.
"""

from probes.outcome.facts import (
    AdvertisedBroker,
    ApiFacts,
    ConnectFacts,
    ConsumeFacts,
    Facts,
    GroupFacts,
    HandshakeFacts,
    IdentityFacts,
    IdleFacts,
    MetadataFacts,
    PathSizeFacts,
    ProduceFacts,
    ResolveFacts,
    TcpInfo,
)
from probes.outcome.lines import (
    Closing,
    Line,
    Measured,
    Outcome,
    Refused,
    SampleBlock,
    Started,
    Target,
    WaitedFor,
    decode_line,
    encode_line,
)
from probes.outcome.measured import (
    Distribution,
    HostLoad,
    LatencyFacts,
    PathLatencyFacts,
    ProduceLimits,
    ThroughputFacts,
)
from probes.outcome.stages import ERROR_REASONS, SKIP_REASONS, STAGE_REASONS, Reason, Role, Stage, Status

__all__ = [
    "ERROR_REASONS",
    "SKIP_REASONS",
    "STAGE_REASONS",
    "AdvertisedBroker",
    "ApiFacts",
    "Closing",
    "ConnectFacts",
    "ConsumeFacts",
    "Distribution",
    "Facts",
    "GroupFacts",
    "HandshakeFacts",
    "HostLoad",
    "IdentityFacts",
    "IdleFacts",
    "LatencyFacts",
    "Line",
    "Measured",
    "MetadataFacts",
    "Outcome",
    "PathLatencyFacts",
    "PathSizeFacts",
    "ProduceFacts",
    "ProduceLimits",
    "Reason",
    "Refused",
    "ResolveFacts",
    "Role",
    "SampleBlock",
    "Stage",
    "Started",
    "Status",
    "Target",
    "TcpInfo",
    "ThroughputFacts",
    "WaitedFor",
    "decode_line",
    "encode_line",
]
