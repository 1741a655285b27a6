"""Command-line options made from a builder's parameters, and the topology that a command names."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel, ValidationError

from brokerproof.topology.files import TopologyError, load
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions

F = TypeVar("F", bound=Callable[..., Any])


def options_of(model: type[BaseModel]) -> Callable[[F], F]:
    """Add an option for each field; an option that is not given is not passed on."""

    def decorate(function: F) -> F:
        for name, field in reversed(model.model_fields.items()):
            flag = "--" + name.replace("_", "-")
            kind = field.annotation
            text = f"{field.description} [default: {_shown(field.default)}]"
            if kind is bool:
                option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
            elif isinstance(kind, type) and issubclass(kind, Enum):
                option = click.option(flag, name, type=click.Choice([e.value for e in kind]), default=None, help=text)
            else:
                option = click.option(flag, name, type=kind if kind in {int, float} else str, default=None, help=text)
            function = option(function)

        def only_given(*args: Any, **kwargs: Any) -> Any:
            given = {k: v for k, v in kwargs.items() if not (k in model.model_fields and v is None)}
            return inner(*args, **given)

        inner = function
        only_given.__doc__, only_given.__name__ = function.__doc__, function.__name__
        only_given.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        return only_given  # type: ignore[return-value]

    return decorate


def _shown(default: Any) -> str:
    match default:
        case Enum():
            return str(default.value)
        case bool():
            return "on" if default else "off"
        case _:
            return str(default)


def pattern_options(chosen: dict[str, Any]) -> PatternOptions:
    """Make the builder's parameters from the options that were given.

    Raises:
        TopologyError: a value is out of range; the message names the option.
    """
    try:
        return PatternOptions(**chosen)
    except ValidationError as error:
        lines = [f"--{'-'.join(str(p) for p in e['loc']).replace('_', '-')}: {e['msg']}" for e in error.errors()]
        raise TopologyError("\n".join(lines)) from None


def topology_of(what: str, chosen: dict[str, Any]) -> Topology:
    """Return the topology of a pattern with these options, or of a file.

    Raises:
        TopologyError: there is no such pattern or file, the file is wrong, or options were given to a file.
    """
    if what in PATTERNS:
        return PATTERNS[what].build(pattern_options(chosen))
    path = Path(what)
    if not path.exists() and path.suffix not in {".yaml", ".yml"}:
        raise TopologyError(f"{what!r} is neither a file nor a pattern; patterns: {', '.join(PATTERNS)}")
    if chosen:
        given = ", ".join("--" + key.replace("_", "-") for key in chosen)
        raise TopologyError(f"{given}: options of a pattern, but {what} is a file: change the file instead")
    return load(path)
