"""What a finding begins with, and what it tells to change: golden for every cause and every set, true and readable."""

from __future__ import annotations

import re

import pytest

from brokerproof.causes.catalogue import CATALOGUE
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece
from brokerproof.probes.outcome import Role, Stage
from tests.diagnosis.bends import IN_VPC, PEERING, REFUSED, SILENT, SINGLE
from tests.diagnosis.bent import Bend, at, diagnosis_of, seen, views_of
from tests.diagnosis.titles import TABLE, cases, said, singles, table
from tests.examples import ALL

GOLDEN = TABLE.read_text(encoding="utf-8")
ANEW = "read what differs, then: python -m tests.diagnosis.titles"


def test_every_cause_has_its_golden_title() -> None:
    assert set(GOLDEN.split("\nSETS\n")[0].splitlines()[2:]) - {""} == set("\n".join(singles()).splitlines()), ANEW


@pytest.mark.no_cover  # thousands of diagnoses, whose lines other tests cover
def test_every_set_has_its_golden_title() -> None:
    golden = set(re.split(r"\n(?! )", GOLDEN.split("\nSETS\n\n")[1].strip()))
    if not ALL:
        assert said(cases()) <= golden, ANEW
    else:
        assert table() == GOLDEN, ANEW


def test_behind_the_load_balancer_is_said_only_where_every_cause_is() -> None:
    before = {
        code
        for code, entry in CATALOGUE.items()
        if entry.sits in {Piece.SUBNETS, Piece.CLIENT, Piece.ENDPOINT, Piece.WAY}
    }
    told = [one for one in GOLDEN.split("\nSETS\n\n")[1].splitlines() if one]
    titles = dict(zip(told[1::2], told[::2], strict=True))
    behind = {codes.strip(): title for codes, title in titles.items() if "behind the load balancer" in title}
    assert behind
    assert not [codes for codes in behind if {Code(code) for code in codes.split(", ")} & before]


def wrong(pattern: str, *bends: Bend) -> str:
    [found] = diagnosis_of(views_of(pattern), *bends).findings
    return found.wrong


def refused_bootstrap(client: str) -> Bend:
    return Bend(
        lambda view, o: o.stage is Stage.CONNECT and o.target.role is Role.BOOTSTRAP and view.client == client,
        REFUSED,
    )


WHICH_AND_WHERE = {
    "one address": (
        IN_VPC,
        Bend(at(Stage.CONNECT, brokers=[2]), REFUSED),
        "One broker does not listen at the port (broker 2 at 10.0.16.10:9094, seen from client cluster_vpc).",
    ),
    "one address of a set": (
        PEERING,
        Bend(at(Stage.CONNECT, brokers=[2]), SILENT),
        (
            "Connections vanish on the way to one broker, and others do not (broker 2 at 10.0.16.10:9094, seen from "
            "clients cluster_vpc, peered and remote_by_peering)."
        ),
    ),
    "all brokers": (
        IN_VPC,
        Bend(at(Stage.CONNECT), REFUSED),
        "Every broker refuses its port (brokers 1, 2 and 3, seen from client cluster_vpc).",
    ),
    "all brokers of a load balancer": (
        SINGLE,
        Bend(at(Stage.CONNECT), REFUSED),
        (
            "Every connection is refused behind the load balancer, for any broker (brokers 1, 2, 3 and bootstrap, seen "
            "from clients account_b, cluster_vpc, overlapping, remote_by_gateway and remote_by_peering)."
        ),
    ),
    "several addresses": (
        SINGLE,
        Bend(at(Stage.CONNECT, brokers=[3]), SILENT),
        (
            "One broker does not answer at any of its addresses, and others do (broker 3, seen from clients account_b, "
            "cluster_vpc, overlapping, remote_by_gateway and remote_by_peering)."
        ),
    ),
    "bootstrap": (
        SINGLE,
        refused_bootstrap("account_b"),
        (
            "The bootstrap listener refuses connections at every address, and the brokers' own do not (bootstrap, seen "
            "from client account_b)."
        ),
    ),
    "everything": (
        SINGLE,
        Bend(at(Stage.CONNECT, clients=["account_b"]), SILENT),
        (
            "Connections vanish on the way: nothing answers at the endpoint, for any broker (brokers 1, 2, 3 and "
            "bootstrap, seen from client account_b)."
        ),
    ),
}


@pytest.mark.parametrize(("pattern", "bend", "expected"), WHICH_AND_WHERE.values(), ids=WHICH_AND_WHERE)
def test_it_says_which_and_where(pattern: str, bend: Bend, expected: str) -> None:
    assert wrong(pattern, bend) == expected


def test_no_remedy_has_a_gap() -> None:
    """Where a finding is about no broker, there stood "the target group of broker it"."""
    for views, bends in cases():
        for finding in diagnosis_of(views, *bends).findings:
            gap = re.search(r"(?:broker|port|of|from|to|client) it\b(?! has)|None|nothing", finding.change)
            assert gap is None, finding.change
        for check in (check for view in views for check in seen(view, *bends).checks):
            assert "None" not in check.change, check.change


def test_the_remedy_of_the_bootstrap_listener_names_all_brokers() -> None:
    bend = refused_bootstrap("account_b")
    [found] = diagnosis_of(views_of(SINGLE), bend).findings
    changes = {cause.code: cause.change for cause in found.causes}
    assert changes[Code.NLB_LISTENER_MISSING] == (
        "add a TCP listener on port 9094 that forwards to the target group of the brokers"
    )
