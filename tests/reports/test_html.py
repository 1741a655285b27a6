"""The HTML page: everything said, nothing loaded, nothing from outside becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.diagnosis.check import Verdict
from brokerproof.probes.outcome import HandshakeFacts, Reason, Stage
from brokerproof.reports import page as page_module
from brokerproof.reports.document import ClientResult, ResultDocument, TestOutcome, TestResult
from brokerproof.reports.html import render_html
from brokerproof.reports.page import page
from tests.examples import examples
from tests.reports.builder import BROKEN, client_result, distribution, document, mixed
from tests.reports.path import view

VOID = {"meta", "br", "hr", "img", "input", "link"}
EXPECTED_TAGS = set(
    "html head meta title style body header main section details summary h1 h2 h3 p span b small a code time div "  # noqa: SIM905  (a list of words)
    "table thead tbody tr th td ol ul li dl dt dd script svg g path text desc figure figcaption".split()
)


class Reader(HTMLParser):
    """The page as a browser would see it: elements, attributes, text; unbalanced tags are an error."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.text.append(data)

    def said(self) -> str:
        return " ".join(" ".join(self.text).split())


def html(run: ResultDocument) -> str:
    return b"".join(render_html(run)).decode()


def read(run: ResultDocument) -> Reader:
    reader = Reader()
    reader.feed(html(run))
    reader.close()
    assert reader._open == []
    return reader


def test_the_first_words_are_the_verdict_and_the_failures() -> None:
    said = read(mixed()).said()
    order = [
        "Failed",
        "2 of 129 checks failed, for privatelink_single_nlb.fulfilment (1 of 2 clients).",
        "What is wrong",
        "broker-2 · connect · timed out",
        "connect: timed out after 2000 ms",
        "Listener 8444 of nlb-orders: forward to broker 2 only.",
        "16 later checks wait for this one.",
        "broker-3 · identity · other broker",
        "The probe failed here; nothing is known about the path.",
        "Tests that did not pass",
        "Clients",
        "fulfilment through privatelink_single_nlb",
        "billing through privatelink_multi_nlb",
        "Environment",
    ]
    places = [said.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "✓ 0.439 ms",
        "✗ timed out (1 of 3)",
        "⊘ blocked",
        "! probe crashed",
        "? not seen",
        "✓ holds",
        "n=120 is too few",
        "13.4 ms",
        "118 MB/s",
        "115,788 records/s",
        "NXDOMAIN",
        "CN=Amazon RSA 2048 M02,O=Amazon,C=US",
        "262 days left",
        "chain good, name good, dates good",
        "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "10.1.0.10, 10.1.1.10, 10.1.2.10",
        "Linux 6.18.4, x86_64, 2 cores, Python 3.11.7",
        "kio 0.6.5",
        "librdkafka 2.16.1",
        "Nameservers 10.1.0.2 Search list us-east-1.compute.internal (ndots 1) Name services files dns In /etc/hosts",
        "Proxy variables HTTPS_PROXY Local ports 32768 to 60999 TCP sockets 7 sockets Clock source tsc",
        "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    ],
)
def test_the_page_says(words: str) -> None:
    lost = client_result(view("ledger"), {(1, Stage.RESOLVE): Reason.NXDOMAIN})
    run = msgspec.structs.replace(mixed(), clients=(*mixed().clients, lost))
    assert words in read(run).said()


def test_the_page_loads_nothing_and_runs_its_own_script_alone() -> None:
    reader = read(mixed())
    assert reader.tags["script"] == 1
    [script] = re.findall(r"<script>(.*)</script>", html(mixed()), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [
        value for tag, name, value in reader.attributes if tag == "meta" and name == "content" and "src" in value
    ]
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert set(reader.tags) <= EXPECTED_TAGS
    loading = {"src", "srcset", "action", "background", "srcdoc", "ping"}
    styles = [value for _, name, value in reader.attributes if name == "style"]
    assert all(
        re.fullmatch(r"[a-z-]+:(none|butt|square|[\d., ]+|var\(--[a-z0-9-]+\))(;|$)", one)
        for each in styles
        for one in re.findall(r"[^;]+;?", each)
    )
    assert not [one for one in reader.attributes if one[1] in loading or one[1].startswith("on")]
    links = [value for _, name, value in reader.attributes if name == "href"]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|https?:", html(mixed()))


def test_links_lead_somewhere_and_ids_are_unique() -> None:
    reader = read(mixed())
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    wanted = {value.removeprefix("#") for _, name, value in reader.attributes if name in {"href", "aria-labelledby"}}
    assert wanted <= set(ids)


def test_what_scrolls_can_be_reached_with_the_keyboard_and_has_a_name() -> None:
    source = html(mixed())
    scrolling = re.findall(r'<div class="scroll"([^>]*)>', source)
    assert scrolling
    assert all('tabindex="0"' in one and 'role="region"' in one and "aria-label=" in one for one in scrolling)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7*7 }} {% raw %} </td></table> \x1b[31m \u202e"


def hostile_run(text: str) -> ResultDocument:
    """A document in which every text that can come from outside is ``text``."""
    healthy = view("fulfilment", "privatelink_single_nlb")
    brokers = tuple(msgspec.structs.replace(broker, name=text) for broker in healthy.brokers)
    named = msgspec.structs.replace(
        healthy, brokers=brokers, client=text, pattern=text, vpc_id=text, cluster_name=text, zone_id=text
    )
    result = client_result(healthy, BROKEN, samples=20)
    outcomes = tuple(
        msgspec.structs.replace(
            outcome,
            detail=text,
            target=msgspec.structs.replace(outcome.target, name=text),
            facts=msgspec.structs.replace(outcome.facts, issuer=text, subject=text, dns_names=(text,), chain=(text,))
            if isinstance(outcome.facts, HandshakeFacts)
            else outcome.facts,
        )
        for outcome in result.outcomes
    )
    checks = tuple(
        msgspec.structs.replace(check, title=text, observed=text, expected=text + "!", change=text, name=text)
        for check in result.checks
    )
    assert result.closing is not None
    closing = msgspec.structs.replace(result.closing, left_behind=(text,))
    changed = msgspec.structs.replace(
        result,
        view=named,
        label=text,
        outcomes=outcomes,
        checks=checks,
        closing=closing,
        vantage_error=text,
        topology_digest=text,
    )
    test = TestResult(node_id=text, outcome=TestOutcome.FAILED, duration_ns=1, message=text)
    return document(changed, tests=(test,), because=(text,))


def test_hostile_text_stays_text() -> None:
    reader = read(hostile_run(HOSTILE))
    assert set(reader.tags) <= EXPECTED_TAGS
    assert not [one for one in reader.attributes if one[1].startswith("on") or one[1] == "src"]
    said = reader.said()
    assert said.count("<script>alert(1)</script>") > 30
    assert "{{ 7*7 }}" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


@settings(max_examples=examples(15), deadline=None)
@given(text=st.text(alphabet=st.sampled_from("<>\"'&=/-! \n\x00\x1b\u2028{}%#a"), min_size=1, max_size=30))
def test_no_text_changes_the_shape_of_the_page(text: str) -> None:
    shape = read(hostile_run("plain")).tags
    assert read(hostile_run(text)).tags == shape


def test_a_partial_document_says_so_before_anything_else_but_the_verdict() -> None:
    said = read(msgspec.structs.replace(document(client_result(view()), because=("journal run: torn",)))).said()
    assert said.index("Incomplete") < said.index("This report is partial") < said.index("journal run: torn")
    assert said.index("journal run: torn") < said.index("Clients")


def test_of_many_reasons_the_first_are_listed_and_the_rest_counted() -> None:
    because = tuple(f"reason {number}." for number in range(50))
    said = read(document(client_result(view()), because=because)).said()
    assert "reason 19." in said
    assert "reason 20." not in said
    assert "and 30 more reasons, all in result.json" in said


@pytest.mark.parametrize("judged", [False, True])
def test_a_client_that_was_not_reached_is_told_once_among_what_is_wrong(judged: bool) -> None:
    whole = client_result(view())
    errors = tuple(
        msgspec.structs.replace(check, verdict=Verdict.ERROR, observed="ssh: gone", reason=None)
        for check in whole.checks
    )
    lost = msgspec.structs.replace(
        whole, outcomes=(), started=None, closing=None, vantage_error="ssh: gone", checks=errors if judged else ()
    )
    wrong = read(document(lost)).said().partition("What is wrong")[2].partition("Clients")[0]
    assert wrong.count("ssh: gone") == 1
    assert ("33 checks could not be made" in wrong) == judged


def test_an_empty_document_is_a_page_that_says_nothing_was_probed() -> None:
    said = read(document()).said()
    assert "✗ Nothing probed" in said
    assert "What is wrong" not in said


def test_what_a_run_used_of_the_cluster_is_shown() -> None:
    said = read(document(client_result(view()))).said()
    assert "used 31 connections (12 of them the Kafka client's)" in said
    assert "9 authentications (6 of them the Kafka client's), 15 records of 3,840 bytes together" in said


def test_calls_of_sts_are_shown_where_there_were_any() -> None:
    result = client_result(view())
    assert result.closing is not None
    assert result.closing.spent is not None
    spent = msgspec.structs.replace(result.closing.spent, sts_calls=1)
    closing = msgspec.structs.replace(result.closing, spent=spent)
    assert (
        "3,840 bytes together, 1 call of STS" in read(document(msgspec.structs.replace(result, closing=closing))).said()
    )
    assert "of STS" not in read(document(result)).said()


def test_things_left_behind_are_shown() -> None:
    result = client_result(view())
    assert result.closing is not None
    closing = msgspec.structs.replace(result.closing, left_behind=("topic brokerproof-7f3c: not authorized",))
    said = read(document(msgspec.structs.replace(result, closing=closing))).said()
    assert "Left behind on the cluster: topic brokerproof-7f3c: not authorized" in said


@pytest.mark.parametrize(("samples", "says"), [(10, 6), (20, 4), (200, 2), (1_000, 0)])
def test_percentiles_without_samples_are_never_filled_in(samples: int, says: int) -> None:
    assert distribution(samples).samples == samples
    result = client_result(view(brokers=1), samples=samples)
    rows = read(document(result)).said().partition("Timings Latency")[2].partition("Throughput")[0]
    assert rows.count("is too few") == says


def fold_at(monkeypatch: pytest.MonkeyPatch, outcomes: int) -> None:
    monkeypatch.setattr(page_module, "FOLD_ABOVE_OUTCOMES", outcomes)


def fleet(clients: int, broken: int) -> ResultDocument:
    def one(number: int) -> ClientResult:
        faults = {(2, Stage.CONNECT): Reason.TIMED_OUT} if number < broken else {}
        return client_result(view(f"client-{number:03}"), faults)

    return document(*(one(number) for number in range(clients)))


def test_a_large_run_is_folded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fold_at(monkeypatch, 100)
    said = read(fleet(20, 2)).said()
    assert "This run is large" in said
    assert "18 clients passed" in said
    assert "client-001 through privatelink_multi_nlb" in said
    assert "client-002 through" not in said
    assert "client-019" in said, "every client keeps a line in the table"
    assert "3 more rows of this client passed every check and are left out" in said
    assert "broker-2, every outcome" in said
    assert "broker-1, every outcome" not in said


def test_a_folded_page_grows_by_a_line_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    fold_at(monkeypatch, 100)
    small, large = len(html(fleet(20, 2))), len(html(fleet(120, 2)))
    assert (large - small) / 100 < 600


def test_a_folded_page_with_everything_broken_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    fold_at(monkeypatch, 100)
    monkeypatch.setattr(page_module, "FOLDED_SECTIONS", 5)
    monkeypatch.setattr(page_module, "FOLDED_DETAIL_ROWS", 20)
    monkeypatch.setattr(page_module, "LISTED_FAILURES", 7)
    arranged = page(fleet(30, 30))
    sections = list(arranged.sections)
    assert len(sections) == 5
    assert sum(len(detail.rows) for section in sections for detail in section.details) <= 20
    assert len(arranged.failures) == 7
    assert [(one.stage, one.reason, one.number) for one in arranged.more_failures] == [("connect", "timed out", 23)]
    assert "The rest, counted" in read(fleet(30, 30)).said()


def test_every_failure_of_the_path_comes_before_any_error_of_a_probe() -> None:
    runs = (client_result(view(name, "privatelink_single_nlb"), BROKEN) for name in ("ledger", "orders"))
    verdicts = [failure.check.verdict for failure in page(document(*runs)).failures]
    assert verdicts == [Verdict.FAILED] * 4 + [Verdict.ERROR] * 2


def test_what_waits_for_one_cause_is_one_row() -> None:
    (section,) = page(document(client_result(view(), {(2, Stage.RESOLVE): Reason.NXDOMAIN}))).sections
    (detail,) = [one for one in section.details if one.subject == "broker-2"]
    waiting = [row for row in detail.rows if row.verdict is Verdict.BLOCKED]
    assert [(row.stage, row.status) for row in waiting] == [("7 more", "skipped")]
    assert waiting[0].seen == ("connect, handshake, api, metadata, identity, produce, consume: waiting for resolve b-2")


def test_what_must_not_work_is_not_marked_as_a_failure() -> None:
    (section,) = page(document(client_result(view()))).sections
    marks = {row.verdict for detail in section.details for row in detail.rows if row.status == "timed out"}
    assert marks == {None}
