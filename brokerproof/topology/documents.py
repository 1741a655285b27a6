"""YAML documents with exact errors: the line, the path of the field, and what was expected.

What is read from a file of any kind goes through here, so that all files' errors read alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from brokerproof.errors import WrongUseError
from brokerproof.topology.rules import Path as FieldPath
from brokerproof.topology.rules import dotted
from brokerproof.topology.rules.problem import Problem

M = TypeVar("M", bound=BaseModel)


def read_text(path: Path, error_type: type[WrongUseError]) -> str:
    """The text of a file.

    Raises:
        WrongUseError: of the given type; the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise error_type(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise error_type(f"{path}: is not UTF-8 text (byte {error.start})") from None


def read_as(
    model: type[M],
    text: str,
    source: str,
    *,
    error_type: type[WrongUseError],
    expected: str,
    problems: Callable[[M], Iterable[Problem]],
) -> M:
    """A text as a model that breaks no rule.

    Raises:
        WrongUseError: of the given type, with one line for everything that is wrong.
    """
    document = parse(text, source, error_type=error_type, expected=expected)
    try:
        made = model.model_validate(document)
    except ValidationError as error:
        lines = [_placed(source, document, path, words) for path, words in _wrong_shape(error)]
        raise error_type("\n".join(lines)) from None
    found = [_placed(source, document, problem.path, problem.message) for problem in problems(made)]
    if found:
        raise error_type("\n".join(found))
    return made


def written(version: int, model: BaseModel, *, flow: bool | None = False) -> str:
    """YAML that :func:`read_as` reads back to an equal model; defaults are left out. ``flow`` as ruamel has it."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = flow
    yaml.width = 110
    yaml.allow_unicode = False  # names of an account or a peer may have what acts on a terminal: it is spelt out
    yaml.representer.sort_base_mapping_type_on_output = False
    out = StringIO()
    yaml.dump({"version": version, **model.model_dump(mode="json", exclude_defaults=True)}, out)
    return out.getvalue()


def parse(text: str, source: str, *, error_type: type[WrongUseError], expected: str) -> CommentedMap:
    """The document of a text, which is a mapping; ``expected`` says of what, where it is not.

    Raises:
        WrongUseError: of the given type; it is not YAML, or no mapping.
    """
    try:
        document = _composed(text)
    except MarkedYAMLError as error:
        where = f":{error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise error_type(f"{source}{where}: not YAML: {error.problem or error.context}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise error_type(f"{source}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(document, CommentedMap):
        found = "nothing" if document is None else type(document).__name__
        raise error_type(f"{source}: {expected}; found {found}")
    return document


@lru_cache(maxsize=4)
def _composed(text: str) -> object:
    """What a text says, not to be changed. It takes a tenth of a second; what kind a file is, is asked of it before."""
    return YAML(typ="rt", pure=True).load(text)  # round trip keeps line numbers and refuses duplicate keys


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


def _placed(source: str, document: CommentedMap, path: FieldPath, message: str) -> str:
    """A problem with the line it is at."""
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
