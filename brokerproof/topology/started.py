"""A topology that is the beginning of a file: what is unknown stands in it, with what it would verify. Pure."""

from __future__ import annotations

from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from brokerproof.topology.files import dumps
from brokerproof.topology.models import UNKNOWN, Topology
from brokerproof.topology.unknown import unknowns

_WIDTH: Final = 110
_COMMENT_COLUMN: Final = 4
_FIRST: Final = """\
What a cluster said of itself. It can be verified as it is; what is unknown is left out of every statement.
Fill in a place, and what its comment says is verified too; `brokerproof topology check` reads the file again."""
_PATTERN: Final = (
    "or in_vpc, peering, transit_gateway, privatelink_single_nlb, privatelink_multi_nlb, multi_vpc: then causes are "
    "named that only such a path has"
)


def started(topology: Topology, *, said: tuple[str, ...] = ()) -> str:
    """YAML that reads back to an equal topology, with every unknown in its place and why it is worth filling in.

    ``said`` are lines for its head.
    """
    yaml = YAML(typ="rt", pure=True)
    yaml.width = _WIDTH
    document = yaml.load(dumps(topology))
    told: set[str] = set()
    for each in unknowns(topology):
        *way, key = each.path
        there: Any = document
        for step in way:
            there = there[step]
        _put(there, str(key), UNKNOWN, "" if each.then in told else f"then verified: {each.then}")
        told.add(each.then)
    for client in document["clients"]:
        if client.get("pattern") == UNKNOWN:
            client.yaml_add_eol_comment(_PATTERN, "pattern", column=_COMMENT_COLUMN)
    document.yaml_set_start_comment("\n".join([_FIRST, *said]))
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _put(there: CommentedMap, key: str, value: str, comment: str) -> None:
    there[key] = value
    if comment:
        there.yaml_add_eol_comment(comment, key, column=_COMMENT_COLUMN)
