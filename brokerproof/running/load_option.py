"""The option ``--load``: how throughput is measured, as a plan of it. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from brokerproof.probes.plan import RampPlan, ThroughputPlan
from brokerproof.running.amount import FULL_LOAD

DEFAULT: Final = FULL_LOAD
OF_RAMP: Final = "ramp_"
_ON: Final = {"on": True, "off": False}
_FIELDS: Final = tuple(name for name in ThroughputPlan.__struct_fields__ if name != "ramp")
KEYS: Final = (*_FIELDS, "ramp", *(OF_RAMP + name for name in RampPlan.__struct_fields__))


def load_of(text: str, default: ThroughputPlan = DEFAULT) -> ThroughputPlan:
    """The plan of ``KEY=VALUE,KEY=VALUE``; what is not named is as in ``default``.

    A key of the ramp asks for the ramp.

    Raises:
        ValueError: a key that there is not, one given twice, or a value that it does not take; it names the key.
    """
    given: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if key not in KEYS:
            raise ValueError(f"{key or part!r} is no setting of the load; there are: {', '.join(KEYS)}")
        if not equals or not value:
            raise ValueError(f"{key} has no value: it is written {key}=VALUE")
        if key in given:
            raise ValueError(f"{key} is given twice")
        given[key] = value
    ramp = _ramp(given)
    whole = {name: getattr(default, name) for name in _FIELDS} | given
    try:
        return msgspec.convert(whole | {"ramp": ramp}, ThroughputPlan, strict=False)
    except msgspec.ValidationError as wrong:
        raise ValueError(_named(wrong)) from None


def _ramp(given: dict[str, str]) -> dict[str, str] | None:
    """What is said of the ramp, taken out of ``given``; None without one."""
    wanted = given.pop("ramp", None)
    if wanted is not None and wanted not in _ON:
        raise ValueError(f"ramp is {wanted!r}: it is on or off")
    of_ramp = {key.removeprefix(OF_RAMP): given.pop(key) for key in list(given) if key.startswith(OF_RAMP)}
    if wanted == "off" and of_ramp:
        raise ValueError(f"ramp is off, and {', '.join(OF_RAMP + name for name in of_ramp)} is given")
    return of_ramp if of_ramp or wanted == "on" else None


def _named(wrong: msgspec.ValidationError) -> str:
    """The key in place of the path in a plan, where there is one."""
    words, _, path = str(wrong).partition(" - at `$")
    key = path.rstrip("`").replace(".ramp.", OF_RAMP).strip(".")
    return f"{key}: {words}" if key and not words.startswith(key) else words
