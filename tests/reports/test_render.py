"""All reports of a recorded run, and the command that writes them again."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from brokerproof.comparison.series import read_samples
from brokerproof.probes.outcome import Measured, Role, SampleBlock, Target
from brokerproof.probes.outcome.samples import Samples, pack
from brokerproof.reports.__main__ import main
from brokerproof.reports.document import decode_document
from brokerproof.reports.environment import LIBRARIES, UNKNOWN, describe_host, describe_tool
from brokerproof.reports.journal import Journal
from brokerproof.reports.render import render_all
from brokerproof.reports.verdict import Overall
from tests.reports.builder import BROKEN, RUN, client_result, mixed
from tests.reports.path import view
from tests.reports.recording import record


def test_every_report_is_written_from_the_journals(tmp_path: Path) -> None:
    whole = mixed()
    record(tmp_path, whole.clients, tests=whole.tests)
    rendered = render_all(tmp_path)
    assert rendered.judgement.overall is Overall.FAILED
    assert decode_document(rendered.files["result"].read_bytes()) == rendered.document
    assert ET.parse(rendered.files["junit"]).getroot().get("failures") == "2"
    assert "2 of 129 checks failed" in rendered.files["report"].read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", "junit.xml", "report.html", "result.json"]


def test_reports_can_be_written_while_the_run_goes_on(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        assert render_all(tmp_path).judgement.overall is Overall.INCOMPLETE
        journal.finish_run()
    assert render_all(tmp_path).judgement.overall is Overall.NOTHING_PROBED


def test_raw_samples_go_with_the_report_and_a_lost_or_damaged_one_is_said(tmp_path: Path) -> None:
    samples = Samples([0, 1], [2, 3], [400, 500])
    target = Target(role=Role.BROKER, name="b-1", broker_id=1)
    (block,) = pack(Measured.CONNECT, target, samples, zero_ns=0, warm_up=False)
    damaged = SampleBlock(what=Measured.CONNECT, target=target, warm_up=False, samples=2, columns="eJw=")
    result = client_result(view())
    assert result.closing is not None
    closing = msgspec.structs.replace(result.closing, outcomes=0, sample_blocks=3)
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(result.view, label="twice")
        for line in (block, damaged, closing):
            client.line(line)
        client.checks(())
        journal.finish_run()
    rendered = render_all(tmp_path)
    assert ("samples", str(tmp_path / "samples.parquet")) in rendered.named()
    (series,) = read_samples(rendered.files["samples"])
    assert list(series.duration_ns) == [400, 500]
    assert (series.whose.run_id, series.whose.label, series.whose.round) == (RUN.run_id, "twice", 0)
    assert len(rendered.document.incomplete_because) == 2
    lost, unread = rendered.document.incomplete_because
    assert "the probe sent 3 blocks of samples, 2 are recorded" in lost
    assert "connect samples: " in unread


def test_reports_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    record(tmp_path, [])
    (tmp_path / "plain").touch()
    assert render_all(tmp_path).files["report"].stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("faults", "code", "says"), [({}, 0, "PASSED"), (BROKEN, 1, "FAILED")], ids=["passed", "failed"]
)
def test_the_command_prints_the_summary_and_exits_by_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], faults: dict[object, object], code: int, says: str
) -> None:
    record(tmp_path, [client_result(view(), faults)])  # type: ignore[arg-type]
    assert main([str(tmp_path)]) == code
    said = capsys.readouterr().out
    assert says in said
    assert "report.html" in said.replace("\n", "")


def test_the_command_says_when_there_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "holds no journal of a run" in capsys.readouterr().err


def test_the_environment_is_known_and_names_no_machine() -> None:
    host, tool = describe_host(), describe_tool()
    assert host.cores >= 1
    assert host.kernel
    assert set(tool.libraries) == set(LIBRARIES)
    assert UNKNOWN not in tool.libraries.values()
