"""Gets into the accounts of an intent: by profile, by role, or as one is. Clients are made once and shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, ProfileNotFound
from botocore.loaders import create_loader
from botocore.parsers import ResponseParserError

from brokerproof.aws.discovery.reader import NOT_OF_AWS, DiscoveryError, Place
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


@dataclass(frozen=True, slots=True)
class _Way:
    """Into an account: a session of boto3, and the keys of a role's session where they are not its own."""

    session: Any
    keys: dict[str, str] = field(default_factory=dict, repr=False)


class Access:
    """The clients of an intent's accounts."""

    def __init__(self, intent: Intent, listen: Callable[[Place, Any], None] = lambda *_: None) -> None:
        """``listen`` is told of each client as it is made."""
        self._intent = intent
        self._listen = listen
        self._lock = Lock()
        self._entering: dict[str, Lock] = defaultdict(Lock)
        self._ways: dict[str, _Way | DiscoveryError] = {}
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
        way = self._way(place)
        with self._lock:  # clients are not made for several threads; once made they are
            if key not in self._clients:
                made = way.session.client(service, region_name=region, config=_CONFIG, **way.keys)
                self._clients[key] = made
                self._listen(Place(place.account_id, region), made)
            return self._clients[key]

    def _way(self, place: Place) -> _Way:
        """The way into an account, found once; nobody waits while that of another account is found."""
        with self._lock:
            entering = self._entering[place.account_id]
        with entering:
            if place.account_id not in self._ways:
                try:
                    self._ways[place.account_id] = self._entered(place)
                except DiscoveryError as error:
                    self._ways[place.account_id] = error
            found = self._ways[place.account_id]
        if isinstance(found, DiscoveryError):
            raise found
        return found

    def _entered(self, place: Place) -> _Way:
        account = self._intent.account(place.account_id)
        profile = account.profile if account is not None else None
        session, sts = self._profile(profile, place.region_name)
        if account is None or account.role_arn is None:
            self._is_own(sts, profile, place)
            return _Way(session)
        asked = {"RoleArn": account.role_arn, "RoleSessionName": _SESSION_NAME}
        if account.external_id is not None:
            asked["ExternalId"] = account.external_id
        try:
            given = sts.assume_role(**asked)["Credentials"]
        except ClientError as error:
            raise DiscoveryError(
                f"role {account.role_arn} cannot be assumed: {error.response['Error']['Code']}; its trust policy must "
                "name who runs brokerproof, and external_id must be the one that it asks for"
            ) from None
        except ResponseParserError as error:
            raise DiscoveryError(_not_of_aws("AssumeRole", error)) from None
        return _Way(
            session,
            {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            },
        )

    def _profile(self, profile: str | None, region_name: str) -> tuple[Any, Any]:
        """The session of a profile, and its client of STS."""
        with self._lock:
            if profile not in self._base:
                try:
                    self._base[profile] = _made(profile_name=profile)
                except ProfileNotFound:
                    raise DiscoveryError(
                        f"there is no AWS profile {profile!r}; `aws configure list-profiles`"
                    ) from None
            session = self._base[profile]
            return session, session.client("sts", region_name=region_name, config=_CONFIG)

    def _is_own(self, sts: Any, profile: str | None, place: Place) -> None:
        """Without a role, these credentials must be of the account that is to be read.

        Raises:
            DiscoveryError: they are of another one.
        """
        if profile not in self._own:
            try:
                self._own[profile] = sts.get_caller_identity()["Account"]
            except ResponseParserError as error:
                raise DiscoveryError(_not_of_aws("GetCallerIdentity", error)) from None
        own = self._own[profile]
        if own != place.account_id:
            with_what = f"profile {profile}" if profile else "the credentials at hand"
            raise DiscoveryError(
                f"no way into account {place.account_id}: {with_what} are of {own}; give a role_arn or a profile of it "
                "under accounts"
            )


def _not_of_aws(operation: str, error: Exception) -> str:
    return f"sts:{operation}: {NOT_OF_AWS} ({type(error).__name__}); look at HTTPS_PROXY and at the endpoint of STS"


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
