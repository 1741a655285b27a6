"""Credentials of whoever runs a fleet: as every AWS tool finds them, or of a role of a client's account."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from brokerproof.fleet.engine import EngineError
from brokerproof.wording import one_line

_FRESH_S: Final = 45 * 60
"""A role's session lasts an hour unless its role says more (IAM user guide); it is had anew before."""
_SESSION: Final = "brokerproof-fleet"
T = TypeVar("T")


class Credentials:
    """Clients of services in one Region.

    Args:
        session: Of boto3.
        config: Of botocore.
    """

    def __init__(self, session: Any, config: Any) -> None:
        self._session = session
        self._config = config
        self._keys: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._clients: dict[tuple[str, str, float], Any] = {}

    def account(self) -> str:
        """Whose one's own credentials are; see :class:`.engine.Access`."""
        trouble = "AWS does not say whose credentials these are"
        return str(called(trouble, lambda: self.client("sts").get_caller_identity())["Account"])

    def client(self, service: str, role_arn: str = "") -> Any:
        """The client of a service; see :class:`.engine.Access`."""
        since, keys = self._assumed(role_arn) if role_arn else (0.0, {})
        key = (service, role_arn, since)
        if key not in self._clients:
            self._clients[key] = self._session.client(service, config=self._config, **keys)
        return self._clients[key]

    def _assumed(self, role_arn: str) -> tuple[float, Mapping[str, str]]:
        known = self._keys.get(role_arn)
        if known is None or time.monotonic() - known[0] > _FRESH_S:
            asked = {"RoleArn": role_arn, "RoleSessionName": _SESSION}
            trouble = f"role {role_arn} cannot be assumed"
            given = called(trouble, lambda: self.client("sts").assume_role(**asked))["Credentials"]
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
            known = self._keys[role_arn] = (time.monotonic(), keys)
        return known


def called(trouble: str, call: Callable[[], T]) -> T:
    """What AWS answers.

    Raises:
        EngineError: it refuses; ``trouble`` says what cannot be.
    """
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise EngineError(f"{trouble}: {one_line(str(error))}") from None
