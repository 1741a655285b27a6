"""Which tests there are: a parameter a client, in words, with marks that follow from the client; and their order.

A scenario file names its pattern (``PATTERN``). A class may choose other options of the builder
(``OPTIONS``, told apart by ``VARIANT``) and clients of another pattern (``CLIENTS``). Somebody's own tests may
go without a pattern: with ``--target`` they are about all clients of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from brokerproof.running.amount import Amount, measured_in_lab
from brokerproof.topology.expectation.isolation import by_ipv6
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.models import Client, Topology
from brokerproof.topology.patterns import PATTERNS, WITH_SCENARIOS, PatternOptions, spec_of

NOTHING_TO_PROBE: Final = "there is nothing to probe: give --target FILE, or the module a PATTERN for the lab"
FIXTURES: Final = frozenset({"run", "observer", "client_run", "client_runs"})
"""Whoever asks for one of these has a client probed."""
OWN_FIXTURES: Final = frozenset({"client_run", "client_runs"})
"""Those of tests that may do without a pattern of their own."""


def is_scenario(node: Any) -> bool:
    """Whether a test is about clients' runs, so that its result belongs to the run."""
    asked = frozenset(getattr(node, "fixturenames", ()))
    return bool(OWN_FIXTURES & asked) or (pattern_of(node) is not None and bool(FIXTURES & asked))


def is_shipped(node: Any) -> bool:
    """Whether a test is one of the scenarios of this folder, and not somebody's own."""
    path = getattr(node, "path", None)
    return path is not None and Path(path).resolve().parent == Path(__file__).resolve().parent


Where = Callable[[ClientView, str], bool]
"""Whether a test is about this client and this broker (``broker-N``; empty for a test of no broker)."""


def applies(*, where: Where) -> pytest.MarkDecorator:
    """Have a test only for the clients and brokers it is about, so that no run skips it for the others."""
    return pytest.mark.applies(where=where)


def pattern_of(node: Any) -> str | None:
    """The pattern whose builder makes the topology; None where the module names none."""
    pattern = getattr(getattr(node, "module", None), "PATTERN", None)
    return pattern if isinstance(pattern, str) and pattern in WITH_SCENARIOS else None


def clients_of(node: Any) -> str | None:
    """The pattern whose clients are probed; None is every pattern."""
    return getattr(getattr(node, "cls", None), "CLIENTS", None) or pattern_of(node)


def clients_within(topology: Topology, pattern: str | None) -> tuple[Client, ...]:
    """The clients of a pattern; of None, those of any."""
    return tuple(c for c in topology.clients if c.pattern is not None and pattern in {None, c.pattern})


def options_of(node: Any) -> PatternOptions | None:
    """What the class asks of the builder."""
    return getattr(getattr(node, "cls", None), "OPTIONS", None)


def variant_of(node: Any) -> str:
    """What tells the class apart from the pattern as it is."""
    return str(getattr(getattr(node, "cls", None), "VARIANT", ""))


def label(node: Any, client: Client) -> str:
    """What tells a client's run in this class from its runs elsewhere.

    The file's pattern, where it is not the client's own; the file, where it is somebody's own; and the variant.
    """
    beside = pattern_of(node) if client.pattern != pattern_of(node) else ""
    cls = getattr(node, "cls", None)
    own = "" if is_shipped(node) else "-".join([node.path.stem, *([cls.__name__] if cls else [])])
    return "-".join(part for part in (beside, own, variant_of(node)) if part)


def client_of(item: pytest.Item) -> str | None:
    """The client a collected test is about, if any."""
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    client = next((params[fixture] for fixture in FIXTURES & set(params)), None)
    return client if isinstance(client, str) else None


def asks_for_isolation(item: pytest.Item) -> bool:
    """Whether a test is about what must not work; somebody's own may look at any check."""
    return item.get_closest_marker("isolation") is not None or not is_shipped(item)


def same_class(item: pytest.Item, node: Any) -> bool:
    """Whether a test is of the class, or else the module, that ``node`` is about."""
    cls = getattr(node, "cls", None)
    return getattr(item, "module", None) is node.module and cls in {getattr(item, "cls", None), None}


def fits_nobody(item: pytest.Item) -> bool:
    """Whether the test is about single clients, but the topology has none for it."""
    return bool((FIXTURES - {"client_runs"}) & set(getattr(item, "fixturenames", ()))) and client_of(item) is None


def lab_only(node: Any) -> bool:
    """Whether only the lab can build this: a variant, or clients beside the pattern's, who in a file have their own."""
    return pattern_of(node) is not None and (bool(variant_of(node)) or clients_of(node) != pattern_of(node))


def wrong_pattern(node: Any) -> str:
    """What is wrong with the PATTERN of a module whose tests ask for clients' runs; empty where nothing is."""
    pattern = getattr(node.module, "PATTERN", None)
    if pattern is None or pattern_of(node) is not None or not OWN_FIXTURES & set(node.fixturenames):
        return ""
    return f"PATTERN is {pattern!r}, which is no pattern; there are: {', '.join(PATTERNS)}"


def parametrize(
    metafunc: pytest.Metafunc,
    topology: Topology,
    view_of: Callable[[str], ClientView | None],
    *,
    combined: bool,
    amount: Amount = Amount.FULL,
) -> None:
    """One test a client, or a client and broker, that it is about.

    ``view_of`` returns a client's view, or None where there is none. ``combined`` says that clients share a cluster
    by several patterns. ``amount`` chooses the clients that are measured.
    """
    measured = metafunc.definition.get_closest_marker("performance") is not None
    asked = set(metafunc.fixturenames)
    limited = metafunc.definition.get_closest_marker("applies")
    where: Where | None = limited.kwargs["where"] if limited is not None else None

    def is_wanted(client: Client, broker: str = "") -> bool:
        view = view_of(client.name) if where is not None else None
        return where is None or view is None or where(view, broker)

    def marks(client: Client) -> list[pytest.MarkDecorator]:
        names = marker_names(topology, client)
        names += [] if measured else ["acceptance"]
        names += ["combination"] if combined and client.pattern is not None else []
        return [getattr(pytest.mark, name) for name in names]

    clients = clients_within(topology, clients_of(metafunc))
    if measured:
        chosen = measured_in_lab(topology, clients, amount)
        clients = tuple(client for client in clients if client.name in chosen)
    if "client_run" in asked:
        each = [pytest.param(c.name, marks=marks(c)) for c in clients if is_wanted(c)]
        metafunc.parametrize("client_run", each, indirect=True, scope="module")
    elif "observer" in asked:
        observers = [pytest.param(c.name, marks=marks(c)) for c in topology.clients if c.pattern is None]
        metafunc.parametrize("observer", observers, indirect=True, scope="class")
    elif "run" in asked and "broker" not in asked:
        alone = [pytest.param(c.name, marks=marks(c)) for c in clients if is_wanted(c)]
        metafunc.parametrize("run", alone, indirect=True, scope="class")
    elif "run" in asked:
        pairs = [
            pytest.param(c.name, f"broker-{b.broker_id}", id=f"{c.name}-broker-{b.broker_id}", marks=marks(c))
            for c in clients
            for b in topology.cluster(c.cluster_name).brokers
            if is_wanted(c, f"broker-{b.broker_id}")
        ]
        metafunc.parametrize(("run", "broker"), pairs, indirect=["run"], scope="class")


def parametrize_without_topology(metafunc: pytest.Metafunc) -> None:
    """One test that is skipped: it asks for a client's run, and nobody says whose."""
    if "client_run" in metafunc.fixturenames:
        nobody = pytest.param("nobody", marks=pytest.mark.skip(reason=NOTHING_TO_PROBE))
        metafunc.parametrize("client_run", [nobody], indirect=True, scope="module")


def marker_names(topology: Topology, client: Client) -> list[str]:
    """What a client is: in another Region than its cluster, in the cluster's VPC, of an IPv6 listener."""
    home = topology.vpc(topology.cluster(client.cluster_name).vpc_id)
    names = []
    if topology.vpc(client.vpc_id).region_name != home.region_name:
        names.append("cross_region")
    if client.vpc_id == home.vpc_id and client.pattern is not None and not spec_of(client.pattern).is_in_cluster_vpc:
        names.append("local_client")
    if by_ipv6(client):
        names.append("dual_stack")
    return names


def by_brokers(items: Sequence[pytest.Item], key: Callable[[str], Hashable]) -> list[pytest.Item]:
    """Scenario files with the same brokers one after another, else as they were; other tests stay in place."""
    scenarios = [item for item in items if pattern_of(item)]
    keys = {pattern: key(pattern) for pattern in dict.fromkeys(str(pattern_of(item)) for item in scenarios)}
    first = {group: index for index, group in reversed(list(enumerate(keys.values())))}
    ordered = iter(sorted(scenarios, key=lambda item: first[keys[str(pattern_of(item))]]))
    return [next(ordered) if pattern_of(item) else item for item in items]
