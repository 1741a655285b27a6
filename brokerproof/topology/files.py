"""Topologies on disk: YAML in, YAML out, exact errors, and the JSON Schema published beside them.

The only module of this room that does I/O.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from brokerproof.errors import WrongUseError
from brokerproof.topology.models import Topology
from brokerproof.topology.rules import Path as FieldPath
from brokerproof.topology.rules import dotted, problems


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
    document = _parse(text, source)
    try:
        topology = Topology.model_validate(document)
    except ValidationError as error:
        lines = [_line(source, document, path, words) for path, words in _wrong_shape(error)]
        raise TopologyError("\n".join(lines)) from None
    found = problems(topology)
    if found:
        raise TopologyError("\n".join(_line(source, document, p.path, p.message) for p in found))
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


def _parse(text: str, source: str) -> CommentedMap:
    yaml = YAML(typ="rt", pure=True)  # round trip keeps line numbers and refuses duplicate keys
    try:
        document = yaml.load(text)
    except MarkedYAMLError as error:
        where = f":{error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise TopologyError(f"{source}{where}: not YAML: {error.problem or error.context}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise TopologyError(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(document, CommentedMap):
        found = "nothing" if document is None else type(document).__name__
        raise TopologyError(f"{source}: a topology is a mapping with version, name, vpcs, ...; found {found}")
    return document


_HIDDEN: Final = object()
"""Stands for what was found where a reference to a secret belongs: it may be the secret itself."""


def _wrong_shape(error: ValidationError) -> Iterator[tuple[FieldPath, str]]:
    """Each place with what is wrong there, without what only follows from another."""
    errors = error.errors()
    paths = [e["loc"] for e in errors]
    missing = {e["loc"] for e in errors if e["type"] == "missing"}
    meant: dict[FieldPath, FieldPath] = {}
    for e in errors:
        beside = [str(path[-1]) for path in missing if path[:-1] == e["loc"][:-1]]
        if e["type"] == "extra_forbidden" and (close := get_close_matches(str(e["loc"][-1]), beside, n=1)):
            meant[e["loc"]] = (*e["loc"][:-1], close[0])
    for e in errors:
        path = e["loc"]
        has_cause_below = any(other[: len(path)] == path and len(other) > len(path) for other in paths)
        if not has_cause_below and path not in meant.values():
            value = _HIDDEN if "credentials" in path else e["input"]
            yield path, _words(e["msg"], value, kind=e["type"], meant=str(meant[path][-1]) if path in meant else "")


def _words(message: str, value: object, *, kind: str, meant: str) -> str:
    if kind == "extra_forbidden":
        return f"unknown key; is {meant} meant?" if meant else "unknown key"
    if kind == "missing":
        return "is required"
    if value is _HIDDEN:
        return message.removeprefix("Value error, ")
    shown = ascii(value) if isinstance(value, str) else repr(value)
    if kind == "value_error":  # in words of this project already, after pydantic's own
        message = message.removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}; found {shown if len(shown) <= 80 else shown[:77] + '...'}"  # noqa: PLR2004


def _line(source: str, document: CommentedMap, path: FieldPath, message: str) -> str:
    line = _line_of(document, path)
    return f"{source}{'' if line is None else f':{line}'}: {dotted(path)}: {message}"


def _line_of(document: CommentedMap, path: FieldPath) -> int | None:
    """The line (from 1) of the deepest part of the path that the file has."""
    node: Any = document
    line: int | None = 1
    for part in path:
        try:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
            else:
                return line
        except (KeyError, TypeError, AttributeError):
            return line
        node = node[part]
    return line
