"""``brokerproof verify``: the scenarios against a target, run by pytest in this process."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from brokerproof.cli.bootstrap_options import NAMES, bootstrap_options, is_bootstrap, wanted_of
from brokerproof.cli.endings import COULD_NOT, INTERRUPTED, NOT_RIGHT, WRONG_USE, Said, as_sentences
from brokerproof.cli.verify_bootstrap import RunOptions, verify_bootstrap
from brokerproof.diagnosis.check import Verdict
from brokerproof.reports.document import ResultDocument, TestOutcome
from brokerproof.reports.formats import ON_REQUEST
from brokerproof.running.account import is_arn
from brokerproof.running.amount import Amount
from brokerproof.running.bootstrap import HERE
from brokerproof.running.option_words import amount_in, hold_ms_in, limits_in, load_in
from brokerproof.running.planning import LIMITS
from brokerproof.running.site import LAB
from brokerproof.topology.patterns import PATTERNS

if TYPE_CHECKING:
    import pytest

PLUGIN: Final = "brokerproof.scenarios.plugin"
SCENARIOS: Final = "brokerproof.scenarios"
_ALREADY_IMPORTED: Final = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"
"""Of the package itself, by this command; there is no assertion in it."""


@click.command("verify", context_settings={"ignore_unknown_options": True})
@click.argument("target", metavar="TARGET")
@click.option("-m", "markers", metavar="MARKERS", help="Only tests with these markers, e.g. 'privatelink and canary'.")
@click.option("-k", "words", metavar="WORDS", help="Only tests with these words in their names.")
@click.option("-n", "workers", metavar="N", help="Run N test files at once.")
@click.option("--run-dir", metavar="DIR", help="Where results go [default: results/TIME].")
@click.option("--history", metavar="DIR", help="Append to the history here [default: results/history].")
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Choice(ON_REQUEST),
    help="Also write this report; may be given several times.",
)
@click.option("--verdict-within", metavar="SECONDS", help="By when silence must have become a verdict.")
@click.option("--idle-hold", metavar="SECONDS", help="Keep connections silent for that long, then use them again.")
@click.option("--measure", metavar="brief|full", help="How much is measured [default: brief].")
@click.option("--load", metavar="KEY=VALUE,...", help="How throughput is measured.")
@bootstrap_options
@click.option("--read-only", is_flag=True, help="BOOTSTRAP: create, write and join nothing: the stages up to identity.")
@click.argument("pytest_words", nargs=-1, metavar="[PYTEST WORDS]...", type=click.UNPROCESSED)
@as_sentences
def verify(
    target: str,
    *,
    markers: str | None,
    words: str | None,
    workers: str | None,
    run_dir: str | None,
    history: str | None,
    reports: tuple[str, ...],
    verdict_within: str | None,
    idle_hold: str | None,
    measure: str | None,
    load: str | None,
    read_only: bool,
    pytest_words: tuple[str, ...],
    **bootstrap: Any,
) -> None:
    """Verify every client's path, and write a report.

    TARGET is a bootstrap string (HOST:PORT, several with commas between them; or @FILE, which has one), whose cluster
    is verified from here without a topology file; or a topology or intent file whose clients are probed where it says;
    or a cluster's ARN, whose account is read and whose brokers are verified from here; or a pattern, or `lab` for every
    pattern, built in the lab. PYTEST WORDS are handed to pytest as they are: -x, -v, --collect-only, a folder of your
    own tests.

    Options marked BOOTSTRAP are for a bootstrap string alone. Who logs in says where its credentials are, never what
    they are: env:NAME is a variable, file:/path a file, of the host that is probed from.

    \b
    Examples:
      brokerproof verify b-1.example.com:9094,b-2.example.com:9094
      brokerproof verify @bootstrap.txt --from ssh:ec2-user@client-host --read-only
      brokerproof verify b-1.example.com:9096 --username env:MSK_USER --password file:/run/secrets/msk
      brokerproof verify b-1.example.com:9094 --certificate file:/etc/kafka/me.pem --key file:/etc/kafka/me.key
      brokerproof verify b-1.example.com:9098 --authentication iam --profile reader
      brokerproof verify mine.yaml -m canary --report markdown
      brokerproof verify arn:aws:kafka:us-east-1:111111111111:cluster/demo/0123abcd-2

    Exit codes: 0 every selected test passed; 1 a path is not as it must be; 2 wrong use, or nothing is selected;
    3 could not be carried out: nothing is known about a path; 130 interrupted.
    """  # noqa: D301  click's mark for lines to be left as they are
    if is_bootstrap(target):
        _refuse({"-m": markers, "-k": words, "-n": workers, " ".join(pytest_words): pytest_words or None}, _OF_TESTS)
        wanted = wanted_of(target, HERE, **bootstrap)
        made = run_options(
            run_dir=run_dir,
            history=history,
            reports=reports,
            verdict_within=verdict_within,
            idle_hold=idle_hold,
            measure=measure,
            load=load,
            read_only=read_only,
        )
        sys.exit(verify_bootstrap(wanted, made))
    own = {option: bootstrap[name] for name, option in NAMES.items()}
    _refuse({**own, "--read-only": read_only or None}, _OF_BOOTSTRAP)
    short = {"-m": markers, "-k": words, "-n": workers}
    long = {
        "--run-dir": run_dir,
        "--history": history,
        "--verdict-within": verdict_within,
        "--idle-hold": idle_hold,
        "--measure": measure,
        "--load": load,
    }
    options = [
        *(word for option, value in short.items() if value is not None for word in (option, value)),
        *(f"{option}={value}" for option, value in long.items() if value is not None),
        *(f"--report={report}" for report in reports),
    ]
    sys.exit(_pytest([*scenarios_of(target), *options, *pytest_words]))


_OF_TESTS: Final = "selects tests, and a bootstrap string has none; write a file: brokerproof topology from BOOTSTRAP"
_OF_BOOTSTRAP: Final = "is for a bootstrap string alone; a file states it of each client"


def _refuse(given: Mapping[str, object], why: str) -> None:
    """See that none of these options was given.

    Raises:
        Said: one was.
    """
    for option, value in given.items():
        if value is not None:
            raise Said(f"{option} {why}", WRONG_USE)


def run_options(
    *,
    run_dir: str | None,
    history: str | None,
    reports: tuple[str, ...],
    verdict_within: str | None,
    idle_hold: str | None,
    measure: str | None,
    load: str | None,
    read_only: bool,
) -> RunOptions:
    """The options of a run from their words, as pytest's own are read.

    Raises:
        Said: one cannot be read.
    """
    if read_only and (measure is not None or load is not None):
        raise Said("--read-only writes nothing, and measuring does; leave one of the two out", WRONG_USE)
    with _options_in_words():
        return RunOptions(
            run_dir=None if run_dir is None else Path(run_dir),
            history=None if history is None else Path(history),
            reports=reports,
            limits=LIMITS if verdict_within is None else limits_in(verdict_within),
            idle_hold_ms=0 if idle_hold is None else hold_ms_in(idle_hold),
            amount=None if measure is None and load is None else amount_in(measure or Amount.BRIEF),
            load=None if load is None else load_in(load),
            read_only=read_only,
        )


@contextmanager
def _options_in_words() -> Iterator[None]:
    try:
        yield
    except argparse.ArgumentTypeError as wrong:
        raise Said(str(wrong), WRONG_USE) from None


def scenarios_of(target: str) -> tuple[str, ...]:
    """The scenarios of a target, and the target, as pytest is told them.

    Raises:
        Said: it is no file, no pattern and not the lab.
    """
    if target == LAB:
        return SCENARIOS, f"--target={LAB}"
    if target in PATTERNS:
        return f"{SCENARIOS}.test_{target}", f"--target={LAB}"
    if Path(target).is_file() or is_arn(target):
        return SCENARIOS, f"--target={target}"
    if target.startswith("-"):
        raise Said(f"{target} stands where the target belongs: write the target first, then {target}", WRONG_USE)
    raise Said(
        f"{target!r} is not a file, not a pattern and not a bootstrap string (HOST:PORT); give a topology "
        f"file, a bootstrap string, {LAB!r}, or one of: {', '.join(PATTERNS)}",
        WRONG_USE,
    )


def _pytest(words: Sequence[str]) -> int:
    """Run pytest, undisturbed by the configuration of whatever project this directory is of."""
    import pytest  # noqa: PLC0415  other commands need none

    witness = _Witness()
    apart = ("-c", os.devnull, f"--rootdir={Path.cwd()}", "--no-header", "-W", _ALREADY_IMPORTED)
    code = pytest.main([*apart, "-p", PLUGIN, "--pyargs", *words], plugins=[witness])
    return exit_code(int(code), witness.document, interrupted=witness.interrupted)


@dataclass(slots=True)
class _Witness:
    """A plug-in that keeps what the exit code depends on."""

    document: ResultDocument | None = None
    interrupted: bool = False
    """By Ctrl-C, and not by pytest itself, which stops like that after a failure (-x)."""

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Take down who interrupted."""
        import pytest  # noqa: PLC0415  likewise

        self.interrupted = not issubclass(excinfo.type, pytest.Session.Interrupted)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Take the document, once the session is over."""
        from brokerproof.scenarios.session import SESSION  # noqa: PLC0415  likewise

        session = config.stash.get(SESSION, None)
        if session is not None and session.rendered is not None:
            self.document = session.rendered.document


def exit_code(of_pytest: int, document: ResultDocument | None, *, interrupted: bool = False) -> int:
    """This command's exit code from pytest's, and what was seen."""
    import pytest  # noqa: PLC0415  likewise

    match of_pytest:
        case pytest.ExitCode.OK:
            return 0
        case pytest.ExitCode.INTERRUPTED if interrupted:
            return INTERRUPTED
        case pytest.ExitCode.TESTS_FAILED | pytest.ExitCode.INTERRUPTED:
            return COULD_NOT if _nothing_failed(document) else NOT_RIGHT
        case pytest.ExitCode.USAGE_ERROR | pytest.ExitCode.NO_TESTS_COLLECTED:
            return WRONG_USE
        case _:  # an internal error, or a code of another plug-in's own
            return COULD_NOT


def _nothing_failed(document: ResultDocument | None) -> bool:
    """Whether tests failed, and yet no path did: a lab that did not start, a host that was not reached."""
    if document is None:
        return True
    verdicts = {check.verdict for client in document.clients for check in client.checks}
    if Verdict.FAILED in verdicts:
        return False
    unknown = bool(verdicts & {Verdict.ERROR, Verdict.NOT_SEEN})
    return unknown or any(test.outcome is TestOutcome.ERROR for test in document.tests)
