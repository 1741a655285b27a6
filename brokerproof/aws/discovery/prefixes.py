"""Prefix lists, which rules and routes may name instead of blocks: each such entry as the blocks that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from brokerproof.aws.discovery.calls import PREFIX_LIST
from brokerproof.aws.discovery.reader import Ask, Item, Place, Reader

Prefixes = Mapping[str, tuple[str, ...]]
"""Blocks by the list's id; a list that may not be read has none here, and is a gap."""


def read_prefixes(reader: Reader, wanted: Iterable[tuple[Place, str]]) -> Prefixes:
    """The blocks of these lists; one that accounts share is asked for in each, and is a gap where it is refused."""
    reads = reader.every(
        Ask(place, PREFIX_LIST, {"PrefixListId": list_id}, of=(list_id,)) for place, list_id in sorted(set(wanted))
    )
    return {read.ask.of[0]: tuple(entry["Cidr"] for entry in read.entries) for read in reads if read.known}


def each_block(items: Iterable[Item], prefixes: Prefixes, *, names: str, four: str, six: str) -> Iterator[Item]:
    """Entries of which none names a list any more.

    Args:
        items: Rules or routes.
        prefixes: What was read.
        names: The member that names a list.
        four: The member for a block of IPv4.
        six: The same for IPv6.
    """
    for item in items:
        if not item.get(names):
            yield item
            continue
        for block in prefixes.get(item[names], ()):
            yield {**{key: value for key, value in item.items() if key != names}, six if ":" in block else four: block}
