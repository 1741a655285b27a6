"""JUnit XML of the checks, for CI systems that read it.

One suite a client, one case a check, under names that stay the same between runs: class
``pattern.client``, case ``check_id``. What no check covers (a partial record, a probe that never
ran, nothing probed at all) is a case of its own, so that a reader of this file alone never sees
green for a run that was not. The standard library writes the file: five elements need no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from brokerproof.diagnosis import finding_text
from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.diagnosis.finding import Finding
from brokerproof.reports import words
from brokerproof.reports.document import ClientResult, ResultDocument, TestOutcome, TestResult
from brokerproof.reports.findings import Advised, advices, explained
from brokerproof.reports.formats import ReportFormat
from brokerproof.reports.verdict import Overall, judge, judge_client

RUN_SUITE: Final = "brokerproof.run"
VERDICT_CASE: Final = "verdict"
PROBE_CASE: Final = "probe/ran-to-its-end"


class _Mark(msgspec.Struct, frozen=True):
    """A case's child element: which, its type, its one line, its text."""

    tag: str
    kind: str
    message: str
    text: str = ""


class _Case(msgspec.Struct, frozen=True):
    name: str
    duration_ns: int
    mark: _Mark | None = None


def render_junit(document: ResultDocument) -> bytes:
    """The document's checks as JUnit XML, UTF-8."""
    root = ET.Element("testsuites", name="brokerproof")
    timestamp = document.started.strftime("%Y-%m-%dT%H:%M:%S")
    known = explained(document)
    suites = [(result.name, list(_client_cases(result, known))) for result in document.clients]
    of_clients = [case for _, cases in suites for case in cases]
    suites.append((RUN_SUITE, list(_run_cases(document, of_clients))))
    advised = advices(document)
    for name, cases in suites:
        suite = ET.SubElement(root, "testsuite", name=words.printable(name), timestamp=timestamp)
        _count(suite, cases)
        _advise(suite, [one for one in advised if name in one.clients])
        for case in cases:
            _add(suite, name, case)
    _count(root, [case for _, cases in suites for case in cases])
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


FORMAT: Final = ReportFormat(file="junit.xml", render=render_junit)


def _client_cases(result: ClientResult, known: dict[tuple[str, str], Finding]) -> Iterator[_Case]:
    for check in result.checks:
        yield _Case(check.check_id, check.duration_ns, _mark(check, known.get((result.name, check.check_id))))
    trouble = "; ".join(judge_client(result).because)
    took_ns = 0 if result.closing is None else result.closing.duration_ns
    mark = _Mark("error", "probe", words.first_line(trouble), trouble) if trouble else None
    yield _Case(PROBE_CASE, took_ns, mark)


def _mark(check: Check, finding: Finding | None = None) -> _Mark | None:
    kind = "/".join(part for part in (check.stage.value, check.reason and check.reason.value) if part)
    observed = words.first_line(check.observed) or words.reason(check.reason) or check.title
    match check.verdict:
        case Verdict.PASSED:
            return None
        case Verdict.FAILED if finding is not None:
            return _Mark("failure", finding_text.codes_of(finding), finding.wrong, _found(finding, check))
        case Verdict.FAILED:
            return _Mark("failure", kind, observed, _told(check))
        case Verdict.ERROR:
            return _Mark("error", kind, observed, _told(check))
        case Verdict.BLOCKED | Verdict.NOT_SEEN | Verdict.NOT_COVERED:
            why = {
                Verdict.BLOCKED: f"blocked{f': waits for {check.blocked_by}' if check.blocked_by else ''}",
                Verdict.NOT_SEEN: "planned, but the run ended before it was probed",
                Verdict.NOT_COVERED: observed,
            }
            return _Mark("skipped", check.verdict.value, why[check.verdict])


def _found(finding: Finding, check: Check) -> str:
    """The finding, then the check it explains."""
    return f"{finding_text.text_of(finding)}\n\ncheck {check.check_id}\n{_told(check)}"


def _told(check: Check) -> str:
    """What must hold, what was observed, what to change: the same lines in the same order everywhere."""
    told = (
        ("must hold", check.title),
        ("observed", check.observed),
        ("expected", check.expected if check.expected != check.title else ""),
        ("change", check.change),
    )
    return "\n".join(f"{what}: {text}" for what, text in told if text)


def _run_cases(document: ResultDocument, client_cases: list[_Case]) -> Iterator[_Case]:
    """The tests that failed where no check gives the cause, and the run's own case.

    Whoever is not green must be red somewhere in this file, and no trouble need be counted twice.
    """
    judgement = judge(document)
    red = any(case.mark is not None and case.mark.tag != "skipped" for case in client_cases)
    if not red:
        tests = [case for test in document.tests if (case := _test_case(test)) is not None]
        red = bool(tests)
        yield from tests
    because = "\n".join(judgement.because)
    mark = None
    if not document.complete:
        mark = _Mark("error", Overall.INCOMPLETE.value, "the record of this run is partial", because)
    elif not judgement.overall.is_success and not red:
        tag = "error" if judgement.overall in {Overall.ERROR, Overall.INCOMPLETE} else "failure"
        mark = _Mark(tag, judgement.overall.value, judgement.sentence, because)
    yield _Case(VERDICT_CASE, 0, mark)


def _test_case(test: TestResult) -> _Case | None:
    match test.outcome:
        case TestOutcome.PASSED | TestOutcome.SKIPPED:
            return None
        case TestOutcome.FAILED:
            tag = "failure"
        case TestOutcome.ERROR:
            tag = "error"
    message = test.message or f"{test.outcome.value} in {test.phase.value}"
    return _Case(test.node_id, test.duration_ns, _Mark(tag, test.phase.value, message))


def _count(element: ET.Element, cases: list[_Case]) -> None:
    marks = [case.mark.tag for case in cases if case.mark is not None]
    element.set("tests", str(len(cases)))
    element.set("failures", str(marks.count("failure")))
    element.set("errors", str(marks.count("error")))
    element.set("skipped", str(marks.count("skipped")))
    element.set("time", _seconds(sum(case.duration_ns for case in cases)))


def _advise(suite: ET.Element, advised: list[Advised]) -> None:
    """Advice as properties: they stand in the file and are neither failure nor error."""
    if not advised:
        return
    properties = ET.SubElement(suite, "properties")
    for one in advised:
        told = " ".join((one.advice.title, one.advice.sentence, f"Change: {one.advice.change}."))
        ET.SubElement(properties, "property", name=f"advice.{one.advice.code}", value=words.printable(told))


def _add(suite: ET.Element, suite_name: str, case: _Case) -> None:
    element = ET.SubElement(
        suite,
        "testcase",
        classname=words.printable(suite_name),
        name=words.printable(case.name),
        time=_seconds(case.duration_ns),
    )
    if case.mark is None:
        return
    message = words.printable(case.mark.message)
    child = ET.SubElement(element, case.mark.tag, type=case.mark.kind, message=message)
    child.text = words.printable(case.mark.text) or None


def _seconds(ns: int) -> str:
    return f"{ns / words.NS_PER_S:.6f}"
