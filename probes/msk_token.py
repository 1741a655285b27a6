"""Tokens of MSK's IAM listener: a presigned request for ``kafka-cluster:Connect``, by botocore's own signer.

Nothing is sent here but what botocore's providers of credentials send for themselves. A token is not in what is told
of it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from brokerproof.probes.caller_identity import ask_caller
from brokerproof.probes.credentials import CredentialsEndedError, CredentialsError, StsUnreachableError
from brokerproof.probes.outcome import CallerFacts, TokenFacts, TokenFlaw
from brokerproof.probes.plan import Authentication

MECHANISM: Final = "OAUTHBEARER"
LIFETIME_S: Final = 900
SHORTEST_S: Final = 300
"""Credentials that end sooner: MSK may refuse a session that short, and ends it with them in any case."""
STS_S: Final = 3
"""For STS to answer, once; botocore's own patience is minutes."""
_SERVICE: Final = "kafka-cluster"
_OF_NAME: Final = re.compile(
    r"\.kafka(?:-serverless)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(amazonaws\.com(?:\.cn)?)\.?$", re.ASCII
)
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+", re.ASCII)
_ROLE: Final = re.compile(r"arn:([a-z-]+):iam::(\d{12}):role/(?:.*/)?([^/]+)", re.ASCII)
_SESSION: Final = "brokerproof"
_SUFFIXES: Final[Mapping[str, str]] = {"cn": "amazonaws.com.cn"}
"""Domains of partitions other than the usual one, by the first part of their Regions."""
_KEPT: Final = 4
"""Characters of an access key id that are told, at either end."""


class Token(msgspec.Struct, frozen=True):
    """A token, and what may be told of it."""

    value: str
    facts: TokenFacts

    def __repr__(self) -> str:
        return f"Token({self.facts!r})"


def region_in(name: str) -> str:
    """The Region in an MSK broker's name, at its place; empty where the name is not MSK's own.

    Not the first that occurs anywhere in it: a cluster may be called after another Region
    (aws/aws-msk-iam-auth issue 245).
    """
    found = _OF_NAME.search(name.lower())
    return "" if found is None else found[1]


class TokenSource:
    """Signs tokens with the credentials of a plan; these are found once, and refreshed by botocore.

    Raises:
        CredentialsError: there are none, or a provider fails.
    """

    def __init__(self, settings: Authentication) -> None:
        self._settings = settings
        self._session, self._credentials, self._default_region = _credentials(settings)

    def refresh(self) -> None:
        """Have credentials that do not end at once; this may ask a network, once.

        Raises:
            CredentialsError: they cannot be had.
        """
        self._frozen()

    def token(self, broker_name: str) -> Token:
        """A new token for the broker of this name.

        Raises:
            CredentialsError: the credentials cannot be refreshed, or no Region is known.
        """
        of_broker = region_in(broker_name)
        region = self._settings.region_name or of_broker or self._default_region
        if not _REGION.fullmatch(region):
            raise CredentialsError(f"no Region to sign for: {broker_name} has none in it, and none is configured")
        frozen = self._frozen()
        now = datetime.now(UTC)
        ends = getattr(self._credentials, "_expiry_time", None)
        return Token(
            value=_signed(frozen, region),
            facts=TokenFacts(
                region_name=region,
                broker_region_name=of_broker,
                service=_SERVICE,
                issued=now.isoformat(),
                expires=(now + timedelta(seconds=LIFETIME_S)).isoformat(),
                credentials_end=ends.isoformat() if isinstance(ends, datetime) else "",
                access_key_id=_shortened(frozen.access_key),
                provider=str(getattr(self._credentials, "method", "")),
                role_arn=self._settings.role_arn,
                caller_arn=caller_arn(self._settings),
                flaws=tuple(_flaws(region, of_broker, now, ends)),
            ),
        )

    def caller(self, region_name: str, *, limit_s: float) -> CallerFacts:
        """Who STS says that signs these tokens, asked in the Region they are signed for; blocks.

        Raises:
            CredentialsError: the credentials cannot be refreshed.
        """
        return ask_caller(self._session, self._frozen(), region_name, limit_s=limit_s)

    def _frozen(self) -> Any:
        from botocore import exceptions  # noqa: PLC0415 - a second, for clients that log in by IAM alone

        try:
            return self._credentials.get_frozen_credentials()
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as failure:
            # What asks metadata services of a host gives up without a word: this asked STS, or a service for it.
            where = (getattr(failure, "kwargs", None) or {}).get("endpoint_url", "STS")
            raise StsUnreachableError(f"AWS credentials: no answer from {where}: {_words(failure)}") from None
        except RuntimeError:
            # botocore's one word for credentials that have ended, also after it had them renewed.
            words = "AWS credentials: they have ended, and who gives them has no others"
            raise CredentialsEndedError(words) from None
        except (exceptions.BotoCoreError, exceptions.ClientError, OSError, ValueError) as failure:
            raise CredentialsError(f"AWS credentials: {_words(failure)}") from None

    def for_librdkafka(self, broker_name: str) -> tuple[str, float]:
        """The same as its callback wants it: the token, and when it ends in seconds of Unix time.

        It ends with the credentials where these end sooner, so that the client asks for another in time.
        """
        made = self.token(broker_name)
        ends = datetime.fromisoformat(made.facts.expires)
        if made.facts.credentials_end:
            ends = min(ends, datetime.fromisoformat(made.facts.credentials_end))
        return made.value, ends.timestamp()


class Bearer:
    """One login with a token (RFC 7628)."""

    mechanism = MECHANISM

    def __init__(self, token: Token) -> None:
        self._token = token
        self.principal = token.facts.caller_arn or token.facts.role_arn
        self.token = token.facts

    def first(self) -> bytes:
        """The client's first message."""
        return f"n,,\x01auth=Bearer {self._token.value}\x01\x01".encode()

    def answer(self, said: bytes) -> bytes | None:
        """Nothing where it was accepted; else the one byte that lets the server end it."""
        return b"\x01" if said else None


def _credentials(settings: Authentication) -> tuple[Any, Any, str]:
    try:
        from botocore.config import Config  # noqa: PLC0415 - likewise
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415
    except ImportError:
        raise CredentialsError("botocore is not installed here: IAM needs it (pip install botocore)") from None
    session = Session(profile=settings.profile or None)
    patience = Config(connect_timeout=STS_S, read_timeout=STS_S, retries={"total_max_attempts": 1})
    session.set_default_client_config(patience)
    if settings.credentials_file:
        session.set_config_variable("credentials_file", settings.credentials_file)
        session.set_config_variable("config_file", settings.credentials_file)
    try:
        found = session.get_credentials()
        region = session.get_config_variable("region") or ""
        if found is not None and settings.role_arn:
            found = _assumed(session, found, settings, region)
    except (BotoCoreError, OSError, ValueError) as failure:
        # Of a process that prints no JSON, or a container's address that is refused.
        raise CredentialsError(f"AWS credentials: {_words(failure)}") from None
    if found is None:
        raise CredentialsError("AWS credentials: no provider has any (environment, files, container, instance)")
    return session, found, region


def _assumed(session: Any, found: Any, settings: Authentication, region: str) -> Any:
    """Credentials of a role, refreshed as they end; asked of the Regional STS."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials  # noqa: PLC0415

    def client(name: str, **chosen: Any) -> Any:
        return session.create_client(name, region_name=settings.region_name or region or None, **chosen)

    named = {"RoleSessionName": settings.role_session_name or _SESSION}
    fetcher = AssumeRoleCredentialFetcher(client, found, settings.role_arn, extra_args=named)
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def caller_arn(settings: Authentication) -> str:
    """The ARN of an assumed role's session, by the role's; empty for other credentials.

    The path of a role is not in it (IAM user guide, ARNs of assumed-role principals).
    """
    found = _ROLE.fullmatch(settings.role_arn)
    if found is None:
        return ""
    partition, account, name = found.groups()
    return f"arn:{partition}:sts::{account}:assumed-role/{name}/{settings.role_session_name or _SESSION}"


def _signed(frozen: Any, region: str) -> str:
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    suffix = _SUFFIXES.get(region.partition("-")[0], "amazonaws.com")
    url = f"https://kafka.{region}.{suffix}/?Action=kafka-cluster%3AConnect"
    request = AWSRequest("GET", url)
    SigV4QueryAuth(frozen, _SERVICE, region, expires=LIFETIME_S).add_auth(request)
    signed = f"{request.url}&User-Agent=brokerproof"
    return base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


def _flaws(region: str, of_broker: str, now: datetime, ends: Any) -> list[TokenFlaw]:
    """What is known to be wrong with a token before it is sent; MSK will only say that access is denied."""
    flaws = [TokenFlaw.OTHER_REGION] if of_broker and region != of_broker else []
    if isinstance(ends, datetime) and ends <= now:
        flaws.append(TokenFlaw.CREDENTIALS_ENDED)
    elif isinstance(ends, datetime) and ends <= now + timedelta(seconds=SHORTEST_S):
        flaws.append(TokenFlaw.CREDENTIALS_END_SOON)
    return flaws


def _shortened(access_key_id: str) -> str:
    return f"{access_key_id[:_KEPT]}...{access_key_id[-_KEPT:]}" if len(access_key_id) > 2 * _KEPT else "..."


def _words(failure: Exception) -> str:
    """A failure by its kind, and AWS's code: its text may have been made from what a file has in it."""
    code = (getattr(failure, "response", None) or {}).get("Error", {}).get("Code", "")
    return f"{type(failure).__name__} ({code})" if code else type(failure).__name__
