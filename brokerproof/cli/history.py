"""``brokerproof history``: what stored runs measured of each path, from the oldest run to the newest."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console

from brokerproof.cli.endings import WRONG_USE, Said, as_sentences
from brokerproof.comparison.history import STORE, Trend, append, trend
from brokerproof.extras import Extra, require
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.reports.document import RESULT_FILE, DocumentError, ResultDocument, decode_document
from brokerproof.reports.history import points_of, print_history

LAST: Final = 20


@click.command("history")
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=STORE,
    show_default=True,
    help="The folder that runs are appended to.",
)
@click.option("--client", default="", help="Only this client.")
@click.option("--pattern", default="", help="Only this pattern.")
@click.option("--target", default="", help="Only runs against this target: lab, or a file's name.")
@click.option(
    "--what",
    multiple=True,
    type=click.Choice([each.value for each in Trend]),
    help="Only this measure; may be given again.",
)
@click.option(
    "--last", type=click.IntRange(0), default=LAST, show_default=True, help="The newest N runs of each path; 0 for all."
)
@click.option(
    "--add",
    "added",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="First append the run of this folder or result.json; the same run is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the points as JSON.")
@as_sentences
def history(
    *,
    store: Path,
    client: str,
    pattern: str,
    target: str,
    what: tuple[str, ...],
    last: int,
    added: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Show how a path did over time: verdict, latency, throughput.

    Every run appends itself. Exit codes: 0 shown, 2 wrong use, or no run is there.
    """
    require(Extra.COMPARE, "brokerproof history")
    for path in added:
        append(store, points_of(_document(path)))
    points = trend(store, client=client, pattern=pattern, target=target, what=tuple(map(Trend, what)), last=last)
    if not points:
        raise Said(f"{store}: no run with that; --add results/RUN appends one", WRONG_USE)
    if as_json:
        click.echo(msgspec.json.format(encode_json(points), indent=2).decode())
        return
    print_history(points, Console(highlight=False))


def _document(path: Path) -> ResultDocument:
    path = path / RESULT_FILE if path.is_dir() else path
    try:
        return decode_document(path.read_bytes())
    except OSError as error:
        raise Said(f"{path}: cannot be read: {error.strerror or error}", WRONG_USE) from None
    except DocumentError as error:
        raise Said(f"{path}: {error}", WRONG_USE) from None
