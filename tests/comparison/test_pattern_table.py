"""The table of patterns: every statement has a source, quantities are counted, and no price is invented."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from brokerproof.cli.main import main
from brokerproof.reports.document import encode_document
from brokerproof.topology.comparison.facts import Basis, Statement, documented
from brokerproof.topology.comparison.pricing import (
    PriceError,
    PriceList,
    charges,
    formula,
    load_prices,
    monthly,
)
from brokerproof.topology.comparison.table import PatternTable, pattern_table
from brokerproof.topology.patterns import PATTERNS, PatternName
from brokerproof.topology.patterns.dimensions import Dimension
from brokerproof.topology.patterns.facts import Row
from brokerproof.topology.patterns.options import PatternOptions

PRICES = """
currency: XYZ
source: a file of this test
hours_per_month: 100
gb_per_month: 1000
nlcu_hours_per_month: 5
prices: {cross_zone_gb: 0.5, transit_gateway_attachment_hour: 2, transit_gateway_gb: 0.25}
"""


def quantities(pattern: str, client: str, options: PatternOptions | None = None) -> dict[str, float | None]:
    topology = PATTERNS[pattern].build(options)
    return {each.dimension.value: each.quantity for each in charges(topology, topology.client(client))}


def test_what_is_charged_is_counted_in_the_topology() -> None:
    two_thirds = pytest.approx(2 / 3)
    assert quantities("in_vpc", "cluster_vpc") == {"cross_zone_gb": two_thirds}
    assert quantities("peering", "peered") == {"cross_zone_gb": two_thirds}
    assert quantities("peering", "remote_by_peering") == {"cross_region_gb": 1}
    gateway = {"transit_gateway_attachment_hour": 2, "transit_gateway_gb": 1}
    assert quantities("transit_gateway", "by_gateway") == {"cross_zone_gb": two_thirds, **gateway}
    far = quantities("transit_gateway", "remote_by_gateway")
    assert far == {"cross_region_gb": 1, "transit_gateway_attachment_hour": 4, "transit_gateway_gb": 1}
    one = {"endpoint_zone_hour": 3, "endpoint_gb": 1, "nlb_hour": 1, "nlcu_hour": None, "cross_zone_gb": two_thirds}
    assert quantities("privatelink_single_nlb", "account_b") == one
    # A load balancer and an endpoint a broker.
    assert quantities("privatelink_multi_nlb", "account_b") == one | {"endpoint_zone_hour": 9, "nlb_hour": 3}
    five = quantities("privatelink_multi_nlb", "account_b", PatternOptions(brokers=6))
    assert (five["endpoint_zone_hour"], five["nlb_hour"]) == (18, 6)
    managed = quantities("multi_vpc", "account_b")
    assert (managed["vpc_connection_hour"], managed["vpc_connection_gb"]) == (1, 1)
    assert "nlb_hour" not in managed


def prices(text: str, tmp_path: Path) -> PriceList:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    return load_prices(path)


def test_a_sum_needs_every_price_of_it(tmp_path: Path) -> None:
    listed = prices(PRICES, tmp_path)
    topology = PATTERNS["transit_gateway"].build()
    gateway = charges(topology, topology.client("by_gateway"))
    assert formula(gateway) == (
        "0.667 * GB * cross_zone_gb + 2 * hours * transit_gateway_attachment_hour + GB * transit_gateway_gb"
    )
    assert monthly(gateway, listed).amount == pytest.approx(0.5 * 2000 / 3 + 2 * 2 * 100 + 0.25 * 1000)
    topology = PATTERNS["privatelink_single_nlb"].build()
    cost = monthly(charges(topology, topology.client("account_b")), listed)
    assert (cost.amount, cost.missing) == (None, ("endpoint_zone_hour", "endpoint_gb", "nlb_hour", "nlcu_hour"))
    every = listed.model_copy(update={"prices": dict.fromkeys(Dimension, 1.0), "nlcu_hours_per_month": None})
    assert monthly(charges(topology, topology.client("account_b")), every).missing == ("nlcu_hours_per_month",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("currency: [", "not YAML"),
        ("", "the file"),
        (PRICES.replace("source: a file of this test", ""), "source: Field required"),
        (PRICES + "more: 1", "more: Extra inputs"),
        (PRICES.replace("0.5", "-1"), "prices.cross_zone_gb"),
        (PRICES.replace("cross_zone_gb", "gold"), "prices.gold"),
    ],
)
def test_a_price_file_that_cannot_be_used_says_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PriceError, match=r"prices\.yaml") as refused:
        prices(text, tmp_path)
    assert says in str(refused.value)


def test_every_statement_has_a_source_and_every_pattern_its_facts() -> None:
    for spec in PATTERNS.values():
        if spec.name.is_of_clients:
            assert documented(spec.name, Row.BANDWIDTH), spec.name
            assert documented(spec.name, Row.BENEFITS), spec.name
    with pytest.raises(ValueError, match="where it comes from"):
        Statement(text="fast", basis=Basis.DOCUMENTED, source="")


def test_across_regions_the_facts_are_those_of_one_nlb_and_of_two_regions() -> None:
    """Its brokers share one NLB and endpoint, and advertise a port of their own each."""

    def said(row: Row, pattern: PatternName = PatternName.PRIVATELINK_CROSS_REGION) -> str:
        return "\n".join(statement.text for statement in documented(pattern, row))

    assert "each broker must advertise a port of its own" in said(Row.LIMITS)
    assert "support the client's Region" in said(Row.LIMITS)
    assert "what they did before" not in said(Row.BENEFITS)
    assert "no peering or gateway" in said(Row.BENEFITS)
    assert "49 brokers" in said(Row.SCALE)
    assert "takes one a broker" not in said(Row.SCALE)
    assert "data between the Regions" in said(Row.PRICE)
    assert said(Row.BANDWIDTH) == said(Row.BANDWIDTH, PatternName.PRIVATELINK_SINGLE_NLB)
    topology = PATTERNS["privatelink_cross_region"].build()
    [column] = pattern_table(topology, ["remote"]).columns
    [way] = (each.text for each in column.rows[Row.LATENCY])
    assert way == "on the way: us-west-2 to us-east-1, interface endpoint, load balancer"


def test_what_a_path_across_regions_is_charged_for() -> None:
    one = {"endpoint_zone_hour": 3, "endpoint_gb": 1, "nlb_hour": 1, "nlcu_hour": None}
    assert quantities("privatelink_cross_region", "remote") == one | {"cross_region_gb": 1}
    near = quantities("privatelink_single_nlb", "remote_by_peering")
    assert near == one | {"cross_region_gb": 1}
    assert quantities("privatelink_multi_nlb", "cluster_vpc") == {"cross_zone_gb": pytest.approx(2 / 3)}
    assert quantities("privatelink_single_nlb", "cluster_vpc").keys() == {"cross_zone_gb", "nlb_hour", "nlcu_hour"}


def test_the_table_has_a_column_a_client_and_says_what_is_measured() -> None:
    seen = {("by_gateway", Row.LATENCY): (Statement(text="connect: 2 ms", basis=Basis.MEASURED, source="run r"),)}
    topology = PATTERNS["combination"].build()
    table = pattern_table(topology, ["peered", "by_gateway", "overlapping"], measured=seen)
    assert [(column.client, column.pattern) for column in table.columns] == [
        ("peered", "peering"),
        ("by_gateway", "transit_gateway"),
        ("overlapping", "privatelink_multi_nlb"),
    ]
    peering, gateway, endpoint = (column.rows[Row.LATENCY] for column in table.columns)
    assert [each.basis for each in gateway] == [Basis.MEASURED, Basis.DERIVED]
    assert peering[0].text == "on the way: peering"
    assert endpoint[0].text == "on the way: interface endpoint, load balancer"
    assert all(column.rows[row] for column in table.columns for row in Row)


def test_the_command_prints_it_with_numbered_sources(tmp_path: Path) -> None:
    from tests.reports.builder import mixed  # noqa: PLC0415

    (tmp_path / "prices.yaml").write_text(PRICES)
    (tmp_path / "result.json").write_bytes(encode_document(mixed()))

    def command(*arguments: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, ["patterns", *map(str, arguments)])
        return done.exit_code, done.stdout, done.stderr

    code, said, why = command("transit_gateway", "--client", "by_gateway", "--prices", tmp_path / "prices.yaml")
    assert code == 0, why
    assert "983.33 XYZ a month for 1,000 GB and 100 hours" in said
    assert "prices: a file of this test" in said
    assert said.count("| bandwidth |") == 1
    code, said, _ = command("--json", "--run", tmp_path)
    assert code == 0
    assert msgspec.json.decode(said, type=PatternTable).topology == "combination"
    for wrong in (("nowhere",), ("peering", "--client", "nobody"), ("--prices", tmp_path / "missing"), ("--run", "/")):
        assert command(*wrong)[0] == 2, wrong
