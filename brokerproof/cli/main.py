"""The command line. Exit codes: 0 done, 1 the path is not as it must be, 2 wrong use, 3 could not be carried out."""

from __future__ import annotations

from typing import Final

import click

from brokerproof.cli.late import LateCommand

COMMANDS: Final = (
    LateCommand(
        "audit",
        "brokerproof.cli.audit:audit",
        "Say what the configuration proves of each client's path to each broker, in both directions.",
    ),
    LateCommand("canary", "brokerproof.cli.canary:canary", "Watch a target for months, and say in time what broke."),
    LateCommand(
        "change", "brokerproof.cli.change:change", "Watch a change, and say whether it is accepted or rejected."
    ),
    LateCommand(
        "compare",
        "brokerproof.cli.compare:compare",
        "Compare clients of one cluster that take turns, or two stored runs.",
    ),
    LateCommand(
        "discover",
        "brokerproof.cli.discover:discover",
        "Read the accounts of an INTENT file, and write what the clients' paths touch as a topology.",
    ),
    LateCommand(
        "fleet",
        "brokerproof.cli.fleet:fleet",
        "Verify the clients of many VPCs, each by a Lambda of its own VPC or on its own instance.",
    ),
    LateCommand(
        "history", "brokerproof.cli.history:history", "Show how a path did over time: verdict, latency, throughput."
    ),
    LateCommand(
        "lab", "brokerproof.cli.lab:lab", "Run the lab: real Kafka brokers, resolvers and packet paths on this machine."
    ),
    LateCommand(
        "patterns",
        "brokerproof.cli.pattern_table:patterns",
        "Compare the paths of a topology file or a pattern: what is measured, counted, and documented, with sources.",
    ),
    LateCommand("probe", "brokerproof.cli.probe:probe", "Bundle the probe for a far side, or remove it there."),
    LateCommand(
        "report",
        "brokerproof.cli.report:report",
        "Write the reports of a recorded run again, and print its summary.",
    ),
    LateCommand("topology", "brokerproof.cli.topology:topology", "Show, check and describe topology files."),
    LateCommand("verify", "brokerproof.cli.verify:verify", "Verify every client's path, and write a report."),
)
"""One line a command: nothing of a command is imported before it is called."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="brokerproof", prog_name="brokerproof")
def main() -> None:
    """Prove that a private network path to an Amazon MSK cluster works.

    `brokerproof verify HOST:PORT` verifies a cluster from here; `brokerproof verify mine.yaml` the cluster and clients
    that a file describes; `brokerproof verify peering` and the other patterns are tried in the lab, without a cloud
    account.
    """


for command in COMMANDS:
    main.add_command(command)
