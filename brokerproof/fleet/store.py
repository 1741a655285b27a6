"""The objects of a fleet in S3: sets written, results listed and read. The only module here that calls S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from brokerproof.aws.audit.values import Audit
from brokerproof.errors import CouldNotError
from brokerproof.fleet.far.values import (
    MAX_OBJECT_BYTES,
    Item,
    decode_items,
    encode,
    items_key,
    result_key,
    runs_prefix,
    set_key,
)
from brokerproof.fleet.hub import ENGINE, PROBES, FleetError, Hub
from brokerproof.fleet.items import FleetSet
from brokerproof.probes.outcome.foreign_text import encode_json, escape_json
from brokerproof.topology.models import Topology
from brokerproof.vantages.bundle import Bundle

AT_ONCE: Final = 16
PROBE_STAYS: Final = timedelta(days=1)
"""An older one is written anew: the bucket removes what is old, and none may go while instances fetch it."""
TOPOLOGY: Final = "topology.json"
AUDIT: Final = "audit.json"


class StoreError(CouldNotError):
    """S3 refused, or holds what cannot be read; one sentence."""


class Store:
    """The bucket of a hub.

    Args:
        hub: Where.
        s3: A client of S3.
    """

    def __init__(self, hub: Hub, s3: Any) -> None:
        self._hub = hub
        self._s3 = s3

    def write(self, made: FleetSet, plans: dict[str, bytes], heard: Callable[[int], None] = lambda _: None) -> None:
        """Put a set: plans first, and the list of items last, so that no list names a plan that is not there.

        Raises:
            StoreError: S3 refused.
        """
        bodies = [(item.plan_key, plans[item.client]) for item in made.items]
        bodies.append(
            (self._key(made.name, TOPOLOGY), escape_json(made.topology.model_dump_json(exclude_defaults=True).encode()))
        )
        bodies.append((self._key(made.name, AUDIT), encode_json(made.audit)))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for number, _ in enumerate(threads.map(lambda pair: self._put(*pair), bodies)):
                heard(number)
        self._put(items_key(self._hub.prefix, made.name), encode(made.items))

    def read(self, name: str) -> FleetSet:
        """A set.

        Raises:
            FleetError: there is none of that name.
            StoreError: S3 refused, or it cannot be read.
        """
        key = items_key(self._hub.prefix, name)
        text = self._get(key)
        if text is None:
            raise FleetError(f"there is no set {name!r}: s3://{self._hub.bucket}/{key} is not there")
        told = {file: self._get(self._key(name, file)) for file in (TOPOLOGY, AUDIT)}
        try:
            items = decode_items(text)
            topology = Topology.model_validate_json(told[TOPOLOGY] or b"")
            audit = msgspec.json.decode(told[AUDIT] or b"null", type=Audit | None)
        except (msgspec.DecodeError, ValueError) as why:
            raise StoreError(
                f"set {name!r} in s3://{self._hub.bucket} cannot be read: {str(why).splitlines()[0]}"
            ) from None
        return FleetSet(name, topology, items, audit)

    def plan(self, item: Item) -> bytes | None:
        """The plan of an item; None where it is gone.

        Raises:
            StoreError: S3 refused.
        """
        return self._get(item.plan_key)

    def answered(self, set_name: str, run: str) -> frozenset[str]:
        """Which clients' objects are there: who ran.

        Raises:
            StoreError: S3 refused.
        """
        prefix = f"{runs_prefix(self._hub.prefix, set_name)}{run}/"
        names = (key.removeprefix(prefix) for key, _ in self._keys(prefix))
        return frozenset(name.removesuffix(".json") for name in names if "/" not in name and name.endswith(".json"))

    def result(self, set_name: str, run: str, client: str) -> bytes | None:
        """The object of an item; None where there is none.

        Raises:
            StoreError: S3 refused, or it is larger than any can be.
        """
        return self._get(result_key(self._hub.prefix, set_name, run, client))

    def runs(self, set_name: str) -> tuple[str, ...]:
        """The runs of a set that left any object, the newest last.

        Raises:
            StoreError: S3 refused.
        """
        prefix = runs_prefix(self._hub.prefix, set_name)
        newest: dict[str, datetime] = {}
        for key, changed in self._keys(prefix):
            run = key.removeprefix(prefix).partition("/")[0]
            if not run.startswith("_"):  # what engines write
                newest[run] = max(changed, newest.get(run, changed))
        return tuple(sorted(newest, key=lambda run: newest[run]))

    def put_probe(self, bundle: Bundle) -> str:
        """See that the probe is there, by its hash; returns its key.

        Raises:
            StoreError: S3 refused.
        """
        key = set_key(self._hub.prefix, PROBES, f"{bundle.sha256}.zip")
        since = datetime.now(UTC) - PROBE_STAYS
        if not any(name == key and changed > since for name, changed in self._keys(key)):
            self._put(key, bundle.read(), "application/zip")
        return key

    def put_engine(self, set_name: str, run: str, file: str, body: bytes) -> str:
        """Put what an engine needs of a run; returns its key.

        Raises:
            StoreError: S3 refused.
        """
        key = self._engine_key(set_name, run, file)
        self._put(key, body)
        return key

    def engine(self, set_name: str, run: str, file: str) -> bytes | None:
        """What an engine put; None where it did not.

        Raises:
            StoreError: S3 refused.
        """
        return self._get(self._engine_key(set_name, run, file))

    def link(self, key: str, lasts_s: int, *, once: bool = False) -> str:
        """A link by which somebody without a permission gets an object, as long as one's own credentials last.

        ``once``: by which it is put instead, where there is none yet.

        Raises:
            StoreError: there are no credentials to sign it with.
        """
        given: dict[str, Any] = {"Bucket": self._hub.bucket, "Key": key}
        if once:
            given |= {"ContentType": "application/json", "IfNoneMatch": "*"}
        method = "put_object" if once else "get_object"
        try:
            signed: str = self._s3.generate_presigned_url(method, Params=given, ExpiresIn=lasts_s)
        except (ClientError, BotoCoreError) as error:
            raise StoreError(f"a link to s3://{self._hub.bucket}/{key} cannot be signed: {error}") from None
        return signed

    def _engine_key(self, set_name: str, run: str, file: str) -> str:
        return f"{runs_prefix(self._hub.prefix, set_name)}{ENGINE}/{run}/{file}"

    def _key(self, name: str, file: str) -> str:
        return set_key(self._hub.prefix, name, file)

    def _keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._hub.bucket, Prefix=prefix)
            for page in pages:
                for each in page.get("Contents", ()):
                    yield each["Key"], each["LastModified"]
        except (ClientError, BotoCoreError) as error:
            raise StoreError(f"s3://{self._hub.bucket}/{prefix} cannot be listed: {error}") from None

    def _put(self, key: str, body: bytes, kind: str = "application/json") -> None:
        try:
            self._s3.put_object(Bucket=self._hub.bucket, Key=key, Body=body, ContentType=kind)
        except (ClientError, BotoCoreError) as error:
            raise StoreError(f"s3://{self._hub.bucket}/{key} cannot be written: {error}") from None

    def _get(self, key: str) -> bytes | None:
        try:
            answer = self._s3.get_object(Bucket=self._hub.bucket, Key=key)
            if answer["ContentLength"] > MAX_OBJECT_BYTES:
                raise StoreError(
                    f"s3://{self._hub.bucket}/{key} has {answer['ContentLength']} bytes: no probe wrote it"
                )
            body: bytes = answer["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise StoreError(f"s3://{self._hub.bucket}/{key} cannot be read: {error}") from None
        except BotoCoreError as error:
            raise StoreError(f"s3://{self._hub.bucket}/{key} cannot be read: {error}") from None
        return body
