"""A run is written as it goes: whatever is left after a crash reads back, and never as whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.diagnosis.check import Verdict
from brokerproof.probes.outcome import Refused
from brokerproof.reports.document import TestOutcome, TestPhase, TestResult
from brokerproof.reports.journal import JOURNAL_FOLDER, Journal, JournalError, RunFinished
from brokerproof.reports.merge import merge
from brokerproof.reports.verdict import Overall, judge
from tests.reports.builder import RUN, checks, client_result, mixed, outcomes, started
from tests.reports.path import view
from tests.reports.recording import record, write_client

KILLED_WRITER = """
import sys
from pathlib import Path
from tests.reports.builder import RUN, client_result
from tests.reports.path import view
from brokerproof.reports.journal import Journal
from tests.reports.recording import write_client

journal = Journal.open(Path(sys.argv[1]), RUN)
for number in range(100_000):
    write_client(journal, client_result(view(f"client-{number}")))
    print(number, flush=True)
"""


def journal_file(run_dir: Path, writer: str = "run") -> Path:
    return run_dir / JOURNAL_FOLDER / f"{writer}.jsonl"


def test_a_whole_run_reads_back_as_it_was(tmp_path: Path) -> None:
    whole = mixed()
    record(tmp_path, whole.clients, tests=whole.tests)
    document = merge(tmp_path)
    assert document.complete
    assert document.incomplete_because == ()
    assert document.clients == whole.clients
    assert document.tests == whole.tests
    assert document.run == whole.run
    assert document.finished is not None
    assert document.finished >= document.started


def test_several_processes_make_one_document(tmp_path: Path) -> None:
    first, second = mixed().clients
    record(tmp_path, [second], writer="gw1")
    record(tmp_path, [first], writer="gw0")
    with Journal.open(tmp_path, RUN) as journal:
        journal.finish_run(writers=["gw0", "gw1"])
    document = merge(tmp_path)
    assert document.complete
    assert document.clients == (first, second)


def test_a_worker_that_left_nothing_is_missed(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        journal.finish_run(writers=["gw0"])
    assert merge(tmp_path).incomplete_because == ("journal gw0 is missing",)


def test_a_worker_without_the_end_of_the_run_is_partial(tmp_path: Path) -> None:
    record(tmp_path, [client_result(view())], writer="gw0")
    assert merge(tmp_path).incomplete_because == ("the run never reported its end",)


def test_a_run_cut_short_says_why(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        journal.finish_run(cut_short="interrupted")
    assert merge(tmp_path).incomplete_because == ("the run ended early: interrupted",)


def test_an_exception_in_the_run_leaves_a_partial_journal(tmp_path: Path) -> None:
    def broken_run() -> None:
        with Journal.open(tmp_path, RUN) as journal:
            write_client(journal, client_result(view()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_run()
    document = merge(tmp_path)
    assert "journal run: it has no end line: its process was killed or is still running" in document.incomplete_because
    assert document.clients == (client_result(view()),)


@pytest.mark.parametrize(
    ("leave_out", "says"),
    [
        ("closing", "the probe's closing line is missing, so its run was cut short"),
        ("checks", "its outcomes were not judged"),
        ("outcome", "outcomes, 32 are recorded"),
    ],
)
def test_a_client_that_is_not_whole_is_named(tmp_path: Path, leave_out: str, says: str) -> None:
    result = client_result(view())
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(result.view)
        for outcome in result.outcomes[: -1 if leave_out == "outcome" else None]:
            client.line(outcome)
        if result.closing is not None and leave_out != "closing":
            client.line(result.closing)
        if leave_out != "checks":
            client.checks(result.checks)
        journal.finish_run()
    (why,) = merge(tmp_path).incomplete_because
    assert why.startswith("client privatelink_multi_nlb.billing: ")
    assert says in why


def test_a_vantage_that_failed_is_whole_but_an_error(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(view())
        client.vantage_failed("ssh: connection refused")
        client.checks(())
        journal.finish_run()
    document = merge(tmp_path)
    assert document.complete
    assert document.clients[0].vantage_error == "ssh: connection refused"
    assert judge(document).overall is Overall.ERROR


def test_a_refused_plan_is_an_error_of_the_vantage(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(view())
        client.line(Refused(why="plan version 9"))
        client.checks(())
        journal.finish_run()
    assert merge(tmp_path).clients[0].vantage_error == "the probe refused the plan: plan version 9"


def test_bytes_that_were_no_text_are_spelt_out(tmp_path: Path) -> None:
    said = b"ssh: \xff\xfe".decode("utf-8", "surrogateescape")
    with Journal.open(tmp_path, RUN) as journal:
        journal.client(view()).vantage_failed(said)
    assert merge(tmp_path).clients[0].vantage_error == "ssh: \\udcff\\udcfe"


def test_one_client_run_by_two_workers_is_kept_twice_under_two_names(tmp_path: Path) -> None:
    for writer in ("gw0", "gw1"):
        record(tmp_path, [client_result(view())], writer=writer)
    names = [client.name for client in merge(tmp_path).clients]
    assert names == ["privatelink_multi_nlb.billing", "privatelink_multi_nlb.billing.gw1"]


def test_of_a_tests_phases_the_worst_is_kept_with_all_their_time(tmp_path: Path) -> None:
    def phase(outcome: TestOutcome, in_phase: TestPhase, message: str = "") -> TestResult:
        return TestResult(node_id="t.py::a", outcome=outcome, phase=in_phase, duration_ns=10, message=message)

    record(
        tmp_path,
        [],
        tests=[
            phase(TestOutcome.PASSED, TestPhase.CALL),
            phase(TestOutcome.ERROR, TestPhase.TEARDOWN, "lab did not stop"),
        ],
    )
    (result,) = merge(tmp_path).tests
    assert (result.outcome, result.phase, result.message) == (TestOutcome.ERROR, TestPhase.TEARDOWN, "lab did not stop")
    assert result.duration_ns == 20


def test_a_damaged_line_costs_itself_only(tmp_path: Path) -> None:
    record(tmp_path, [client_result(view())])
    path = journal_file(tmp_path)
    lines = path.read_bytes().split(b"\n")
    lines[5] = lines[5][:40] + b"\xff" + lines[5][41:]
    path.write_bytes(b"\n".join(lines))
    document = merge(tmp_path)
    assert "journal run: line 6 is unreadable" in document.incomplete_because
    assert len(document.clients[0].outcomes) == len(client_result(view()).outcomes) - 1


def test_lines_about_a_client_whose_first_line_is_lost_are_counted(tmp_path: Path) -> None:
    record(tmp_path, [client_result(view())])
    path = journal_file(tmp_path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], *lines[2:]]))
    assert "journal run: 36 lines about a client it does not name" in merge(tmp_path).incomplete_because


@pytest.fixture(scope="module")
def whole_journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    run_dir = tmp_path_factory.mktemp("whole")
    record(run_dir, [client_result(view(), samples=20)])
    return journal_file(run_dir).read_bytes()


@settings(deadline=None)
@given(data=st.data())
def test_cut_anywhere_it_reads_and_is_never_whole(whole_journal: bytes, data: st.DataObject) -> None:
    first_line = whole_journal.index(b"\n") + 1
    # The very last byte is a line break; without it nothing is lost.
    length = data.draw(st.integers(first_line, len(whole_journal) - 2))
    with tempfile.TemporaryDirectory() as folder:
        path = journal_file(Path(folder))
        path.parent.mkdir()
        path.write_bytes(whole_journal[:length])
        document = merge(Path(folder))
    assert not document.complete
    assert document.incomplete_because
    assert judge(document).overall is not Overall.PASSED
    whole = client_result(view(), samples=20)
    for client in document.clients:
        assert client.outcomes == whole.outcomes[: len(client.outcomes)]


def test_a_torn_last_line_is_said(tmp_path: Path, whole_journal: bytes) -> None:
    path = journal_file(tmp_path)
    path.parent.mkdir()
    path.write_bytes(whole_journal[:-20])
    assert "journal run: its last line is torn" in merge(tmp_path).incomplete_because


def test_a_killed_writer_leaves_all_it_had_said(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert writer.stdout is not None
        deadline = time.monotonic() + 30
        said = -1
        while said < 20 and time.monotonic() < deadline:
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        said = int((writer.stdout.read().split() or [str(said)])[-1])
    finally:
        writer.kill()
        writer.communicate()
    document = merge(tmp_path)
    assert not document.complete
    whole = [client for client in document.clients if client.closing is not None and client.checks]
    assert len(whole) >= said + 1
    assert all(client.checks == client_result(client.view).checks for client in whole)


def test_a_live_run_can_be_read(tmp_path: Path) -> None:
    one = view()
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(one)
        client.line(started(one))
        for outcome in outcomes(one)[:3]:
            client.line(outcome)
        document = merge(tmp_path)
    assert len(document.clients[0].outcomes) == 3
    assert not document.complete


def test_checks_add_up_and_repeat_is_refused(tmp_path: Path) -> None:
    all_checks = checks(view(), outcomes(view()))
    with Journal.open(tmp_path, RUN) as journal:
        client = journal.client(view())
        client.checks(all_checks[:3])
        client.checks(all_checks[3:])
        again = msgspec.structs.replace(all_checks[0], verdict=Verdict.FAILED)
        with pytest.raises(ValueError, match="recorded before"):
            client.checks([again])
    assert merge(tmp_path).clients[0].checks == all_checks


def test_a_client_is_begun_once(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        journal.client(view())
        journal.client(view(), label="overlapping-cidrs")
        with pytest.raises(ValueError, match="begun before"):
            journal.client(view())


def test_a_run_directory_serves_one_run(tmp_path: Path) -> None:
    record(tmp_path, [])
    with pytest.raises(JournalError, match="a directory of its own"):
        Journal.open(tmp_path, RUN)


def test_journals_of_two_runs_are_refused(tmp_path: Path) -> None:
    record(tmp_path, [])
    other = msgspec.structs.replace(RUN, run_id="another")
    Journal.open(tmp_path, other, writer="gw0").close_complete()
    with pytest.raises(JournalError, match="different runs"):
        merge(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b'{"event":"ope'])
def test_no_journal_is_said_in_words(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        journal_file(tmp_path).parent.mkdir()
        journal_file(tmp_path).write_bytes(content)
    with pytest.raises(JournalError, match="no journal of a run"):
        merge(tmp_path)


def test_a_closed_journal_takes_no_more(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, RUN)
    journal.finish_run()
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.append(RunFinished(at=merge(tmp_path).started))
