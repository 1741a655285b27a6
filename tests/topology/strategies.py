"""Hypothesis strategies for builder parameters."""

from __future__ import annotations

from hypothesis import strategies as st

from brokerproof.topology.models import Unserved
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import Overlap

options = st.builds(
    PatternOptions,
    brokers=st.integers(1, 9),
    zones=st.integers(1, 4),
    cross_zone=st.booleans(),
    overlap=st.sampled_from(Overlap),
    zonal_alias=st.booleans(),
    first_listener_port=st.integers(10_000, 20_000),
    plaintext=st.booleans(),
    advertised_unchanged=st.booleans(),
    local_zone=st.booleans(),
    remote=st.booleans(),
    unserved=st.sampled_from(Unserved),
    dual_stack=st.booleans(),
    cross_region_rtt_ms=st.sampled_from((0.0, 1.0, 60.0)),
    in_region_rtt_ms=st.sampled_from((0.0, 0.5)),
)
patterns = st.sampled_from(sorted(PATTERNS))
