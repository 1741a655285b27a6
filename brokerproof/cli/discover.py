"""``brokerproof discover``: ten lines of intent in, a topology file out."""

from __future__ import annotations

from pathlib import Path

import click

from brokerproof.aws.facts import AccountFacts
from brokerproof.aws.intent.files import IntentError, is_intent
from brokerproof.cli.account import facts_from, facts_recorded
from brokerproof.cli.endings import WRONG_USE, Said, as_sentences
from brokerproof.extras import Extra, require
from brokerproof.running.account import is_arn
from brokerproof.topology.files import dumps
from brokerproof.topology.rules import problems
from brokerproof.wording import one_line


@click.command("discover")
@click.argument("intent", metavar="INTENT|ARN", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Where to write the topology [default: standard output].",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Keep the answers in this folder too: ids, names and addresses replaced, and nothing else of yours.",
)
@click.option(
    "--replay",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=None,
    help="Read no account, but the answers that --record kept in this folder.",
)
@click.option("--policy", "show_policy", is_flag=True, help="Print the least IAM policy that this needs, and end.")
@as_sentences
def discover(
    intent: Path | None, output: Path | None, *, record: Path | None, replay: Path | None, show_policy: bool
) -> None:
    """Read the accounts of an INTENT file, and write what the clients' paths touch as a topology.

    Of a cluster's ARN the one client is this host.

    It calls the AWS API to read, and nothing else: no packet is sent to a broker, and nothing is changed. What may not
    be read is unknown, and is said; it is never taken for none.

    Exit codes: 0 written; 2 wrong use, or a cluster or a client's host cannot be read.
    """
    if show_policy:
        require(Extra.AWS, "the policy of discovery")
        from brokerproof.aws.discovery.policy import policy  # noqa: PLC0415 - boto3 is an extra

        click.echo(policy(), nl=False)
        return
    if replay is not None:
        if intent is not None or record is not None:
            raise Said("--replay reads no account: leave INTENT and --record out", WRONG_USE)
        _write(facts_recorded(replay), output)
        return
    if intent is None:
        raise Said("give an intent file, a cluster's ARN, --replay or --policy", WRONG_USE)
    if not is_arn(str(intent)) and intent.exists() and not is_intent(intent):
        raise IntentError(f"{intent}: names no cluster by its ARN, so it is no intent; docs/aws.md shows one")
    _write(facts_from(intent, record=record), output)
    if record is not None:
        click.echo(f"{record}: the answers, for --replay; look through them before you give them away", err=True)


def _write(facts: AccountFacts, output: Path | None) -> None:
    text = dumps(facts.topology)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Said(f"{output}: cannot be written: {error.strerror or error}", WRONG_USE) from None
    topology = facts.topology
    click.echo(
        f"{output or 'standard output'}: {len(topology.clusters)} cluster(s), {len(topology.vpcs)} VPCs, "
        f"{len(topology.clients)} client(s)",
        err=True,
    )
    for gap in facts.gaps:
        where = f"account {gap.account_id}, Region {gap.region_name}"
        click.echo(one_line(f"unknown: {', '.join(gap.unknown)}: {gap.action} in {where}: {gap.why}"), err=True)
    broken = problems(topology)
    if broken:
        click.echo(
            f"the account is in a state that AWS lets nobody make, so this file will be refused; verify the intent "
            f"itself instead. First: {broken[0]}",
            err=True,
        )
