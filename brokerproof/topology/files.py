"""Topologies on disk: YAML in, YAML out, exact errors, and the JSON Schema published beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from brokerproof.errors import WrongUseError
from brokerproof.topology.documents import read_as, read_text, written
from brokerproof.topology.models import Topology
from brokerproof.topology.rules import problems

_EXPECTED: Final = "a topology is a mapping with version, name, vpcs, ..."


class TopologyError(WrongUseError):
    """A topology that cannot be used. The text has one line a problem: file, line, path, what was expected."""


def load(path: Path) -> Topology:
    """Read and check a topology file.

    Raises:
        TopologyError: the file cannot be read, is not YAML, or breaks the model or a rule; every
            problem found is listed.
    """
    return loads(read_text(path, TopologyError), source=str(path))


def loads(text: str, *, source: str) -> Topology:
    """As :func:`load`, from text; ``source`` is what errors call it."""
    return read_as(Topology, text, source, error_type=TopologyError, expected=_EXPECTED, problems=problems)


def checked(topology: Topology) -> Topology:
    """The topology itself, when no rule is broken.

    Raises:
        TopologyError: as :func:`load`, without line numbers.
    """
    found = problems(topology)
    if found:
        raise TopologyError("\n".join(f"topology {topology.name}: {p}" for p in found))
    return topology


def dumps(topology: Topology) -> str:
    """YAML that :func:`loads` reads back to an equal topology; defaults are left out."""
    return written(topology.version, topology)


def digest(topology: Topology) -> str:
    """A short stable digest of the topology's content, for reports."""
    canonical = json.dumps(topology.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def json_schema() -> str:
    """The JSON Schema of a topology file."""
    schema = Topology.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "brokerproof topology"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


SCHEMA_FILE = Path(__file__).parent / "schema" / "topology.schema.json"
