"""How a probe gets its plan and leaves its object: by the role that it has, or by links, for which it needs none."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, Protocol

from brokerproof.fleet.far.values import Invocation, Linked, result_key

ATTEMPTS: Final = 4
_PAUSE_S: Final = 1.0
_TIMEOUT_S: Final = 20
_HTTP_TOO_MANY: Final = 429
_HTTP_OURS: Final = 500
_HTTP_EXISTS: Final = 412


class ObjectsError(Exception):
    """S3 refused, or is not reached; what it said."""


class Objects(Protocol):
    """The plans and the objects of items."""

    def plan(self, asked: Invocation) -> bytes:
        """The plan of an item.

        Raises:
            ObjectsError: it cannot be read.
        """
        ...

    def keep(self, asked: Invocation, body: bytes) -> None:
        """Write the object of an item, which is not there yet: of two runs of one item the first one's evidence stays.

        Raises:
            ObjectsError: it cannot be written.
        """
        ...


class ByRole:
    """With a client of S3.

    Args:
        s3: One of botocore's, or of boto3's.
    """

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def plan(self, asked: Invocation) -> bytes:
        """The plan of an item; see :class:`Objects`."""
        try:
            text: bytes = self._s3.get_object(Bucket=asked.bucket, Key=asked.item.plan_key)["Body"].read()
        except Exception as problem:  # noqa: BLE001  botocore's, which is the runtime's
            raise ObjectsError(str(problem)) from None
        return text

    def keep(self, asked: Invocation, body: bytes) -> None:
        """Write the object of an item, by S3's conditional write; see :class:`Objects`."""
        key = result_key(asked.prefix, asked.set, asked.run, asked.item.client)
        given = {"Bucket": asked.bucket, "Key": key, "Body": body, "ContentType": "application/json"}
        try:
            self._s3.put_object(**given, IfNoneMatch="*")
        except Exception as problem:  # noqa: BLE001  likewise
            raise ObjectsError(str(problem)) from None


class ByLinks:
    """With links that somebody signed who may.

    Args:
        linked: The items that may be asked for, with their links.
    """

    def __init__(self, linked: tuple[Linked, ...]) -> None:
        self._links = {each.asked.item.client: each for each in linked}

    def plan(self, asked: Invocation) -> bytes:
        """The plan of an item; see :class:`Objects`."""
        return _asked(self._links[asked.item.client].plan)

    def keep(self, asked: Invocation, body: bytes) -> None:
        """Write the object of an item; the condition is part of what was signed. See :class:`Objects`."""
        link = self._links[asked.item.client].result
        headers = {"Content-Type": "application/json", "If-None-Match": "*"}
        _asked(link, body, headers)


def _asked(link: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """What S3 answers; asked again where it is too busy or not reached.

    A write whose answer was lost may have been carried out: that the object is there is then what was wanted.
    """
    method = "GET" if body is None else "PUT"
    request = urllib.request.Request(link, body, dict(headers or {}), method=method)  # noqa: S310  the operator's link
    why = ""
    for attempt in range(ATTEMPTS):
        time.sleep(_PAUSE_S * attempt)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  likewise
                text: bytes = answer.read()
                return text
        except urllib.error.HTTPError as refused:
            if refused.code == _HTTP_EXISTS and attempt:
                return b""
            why = f"HTTP {refused.code} {refused.reason}"
            if refused.code < _HTTP_OURS and refused.code != _HTTP_TOO_MANY:
                break
        except (OSError, http.client.HTTPException) as problem:
            why = str(getattr(problem, "reason", problem)) or type(problem).__name__
    raise ObjectsError(why)
