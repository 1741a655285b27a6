"""The parts of ``docs/patterns`` that follow from the code: pictures, clients, what must fail, faults.

``python -m tools.pattern_pages`` writes them; ``--check`` lists those that are out of date. What is
written by hand stays as it is: only what stands between two marks is replaced.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from brokerproof.lab.faults import FAULTS, Fault
from brokerproof.lab.faults.fault import shown_by
from brokerproof.probes.outcome import Reason
from brokerproof.reports.drawing import DIGEST_ATTRIBUTE, DrawError, dot_digest, svg
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ForbiddenView
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import Client, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import Overlap
from brokerproof.topology.picture import Picture, picture

FOLDER: Final = Path(__file__).parents[1] / "docs" / "patterns"
COMMAND: Final = "make pictures"
VARIANTS: Final[dict[str, Callable[[], Topology]]] = {
    "peering-dual-stack": lambda: PATTERNS["peering"].build(PatternOptions(dual_stack=True)),
    "privatelink_multi_nlb-dual-stack": lambda: PATTERNS["privatelink_multi_nlb"].build(
        PatternOptions(dual_stack=True, overlap=Overlap.OFF, remote=False)
    ),
}
"""Pictures beside those of the patterns."""
_MARK: Final = "<!-- {}: written by `make pictures` -->"
_END: Final = "<!-- end -->"


class PageError(Exception):
    """A page cannot be written; one sentence states why."""


def main(arguments: list[str] | None = None) -> int:
    """0 when the pages are current or were written, 1 when ``--check`` found one out of date, 3 when one cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tools.pattern_pages", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is out of date")
    check: bool = parser.parse_args(arguments).check
    try:
        if not check:
            write(FOLDER)
        stale = list(out_of_date(FOLDER))
    except (PageError, DrawError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    for what in stale:
        sys.stderr.write(f"{what}: out of date, run {COMMAND}\n")
    return 1 if stale else 0


def out_of_date(folder: Path) -> Iterator[str]:
    """Pictures drawn from another text than today's, and pages whose written parts are not today's.

    Pictures are compared by the text they were drawn from: two versions of Graphviz draw it differently.

    Raises:
        PageError: a page lacks a mark.
    """
    for name, made in _pictures():
        drawn = folder / f"{name}.svg"
        if not drawn.exists() or drawn_from(drawn.read_text(encoding="utf-8")) != dot_digest(made.dot):
            yield drawn.name
    index = folder / "README.md"
    if with_index(index.read_text(encoding="utf-8")) != index.read_text(encoding="utf-8"):
        yield index.name
    for name in PATTERNS:
        topology, _ = _built(name)
        page = folder / f"{name}.md"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        if not text or filled(text, name, topology) != text:
            yield page.name


def write(folder: Path) -> None:
    """Draw every picture that is out of date, and fill every page.

    Raises:
        PageError: a page is not there, or lacks a mark.
        DrawError: Graphviz is missing or failed.
    """
    stale = set(out_of_date(folder))
    for name, made in _pictures():
        if f"{name}.svg" in stale:
            drawn = svg(made.dot, title=made.title, description=made.description)
            (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")
    index = folder / "README.md"
    index.write_text(with_index(index.read_text(encoding="utf-8")), encoding="utf-8")
    for name in PATTERNS:
        topology, _ = _built(name)
        page = folder / f"{name}.md"
        if not page.exists():
            raise PageError(f"{page} is not there: each pattern has a page")
        page.write_text(filled(page.read_text(encoding="utf-8"), name, topology), encoding="utf-8")


def _pictures() -> Iterator[tuple[str, Picture]]:
    """Every picture of the folder, by its name."""
    for name in (*PATTERNS, *VARIANTS):
        yield name, _built(name)[1]


@functools.cache
def _built(name: str) -> tuple[Topology, Picture]:
    """A pattern or a variant as it is built by default, and its picture."""
    topology = VARIANTS[name]() if name in VARIANTS else PATTERNS[name].build()
    return topology, picture(topology)


def drawn_from(text: str) -> str:
    """The digest of the DOT text that an SVG was drawn from; empty where it has none."""
    found = re.search(rf'{DIGEST_ATTRIBUTE}="([0-9a-f]{{64}})"', text)
    return "" if found is None else found[1]


def filled(text: str, name: str, topology: Topology) -> str:
    """A page with its written parts as of today.

    Raises:
        PageError: a mark is missing.
    """
    for part, make in _PARTS.items():
        text = _with_part(text, f"{name}.md", part, make(name, topology))
    return text


def with_index(text: str) -> str:
    """The list of the patterns as of today.

    Raises:
        PageError: a mark is missing.
    """
    rows = [
        (f"[{name}]({name}.md)", spec.suits, f"`pytest -m {spec.selected_by.name}`") for name, spec in PATTERNS.items()
    ]
    return _with_part(text, "README.md", "patterns", _table(("pattern", "for", "scenario"), rows))


def _with_part(text: str, page: str, part: str, made: str) -> str:
    begin = _MARK.format(part)
    before, found, following = text.partition(begin)
    _, ended, after = following.partition(_END)
    if not found or not ended:
        raise PageError(f"docs/patterns/{page} lacks the mark {begin!r} or the {_END!r} after it")
    return f"{before}{begin}\n{made}\n{_END}{after}"


def clients_table(name: str, topology: Topology) -> str:
    """Who is there, and which way each goes."""
    rows = []
    for client, way in zip(topology.clients, _built(name)[1].ways, strict=True):
        vpc = topology.vpc(client.vpc_id)
        where = f"{vpc.vpc_id}, {vpc.region_name}, account {vpc.owner_id}"
        named, through, shown = way.partition(f" through {client.pattern}: ")
        said = shown if through else named.removeprefix(f"{client.name} in {client.vpc_id} ")
        rows.append((f"`{client.name}`", where, client.pattern or "observer", said))
    return _table(("client", "where", "pattern", "way"), rows)


def must_fail_table(_name: str, topology: Topology) -> str:
    """What must not answer, why, and the only reasons that are right."""
    found: dict[tuple[str, str], _Closed] = {}
    for client in topology.clients:
        for one in expect(topology, client.name).forbidden:
            closed = found.setdefault((_why(client, one), _reasons(one.fails_with)), _Closed())
            closed.clients[f"`{client.name}`"] = None
            closed.targets[_what(topology, client, one)] = None
            closed.ports.add(one.port)
    rows = [
        (
            ", ".join(closed.clients),
            f"{', '.join(closed.targets)}; port{'' if len(closed.ports) == 1 else 's'} "
            + ", ".join(map(str, sorted(closed.ports))),
            why,
            reasons,
        )
        for (why, reasons), closed in found.items()
    ]
    return _table(("from", "what must not answer", "why", "the right failure"), rows)


@dataclass
class _Closed:
    """What is closed for one reason; dicts keep the order of the file."""

    clients: dict[str, None] = field(default_factory=dict)
    targets: dict[str, None] = field(default_factory=dict)
    ports: set[int] = field(default_factory=set)


def faults_table(name: str, topology: Topology) -> str:
    """The faults of this pattern, and where each must show."""
    every = {broker.broker_id for broker in topology.clusters[0].brokers}
    rows = [
        (
            f"`{fault.name}`",
            f"{fault.title}{f' Needs `{fault.needs}`.' if fault.needs else ''}",
            f"`{shown_by(topology, fault)}`",
            fault.stage.value,
            _reasons(fault.reasons),
            _where(fault, every),
        )
        for fault in FAULTS.values()
        if name in fault.patterns
    ]
    return _table(("fault", "what is wrong", "client", "red at", "reason", "brokers"), rows)


def _where(fault: Fault, every: set[int]) -> str:
    if fault.isolation:
        return "none: what must not connect does"
    if not fault.brokers:
        return "none: the cluster, or bootstrap"
    if fault.by_chance:
        return "some"
    return "all" if set(fault.brokers) >= every else ", ".join(map(str, fault.brokers))


_PARTS: Final[dict[str, Callable[[str, Topology], str]]] = {
    "clients": clients_table,
    "must fail": must_fail_table,
    "faults": faults_table,
}


def _what(topology: Topology, client: Client, one: ForbiddenView) -> str:
    """What an address is, as seen from the client's VPC."""
    for other in topology.clients:
        beyond = other.vpc_id != client.vpc_id and other.witness_port == one.port
        if beyond and str(other.private_ip_address) == one.address:
            return f"host `{other.name}`"
    enis = {str(broker.client_vpc_ip_address) for cluster in topology.clusters for broker in cluster.brokers}
    endpoints = with_managed(topology).vpc_endpoints
    here = {client.vpc_id, client.endpoint_vpc_id}
    if one.address in {
        str(eni.private_ip_address) for e in endpoints if e.vpc_id in here for eni in e.network_interfaces
    }:
        return "the endpoint's ENIs"
    return "the broker ENIs" if one.address in enis else one.address


def _why(client: Client, one: ForbiddenView) -> str:
    """The reason as it holds for all brokers, load balancers, ports and hosts alike."""
    why = one.why.replace(f"no listener {one.port}", "no such listener").replace(f"port {one.port}", "that port")
    for own in ("{} has", "{} is", "{} cannot", "of {} is"):
        why = why.replace(own.format(client.vpc_id), own.format("its VPC"))
    for pattern, word in _ALIKE.items():
        why = re.sub(pattern, word, why)
    return why


_ALIKE: Final = {
    r"\bbroker \d+\b": "each broker",
    r"-b\d+\b": "-bN",
    r"\bclient \S+ in \S+": "a client behind an endpoint",
    r"\bpeered with vpc-(?!cluster)\S+": "peered with the host's",
}


def _reasons(reasons: Iterable[Reason | None]) -> str:
    words = [reason.value.replace("_", " ") if reason else "not what the pattern needs" for reason in reasons]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
