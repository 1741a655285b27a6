"""``brokerproof verify HOST:PORT,...``: from a bootstrap string to a verdict, without a file and without pytest."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from brokerproof.cli.endings import COULD_NOT, NOT_RIGHT, Said
from brokerproof.comparison.errors import SamplesError
from brokerproof.extras import MissingExtraError
from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.registry import up_to
from brokerproof.probes.plan import VERIFY_STAGES, Limits, ThroughputPlan
from brokerproof.reports.document import Run
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.journal import RESULTS, Journal, refuse_used
from brokerproof.reports.render import Rendered, render_all
from brokerproof.reports.verdict import Overall
from brokerproof.running.amount import Amount
from brokerproof.running.bootstrap import Asked, Wanted, ask, topology_from
from brokerproof.running.screen import Screen, from_where
from brokerproof.running.site import Site
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import Topology
from brokerproof.vantages.protocol import Vantage
from brokerproof.vantages.registry import open_vantage
from brokerproof.wording import printable

READ_ONLY: Final = up_to(Stage.IDENTITY)
"""Nothing is created, written or joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How the run is made, and where it goes."""

    run_dir: Path | None
    history: Path | None
    reports: tuple[str, ...]
    limits: Limits
    idle_hold_ms: int
    amount: Amount | None
    """None: nothing is measured."""
    load: ThroughputPlan | None
    read_only: bool


def asked_of(wanted: Wanted, vantage: Vantage, limits: Limits, say: Callable[[str], None]) -> Asked:
    """Who the brokers are, by the cluster's own word.

    Raises:
        Said: the probe cannot be run: nothing is known of the path.
    """
    names = ", ".join(f"{each.name}:{each.port}" for each in wanted.endpoints)
    where = from_where(wanted.vantage)
    say(f"asking {names} who the brokers are{f', {where}' if where else ''}")
    asked = ask(wanted, vantage, limits)
    if asked.run.error and not asked.run.outcomes:
        said = f"\n{asked.run.said}" if asked.run.said else ""
        raise Said(f"{asked.run.error}{said}", COULD_NOT)
    return asked


def verify_bootstrap(wanted: Wanted, options: RunOptions) -> int:
    """Ask, verify, report; the exit code of ``verify``.

    Raises:
        Said: nothing can be known: the probe cannot be run.
    """
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    run_dir = (options.run_dir or RESULTS / run_id).resolve()
    refuse_used(run_dir)
    with ExitStack() as stack:
        progress = stack.enter_context(Screen())
        vantage = stack.enter_context(open_vantage(wanted.vantage.kind, wanted.name, wanted.vantage))
        asked = asked_of(wanted, vantage, options.limits, progress.say)
        topology = topology_from(asked)
        progress.say(_found(asked))
        about = Run(run_id=run_id, target=_target(wanted), tool=describe_tool(), host=describe_host())
        with Journal.open(run_dir, about) as journal:
            _verify(topology, wanted=wanted, vantage=vantage, options=options, journal=journal, progress=progress)
            journal.finish_run()
    rendered = render_all(run_dir, also=options.reports)
    append_to_history(options.history, options.run_dir, rendered)
    summarize(rendered)
    return exit_code(rendered)


def _verify(
    topology: Topology,
    *,
    wanted: Wanted,
    vantage: Vantage,
    options: RunOptions,
    journal: Journal,
    progress: Screen,
) -> None:
    with Site(
        topology,
        lab=None,
        journal=journal,
        limits=options.limits,
        idle_hold_ms=options.idle_hold_ms,
        amount=options.amount or Amount.BRIEF,
        load=options.load,
        stages=READ_ONLY if options.read_only else VERIFY_STAGES,
        opened={wanted.name: vantage},
        onlooker=progress,
    ) as site:
        site.run(wanted.name, measure=options.amount is not None, isolation=True)


def _target(wanted: Wanted) -> str:
    return ",".join(f"{each.name}:{each.port}" for each in wanted.endpoints)


def _found(asked: Asked) -> str:
    if not asked.brokers:
        return "nobody answered; looking at how far the names lead"
    ids = ", ".join(str(broker.broker_id) for broker in asked.brokers[:8])
    more = f" and {len(asked.brokers) - 8} more" if len(asked.brokers) > 8 else ""  # noqa: PLR2004
    spoken = "TLS" if asked.tls else "plaintext"
    return f"cluster {asked.cluster_id}: brokers {ids}{more}, by {spoken}; verifying each"


def exit_code(rendered: Rendered) -> int:
    """As of every ``verify``: 0 all held, 1 the path is not right, 3 nothing is known."""
    match rendered.judgement.overall:
        case Overall.PASSED:
            return 0
        case Overall.FAILED:
            return NOT_RIGHT
        case Overall.ERROR | Overall.INCOMPLETE | Overall.NOTHING_PROBED:
            return COULD_NOT


def summarize(rendered: Rendered) -> None:
    """Print what a run showed, and where its reports are."""
    from rich.console import Console  # noqa: PLC0415  the probe's first packet does not wait for it

    from brokerproof.reports.terminal import print_summary  # noqa: PLC0415  likewise

    where = [(what, _short(Path(path))) for what, path in rendered.named()]
    print_summary(rendered.document, Console(highlight=False), reports=where, notes=rendered.notes)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def append_to_history(history: Path | None, run_dir: Path | None, rendered: Rendered) -> None:
    """As every run's; a store that cannot be written is said, and changes no verdict."""
    from brokerproof.comparison.history import STORE, append  # noqa: PLC0415  likewise
    from brokerproof.reports.history import points_of  # noqa: PLC0415

    store = history or (STORE if run_dir is None else None)
    if store is None:
        return
    try:
        append(store, points_of(rendered.document))
    except (SamplesError, MissingExtraError) as problem:
        sys.stderr.write(printable(f"the history was not appended to: {problem}\n"))


def unusable(topology: Topology) -> None:
    """See that a topology has brokers, before it is written down.

    Raises:
        TopologyError: nobody named any.
    """
    if not any(cluster.brokers for cluster in topology.clusters):
        raise TopologyError("nobody named a broker, so there is nothing to write down; `brokerproof verify` says why")
