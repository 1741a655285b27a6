"""What every model shares: frozen values, and the types of its strings and addresses.

A topology file's strings become lines of other programs' configurations and of reports, so no field is a bare ``str``:
each is one of these, and none of them takes a control character.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Port = Annotated[int, Field(ge=1, le=65535)]

UNKNOWN: Final = "unknown"
"""What a file says of what it does not know, or leaves out; nothing is guessed in its place, or judged by it."""

MAX_TEXT: Final = 4096
"""Characters of a free string: no field of AWS's or Kafka's that is modelled here takes as many."""


def _free(text: str) -> str:
    """Raises ValueError where a character of the text is not printable."""
    for position, character in enumerate(text):
        if not character.isprintable():
            raise ValueError(f"character {position + 1}, {character!a}, is a control or format character")
    if len(text) > MAX_TEXT:
        raise ValueError(f"has {len(text)} characters, at most {MAX_TEXT} are taken")
    return text


Text = Annotated[
    str,
    AfterValidator(_free),
    WithJsonSchema({"type": "string", "maxLength": MAX_TEXT, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}),
]
"""Free text on one line, all of it printable."""


def shaped(pattern: str, words: str) -> tuple[AfterValidator, WithJsonSchema]:
    """A string of a pattern, refused in words; the pattern itself is for editors."""
    shape = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)

    def check(text: str) -> str:
        if not shape.fullmatch(text):
            raise ValueError(f"is not {words}")
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": pattern})


_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"

Id = Annotated[
    str,
    *shaped(
        r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$",
        "an id, such as vpc-0abc: letters, digits and . _ : / @ -, at most 128, a letter or digit first",
    ),
]
DnsName = Annotated[
    str,
    *shaped(
        rf"^(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*$",
        "a DNS name: labels of letters, digits, hyphens and _ with dots between them, and none at its end",
    ),
]
AdvertisedName = Annotated[
    str,
    *shaped(
        rf"^(?=.{{1,254}}$){_LABEL}(\.{_LABEL})*\.?$",
        "a DNS name as brokers advertise one: labels of letters, digits, hyphens and _ with dots between them, and at "
        "most one at its end",
    ),
]
RegionName = Annotated[
    str,
    *shaped(
        r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
        "the name of a Region: lower-case letters, digits and hyphens, as in us-east-1",
    ),
]
CertificateName = Annotated[
    str,
    *shaped(rf"^(\*\.)?{_LABEL}(\.{_LABEL})*$", "a DNS name, or one with * for its first label"),
]
EnvironmentKey = Annotated[
    str, *shaped(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of a variable: letters, digits and _, no digit first")
]
PropertyKey = Annotated[
    str,
    *shaped(r"^[A-Za-z][A-Za-z0-9._-]{0,248}$", "the name of a Kafka property: letters, digits, dots, hyphens and _"),
]
TopicName = Annotated[
    str,
    *shaped(r"^[A-Za-z0-9._-]{1,249}$", "the name of a topic: letters, digits, dots, hyphens and _, at most 249"),
]
"""Kafka's own rule (org.apache.kafka.common.internals.Topic)."""


def _unscoped(address: IPv6Address) -> IPv6Address:
    if address.scope_id is not None:
        raise ValueError("has a scope (what follows %), which no address of a VPC has")
    return address


def _unscoped_network(network: IPv6Network) -> IPv6Network:
    _unscoped(network.network_address)
    return network


_NAME_SHAPE: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.ASCII)


def _dns_name(text: str) -> str:
    if not _NAME_SHAPE.fullmatch(text):
        raise ValueError(
            "is not a DNS name: labels of letters, digits, hyphens and _ with dots between them, and none at its end; "
            "nor is it an IP address"
        )
    return text


UnscopedIPv6Address = Annotated[IPv6Address, AfterValidator(_unscoped)]
"""An address without a scope: Python takes any characters for one (``fe80::1%anything``), line ends too."""
UnscopedIPv6Network = Annotated[IPv6Network, AfterValidator(_unscoped_network)]


def _unless_unknown(value: object) -> object:
    return None if value == UNKNOWN else value


KnownIPv4Address = Annotated[
    IPv4Address | None,
    BeforeValidator(_unless_unknown),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "ipv4"}, {"const": UNKNOWN}, {"type": "null"}], "default": None}
    ),
]
"""An address, or None where it is unknown."""


def _host(text: str) -> str:
    address = text.removeprefix("[").removesuffix("]")
    if ":" not in address:
        return _dns_name(text)
    try:
        return str(_unscoped(IPv6Address(address)))
    except ValueError:
        raise ValueError("is not an IP address") from None


HostName = Annotated[
    str,
    AfterValidator(_host),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^[0-9A-Za-z._:\[\]-]+$"}),
]
"""A DNS name, or an IP address: what clients connect to. Kafka takes either."""


class Model(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
