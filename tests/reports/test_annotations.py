"""Findings as annotations of a GitHub job: what is wrong is an error, what is unknown a warning; text is no command."""

from __future__ import annotations

import msgspec

from brokerproof.reports.annotations import MOST, command, lines_of
from brokerproof.reports.document import ResultDocument
from tests.reports import builder
from tests.reports.test_findings import SILENT, results, whole


def silent() -> ResultDocument:
    return whole(*results("peering", SILENT))


def test_a_finding_is_an_error_that_says_what_to_change() -> None:
    document = silent()
    lines = list(lines_of(document))
    findings = [finding for each in document.diagnoses for finding in each.diagnosis.findings]
    assert findings
    errors = [line for line in lines if line.startswith("::error ")]
    assert len(errors) == len(findings)
    assert findings[0].change.splitlines()[0][:40] in errors[0]
    assert any(line.startswith("::notice title=As it must be::") for line in lines)


def test_a_client_of_which_nothing_is_known_is_a_warning() -> None:
    document = builder.mixed()
    dead = msgspec.structs.replace(document.clients[0], vantage_error="did not run: Sandbox.Timedout")
    lines = list(lines_of(with_clients(document, (dead, *document.clients[1:]))))
    assert f"::error title={dead.name}::did not run: Sandbox.Timedout" in lines or (
        f"::warning title={dead.name}::did not run: Sandbox.Timedout" in lines
    )


def test_no_more_than_github_shows() -> None:
    document = silent()
    diagnosis = document.diagnoses[0].diagnosis
    many = msgspec.structs.replace(diagnosis, findings=diagnosis.findings[:1] * (MOST + 3))
    told = msgspec.structs.replace(document.diagnoses[0], diagnosis=many)
    lines = list(lines_of(msgspec.structs.replace(document, diagnoses=(told,))))
    assert sum(line.startswith("::error ") for line in lines) == MOST
    assert any("3 more are in the report" in line for line in lines)


def test_words_from_outside_cannot_be_a_command_or_end_one() -> None:
    made = command("error", "a: b, c", "first\n::stop-commands::x 100%\r\x1b[0m")
    assert made.count("\n") == made.count("\r") == made.count("\x1b") == 0
    assert made.startswith("::error title=a%3A b%2C c::first")
    assert "100%25" in made


def with_clients(document: ResultDocument, clients: tuple[object, ...]) -> ResultDocument:
    return msgspec.structs.replace(document, clients=clients)
