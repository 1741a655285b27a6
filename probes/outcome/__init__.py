"""Outcomes: what a probe saw, as values.

An outcome is never an exception. ``failed`` is about the path, ``error`` is about the probe
itself, ``skipped`` names what it waited for. Every stage has a closed list of reasons; a reason
outside it cannot be constructed.
"""

from brokerproof.probes.outcome.host import HostFacts, HostsEntry
from brokerproof.probes.outcome.lines import (
    Closing,
    Line,
    Measured,
    Outcome,
    Refused,
    SampleBlock,
    Spent,
    Started,
    Target,
    WaitedFor,
    decode_line,
    encode_line,
)
from brokerproof.probes.outcome.measured import Distribution, HostLoad
from brokerproof.probes.outcome.registry import STAGE_REASONS, Facts
from brokerproof.probes.outcome.specs.api import ApiFacts
from brokerproof.probes.outcome.specs.authenticate import (
    AgainFacts,
    AuthenticateFacts,
    CallerFacts,
    NonceFacts,
    StsAnswer,
    TokenFacts,
    TokenFlaw,
)
from brokerproof.probes.outcome.specs.authorize import AuthorizeFacts, PermissionAsked
from brokerproof.probes.outcome.specs.connect import ConnectFacts
from brokerproof.probes.outcome.specs.consume import ConsumeFacts
from brokerproof.probes.outcome.specs.group import GroupFacts, OffsetsPartition
from brokerproof.probes.outcome.specs.handshake import ClientCertificateFacts, HandshakeFacts, WithoutSni
from brokerproof.probes.outcome.specs.identity import IdentityFacts
from brokerproof.probes.outcome.specs.idle import IdleFacts
from brokerproof.probes.outcome.specs.latency import LatencyFacts, PathLatencyFacts
from brokerproof.probes.outcome.specs.metadata import AdvertisedBroker, MetadataFacts
from brokerproof.probes.outcome.specs.path_size import PathSizeFacts
from brokerproof.probes.outcome.specs.produce import ProduceFacts, TopicFacts
from brokerproof.probes.outcome.specs.resolve import LookupFailure, OtherAnswer, ResolveFacts, UnusableNameserver
from brokerproof.probes.outcome.specs.throughput import (
    Acks,
    Compression,
    Followed,
    ProduceLimits,
    RampEnd,
    RampFacts,
    RampStep,
    ThroughputFacts,
)
from brokerproof.probes.outcome.stages import ERROR_REASONS, SKIP_REASONS, Reason, Role, Stage, Status
from brokerproof.probes.outcome.tcp_info import TcpInfo

__all__ = [
    "ERROR_REASONS",
    "SKIP_REASONS",
    "STAGE_REASONS",
    "Acks",
    "AdvertisedBroker",
    "AgainFacts",
    "ApiFacts",
    "AuthenticateFacts",
    "AuthorizeFacts",
    "CallerFacts",
    "ClientCertificateFacts",
    "Closing",
    "Compression",
    "ConnectFacts",
    "ConsumeFacts",
    "Distribution",
    "Facts",
    "Followed",
    "GroupFacts",
    "HandshakeFacts",
    "HostFacts",
    "HostLoad",
    "HostsEntry",
    "IdentityFacts",
    "IdleFacts",
    "LatencyFacts",
    "Line",
    "LookupFailure",
    "Measured",
    "MetadataFacts",
    "NonceFacts",
    "OffsetsPartition",
    "OtherAnswer",
    "Outcome",
    "PathLatencyFacts",
    "PathSizeFacts",
    "PermissionAsked",
    "ProduceFacts",
    "ProduceLimits",
    "RampEnd",
    "RampFacts",
    "RampStep",
    "Reason",
    "Refused",
    "ResolveFacts",
    "Role",
    "SampleBlock",
    "Spent",
    "Stage",
    "Started",
    "Status",
    "StsAnswer",
    "Target",
    "TcpInfo",
    "ThroughputFacts",
    "TokenFacts",
    "TokenFlaw",
    "TopicFacts",
    "UnusableNameserver",
    "WaitedFor",
    "WithoutSni",
    "decode_line",
    "encode_line",
]
