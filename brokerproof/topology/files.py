"""Topologies on disk: YAML in, YAML out, exact errors, and the JSON Schema published beside them.

The only module of this room that does I/O.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from ruamel.yaml import YAML

from brokerproof.errors import WrongUseError
from brokerproof.topology.documents import parse, placed, wrong_shape
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
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TopologyError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise TopologyError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    return loads(text, source=str(path))


def loads(text: str, *, source: str) -> Topology:
    """As :func:`load`, from text; ``source`` is what errors call it."""
    document = parse(text, source, error_type=TopologyError, expected=_EXPECTED)
    try:
        topology = Topology.model_validate(document)
    except ValidationError as error:
        lines = [placed(source, document, path, words) for path, words in wrong_shape(error)]
        raise TopologyError("\n".join(lines)) from None
    found = problems(topology)
    if found:
        raise TopologyError("\n".join(placed(source, document, p.path, p.message) for p in found))
    return topology


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
    from io import StringIO  # noqa: PLC0415

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 110
    yaml.representer.sort_base_mapping_type_on_output = False
    out = StringIO()
    yaml.dump({"version": topology.version, **topology.model_dump(mode="json", exclude_defaults=True)}, out)
    return out.getvalue()


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
