"""Registers the options and fixtures of the scenarios, and nothing else."""

from __future__ import annotations

pytest_plugins = ["brokerproof.scenarios.plugin"]
