"""The difference of two blueprints, carried out on a model of a kernel, gives the second one's network."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.lab.network.blueprint import Blueprint, Link, Namespace, compile_topology
from brokerproof.lab.network.difference import (
    Difference,
    NamespaceChange,
    difference,
    from_nothing,
    interface_of,
    inverse,
)
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.unknown import known
from tests.examples import examples
from tests.topology.strategies import options, patterns


class Kernel:
    """Namespaces with links and lines, as strict as the real one, and no kinder than it may be."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.interfaces: dict[str, set[str]] = {}
        self.links: set[Link] = set()
        self.rest: dict[str, tuple[object, ...]] = {}

    def carry_out(self, steps: Difference) -> None:
        for link in steps.links_removed:
            self._unlink(link)
        for name in steps.namespaces_removed:
            for link in [at for at in self.links if name in {at.namespace, at.peer_namespace}]:
                assert {link.namespace, link.peer_namespace} <= set(steps.namespaces_removed), "left to another end"
                self._unlink(link)
            del self.lines[name], self.interfaces[name], self.rest[name]
        for namespace in steps.namespaces_added:
            assert namespace.name not in self.lines
            self.lines[namespace.name], self.interfaces[namespace.name] = [], {"lo"}
        for link in steps.links_added:
            for at, name in ends(link):
                assert name not in self.interfaces[at], "exists"
                self.interfaces[at].add(name)
            self.links.add(link)
        for namespace in steps.namespaces_added:
            self._run(namespace.name, (*namespace.ip_lines, *namespace.routing))
            self.rest[namespace.name] = rest_of(namespace)
        for change in steps.namespaces_changed:
            self._alter(change)

    def _unlink(self, link: Link) -> None:
        self.links.remove(link)
        for at, name in ends(link):
            self.interfaces[at].remove(name)
            # A route by next hop alone goes too if the next hop was there; the model assumes that it was.
            self.lines[at] = [
                line
                for line in self.lines[at]
                if interface_of(line) != name and not (interface_of(line) is None and " via " in line)
            ]

    def _alter(self, change: NamespaceChange) -> None:
        name = change.namespace.name
        lines = self.lines[name]
        undone = {inverse(line): line for line in lines if " add " in line}
        for line in change.undone:
            if line in undone:
                lines.remove(undone[line])
            else:
                assert " via " in line, f"undone, but not there: {line}"
        self._run(name, change.run)
        old = self.rest[name]
        wanted = rest_of(change.namespace)
        replaced = (change.settings, change.ruleset, change.lookups)
        self.rest[name] = tuple(new if done else was for was, new, done in zip(old, wanted, replaced, strict=True))

    def _run(self, name: str, lines: tuple[str, ...]) -> None:
        for line in lines:
            interface = interface_of(line)
            assert line not in self.lines[name], f"exists: {line}"
            assert interface is None or interface in self.interfaces[name], f"no such device: {line}"
            if line.startswith("route add") and interface not in {None, "lo"}:
                assert any(at.startswith(f"link set {interface} up") for at in self.lines[name]), f"down: {line}"
            self.lines[name].append(line)


def ends(link: Link) -> tuple[tuple[str, str], ...]:
    return (link.namespace, link.interface), (link.peer_namespace, link.peer_interface)


def rest_of(namespace: Namespace) -> tuple[object, ...]:
    return (namespace.forwards, namespace.ipv6), namespace.ruleset, (namespace.resolver, namespace.hosts)


def assert_is(kernel: Kernel, blueprint: Blueprint) -> None:
    assert kernel.links == set(blueprint.links)
    assert {name: Counter(lines) for name, lines in kernel.lines.items()} == {
        n.name: Counter((*n.ip_lines, *n.routing)) for n in blueprint.namespaces
    }
    assert kernel.rest == {n.name: rest_of(n) for n in blueprint.namespaces}


recipes = st.tuples(patterns, options, st.integers(1, 9), st.booleans())
"""A pattern, its options, how many of its clients stay, and whether the last of them has moved."""


def compiled(recipe: tuple[str, PatternOptions, int, bool]) -> Blueprint:
    name, chosen, keep, moves = recipe
    topology = PATTERNS[name].build(chosen)
    clients = list(topology.clients[:keep])
    if moves:
        last = clients.pop()
        clients.append(last.model_copy(update={"private_ip_address": known(last.private_ip_address) + 7}))
    return compile_topology(topology.model_copy(update={"clients": tuple(clients)}))


@settings(max_examples=examples(40), deadline=None)
@given(first=recipes, second=recipes)
def test_the_difference_turns_one_network_into_the_other_and_back(
    first: tuple[str, PatternOptions, int, bool], second: tuple[str, PatternOptions, int, bool]
) -> None:
    one, other = compiled(first), compiled(second)
    kernel = Kernel()
    kernel.carry_out(from_nothing(one))
    assert_is(kernel, one)
    kernel.carry_out(difference(one, other))
    assert_is(kernel, other)
    kernel.carry_out(difference(other, one))
    assert_is(kernel, one)


@settings(max_examples=examples(20), deadline=None)
@given(recipe=recipes)
def test_equal_blueprints_do_not_differ(recipe: tuple[str, PatternOptions, int, bool]) -> None:
    one = compiled(recipe)
    assert not difference(one, one)
    assert not difference(one, compiled(recipe))
    assert from_nothing(one)


@settings(max_examples=examples(20), deadline=None)
@given(pattern=patterns, other=patterns, chosen=options)
def test_of_the_same_brokers_none_is_touched(pattern: str, other: str, chosen: PatternOptions) -> None:
    """Between any two patterns of one cluster VPC, no broker's namespace or link changes."""
    chosen = chosen.model_copy(update={"dual_stack": False})  # which not every pattern can have
    one, two = (compile_topology(PATTERNS[name].build(chosen)) for name in (pattern, other))
    steps = difference(one, two)
    homes = {b.namespace for b in one.brokers}
    assert homes == {b.namespace for b in two.brokers}
    assert not homes & {*steps.namespaces_removed, *(n.name for n in steps.namespaces_added)}
    assert not homes & {c.namespace.name for c in steps.namespaces_changed}
    assert not homes & {at for link in (*steps.links_removed, *steps.links_added) for at, _ in ends(link)}


def beside_each(topology: Topology) -> Topology:
    """An endpoint more of every service, before those that are there."""
    beside = tuple(
        each.model_copy(
            update={
                "vpc_endpoint_id": f"{each.vpc_endpoint_id}-beside",
                "network_interfaces": tuple(
                    eni.model_copy(update={"private_ip_address": eni.private_ip_address + 100, "ipv6_address": None})
                    for eni in each.network_interfaces
                ),
            }
        )
        for each in topology.vpc_endpoints
    )
    return topology.model_copy(update={"vpc_endpoints": (*beside, *topology.vpc_endpoints)})


@settings(max_examples=examples(20), deadline=None)
@given(pattern=patterns, chosen=options)
def test_an_endpoint_beside_others_and_another_order_touch_no_link(pattern: str, chosen: PatternOptions) -> None:
    """What is there keeps its interfaces, so that its connections go on."""
    one = PATTERNS[pattern].build(chosen)
    there = compile_topology(one)
    more = compile_topology(beside_each(one), there)
    steps = difference(there, more)
    assert len(steps.namespaces_added) == len(one.vpc_endpoints)
    assert not steps.links_removed
    assert not steps.namespaces_removed
    assert all(change.undone == () for change in steps.namespaces_changed)
    backwards = {
        name: tuple(reversed(getattr(one, name)))
        for name in ("vpc_endpoints", "load_balancers", "vpc_peering_connections")
    }
    turned = difference(there, compile_topology(one.model_copy(update=backwards), there))
    assert not turned.links_removed
    assert not turned.links_added
    assert not turned.namespaces_removed
    gone = difference(more, compile_topology(one, more))
    assert len(gone.namespaces_removed) == len(one.vpc_endpoints)
    assert not gone.links_added
    assert not gone.namespaces_added
    kernel = Kernel()
    for steps, after in ((from_nothing(there), there), (difference(there, more), more), (gone, there)):
        kernel.carry_out(steps)
        assert_is(kernel, after)


def blueprint(*namespaces: Namespace, links: tuple[Link, ...] = ()) -> Blueprint:
    return Blueprint("4.1.1", links, namespaces, (), (), (), (), ())


WIRE = Link("r", "eni0", "host", "eth0")
ROUTER = Namespace("r", ("addr add 169.254.1.1/32 dev eni0", "link set eni0 up", "route add 10.0.0.9/32 dev eni0"), "")
HOST = Namespace("host", ("addr add 10.0.0.9/32 dev eth0", "link set eth0 up", "route add default dev eth0"), "")


def test_a_route_is_undone_alone_and_an_address_takes_the_link_with_it() -> None:
    old = blueprint(ROUTER, HOST, links=(WIRE,))
    without = dataclasses.replace(HOST, ip_lines=HOST.ip_lines[:2])
    [change] = difference(old, blueprint(ROUTER, without, links=(WIRE,))).namespaces_changed
    assert (change.undone, change.run) == (("route del default dev eth0",), ())
    moved = dataclasses.replace(HOST, ip_lines=("addr add 10.0.0.8/32 dev eth0", *HOST.ip_lines[1:]))
    steps = difference(old, blueprint(ROUTER, moved, links=(WIRE,)))
    assert steps.links_removed == steps.links_added == (WIRE,)
    assert {c.namespace.name: (c.undone, c.run) for c in steps.namespaces_changed} == {
        "r": ((), ROUTER.ip_lines),
        "host": ((), moved.ip_lines),
    }


def test_rules_go_in_the_reverse_order_and_next_hops_are_looked_for_again() -> None:
    rules = ("route add 10.1.0.0/16 via 169.254.128.1 table 1000", "rule add pref 33000 iif eni0 lookup 1000")
    routed = dataclasses.replace(ROUTER, routing=rules)
    [gone] = difference(
        blueprint(routed, HOST, links=(WIRE,)), blueprint(ROUTER, HOST, links=(WIRE,))
    ).namespaces_changed
    assert gone.undone == (
        "rule del pref 33000 iif eni0 lookup 1000",
        "route del 10.1.0.0/16 via 169.254.128.1 table 1000",
    )
    [cut] = difference(blueprint(routed, HOST, links=(WIRE,)), blueprint(routed)).namespaces_changed
    assert rules[0] in cut.run, "its next hop may have been on the link that went"
    assert rules[1] not in cut.run, "a rule waits for its interface to come back"


def test_what_else_differs_is_said() -> None:
    other = dataclasses.replace(ROUTER, forwards=True, ruleset="flush ruleset\n", resolver="10.0.0.2")
    [change] = difference(blueprint(ROUTER), blueprint(other)).namespaces_changed
    assert (change.settings, change.ruleset, change.lookups, change.run) == (True, True, True, ())


def test_a_line_that_adds_nothing_has_no_inverse() -> None:
    with pytest.raises(ValueError, match="without an inverse"):
        inverse("link set eth0 up")
