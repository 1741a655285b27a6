"""``brokerproof compare``: compare clients of one cluster that take turns, or two stored runs."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from brokerproof.cli.endings import COULD_NOT, INTERRUPTED, NOT_RIGHT, WRONG_USE, Said, as_sentences
from brokerproof.comparison.history import STORE, append
from brokerproof.comparison.values import Comparison
from brokerproof.diagnosis.check import Verdict
from brokerproof.extras import Extra, require
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Measured
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.reports.comparison import claims, markdown, markdown_of, print_comparison
from brokerproof.reports.document import Run
from brokerproof.reports.environment import describe_host, describe_tool
from brokerproof.reports.files import write_atomically
from brokerproof.reports.history import points_of
from brokerproof.reports.journal import RESULTS, Journal
from brokerproof.reports.render import SAMPLES_FILE, Rendered, render_all
from brokerproof.reports.terminal import print_summary
from brokerproof.reports.verdict import Overall
from brokerproof.running.planning import ClientRun
from brokerproof.running.site import LAB, Site, load_target
from brokerproof.topology.files import load
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS

if TYPE_CHECKING:
    from brokerproof.comparison.series import Series
    from brokerproof.running.rounds import RoundPart, Wanted

MARKDOWN_FILE: Final = "comparison.md"
JSON_FILE: Final = "comparison.json"
FEWEST: Final = 2
MOST_TROUBLE: Final = 0.2
"""A comparison of which a larger share of turns failed is no comparison of working paths."""
_RECORDS: Final = frozenset({Measured.PRODUCE_ACK, Measured.END_TO_END})


class Format(StrEnum):
    """What is printed."""

    TERMINAL = "terminal"
    JSON = "json"
    MARKDOWN = "markdown"


@click.command("compare")
@click.argument("what", nargs=-1, metavar="[PATTERN|TOPOLOGY | RUN RUN]")
@click.option(
    "--target",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Compare the clients of this file, as they are.",
)
@click.option("--client", "clients", multiple=True, help="Only this client; give at least two [default: all].")
@click.option(
    "--rounds", type=click.IntRange(1, 10_000), default=30, show_default=True, help="How many turns each client has."
)
@click.option(
    "--samples", type=click.IntRange(1, 4000), default=40, show_default=True, help="Samples of each kind in a turn."
)
@click.option("--rate", type=click.IntRange(1, 1000), default=100, show_default=True, help="Samples per second.")
@click.option("--records", is_flag=True, help="Measure records too: produce acknowledgement and end to end.")
@click.option(
    "--what",
    "kinds",
    multiple=True,
    type=click.Choice([each.value for each in Measured]),
    help="Compare only this kind of time; may be given again. Fewer kinds give narrower intervals.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=None,
    help="The seed of turns and intervals [default: a drawn one, which the report names].",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Where the report, the samples and the journal go [default: results/compare-TIME; nowhere for two runs].",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice([each.value for each in Format]),
    default=Format.TERMINAL.value,
    show_default=True,
    help="The format of what is printed.",
)
@click.option("--fail-on-difference", is_flag=True, help="Exit with 1 when a difference is claimed.")
@as_sentences
def compare(
    what: tuple[str, ...],
    *,
    target: Path | None,
    clients: tuple[str, ...],
    kinds: tuple[str, ...],
    seed: int | None,
    output: Path | None,
    shape: str,
    fail_on_difference: bool,
    **amount: Any,
) -> None:
    """Compare clients of one cluster that take turns, or two stored runs.

    PATTERN or TOPOLOGY is built in the lab; --target FILE is probed as it is; RUN is a folder with samples.parquet.

    Exit codes: 0 compared; 1 a path is not as it must be, or a difference is claimed and --fail-on-difference given;
    2 wrong use; 3 the comparison could not be carried out; 130 interrupted.
    """
    require(Extra.COMPARE, "brokerproof compare")
    from brokerproof.running.rounds import Wanted  # noqa: PLC0415  numpy and scipy are slow to import; other commands need neither

    wanted = Wanted(
        seed=secrets.randbelow(2**31) if seed is None else seed,
        rounds=amount["rounds"],
        samples=amount["samples"],
        rate_per_s=amount["rate"],
        records=amount["records"],
    )
    whats = tuple(map(Measured, kinds))
    if _RECORDS & set(whats) and not wanted.records and len(what) != FEWEST:
        raise Said("produce_ack and end_to_end measure records: give --records", WRONG_USE)
    if len(what) == FEWEST and target is None:
        if clients or amount["records"]:
            raise Said("two runs are compared as they are: leave out --client and --records", WRONG_USE)
        from brokerproof.comparison.pairs import compare_runs  # noqa: PLC0415  likewise

        found = compare_runs(_stored(what[0]), _stored(what[1]), seed=wanted.seed, whats=whats)
        _print_stored(found, shape, output)
    else:
        topology, in_lab = _chosen(what, target)
        folder = output or RESULTS / f"compare-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        found = _in_rounds(topology, _names(topology, clients), wanted, whats, folder, in_lab=in_lab, shape=shape)
    sys.exit(NOT_RIGHT if fail_on_difference and claims(found) else 0)


def _stored(name: str) -> tuple[Series, ...]:
    """The samples of a run: its folder, its id below results, or the file itself."""
    from brokerproof.comparison.series import read_samples  # noqa: PLC0415  likewise

    for path in (Path(name), Path(name) / SAMPLES_FILE, RESULTS / name / SAMPLES_FILE):
        if path.is_file():
            return read_samples(path)
    raise Said(f"{name}: no run with samples: neither {Path(name) / SAMPLES_FILE} nor a file is there", WRONG_USE)


def _chosen(what: tuple[str, ...], target: Path | None) -> tuple[Topology, bool]:
    if target is not None:
        if what:
            raise Said(f"--target {target} names what is probed: leave out {' '.join(what)}", WRONG_USE)
        return load_target(target), False
    if len(what) != 1:
        raise Said(f"name what to compare: a pattern ({', '.join(PATTERNS)}), a file, or two runs", WRONG_USE)
    if what[0] in PATTERNS:
        return PATTERNS[what[0]].build(), True
    if not Path(what[0]).exists():
        raise Said(f"{what[0]!r} is neither a pattern nor a file; patterns: {', '.join(PATTERNS)}", WRONG_USE)
    return load(Path(what[0])), True


def _names(topology: Topology, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Clients of one cluster that get through by a pattern, as chosen.

    Raises:
        Said: fewer than two, one that is not there, or clients of different clusters.
    """
    there = {client.name: client for client in topology.clients if client.pattern is not None}
    unknown = [name for name in chosen if name not in there]
    names = tuple(dict.fromkeys(chosen)) or tuple(there)
    if unknown or len(names) < FEWEST:
        missing = f"{', '.join(unknown)}: not there; " if unknown else ""
        raise Said(f"{missing}a comparison takes two clients or more of: {', '.join(there)}", WRONG_USE)
    clusters = {there[name].cluster_name for name in names}
    if len(clusters) > 1:
        raise Said(f"clients of different clusters ({', '.join(sorted(clusters))}) are not comparable", WRONG_USE)
    return names


def _in_rounds(
    topology: Topology,
    names: tuple[str, ...],
    wanted: Wanted,
    whats: tuple[Measured, ...],
    folder: Path,
    *,
    in_lab: bool,
    shape: str,
) -> Comparison:
    console = Console(stderr=True, highlight=False)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    parts: list[RoundPart] = []
    interrupted = ""
    about = Run(
        run_id=run_id,
        target=LAB if in_lab else Path(topology.name).name,
        tool=describe_tool(),
        host=describe_host(),
    )
    with Journal.open(folder, about) as journal:
        try:
            with _site(topology, journal, console, in_lab=in_lab) as site:
                runs = [_verified(site, name, console) for name in names]
                if not _red(runs):
                    _take(site, runs, wanted, run_id=run_id, parts=parts, console=console)
        except KeyboardInterrupt:
            interrupted = "interrupted"
        failed = [part for part in parts if part.trouble]
        good = [one for part in parts if not part.trouble for one in part.series]
        found = None
        if good and not interrupted and len(failed) <= MOST_TROUBLE * len(parts):
            from brokerproof.comparison.pairs import compare_together  # noqa: PLC0415  likewise

            found = compare_together(good, seed=wanted.seed, whats=whats)
            journal.compared(found)
        because = interrupted or (f"{len(failed)} of {len(parts)} turns failed" if parts and found is None else "")
        journal.finish_run(cut_short=because)
    rendered = render_all(folder)
    for part in failed[:5]:
        console.print(f"round {part.number}, {part.client}: does not count: {part.trouble}", markup=False)
    if interrupted:
        raise Said(f"interrupted after {len(parts)} turns; what was measured is in {folder}", INTERRUPTED)
    if found is None:
        _refuse(rendered, failed, parts)
    else:
        _print(found, rendered, folder, shape)
        return found
    raise AssertionError("what was not compared has been said")


def _refuse(rendered: Rendered, failed: Sequence[RoundPart], parts: Sequence[RoundPart]) -> None:
    if parts:
        raise Said(f"{len(failed)} of {len(parts)} turns failed: {failed[0].trouble}", COULD_NOT)
    print_summary(rendered.document, Console(highlight=False), reports=rendered.named(), notes=rendered.notes)
    if rendered.judgement.overall is not Overall.FAILED:
        raise Said("paths of which not everything is known are not compared", COULD_NOT)
    raise Said("paths that are not as they must be are not compared", NOT_RIGHT)


@contextmanager
def _site(topology: Topology, journal: Journal, console: Console, *, in_lab: bool) -> Iterator[Site]:
    if not in_lab:
        with Site(topology, lab=None, journal=journal) as site:
            yield site
        return
    with (
        Lab.start(topology, progress=lambda text: console.print(f"  {text}", markup=False)) as lab,
        Site(topology, lab=lab, journal=journal) as site,
    ):
        yield site


def _verified(site: Site, name: str, console: Console) -> ClientRun:
    console.print(f"  {name}: verifying its path", markup=False)
    return site.run(name, measure=False)


def _red(runs: Sequence[ClientRun]) -> bool:
    return any(check.verdict is not Verdict.PASSED for run in runs for check in run.checks)


def _take(
    site: Site, runs: Sequence[ClientRun], wanted: Wanted, *, run_id: str, parts: list[RoundPart], console: Console
) -> None:
    from brokerproof.running.rounds import measure_in_rounds  # noqa: PLC0415  likewise

    total = wanted.rounds * len(runs)
    columns = TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    console.print(f"  {total} turns, seed {wanted.seed}", markup=False)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("turns", total=total)

        def on_part(part: RoundPart) -> None:
            parts.append(part)
            progress.update(task, advance=1, description=f"round {part.number}, {part.client}")

        measure_in_rounds(site, runs, wanted, run_id=run_id, on_part=on_part)


def _print(found: Comparison, rendered: Rendered, folder: Path, shape: str) -> None:
    text = markdown_of(rendered.document)
    write_atomically(folder / MARKDOWN_FILE, text.encode())
    write_atomically(folder / JSON_FILE, _json(found))
    files = (*rendered.named(), ("markdown", str(folder / MARKDOWN_FILE)), ("json", str(folder / JSON_FILE)))
    _show(found, text, shape, files)
    if folder.parent == RESULTS:
        append(STORE, points_of(rendered.document))


def _print_stored(found: Comparison, shape: str, output: Path | None) -> None:
    text = markdown(found, title="Two runs compared")
    files: tuple[tuple[str, str], ...] = ()
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(output / MARKDOWN_FILE, text.encode())
        write_atomically(output / JSON_FILE, _json(found))
        files = ("markdown", str(output / MARKDOWN_FILE)), ("json", str(output / JSON_FILE))
    _show(found, text, shape, files)


def _show(found: Comparison, text: str, shape: str, files: tuple[tuple[str, str], ...]) -> None:
    match Format(shape):
        case Format.TERMINAL:
            print_comparison(found, Console(highlight=False), reports=files)
        case Format.JSON:
            click.echo(_json(found), nl=False)
        case Format.MARKDOWN:
            click.echo(text, nl=False)


def _json(found: Comparison) -> bytes:
    return msgspec.json.format(encode_json(found), indent=2) + b"\n"
