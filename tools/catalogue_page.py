"""Write docs/catalogue.md from the catalogue and the advices: ``python -m tools.catalogue_page``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from brokerproof.causes.catalogue import CATALOGUE, Entry, Layer
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.advice.registry import ADVICES
from brokerproof.diagnosis.advice.spec import AdviceSpec
from brokerproof.wording import listed

PAGE: Final = Path(__file__).parent.parent / "docs" / "catalogue.md"

_HEADS: Final[dict[Layer, str]] = {
    Layer.DNS: "Names and resolvers",
    Layer.HOST: "The client's own host",
    Layer.ROUTE: "Routes, peering connections, transit gateways",
    Layer.SECURITY: "Security groups and network ACLs",
    Layer.ENDPOINT: "Interface endpoints and endpoint services",
    Layer.CONNECTION: "Managed VPC connections (MSK multi-VPC)",
    Layer.NLB: "Network Load Balancers",
    Layer.TCP: "TCP and what is below it",
    Layer.TLS: "TLS",
    Layer.AUTH: "Authentication and authorization",
    Layer.METADATA: "Advertised listeners and metadata",
    Layer.PRODUCE: "Producing",
    Layer.CONSUME: "Consuming",
    Layer.LISTENER: "Listeners of all brokers",
    Layer.CLUSTER: "The cluster itself",
    Layer.TRANSIENT: "What did not last",
    Layer.PERFORMANCE: "Performance",
    Layer.ISOLATION: "Isolation",
    Layer.AUDIT: "Reading the control plane",
    Layer.UNKNOWN: "None of these",
}


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    known = [entry for entry in CATALOGUE.values() if entry.code is not Code.UNKNOWN]
    visible = sum(entry.visible for entry in known)
    facts = sum(len(entry.facts) for entry in known)
    yield "# The causes a diagnosis may name"
    yield ""
    yield "Made from `brokerproof/causes/catalogue/` and `brokerproof/diagnosis/advice/` by `make catalogue`."
    yield ""
    yield (
        f"{len(known)} causes, from a list of {facts} faults of which those with one cause were merged. {visible} "
        "of them show in a verification run; the others say what sees them. A finding names one cause where the "
        "evidence leaves one, and otherwise the set of those that clients alone cannot tell apart. What no entry "
        "explains is "
        f"`{Code.UNKNOWN}`, with its evidence."
    )
    for layer, head in _HEADS.items():
        entries = [entry for entry in known if entry.layer is layer]
        if entries:
            yield ""
            yield f"## {head}"
            for entry in entries:
                yield from _entry(entry)
    yield ""
    yield "## Advice"
    yield ""
    yield (
        "None of these is a cause. The path is right where a report shows one, and the clients named fail on it. It "
        "turns no check red and changes no verdict."
    )
    for spec in ADVICES:
        yield from _advice(spec)


def _advice(spec: AdviceSpec) -> Iterator[str]:
    yield ""
    yield f"### `{spec.code}`"
    yield ""
    yield f"{spec.title[0].upper()}{spec.title[1:]}."
    yield ""
    yield f"- Who fails: {listed(spec.affected)}, because {spec.because}"
    yield f"- Change: {spec.change}"
    yield f"- Sources: {'; '.join(spec.sources)}"


def _entry(entry: Entry) -> Iterator[str]:
    yield ""
    yield f"### `{entry.code}`"
    yield ""
    yield f"{entry.title[0].upper()}{entry.title[1:]}."
    yield ""
    yield f"- Sits at: {entry.sits.replace('_', ' ')}"
    yield f"- Patterns: {', '.join(entry.patterns)}"
    yield f"- Evidence: {entry.evidence}"
    for code, why in entry.confused_with:
        yield f"- Looks like `{code}`; to tell them apart: {why}"
    yield f"- Change: {_placeholders(entry.remedy)}"
    if entry.call:
        yield f"- Shown or changed by: {entry.call}"
    if not entry.visible:
        yield f"- No verification run shows it. What does: {entry.seen_by}"
    yield f"- Sources: {'; '.join(entry.sources)}"
    if entry.facts:
        yield f"- In the fault list: {', '.join(f'`{fact}`' for fact in entry.facts)}"


def _placeholders(remedy: str) -> str:
    """Placeholders as a reader meets them."""
    return remedy.replace("{", "*").replace("}", "*")


def main(arguments: list[str]) -> int:
    """Write the page; with ``--check`` only report whether it is current."""
    if arguments == ["--check"]:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not current:
            sys.stderr.write("docs/catalogue.md is out of date: run make catalogue\n")
        return 0 if current else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
