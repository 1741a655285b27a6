"""Time, memory and size of the reports of a large synthetic run.

``python -m tests.reports.measure [CLIENTS] [BROKERS] [BROKEN]``: so many clients with so many
brokers each, of which so many clients have a broken broker. Outcomes are synthetic; nothing is
probed.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from probes.outcome import Reason, Stage
from reports.document import ClientResult, encode_document
from reports.files import write_atomically
from reports.html import render_html
from reports.junit import render_junit
from reports.merge import merge
from tests.reports.builder import client_result
from tests.reports.path import view
from tests.reports.recording import record

BROKEN = {(2, Stage.CONNECT): Reason.TIMED_OUT}


@contextmanager
def timed(what: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{what:<22} {time.perf_counter() - begin:7.2f} s   peak memory {peak_mb:7,.0f} MB")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(clients: int, brokers: int, broken: int) -> None:
    def results() -> Iterator[ClientResult]:
        for number in range(clients):
            yield client_result(view(f"client-{number:05}", brokers=brokers), BROKEN if number < broken else {})

    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder)
        with timed("synthesise and record"):
            record(run_dir, results())
        with timed("merge"):
            document = merge(run_dir)
        with timed("result.json"):
            write_atomically(run_dir / "result.json", encode_document(document))
        with timed("junit.xml"):
            write_atomically(run_dir / "junit.xml", render_junit(document))
        with timed("report.html"):
            write_atomically(run_dir / "report.html", render_html(document))
        outcomes = sum(len(result.outcomes) for result in document.clients)
        checks = sum(len(result.checks) for result in document.clients)
        say(f"{clients * brokers:,} (client, broker) pairs, {outcomes:,} outcomes, {checks:,} checks")
        for name in ("journal/run.jsonl", "result.json", "junit.xml", "report.html"):
            say(f"{name:<22} {(run_dir / name).stat().st_size / 1e6:7.2f} MB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:] or ("1000", "10", "30")))
