"""What an installation may lack: the extras of the package, and one sentence for whoever meets one that is missing.

A leaf that every room may import; the standard library alone. What an extra holds is in ``pyproject.toml``.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from typing import Final

from brokerproof.errors import CouldNotError
from brokerproof.wording import listed


class Extra(StrEnum):
    """An extra that some commands need."""

    AWS = "aws"
    CANARY = "canary"
    COMPARE = "compare"
    LAB = "lab"
    OTLP = "otlp"
    REPORT = "report"


IMPORTS: Final = {
    Extra.AWS: ("boto3",),
    Extra.CANARY: ("prometheus_client",),
    Extra.COMPARE: ("duckdb", "numpy", "scipy", "threadpoolctl"),
    Extra.LAB: ("tenacity",),
    Extra.OTLP: ("opentelemetry",),
    Extra.REPORT: ("matplotlib",),
}
"""What each extra is there for, by the modules' names."""


class MissingExtraError(CouldNotError):
    """Something was asked for that an extra is needed for."""


def lacking(extra: Extra, what: str) -> str:
    """Why ``what`` cannot be done, in one sentence that says what to install; empty where everything is there."""
    missing = [name for name in IMPORTS[extra] if find_spec(name) is None]
    return f"{what} needs {listed(missing)}: pip install 'brokerproof[{extra}]'" if missing else ""


def require(extra: Extra, what: str) -> None:
    """Refuse ``what`` where the extra is not installed.

    Raises:
        MissingExtraError: something of the extra is not there.
    """
    why = lacking(extra, what)
    if why:
        raise MissingExtraError(why)
