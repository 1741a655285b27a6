"""Answers in pages, as botocore's own description of each operation says they come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brokerproof.aws.answers.organization import ApiError, Item

_NOT_DESCRIBED: Final = {
    ("route53", "ListHostedZonesByVPC"): {
        "input_token": "NextToken",
        "output_token": "NextToken",
        "limit_key": "MaxItems",
        "result_key": "HostedZoneSummaries",
    },
}
"""What comes in pages though botocore has no paginator for it."""


def page_of(
    answer: Item, operation: tuple[str, str], described: Mapping[str, Any], params: Mapping[str, Any], size: int
) -> Item:
    """The page that is asked for, of ``size`` entries at most.

    Raises:
        ApiError: the token is none that was given out.
    """
    config = _NOT_DESCRIBED.get(operation) or described.get(operation[1])
    if config is None:
        return answer
    key: str = config["result_key"]
    entries: list[Any] = answer[key]
    limit = min(size, int(params.get(config.get("limit_key", ""), size)))
    if isinstance(config["input_token"], list):
        return _records(answer, key, params, limit)
    token = params.get(config["input_token"]) or None
    if token is not None and not str(token).isdigit():
        raise ApiError("InvalidParameterValue", f"The token {token!r} is invalid")
    start = int(token or 0)
    page = {**answer, key: entries[start : start + limit]}
    more = start + limit < len(entries)
    if more:
        page[config["output_token"]] = str(start + limit)
    if "more_results" in config:
        page[config["more_results"]] = more
    return page


def _records(answer: Item, key: str, params: Mapping[str, Any], limit: int) -> Item:
    """Records go on from a name and a type, not from a token."""
    entries: list[Item] = answer[key]
    start = (params.get("StartRecordName", ""), params.get("StartRecordType", ""))
    left = [entry for entry in entries if (entry["Name"], entry["Type"]) >= start]
    page = {**answer, key: left[:limit], "IsTruncated": len(left) > limit}
    if len(left) > limit:
        page |= {"NextRecordName": left[limit]["Name"], "NextRecordType": left[limit]["Type"]}
    return page
