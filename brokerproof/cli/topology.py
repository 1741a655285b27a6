"""``brokerproof topology``: show, check, draw and describe topology files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from brokerproof.cli.bootstrap_options import bootstrap_options, wanted_of
from brokerproof.cli.endings import as_sentences
from brokerproof.cli.pattern_options import options_of, pattern_options, topology_of
from brokerproof.cli.picture import shape_of, written
from brokerproof.cli.verify_bootstrap import asked_of, unusable
from brokerproof.reports.drawing import DrawError, Shape
from brokerproof.running.bootstrap import HERE, topology_from
from brokerproof.running.planning import LIMITS
from brokerproof.running.screen import Screen
from brokerproof.topology.files import dumps, json_schema, load
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.rules import dotted
from brokerproof.topology.started import started
from brokerproof.topology.unknown import unknowns
from brokerproof.vantages.registry import open_vantage


@click.group()
def topology() -> None:
    """Show, check and describe topology files."""


@topology.command("show")
@click.argument("pattern", type=click.Choice(sorted(PATTERNS)))
@options_of(PatternOptions)
@as_sentences
def topology_show(pattern: str, **chosen: Any) -> None:
    """Print a pattern as YAML, as the start of a topology file."""
    click.echo(dumps(PATTERNS[pattern].build(pattern_options(chosen))), nl=False)


@topology.command("from")
@click.argument("bootstrap", metavar="BOOTSTRAP")
@bootstrap_options
@click.option("--name", default=HERE, show_default=True, help="What the client is called in the file.")
@as_sentences
def topology_from_bootstrap(bootstrap: str, name: str, **words: Any) -> None:
    """Ask a cluster who its brokers are, and print the start of a topology file.

    BOOTSTRAP is HOST:PORT, several with commas between them; or @FILE, which has that. What the cluster does not say
    is `unknown` in the file, with what would be verified if it were known. The file can be verified as it is. How the
    client logs in is written into it, with where its credentials are, never what they are.

    \b
    Examples:
      brokerproof topology from b-1.example.com:9094 > mine.yaml
      brokerproof topology from @bootstrap.txt --from ssh:client-host --name orders > mine.yaml
      brokerproof topology from b-1.example.com:9096 --username env:MSK_USER --password file:/run/secrets/msk
    """  # noqa: D301  click's mark for lines to be left as they are
    wanted = wanted_of(bootstrap, name, **words)
    with open_vantage(wanted.vantage.kind, wanted.name, wanted.vantage) as vantage:
        asked = asked_of(wanted, vantage, LIMITS, Screen().say)
    found = topology_from(asked)
    unusable(found)
    click.echo(started(found, said=(f"Cluster id {asked.cluster_id}.",)), nl=False)


@topology.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@as_sentences
def topology_check(file: Path) -> None:
    """Check a topology file, and name every problem with its line."""
    checked = load(file)
    click.echo(f"{file}: {len(checked.vpcs)} VPCs, {len(checked.clients)} clients: nothing wrong")
    told: dict[str, list[str]] = {}
    for unknown in unknowns(checked):
        told.setdefault(unknown.then, []).append(dotted(unknown.path))
    for then, places in told.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        click.echo(f"  unknown: {places[0]}{more}; if it were known, this is verified too: {then}")


@topology.command("draw")
@click.argument("what", metavar="TOPOLOGY|PATTERN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Where to write the picture [default: standard output].",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice([shape.value for shape in Shape]),
    default=None,
    help="The format [default: by the file's suffix, else svg]. dot needs no Graphviz.",
)
@options_of(PatternOptions)
@as_sentences
def topology_draw(what: str, output: Path | None, shape: str | None, **chosen: Any) -> None:
    """Draw a topology file or a pattern: VPCs, routes, endpoints, and each client's way."""
    wanted = shape_of(output, shape)
    drawn = written(topology_of(what, chosen), wanted)
    if output is None:
        click.echo(drawn, nl=False)
        return
    try:
        output.write_bytes(drawn)
    except OSError as error:
        raise DrawError(f"{output}: cannot be written: {error.strerror or error}") from None


@topology.command("schema")
def topology_schema() -> None:
    """Print the JSON Schema of topology files."""
    click.echo(json_schema(), nl=False)
