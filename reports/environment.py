"""Facts about this process that explain a figure: versions, kernel, cores. No names, no addresses."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Final

from brokerproof.reports.document import Host, Tool

DISTRIBUTION: Final = "brokerproof"
LIBRARIES: Final = (
    "confluent-kafka",
    "cryptography",
    "dnspython",
    "hdrhistogram",
    "kio",
    "msgspec",
    "pydantic",
    "pyopenssl",
    "pytest",
)
"""Libraries whose version can change a verdict or a figure."""
UNKNOWN: Final = "not installed"


def describe_host() -> Host:
    """The machine this process runs on."""
    return Host(
        kernel=platform.release(),
        python=platform.python_version(),
        machine=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
    )


def describe_tool() -> Tool:
    """This tool and its libraries, as installed; a checkout that is not installed is named as such."""
    return Tool(version=_version(DISTRIBUTION), libraries={name: _version(name) for name in LIBRARIES})


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
