"""Advice stands apart from findings in every report, in the same words, and leaves the verdict alone."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from brokerproof.probes.outcome import Reason, Stage
from brokerproof.reports.document import decode_document, encode_document
from brokerproof.reports.html import render_html
from brokerproof.reports.junit import render_junit
from brokerproof.reports.markdown import render_markdown
from brokerproof.reports.verdict import Overall, judge
from tests.diagnosis.bent import Bend, at, failed
from tests.diagnosis.test_advice import denied
from tests.reports.test_findings import results, squeezed, told, whole

DENIED = Bend(at(Stage.RESOLVE, clients=["peered"]), denied)
SILENT = Bend(at(Stage.CONNECT, clients=["remote_by_peering"]), failed(Reason.TIMED_OUT))
GREEN = whole(*results("peering", DENIED))
RED = whole(*results("peering", DENIED, SILENT))
TITLE = "The resolver denies that names with an A record exist, when it is asked for AAAA."
WHO = "The path is right; programs on musl libc (Alpine images, in any language) fail on it"


def test_the_verdict_is_as_without_it() -> None:
    assert judge(GREEN).overall is Overall.PASSED
    assert judge(GREEN).sentence == judge(whole(*results("peering"))).sentence


def test_the_document_keeps_it() -> None:
    assert decode_document(encode_document(GREEN)) == GREEN
    assert [advice.title for one in GREEN.diagnoses for advice in one.diagnosis.advices] == [TITLE]


def test_terminal_says_it_after_what_is_wrong() -> None:
    assert "WRONG" not in told(GREEN)
    assert f"ADVICE {TITLE}" in squeezed(told(GREEN))
    assert WHO in squeezed(told(GREEN))
    assert "clients peering.peered" in squeezed(told(GREEN))
    assert told(RED).index("WRONG") < told(RED).index("ADVICE")


def test_what_two_topologies_show_is_told_once_with_the_clients_of_both() -> None:
    gateway = Bend(at(Stage.RESOLVE, clients=["remote_by_gateway"]), denied)
    both = whole(*results("peering", DENIED), *results("transit_gateway", gateway, label="new"))
    assert squeezed(told(both)).count(TITLE) == 1
    assert "clients peering.peered, transit_gateway.remote_by_gateway.new" in squeezed(told(both))
    assert "and likewise in 1 more topology" in squeezed(told(both))


def test_page_has_a_section_for_it_after_what_is_wrong() -> None:
    page = b"".join(render_html(RED)).decode()
    assert page.index('<h2 id="wrong">') < page.index('<h2 id="advice">') < page.index('<h2 id="clients">')
    assert page.count(TITLE) == 1
    assert WHO in page
    assert '<h2 id="advice">' not in b"".join(render_html(whole(*results("peering")))).decode()


def test_markdown_has_a_block_for_it() -> None:
    text = render_markdown(RED).decode()
    assert text.index("## What is wrong") < text.index("## Advice") < text.index("## Clients")
    assert f"### {TITLE}" in text
    assert "## Advice" not in render_markdown(whole(*results("peering"))).decode()


def test_junit_has_a_property_of_the_clients_suite_and_no_failure() -> None:
    root = ET.fromstring(render_junit(GREEN))
    found = [
        (suite.get("name"), one.get("name"), one.get("value") or "")
        for suite in root.iter("testsuite")
        for one in suite.iter("property")
    ]
    [(suite, name, value)] = found
    assert (suite, name) == ("peering.peered", "advice.dns.aaaa_denied")
    assert value.startswith(f"{TITLE} {WHO}")
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
