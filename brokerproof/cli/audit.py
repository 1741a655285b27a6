"""``brokerproof audit``: what the configuration alone proves, without a packet."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path

import click
import msgspec

from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit as audited
from brokerproof.aws.audit.text import lines_of, sarif, verdict
from brokerproof.aws.audit.values import Audit, State
from brokerproof.cli.account import facts_from
from brokerproof.cli.endings import COULD_NOT, NOT_RIGHT, as_sentences
from brokerproof.probes.outcome.foreign_text import encode_json
from brokerproof.topology.files import load
from brokerproof.wording import printable


class Rendering(StrEnum):
    """How an audit is written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


@click.command("audit")
@click.argument("what", metavar="INTENT|ARN|TOPOLOGY", type=click.Path(path_type=Path))
@click.option(
    "--intended",
    type=click.Path(path_type=Path),
    default=None,
    help="A topology file of what was meant: what is open there as well is no finding, what is otherwise is a note.",
)
@click.option("--traces", is_flag=True, help="Show every hop of every path, and the call that told it.")
@click.option(
    "--format",
    "rendering",
    type=click.Choice([each.value for each in Rendering]),
    default=Rendering.TEXT.value,
    show_default=True,
    help="How it is written.",
)
@as_sentences
def audit(what: Path, intended: Path | None, *, traces: bool, rendering: str) -> None:
    """Say what the configuration proves of each client's path to each broker, in both directions.

    Of an INTENT file, or a cluster's ARN, the account is read; a TOPOLOGY file is taken at its word. No packet is sent.

    Exit codes: 0 every path is open by the configuration; 1 something is wrong; 2 wrong use; 3 nothing is wrong as
    far as is known, and not everything could be read.
    """
    meant = load(intended) if intended is not None else None
    found = audited(facts_from(what), meant, shown=as_seen(meant) if meant is not None else None)
    match Rendering(rendering):
        case Rendering.TEXT:
            for line in lines_of(found, traces=traces):
                click.echo(printable(line))
            click.echo(verdict(found))
        case Rendering.JSON:
            click.echo(msgspec.json.format(encode_json(found), indent=2).decode())
        case Rendering.SARIF:
            click.echo(json.dumps(sarif(found, str(what)), indent=2))
    sys.exit(code_of(found))


def code_of(found: Audit) -> int:
    """The exit code of an audit."""
    if any(each.sure for each in found.findings):
        return NOT_RIGHT
    unknown = any(one.state is State.UNKNOWN for one in found.traces)
    return COULD_NOT if found.gaps or found.findings or unknown else 0
