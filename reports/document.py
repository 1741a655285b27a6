"""The result document: everything one run observed and concluded, as values.

Every report is a rendering of this document and of nothing else. Reading, judging and drawing it
live beside this module; here is only its shape, its version, and how it becomes JSON and back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Final

import msgspec

from brokerproof.aws.audit.values import Audit
from brokerproof.comparison.values import Comparison
from brokerproof.diagnosis.check import Check
from brokerproof.diagnosis.finding import Diagnosis
from brokerproof.probes.outcome import Closing, Outcome, Started
from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.reports.files import write_atomically
from brokerproof.reports.formats import ReportFormat
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.picture import DrawnWay

DOCUMENT_VERSION: Final = 2
"""Raised with every change of shape. A new field with a default still reads older documents."""

UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]
"""Wall clock, written as ISO 8601; a time without a zone is refused."""


class DocumentError(ValueError):
    """The text is not a result document this version understands."""


class Tool(Value, frozen=True, kw_only=True):
    """What made the document: brokerproof's version and those of the libraries it measured with."""

    version: str
    libraries: dict[str, str] = msgspec.field(default_factory=dict)


class Host(Value, frozen=True, kw_only=True):
    """Facts of the machine the run was started on that explain a figure and are no secret."""

    kernel: str
    python: str
    machine: str
    cores: int
    """Cores this process may use, not those the machine has."""


class Run(Value, frozen=True, kw_only=True):
    """Who is running, where, against what: known before anything is probed.

    ``target`` is ``lab`` or a file's name.

    Raises:
        ValueError: when ``target`` is a path, which would carry a machine's layout into the report.
    """

    run_id: str
    target: str
    tool: Tool
    host: Host

    def __post_init__(self) -> None:
        if Path(self.target).name != self.target:
            raise ValueError(f"target {self.target!r} is a path; give the file's name")


class TestOutcome(StrEnum):
    """pytest's own outcomes; ``error`` is a failure outside the test's body."""

    __test__: ClassVar[bool] = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


class TestPhase(StrEnum):
    """pytest's phases of one test."""

    __test__: ClassVar[bool] = False

    SETUP = "setup"
    CALL = "call"
    TEARDOWN = "teardown"


class TestResult(Value, frozen=True, kw_only=True):
    """One test of the run. ``message`` is the first line of its failure, empty when it passed."""

    __test__: ClassVar[bool] = False

    node_id: str
    outcome: TestOutcome
    duration_ns: int
    phase: TestPhase = TestPhase.CALL
    message: str = ""


class ClientResult(Value, frozen=True, kw_only=True):
    """One client through one pattern: what it had to see, what it saw, what that means.

    ``label`` tells apart several runs of one client through one pattern (``overlapping-cidrs``);
    pattern, client and label together are unique in a document. ``checks`` holds one verdict a
    thing the client must see. What is wrong is told by
    :attr:`ResultDocument.diagnoses`, for all clients of a topology together.

    Raises:
        ValueError: when two checks have the same id, because reports are keyed by it.
    """

    view: ClientView
    label: str = ""
    topology_digest: str = ""
    """SHA-256 of the topology the view was derived from, hexadecimal."""
    ran_as: str = ""
    """Where the probe ran, where that is not the client's own host, and what that proves; a sentence."""
    started: Started | None = None
    """None: the probe never reported its start."""
    outcomes: tuple[Outcome, ...] = ()
    closing: Closing | None = None
    """None: the probe's run was cut short."""
    vantage_error: str = ""
    """What went wrong between this host and the probe; nothing is known about the path then."""
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        if len({check.check_id for check in self.checks}) != len(self.checks):
            raise ValueError(f"client {self.view.client}: two checks have the same check_id")

    @property
    def pattern(self) -> str:
        """The pattern the client is meant to use."""
        return self.view.pattern

    @property
    def name(self) -> str:
        """``pattern.client`` or ``pattern.client.label``: stable between runs, unique in one."""
        parts = (self.view.pattern, self.view.client, self.label)
        return ".".join(part for part in parts if part)


class Drawing(Value, frozen=True, kw_only=True):
    """The picture of a topology of the run, as Graphviz DOT: what it was, without anything secret of it.

    How clients are reached (their commands and environments) is no part of a picture.
    """

    topology_digest: str
    title: str
    description: str
    """What the picture shows, in words."""
    dot: str
    ways: tuple[DrawnWay, ...] = ()
    """Which boxes and lines of the picture belong to which client, so that findings can be marked in it."""


class TopologyAudit(Value, frozen=True, kw_only=True):
    """What the account's configuration proves of a topology, where the account was read."""

    topology_digest: str
    audit: Audit


class TopologyDiagnosis(Value, frozen=True, kw_only=True):
    """What is wrong in one topology, from all its clients together.

    ``clients`` are names as in :attr:`ClientResult.name`; findings name clients by their view's name.
    """

    topology_digest: str = ""
    clients: tuple[str, ...]
    diagnosis: Diagnosis


class ResultDocument(Value, frozen=True, kw_only=True):
    """One run, whole or as much of it as there is.

    Raises:
        ValueError: when ``complete`` and ``incomplete_because`` contradict each other, or two
            clients have the same name.
    """

    document_version: int
    run: Run
    started: UtcTime
    finished: UtcTime | None = None
    complete: bool
    """Everything that was begun was also recorded to its end."""
    incomplete_because: tuple[str, ...] = ()
    clients: tuple[ClientResult, ...] = ()
    tests: tuple[TestResult, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    """One a distinct topology; clients name theirs by ``topology_digest``."""
    diagnoses: tuple[TopologyDiagnosis, ...] = ()
    """What is wrong: one a topology whose clients were run. Empty in documents from before there were any."""
    audits: tuple[TopologyAudit, ...] = ()
    """What the account shows: one a topology that was read from one."""
    comparisons: tuple[Comparison, ...] = ()
    """Clients that took turns, in pairs."""

    def __post_init__(self) -> None:
        if self.complete == bool(self.incomplete_because):
            raise ValueError("a document is incomplete exactly when it states why")
        if len({client.name for client in self.clients}) != len(self.clients):
            raise ValueError("two clients have the same pattern, name and label")


class _Versioned(msgspec.Struct, frozen=True):
    document_version: int


_decoder: Final = msgspec.json.Decoder(ResultDocument)
_version_decoder: Final = msgspec.json.Decoder(_Versioned)
_BROKER: Final = re.compile(r"broker-(\d+)", re.ASCII)


def encode_document(document: ResultDocument) -> bytes:
    """The document as JSON, one line."""
    return encode_json(document) + b"\n"


def document_pieces(document: ResultDocument) -> Iterator[bytes]:
    """What :func:`encode_document` makes, a client at a time: a large run need not stand in memory twice."""
    for number, field in enumerate(document.__struct_fields__):
        yield (b"," if number else b"{") + encode_json(field) + b":"
        value = getattr(document, field)
        if field != "clients":
            yield encode_json(value)
            continue
        yield b"["
        for place, client in enumerate(document.clients):
            if place:
                yield b","
            yield encode_json(client)
        yield b"]"
    yield b"}\n"


def decode_document(text: bytes | str) -> ResultDocument:
    """Read a document of this version or an earlier one.

    Raises:
        DocumentError: not JSON, a later version, or a field that is missing, unknown or wrong; the
            message names its path.
    """
    try:
        version = _version_decoder.decode(text).document_version
        if not 1 <= version <= DOCUMENT_VERSION:
            raise DocumentError(f"result document version {version}; this brokerproof reads 1 to {DOCUMENT_VERSION}")
        return _decoder.decode(text) if version > 1 else _from_version_1(text)
    except msgspec.DecodeError as error:
        raise DocumentError(f"not a result document: {error}") from error


def _from_version_1(text: bytes | str) -> ResultDocument:
    """Version 1 named the broker in a check's ``subject`` (``broker-2``), also where ``broker_id`` did not."""
    document = msgspec.json.decode(text)
    document["document_version"] = DOCUMENT_VERSION
    match document:
        case {"clients": [*clients]}:
            for client in clients:
                match client:
                    case {"checks": [*checks]}:
                        _name_brokers(checks)
    return msgspec.convert(document, ResultDocument)


def _name_brokers(checks: list[object]) -> None:
    for check in checks:
        match check:
            case {"subject": str(subject)} if isinstance(check, dict) and (found := _BROKER.fullmatch(subject)):
                check |= {"subject": "broker", "broker_id": int(found[1])}


def write_document(document: ResultDocument, path: Path) -> None:
    """Write the document so that ``path`` never holds half of one.

    Raises:
        OSError: the folder cannot be written.
    """
    write_atomically(path, document_pieces(document))


RESULT_FILE: Final = "result.json"
FORMAT: Final = ReportFormat(file=RESULT_FILE, render=document_pieces)
