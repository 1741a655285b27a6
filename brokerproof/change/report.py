"""A judgement in the terminal, as JUnit and as a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from brokerproof.change.judgement import Answer, Judgement, Standing, Why
from brokerproof.probes.survival.values import SurvivalReport
from brokerproof.reports.templating import engine, finalized, second_of, spaced
from brokerproof.wording import one_line, printable

TEMPLATES: Final = Path(__file__).parent / "templates"
WORDS: Final = {
    Answer.ACCEPTED: "ACCEPTED",
    Answer.REJECTED: "REJECTED",
    Answer.NOT_COMPARABLE: "NOT COMPARABLE",
}
MARKS: Final = {Answer.ACCEPTED: "✓", Answer.REJECTED: "✗", Answer.NOT_COMPARABLE: "?"}


def lines_of(judgement: Judgement) -> Iterator[str]:
    """The judgement in the terminal."""
    change = f": {judgement.change}" if judgement.change else ""
    yield f"{MARKS[judgement.answer]} {WORDS[judgement.answer]}{one_line(change)}"
    for why in judgement.whys:
        yield ""
        yield f"  {_words_of(why)}"
        for line in printable(why.detail).splitlines():
            yield f"    {line}"
    changed = [each for each in judgement.compared if each.standing is Standing.DECLARED]
    yield ""
    counts = dict.fromkeys(Standing, 0)
    for each in judgement.compared:
        counts[each.standing] += 1
    yield "  facts: " + ", ".join(
        f"{count:,} {standing.replace('_', ' ')}" for standing, count in counts.items() if count
    )
    for each in changed:
        yield one_line(f"    {each.client} {each.kind.replace('_', ' ')} of {each.subject}: as declared")
    for report in judgement.survivals:
        yield "  " + one_line(survival_words(report))
    for remark in judgement.remarks:
        yield "  note: " + one_line(remark)


def _words_of(why: Why) -> str:
    head = {Answer.REJECTED: "rejected", Answer.NOT_COMPARABLE: "not comparable", Answer.ACCEPTED: "accepted"}
    client = f"{why.client}: " if why.client else ""
    return one_line(f"{head[why.answer]}: {client}{why.title}")


def survival_words(report: SurvivalReport) -> str:
    """What one client's survivors noticed, in one line."""
    longest = max((gap.lasted_ms for leader in report.leaders for gap in leader.gaps), default=0.0)
    usual = max((leader.usual_ms for leader in report.leaders), default=0.0)
    attempts = sum(each.attempts for each in report.fresh)
    failed = sum(len(each.failed) for each in report.fresh)
    pause = f"longest pause {longest:,.0f} ms" if longest else "no pause"
    fresh = f", {failed:,} of {attempts:,} fresh connections failed" if report.fresh else ""
    return (
        f"{report.client}: {report.acknowledged:,} records acknowledged in {report.ended - report.began:.0f} s, "
        f"every {usual:.0f} ms a leader, {pause}, {report.lost:,} lost, {report.duplicated:,} twice, "
        f"{report.rebalances} rebalances{fresh}"
    )


def junit(judgement: Judgement) -> bytes:
    """A test a question, so that CI shows which was answered how."""
    suite = ET.Element("testsuite", name="brokerproof.change")
    cases = ("the path is right before and after", "facts are as declared", "clients live through it")
    failures = 0
    for why in judgement.whys:
        case = ET.SubElement(suite, "testcase", classname=f"change.{why.client or 'all'}", name=printable(why.title))
        kind = "failure" if why.answer is Answer.REJECTED else "error"
        failures += kind == "failure"
        problem = ET.SubElement(case, kind, message=printable(why.title))
        problem.text = printable(why.detail)
    if not judgement.whys:
        for name in cases:
            ET.SubElement(suite, "testcase", classname="change.all", name=name)
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", str(len(judgement.whys) - failures))
    ET.indent(suite)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def html(judgement: Judgement) -> str:
    """The page."""
    made = engine(finalized, TEMPLATES)
    made.filters.update(clock=second_of, words=spaced)
    return made.get_template("change.html.j2").render(
        judgement=judgement,
        answer=WORDS[judgement.answer],
        mark=MARKS[judgement.answer],
        told=[each for each in judgement.compared if each.standing is not Standing.UNCHANGED],
        unchanged=sum(each.standing is Standing.UNCHANGED for each in judgement.compared),
        survivals=[(report, survival_words(report)) for report in judgement.survivals],
    )
