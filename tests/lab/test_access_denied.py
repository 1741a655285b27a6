"""What MSK's IAM listener answers, and what is said of it: the table of docs/authentication.md, held in a lab.

MSK says `Access denied` to most of it. What the client knows of its own token, and what STS says, tells it apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from brokerproof.lab.faults import FAULTS
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import AuthenticateFacts, Stage
from brokerproof.probes.outcome.registry import up_to
from brokerproof.probes.plan import AuthenticationScheme, Limits
from brokerproof.running.planning import conclude, make_plan, without_isolation
from brokerproof.running.site import lab_vantage
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

pytestmark = pytest.mark.lab

PAGE: Final = Path(__file__).parents[2] / "docs" / "authentication.md"
BEGIN, END = "<!-- answers of a lab -->\n", "<!-- end of answers -->"
CLIENT = "cluster_vpc"
PATIENT = Limits(connect_ms=10_000, handshake_ms=20_000, request_ms=20_000, sts_ms=20_000, plan_ms=120_000)
REQUEST = re.compile(r"\[[0-9a-f-]{36}\]: ")


def of_another_region(topology: Topology) -> Topology:
    """The client says which Region it signs for, and it is not the one in the brokers' names."""
    held = topology.client(CLIENT).credentials.model_copy(update={"region_name": "us-west-2"})
    return with_each(topology, "clients", credentials=held)


def wrong_key_and_no_sts(topology: Topology) -> Topology:
    """Nobody says of the client's credentials that they are not good."""
    judgement = topology.clusters[0].iam.model_copy(update={"key_fits": False, "reaches_sts": False})
    return with_changes(topology, "clusters", 0, iam=judgement)


EDITS: Final = {
    "the client signs for another Region": of_another_region,
    "the secret is another key's, and STS is not reached": wrong_key_and_no_sts,
    **{
        words: FAULTS[fault].edit
        for words, fault in (
            ("the access key was deleted", "iam-key-gone"),
            ("the secret is another key's", "iam-wrong-key"),
            ("no policy allows kafka-cluster:Connect", "iam-denied"),
            ("the client's clock is late", "iam-clock-skew"),
            ("the credentials have ended", "iam-credentials-ended"),
            ("the session has ended, and the client does not know", "iam-session-ended"),
            ("the credentials end in two minutes", "iam-credentials-ending"),
            ("others take all new connections", "iam-rate"),
            ("the session name changes each time", "iam-principal-changed"),
            ("STS is not reached", "iam-sts-unreachable"),
            ("there are no credentials", "iam-no-credentials"),
        )
    },
}


def rows() -> dict[str, str]:
    """The page's table, line by line, by what is wrong."""
    _, found, after = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert found, f"{PAGE.name} has no {BEGIN.strip()}"
    lines = [line for line in after.partition(END)[0].splitlines() if line.startswith("| ")][1:]  # below its head
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    options = PatternOptions(brokers=1, authentication=AuthenticationScheme.IAM)
    with Lab.start(PATTERNS["in_vpc"].build(options)) as built:
        yield built


def row(lab: Lab, wrong: str) -> str:
    """The line of the table that the lab shows."""
    topology = EDITS[wrong](lab.intended)
    lab.apply(topology)
    view = without_isolation(expect(topology, CLIENT))
    plan = make_plan(view, topology.client(CLIENT), measure=False, stages=up_to(Stage.AUTHENTICATE), limits=PATIENT)
    with lab_vantage(lab, CLIENT) as vantage:
        result = conclude(view, plan, vantage.run(plan))
    facts = [o.facts for o in result.run.outcomes if isinstance(o.facts, AuthenticateFacts) and o.reason is not None]
    assert facts, result.run.outcomes
    answer = REQUEST.sub("", facts[0].again.detail if facts[0].again else facts[0].error_message).partition(" from ")[0]
    [finding] = result.findings
    codes = ", ".join(f"`{code}`" for code in sorted(finding.codes))
    return f"| {wrong} | {answer or 'nothing was sent'} | {codes} |"


@pytest.mark.parametrize("wrong", EDITS)
def test_the_lab_shows_what_the_page_says(lab: Lab, wrong: str) -> None:
    assert row(lab, wrong) == rows().get(wrong)


def test_the_page_has_no_other_lines() -> None:
    assert set(rows()) == set(EDITS)
