"""``brokerproof patterns``: compare bandwidth, latency, scale, price, benefits and limits of paths side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
import msgspec

from brokerproof.cli.endings import WRONG_USE, Said, as_sentences
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.reports.document import RESULT_FILE, DocumentError, decode_document
from brokerproof.reports.pattern_table import measured_of, pattern_markdown
from brokerproof.topology.comparison.facts import Statement
from brokerproof.topology.comparison.pricing import PriceError, load_prices
from brokerproof.topology.comparison.table import pattern_table
from brokerproof.topology.files import load
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.facts import Row

_DIMENSIONS: Final = ", ".join(each.value for each in Dimension)


@click.command("patterns", epilog=f"Dimensions a price file may name: {_DIMENSIONS}.")
@click.argument("what", metavar="PATTERN|TOPOLOGY", default="combination")
@click.option("--client", "clients", multiple=True, help="Only this client; may be given again [default: all].")
@click.option(
    "--prices",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="YAML: currency, source, hours_per_month, gb_per_month, nlcu_hours_per_month, prices: {dimension: price}.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Add what this run measured (its folder or result.json); may be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print values instead of Markdown.")
@as_sentences
def patterns(
    what: str, *, clients: tuple[str, ...], prices: Path | None, runs: tuple[Path, ...], as_json: bool
) -> None:
    """Compare the paths of a topology file or a pattern: what is measured, counted, and documented, with sources.

    The command knows no prices; --prices gives them. Where one is missing, the table names it instead of a sum.
    """
    if what not in PATTERNS and not Path(what).exists():
        raise Said(f"{what!r} is neither a pattern nor a file; patterns: {', '.join(PATTERNS)}", WRONG_USE)
    topology = PATTERNS[what].build() if what in PATTERNS else load(Path(what))
    there = [client.name for client in topology.clients if client.pattern is not None]
    unknown = [name for name in clients if name not in there]
    if unknown:
        raise Said(f"{', '.join(unknown)}: not there; clients of {what}: {', '.join(there)}", WRONG_USE)
    try:
        listed = None if prices is None else load_prices(prices)
    except PriceError as error:
        raise Said(str(error), WRONG_USE) from None
    measured: dict[tuple[str, Row], tuple[Statement, ...]] = {}
    for run in runs:
        for key, statements in _measured(run).items():
            measured[key] = (*measured.get(key, ()), *statements)
    table = pattern_table(topology, tuple(dict.fromkeys(clients)) or there, prices=listed, measured=measured)
    if as_json:
        click.echo(msgspec.json.format(encode_json(table), indent=2).decode())
    else:
        click.echo(pattern_markdown(table), nl=False)


def _measured(run: Path) -> dict[tuple[str, Row], tuple[Statement, ...]]:
    path = run / RESULT_FILE if run.is_dir() else run
    try:
        return measured_of(decode_document(path.read_bytes()))
    except OSError as error:
        raise Said(f"{path}: cannot be read: {error.strerror or error}", WRONG_USE) from None
    except DocumentError as error:
        raise Said(f"{path}: {error}", WRONG_USE) from None
