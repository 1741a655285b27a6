"""The changes that turn one blueprint's network into another's. Pure.

:mod:`brokerproof.lab.network.kernel` carries them out.

A line is an ``ip -batch`` command that adds one thing. It goes with the interface it names, is undone
by its inverse, or stays; what stays is not touched, so a broker whose own lines stay never notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from brokerproof.lab.network.blueprint import Blueprint, Link, Namespace


@dataclass(frozen=True, slots=True)
class NamespaceChange:
    """A namespace that stays: the lines to undo and to run, in that order, and what else is replaced."""

    namespace: Namespace
    """As it becomes."""
    undone: tuple[str, ...] = ()
    """Inverse lines. What they remove may be gone already, with an interface."""
    run: tuple[str, ...] = ()
    settings: bool = False
    ruleset: bool = False
    lookups: bool = False
    """Its files ``resolv.conf`` and ``hosts``."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The steps from one network to another, in the order they are carried out."""

    links_removed: tuple[Link, ...] = ()
    """Those with an end in a namespace that stays; the others go with their namespaces."""
    namespaces_removed: tuple[str, ...] = ()
    namespaces_added: tuple[Namespace, ...] = ()
    links_added: tuple[Link, ...] = ()
    namespaces_changed: tuple[NamespaceChange, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return self != Difference()

    def words(self) -> str:
        """What is done, as counts, for people who wait for it."""
        counts = {
            "removed": len(self.namespaces_removed),
            "added": len(self.namespaces_added),
            "changed": len(self.namespaces_changed),
        }
        said = [f"{count} {what}" for what, count in counts.items() if count]
        return f"namespaces: {', '.join(said)}"


def from_nothing(new: Blueprint) -> Difference:
    """Everything a blueprint's network is made of."""
    return Difference(namespaces_added=new.namespaces, links_added=new.links)


def difference(old: Blueprint, new: Blueprint) -> Difference:
    """What changes the network of ``old`` into that of ``new``; empty when they are the same."""
    before, after = {n.name: n for n in old.namespaces}, {n.name: n for n in new.namespaces}
    unchanged = {link for link in old.links if link in set(new.links) and not _readdressed(link, before, after)}
    removed = [link for link in old.links if link not in unchanged]
    lost = set(_ends(removed))
    changes = (
        _change(before[n.name], n, {i for at, i in lost if at == n.name}) for n in new.namespaces if n.name in before
    )
    return Difference(
        links_removed=tuple(link for link in removed if {link.namespace, link.peer_namespace} & set(after)),
        namespaces_removed=tuple(name for name in before if name not in after),
        namespaces_added=tuple(n for n in new.namespaces if n.name not in before),
        links_added=tuple(link for link in new.links if link not in unchanged),
        namespaces_changed=tuple(change for change in changes if change != NamespaceChange(change.namespace)),
    )


def inverse(line: str) -> str:
    """The line that undoes this one.

    Raises:
        ValueError: the line does not add anything.
    """
    words = line.split()
    if "add" not in words:
        raise ValueError(f"ip line without an inverse: {line!r}")
    words[words.index("add")] = "del"
    return " ".join(words)


def interface_of(line: str) -> str | None:
    """The interface a line is about and goes with, if it names one."""
    words = line.split()
    if "dev" in words:
        return words[words.index("dev") + 1]
    return words[2] if words[:2] == ["link", "set"] else None


def _ends(links: Iterable[Link]) -> Iterator[tuple[str, str]]:
    for link in links:
        yield link.namespace, link.interface
        yield link.peer_namespace, link.peer_interface


def _readdressed(link: Link, before: dict[str, Namespace], after: dict[str, Namespace]) -> bool:
    """Whether an end's own settings differ.

    Such a link is made anew: an interface that loses its last address takes routes with it that
    nothing here would know of.
    """
    return any(_own(before[at], name) != _own(after[at], name) for at, name in _ends([link]))


def _own(namespace: Namespace, interface: str) -> list[str]:
    """The lines that make an interface what it is; routes only use it."""
    return [
        line
        for line in namespace.ip_lines
        if interface_of(line) == interface and not {"route", "rule"} & set(line.split())
    ]


def _change(old: Namespace, new: Namespace, lost: set[str]) -> NamespaceChange:
    before, after = (*old.ip_lines, *old.routing), (*new.ip_lines, *new.routing)
    there = [line for line in before if interface_of(line) not in lost]
    stays = {line for line in there if line in set(after) and not (lost and _needs_some_link(line))}
    return NamespaceChange(
        namespace=new,
        undone=tuple(inverse(line) for line in reversed(there) if line not in stays),
        run=tuple(line for line in after if line not in stays),
        settings=(old.forwards, old.ipv6) != (new.forwards, new.ipv6),
        ruleset=old.ruleset != new.ruleset,
        lookups=(old.resolver, old.hosts) != (new.resolver, new.hosts),
    )


def _needs_some_link(line: str) -> bool:
    """A route by next hop alone went with the link the next hop is on, whichever that is."""
    return "via" in line.split() and interface_of(line) is None
