"""The findings as annotations of a GitHub job: a line each, which the runner reads off standard output.

Source: GitHub Docs, "Workflow commands for GitHub Actions". Text from outside is one line and cannot be a command.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from brokerproof.reports.document import ResultDocument
from brokerproof.reports.formats import ReportFormat
from brokerproof.reports.verdict import Overall, judge, judge_client
from brokerproof.wording import listed, one_line

MOST: Final = 10
"""GitHub shows ten errors and ten warnings of a step, and drops the others without a word."""


def lines_of(document: ResultDocument) -> Iterator[str]:
    """An error for each finding, an error or a warning for each client that none explains, a notice of the others."""
    findings = [finding for each in document.diagnoses for finding in each.diagnosis.findings]
    for finding in findings[:MOST]:
        whom = listed(finding.clients)
        text = f"{finding.observed}; expected: {finding.expected}. Change: {finding.change}. Clients: {whom}"
        yield command("error", finding.wrong, text)
    if len(findings) > MOST:
        yield command("notice", "More findings", f"{len(findings) - MOST} more are in the report")
    named = {name for each in document.diagnoses for finding in each.diagnosis.findings for name in finding.clients}
    judged = [(client, judge_client(client)) for client in document.clients]
    passed = [client.name for client, judgement in judged if judgement.overall is Overall.PASSED]
    others = [(client, judgement) for client, judgement in judged if judgement.overall is not Overall.PASSED]
    for client, judgement in [each for each in others if each[0].view.client not in named][:MOST]:
        level = "error" if judgement.overall is Overall.FAILED else "warning"
        yield command(level, client.name, client.vantage_error or judgement.sentence)
    if passed:
        more = f" and {len(passed) - MOST} more" if len(passed) > MOST else ""
        yield command("notice", "As it must be", f"{', '.join(passed[:MOST])}{more}")
    if judge(document).overall is not Overall.PASSED and not findings and not others:
        yield command("error", "The run is no pass", judge(document).sentence)


def command(level: str, title: str, text: str) -> str:
    """A workflow command; what would end or divide it is escaped as GitHub's own toolkit does."""
    safe_title = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={safe_title}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return one_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _rendered(document: ResultDocument) -> Iterator[bytes]:
    for line in lines_of(document):
        yield line.encode() + b"\n"


FORMAT: Final = ReportFormat(file="annotations.txt", render=_rendered)
