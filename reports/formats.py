"""The formats a run is written in: a line each. A format's own module says what it is; writing it imports that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from brokerproof.reports.document import ResultDocument


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """A rendering of the result document as one file. Its module has it by the name ``FORMAT``."""

    file: str
    """What the file is called in the run directory."""
    render: Callable[[ResultDocument], bytes | Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Listed:
    """Where a format is, and when it is written."""

    module: str
    on_request: bool = False
    """Only where it is asked for (``--report NAME``); the others are written of every run."""


FORMATS: Final = {
    "report": Listed("brokerproof.reports.html"),
    "markdown": Listed("brokerproof.reports.markdown", on_request=True),
    "annotations": Listed("brokerproof.reports.annotations", on_request=True),
    "junit": Listed("brokerproof.reports.junit"),
    "result": Listed("brokerproof.reports.document"),
}
"""By the name a format is asked for and told by: what people read first, what programs read last."""

ON_REQUEST: Final = tuple(name for name, listed in FORMATS.items() if listed.on_request)


def report_format(name: str) -> ReportFormat:
    """The format of a name in :data:`FORMATS`."""
    found = import_module(FORMATS[name].module).FORMAT
    if not isinstance(found, ReportFormat):
        raise TypeError(f"{FORMATS[name].module}.FORMAT is {found!r}, not a report format")
    return found
