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
    Distribution,
    Facts,
    GroupFacts,
    HandshakeFacts,
    IdentityFacts,
    IdleFacts,
    LatencyFacts,
    MetadataFacts,
    PathSizeFacts,
    ProduceFacts,
    ResolveFacts,
    TcpInfo,
    ThroughputFacts,
)
from probes.outcome.lines import (
    Closing,
    Line,
    Outcome,
    Refused,
    Started,
    Target,
    WaitedFor,
    decode_line,
    encode_line,
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
    "IdentityFacts",
    "IdleFacts",
    "LatencyFacts",
    "Line",
    "MetadataFacts",
    "Outcome",
    "PathSizeFacts",
    "ProduceFacts",
    "Reason",
    "Refused",
    "ResolveFacts",
    "Role",
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
