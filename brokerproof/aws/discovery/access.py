"""Gets into the accounts of an intent: by profile, by role, or as one is. Clients are made once and shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, ProfileNotFound
from botocore.loaders import create_loader

from brokerproof.aws.discovery.reader import DiscoveryError, Place
from brokerproof.aws.intent.models import Intent

_CONFIG: Final = Config(
    retries={"mode": "adaptive", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=16,
    user_agent_extra="brokerproof-discovery",
)
_GLOBAL: Final = frozenset({"route53"})
_SESSION_NAME: Final = "brokerproof"


class Access:
    """The clients of an intent's accounts."""

    def __init__(self, intent: Intent, listen: Callable[[Place, Any], None] = lambda *_: None) -> None:
        """``listen`` is told of each client as it is made."""
        self._intent = intent
        self._listen = listen
        self._lock = Lock()
        self._sessions: dict[str, Any] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._base: dict[str | None, Any] = {}
        self._own: dict[str | None, str] = {}

    def client(self, place: Place, service: str) -> Any:
        """The client of a service for an account and Region.

        Raises:
            DiscoveryError: nothing says how to get into the account, or the way in is closed.
        """
        region = "us-east-1" if service in _GLOBAL else place.region_name
        key = (place.account_id, region, service)
        with self._lock:  # sessions are not made for several threads; clients are
            if key not in self._clients:
                session = self._session(place)
                self._clients[key] = session.client(service, region_name=region, config=_CONFIG)
                self._listen(Place(place.account_id, region), self._clients[key])
            return self._clients[key]

    def _session(self, place: Place) -> Any:
        if place.account_id not in self._sessions:
            self._sessions[place.account_id] = self._entered(place)
        return self._sessions[place.account_id]

    def _entered(self, place: Place) -> Any:
        account = self._intent.account(place.account_id)
        profile = account.profile if account is not None else None
        session = self._profile(profile)
        if account is None or account.role_arn is None:
            self._is_own(session, profile, place)
            return session
        asked = {"RoleArn": account.role_arn, "RoleSessionName": _SESSION_NAME}
        if account.external_id is not None:
            asked["ExternalId"] = account.external_id
        try:
            given = session.client("sts", region_name=place.region_name, config=_CONFIG).assume_role(**asked)
        except ClientError as error:
            raise DiscoveryError(
                f"role {account.role_arn} cannot be assumed: {error.response['Error']['Code']}; its trust policy must "
                "name who runs brokerproof, and external_id must be the one that it asks for"
            ) from None
        credentials = given["Credentials"]
        return _made(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    def _profile(self, profile: str | None) -> Any:
        if profile not in self._base:
            try:
                self._base[profile] = _made(profile_name=profile)
            except ProfileNotFound:
                raise DiscoveryError(f"there is no AWS profile {profile!r}; `aws configure list-profiles`") from None
        return self._base[profile]

    def _is_own(self, session: Any, profile: str | None, place: Place) -> None:
        """Without a role, these credentials must be of the account that is to be read.

        Raises:
            DiscoveryError: they are of another one.
        """
        if profile not in self._own:
            sts = session.client("sts", region_name=place.region_name, config=_CONFIG)
            self._own[profile] = sts.get_caller_identity()["Account"]
        own = self._own[profile]
        if own != place.account_id:
            with_what = f"profile {profile}" if profile else "the credentials at hand"
            raise DiscoveryError(
                f"no way into account {place.account_id}: {with_what} are of {own}; give a role_arn or a profile of it "
                "under accounts"
            )


def _made(**words: str | None) -> Any:
    """A session of boto3 that shares what botocore read of the services with all others of the process."""
    core = botocore.session.get_session()
    session = boto3.Session(botocore_session=core, **words)
    core.register_component("data_loader", _models(core.get_config_variable("data_path")))
    return session


@cache
def _models(data_path: str | None) -> Any:
    """Botocore's descriptions of services: megabytes of JSON, which every session would read for itself."""
    return create_loader(data_path)
