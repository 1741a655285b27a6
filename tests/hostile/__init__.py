"""Peers that mean harm, or have lost their minds: the inputs that once broke the probe, and seeded fuzzers for more."""
