"""Findings come first, in the same words, in every report."""

from __future__ import annotations

import io
from xml.etree import ElementTree as ET

import msgspec
from rich.console import Console

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.finding import Answer, Finding
from brokerproof.diagnosis.finding_text import how_sure, text_of
from brokerproof.probes.outcome import Closing, MetadataFacts, Reason, Stage
from brokerproof.reports.document import ClientResult, ResultDocument, decode_document, encode_document
from brokerproof.reports.findings import diagnosed, explained, findings, side_by_side
from brokerproof.reports.html import render_html
from brokerproof.reports.junit import render_junit
from brokerproof.reports.terminal import print_summary
from tests.diagnosis.bent import Bend, at, failed, seen, views_of
from tests.reports.builder import document

SILENT = Bend(at(Stage.CONNECT, clients=["peered"]), failed(Reason.TIMED_OUT))


def results(pattern: str, *bends: Bend, label: str = "") -> list[ClientResult]:
    found = []
    for view in views_of(pattern):
        run = seen(view, *bends)
        closing = Closing(plan_id="p", outcomes=len(run.outcomes), complete=True, duration_ns=1)
        found.append(
            ClientResult(
                view=view,
                label=label,
                topology_digest=f"{pattern}{label}",
                outcomes=run.outcomes,
                checks=run.checks,
                closing=closing,
            )
        )
    return found


def whole(*clients: ClientResult) -> ResultDocument:
    made = document(*clients)
    return msgspec.structs.replace(made, diagnoses=diagnosed(made.clients))


def elsewhere(result: ClientResult) -> ClientResult:
    """The same, of another cluster."""
    outcomes = tuple(
        msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, cluster_id="z"))
        if isinstance(o.facts, MetadataFacts)
        else o
        for o in result.outcomes
    )
    return msgspec.structs.replace(result, outcomes=outcomes)


def test_a_client_of_another_cluster_is_red_beside_the_others() -> None:
    first, *rest = results("peering")
    assert all(c.verdict is Verdict.PASSED for c in elsewhere(first).checks), "it cannot know"
    clients = side_by_side([elsewhere(first), *rest])
    [red] = [(r.name, c) for r in clients for c in r.checks if c.verdict is Verdict.FAILED]
    assert red[0] == first.name
    assert red[1].observed == "cluster z answers, other clients reach c"
    [told] = findings(whole(*clients))
    assert told.finding.codes == (Code.TLS_OTHER_CLUSTER,)
    assert told.clients == (first.name,)


def test_results_of_one_cluster_stay_as_they_are() -> None:
    clients = tuple(results("peering"))
    assert side_by_side(clients) == clients


BROKEN = whole(*results("peering", SILENT), *results("privatelink_cross_region"))
[FOUND] = findings(BROKEN)


def told(run: ResultDocument, width: int = 100) -> str:
    out = io.StringIO()
    print_summary(run, Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_each_topology_has_a_diagnosis_of_its_clients_together() -> None:
    assert [d.diagnosis.answer for d in BROKEN.diagnoses] == [Answer.FINDINGS, Answer.NOTHING_WRONG]
    assert FOUND.clients == ("peering.peered",)
    assert Code.ROUTE_MISSING_CLIENT in FOUND.finding.codes


def test_two_runs_of_one_client_are_diagnosed_apart() -> None:
    twice = whole(*results("peering", SILENT), *results("peering", SILENT, label="again"))
    assert len(twice.diagnoses) == 2
    again = [msgspec.structs.replace(r, label="gw1", topology_digest="peering") for r in results("peering")]
    assert len(diagnosed([*results("peering", SILENT), *again])) == 2


def test_the_document_keeps_them() -> None:
    assert decode_document(encode_document(BROKEN)) == BROKEN


def test_terminal_says_them_before_anything_else_that_is_red() -> None:
    text = squeezed(told(BROKEN))
    assert text.index("WRONG") < text.index("peering.peered: ")
    for words in (
        FOUND.finding.wrong,
        FOUND.finding.expected,
        how_sure(FOUND.finding),
        *FOUND.finding.change.split("\n"),
    ):
        assert squeezed(words) in text
    assert "FAILED  peering.b" not in told(BROKEN)


def test_page_says_them_first() -> None:
    html = b"".join(render_html(BROKEN)).decode()
    assert html.index('<h2 id="wrong">') < html.index("vanish on the way") < html.index('<h2 id="clients">')
    assert "route.missing_client" in html
    assert "causes that clients alone cannot tell apart" in html


def test_every_red_case_of_junit_has_its_finding() -> None:
    root = ET.fromstring(render_junit(BROKEN))
    failures = list(root.iter("failure"))
    assert len(failures) == len(FOUND.finding.evidence)
    for failure in failures:
        assert failure.get("message") == FOUND.finding.wrong
        assert (failure.text or "").startswith(text_of(FOUND.finding))
    assert set(explained(BROKEN)) == {("peering.peered", key.partition("/")[2]) for key in FOUND.finding.evidence}


def test_a_document_without_diagnoses_reads_as_before() -> None:
    old = document(*results("peering", SILENT))
    assert findings(old) == ()
    assert "FAILED  " in told(old)


def test_a_finding_is_a_value_of_the_document() -> None:
    assert isinstance(FOUND.finding, Finding)
    assert msgspec.json.decode(msgspec.json.encode(FOUND.finding), type=Finding) == FOUND.finding


def test_a_finding_of_many_clients_names_a_few_and_counts_the_rest() -> None:
    [client] = [one for one in results("peering", SILENT) if one.view.client == "peered"]
    many = [
        msgspec.structs.replace(
            client,
            view=msgspec.structs.replace(client.view, client=f"b{number:02}"),
            checks=tuple(msgspec.structs.replace(check, client=f"b{number:02}") for check in client.checks),
        )
        for number in range(30)
    ]
    run = whole(*many)
    [found] = findings(run)
    assert len(found.clients) == 30
    assert "seen from clients b00, b01, b02, b03, b04, b05, b06 and 23 more" in found.finding.wrong
    assert "peering.b07 and 22 more" in squeezed(told(run, 200))
    assert "peering.b07 and 22 more" in b"".join(render_html(run)).decode()
