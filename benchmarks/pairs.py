"""``python -m benchmarks.pairs``: many (client, broker) pairs, from planning to the reports.

Nothing is probed: the outcomes are synthetic, those of a healthy path, but that of every thirty-third client's
brokers one does not answer. Each client is behind a PrivateLink endpoint of its own VPC, in one topology; a tenth of
them has measured latency and throughput. Each size runs in a process of its own and says what each step took and the
most memory the process has had by then; beside the figures stands each against the smallest size, a pair: 1.00 is
linear, less is better.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import sync_playwright

from brokerproof.probes.outcome import Closing, Outcome, Reason, Role, Stage, Started, Status, Target
from brokerproof.probes.plan import encode_plan
from brokerproof.reports.document import write_document
from brokerproof.reports.files import write_atomically
from brokerproof.reports.html import render_html
from brokerproof.reports.journal import Journal
from brokerproof.reports.junit import render_junit
from brokerproof.reports.markdown import render_markdown
from brokerproof.reports.merge import merge
from brokerproof.running.planning import conclude, make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.files import checked, digest
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.vantages.protocol import VantageRun
from tests.diagnosis.perfect import perfect, skipped
from tests.reports.builder import RUN, measurements
from tools.provision.packages import browser

SIZES = (1_000, 2_500, 5_000, 10_000)
BROKERS = 10
ONE_IN_BROKEN = 33
ONE_IN_MEASURED = 10
SAMPLES = 1_000
DEPENDENT = (Stage.HANDSHAKE, Stage.API, Stage.METADATA, Stage.IDENTITY)


class Steps:
    """What was timed so far: seconds, and the most memory up to then."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.figures[f"{what} s"] = time.process_time() - began
        self.figures[f"{what} MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def many(clients: int, brokers: int) -> Topology:
    """So many client VPCs behind one NLB, each with an endpoint, a zone and a client of its own."""
    options = PatternOptions.model_validate({"brokers": brokers, "overlap": "off", "remote": False})
    whole: dict[str, Any] = PATTERNS["privatelink_single_nlb"].build(options).model_dump(mode="json")
    whole["clients"] = [client for client in whole["clients"] if client["name"] == "account_b"]
    for entries in whole.values():
        if isinstance(entries, list):
            side = [entry for entry in entries if "vpc-b" in json.dumps(entry)]
            for entry in side:
                entries.remove(entry)
                text = json.dumps(entry)
                entries.extend(json.loads(_renamed(text, f"b{number:05}")) for number in range(clients))
    return checked(Topology.model_validate(whole))


def _renamed(text: str, key: str) -> str:
    text = re.sub(r"\b(vpc|vpce|subnet|sg-endpoints)-b\b", rf"\1-{key}", text)
    return text.replace('"name": "account_b"', f'"name": "{key}"').replace('"ZB"', f'"Z{key.upper()}"')


def outcomes_of(view: ClientView, *, broken: bool, measured: bool) -> tuple[Outcome, ...]:
    made = perfect(view)
    if broken:
        made = tuple(_bent(outcome, view.brokers[1].broker_id) for outcome in made)
    return (*made, *measurements(view, SAMPLES)) if measured else made


def _bent(outcome: Outcome, broker_id: int) -> Outcome:
    target = outcome.target
    if target.broker_id != broker_id or outcome.stage not in (Stage.CONNECT, *DEPENDENT, Stage.PRODUCE, Stage.CONSUME):
        return outcome
    if outcome.stage is Stage.CONNECT:
        return msgspec.structs.replace(
            outcome, status=Status.FAILED, reason=Reason.TIMED_OUT, duration_ns=1_500_000_000
        )
    at = Target(role=Role.BROKER, name=target.name, address=target.address, port=target.port, broker_id=broker_id)
    return skipped(outcome, Stage.CONNECT, at)


def run_once(pairs: int, brokers: int, keep: Path | None) -> dict[str, float]:
    """One size, in this process."""
    steps = Steps()
    clients = pairs // brokers
    with tempfile.TemporaryDirectory() as made:
        folder = keep or Path(made)
        with steps.timed("topology"):
            topology = many(clients, brokers)
            known_as = digest(topology)
        with steps.timed("planning"):
            views = [expect(topology, client.name) for client in topology.clients]
            plans = [
                make_plan(view, client, measure=False) for view, client in zip(views, topology.clients, strict=True)
            ]
            planned = sum(len(encode_plan(plan)) for plan in plans)
        outcomes = checks = 0
        with steps.timed("judging, journal"), Journal.open(folder, RUN) as journal:
            for number, (view, plan) in enumerate(zip(views, plans, strict=True)):
                made_of = outcomes_of(view, broken=number % ONE_IN_BROKEN == 0, measured=number % ONE_IN_MEASURED == 0)
                started = Started(
                    plan_id=plan.plan_id, client=view.client, probe_version="0.1.0", host=view.client, python="3.11"
                )
                closing = Closing(plan_id=plan.plan_id, outcomes=len(made_of), complete=True, duration_ns=10**9)
                run = conclude(view, plan, VantageRun(started=started, outcomes=made_of, closing=closing))
                written = journal.client(view, topology_digest=known_as)
                for line in (started, *made_of, closing):
                    written.line(line)
                written.checks(run.checks)
                outcomes += len(made_of)
                checks += len(run.checks)
            journal.finish_run()
        with steps.timed("reading, diagnosis"):
            document = merge(folder)
        with steps.timed("result.json"):
            write_document(document, folder / "result.json")
        with steps.timed("junit.xml"):
            write_atomically(folder / "junit.xml", render_junit(document))
        with steps.timed("report.md"):
            write_atomically(folder / "report.md", render_markdown(document))
        with steps.timed("report.html"):
            write_atomically(folder / "report.html", render_html(document))
        named = ("journal/run.jsonl", "result.json", "junit.xml", "report.md", "report.html")
        seen = in_browser(folder / "report.html")
        sizes = {f"{name} size MB": (folder / name).stat().st_size / 1e6 for name in named}
    counted = {"outcomes": outcomes, "checks": checks, "plans kB": planned / 1e3}
    total = sum(figure for what, figure in steps.figures.items() if what.endswith(" s"))
    return {"pairs": pairs, **counted, **steps.figures, **sizes, "all s": total, **seen}


def in_browser(report: Path) -> dict[str, float]:
    """What a person waits for: the page, its longest table sorted, everything opened; nothing without a Chromium."""
    program = browser(os.environ)
    if program is None:
        return {}
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=arguments)
        page = opened.new_page(viewport={"width": 1280, "height": 900})
        page.goto(report.as_uri())
        said: dict[str, float] = page.evaluate(
            """() => {
              const navigation = performance.getEntriesByType("navigation")[0];
              const timed = (act) => {
                const began = performance.now();
                act();
                document.body.getBoundingClientRect();
                return performance.now() - began;
              };
              for (const one of document.querySelectorAll("details:has(table.clients)")) one.open = true;
              const tables = [...document.querySelectorAll("table.clients")];
              const longest = tables.sort((a, b) => b.rows.length - a.rows.length)[0];
              return {
                "browser loads ms": navigation.loadEventEnd,
                "browser sorts ms": timed(() => longest.querySelector("button").click()),
                "browser opens all ms": timed(() => document.querySelector("button.all").click()),
                "rows sorted": longest.rows.length - 1,
                "elements": document.querySelectorAll("*").length,
              };
            }"""
        )
        opened.close()
    return said


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description=__doc__)
    parser.add_argument("--pairs", type=int, nargs="+", default=SIZES, help="sizes (default: %(default)s)")
    parser.add_argument("--brokers", type=int, default=BROKERS, help="of the cluster (default: %(default)s)")
    parser.add_argument("--one", action="store_true", help="one size, in this process, as JSON")
    parser.add_argument("--keep", type=Path, help="a new directory for what the largest size writes")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(run_once(chosen.pairs[0], chosen.brokers, chosen.keep)))
        return
    found = []
    for pairs in chosen.pairs:
        kept = ["--keep", str(chosen.keep)] if chosen.keep and pairs == max(chosen.pairs) else []
        command = [
            sys.executable,
            "-m",
            "benchmarks.pairs",
            "--one",
            "--pairs",
            str(pairs),
            "--brokers",
            str(chosen.brokers),
            *kept,
        ]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found.append(json.loads(said))
        print(f"{pairs:,} pairs: {found[-1]['all s']:.2f} s of processor time", flush=True)
    print(f"\n{'':<26}" + "".join(f"{one['pairs']:>12,}" for one in found) + "   against linear")
    for what in found[0]:
        if what != "pairs":
            row = [one[what] for one in found]
            ratios = [(one / row[0]) / (f["pairs"] / found[0]["pairs"]) for one, f in zip(row, found, strict=True)]
            figures = "".join(f"{figure:>12,.2f}" if figure < 1000 else f"{figure:>12,.0f}" for figure in row)
            print(f"{what:<26}{figures}   {' '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
