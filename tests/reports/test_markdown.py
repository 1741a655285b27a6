"""The Markdown report: the page's content, within the limits of the places that take it, and nothing but text."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from brokerproof.reports import page as page_module
from brokerproof.reports import words
from brokerproof.reports.__main__ import main
from brokerproof.reports.document import ResultDocument
from brokerproof.reports.markdown import COMMENT_BYTES, SUMMARY_BYTES, append_job_summary, render_markdown, text
from tests.examples import examples
from tests.reports.builder import BROKEN, client_result, document, mixed
from tests.reports.path import view
from tests.reports.recording import record
from tests.reports.test_findings import BROKEN as WITH_FINDINGS
from tests.reports.test_html import HOSTILE, Reader, fleet, hostile_run

TAGS = set("h1 h2 h3 p strong code ul li table thead tbody tr th td details summary b br".split())  # noqa: SIM905  (a list of words)


def rendered(source: str) -> Reader:
    """As GitHub would: CommonMark with tables, strikethrough, and bare addresses made links."""
    reader = Reader()
    reader.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(source))
    reader.close()
    return reader


def read(run: ResultDocument) -> Reader:
    return rendered(render_markdown(run).decode())


def test_the_first_words_are_the_verdict_and_what_is_wrong() -> None:
    said = read(mixed()).said()
    order = [
        "Failed",
        "2 of 129 checks failed, for privatelink_single_nlb.fulfilment (1 of 2 clients)",
        "What is wrong",
        "broker-2 · connect · timed out",
        "Listener 8444 of nlb-orders: forward to broker 2 only.",
        "16 later checks wait for this one.",
        "The probe failed here; nothing is known about the path.",
        "1 test did not pass, over the checks above",
        "Clients",
        "13.4 ms",
        "Environment",
        "fulfilment through privatelink_single_nlb : ✗ 2 of 96 checks failed",
        "✗ timed out (1 of 3)",
        "broker-2, every outcome",
        "billing through privatelink_multi_nlb : ✓ all 33 checks passed",
    ]
    places = [said.index(one) for one in order]
    assert places == sorted(places)


def test_findings_and_their_causes_are_told() -> None:
    said = read(WITH_FINDINGS).said()
    assert "causes that clients alone cannot tell apart" in said
    assert "route.missing_client" in said


def test_what_is_partial_says_so_first() -> None:
    said = read(document(client_result(view()), because=("journal run: torn",))).said()
    assert said.index("This report is partial") < said.index("journal run: torn") < said.index("Clients")


def test_every_table_is_a_table() -> None:
    source = render_markdown(mixed()).decode()
    rules = re.findall(r"^\|( ---:? \|)+$", source, re.MULTILINE)
    reader = rendered(source)
    assert len(rules) == reader.tags["table"] > 8
    assert set(reader.tags) <= TAGS
    for line in source.splitlines():
        assert "| ---" not in line or line.startswith("| ---")


def test_hostile_text_stays_text() -> None:
    reader = read(hostile_run(HOSTILE))
    assert set(reader.tags) <= TAGS
    assert not [one for one in reader.attributes if one[1] not in {"style", "open"}]
    said = reader.said()
    assert said.count("<script>alert(1)</script>") > 30
    assert "\x1b" not in said
    assert "\u202e" not in said


MARKDOWN = st.text(alphabet="*_~`[]()<>!#|\\&;:/.@$-+=1 2\nab\"'x", max_size=60)


@settings(max_examples=examples(400), deadline=None)
@given(MARKDOWN)
@example("1 #")
def test_any_text_shows_as_itself(value: str) -> None:
    for place in ("{}", "- {}", "| {} |\n| --- |\n| {} |", "# {}", "**x{}x**"):
        reader = rendered(place.format(text(value), text(value)) + "\n")
        assert set(reader.tags) <= TAGS - {"code", "details", "summary", "b"} | ({"p"} if place == "{}" else set())
        wanted = "".join(words.printable(value).split())
        shown = "".join("".join(reader.text).split())
        assert shown.replace("x", "").startswith(wanted.replace("x", "")), place


@pytest.mark.parametrize("value", ["see https://example.org/x", "www.example.org", "by @someone of @some/team"])
def test_nothing_from_outside_is_linked_or_called(value: str) -> None:
    source = text(value)
    assert "://" not in source
    assert "www." not in source
    assert not re.search(r"@\w", source)


def test_a_large_run_fits_a_comment_and_says_that_it_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    run = fleet(60, 60)
    made = render_markdown(run)
    assert COMMENT_BYTES - 20_000 < len(made) <= COMMENT_BYTES
    assert "**This is shortened to 65,536 bytes" in made.decode()
    assert made.decode().count("<details") == made.decode().count("</details>")
    monkeypatch.setattr(page_module, "LISTED_FAILURES", 1)
    assert len(render_markdown(run, limit_bytes=10**7)) > COMMENT_BYTES


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(min_value=400, max_value=30_000))
def test_no_limit_is_passed_and_what_is_folded_is_closed(limit_bytes: int) -> None:
    made = render_markdown(mixed(), limit_bytes=limit_bytes)
    assert len(made) <= limit_bytes
    assert made.decode().count("<details") == made.decode().count("</details>")
    assert made.startswith(b"# \xe2\x9c\x97 Failed")


def test_the_summary_of_a_job_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("what another tool said")
    assert append_job_summary(mixed(), {"GITHUB_STEP_SUMMARY": str(path)}) == path
    assert path.read_text("utf-8").startswith("what another tool said\n# ✗ Failed")
    assert append_job_summary(mixed(), {}) is None


def test_the_summary_of_a_job_stays_within_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (SUMMARY_BYTES - 3_000))
    append_job_summary(mixed(), {"GITHUB_STEP_SUMMARY": str(path)})
    assert SUMMARY_BYTES - 1_500 < path.stat().st_size <= SUMMARY_BYTES
    assert "This is shortened" in path.read_text("utf-8")


def test_a_summary_that_is_full_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (SUMMARY_BYTES - 10))
    append_job_summary(mixed(), {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.stat().st_size == SUMMARY_BYTES - 10


def test_the_command_writes_it_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir, summary = tmp_path / "run", tmp_path / "summary.md"
    record(run_dir, [client_result(view(), BROKEN)])
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main([str(run_dir), "--report", "markdown"]) == 1
    assert "report.md" in capsys.readouterr().out.replace("\n", "")
    assert (run_dir / "report.md").read_text("utf-8").startswith("# ✗ Failed")
    assert summary.read_bytes() == (run_dir / "report.md").read_bytes()
    assert msgspec.json.decode((run_dir / "result.json").read_bytes())["clients"]
