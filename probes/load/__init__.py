"""Latency and throughput under load: senders, rates, ramps, and how busy the probe's host was."""
