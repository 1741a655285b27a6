"""An endpoint URL that boto3 and the ``aws`` command take: the answers by HTTP, on loopback alone.

Whose account is asked follows from the access key, which holds the account's id; signatures are not checked.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

import botocore.session

from brokerproof.aws.answers.hook import Account, check
from brokerproof.aws.answers.organization import ApiError, Item
from brokerproof.aws.answers.wire import Request, answer_bytes, error_bytes, operation_of

LOOPBACK: Final = "127.0.0.1"
_SERVICES: Final = {
    "acm": "acm",
    "acm-pca": "acm-pca",
    "ec2": "ec2",
    "elasticloadbalancing": "elbv2",
    "kafka": "kafka",
    "route53": "route53",
    "route53profiles": "route53profiles",
    "route53resolver": "route53resolver",
    "sts": "sts",
}
"""By the name that requests are signed for."""
_SIGNED: Final = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_MOST_BODY: Final = 1_000_000
SECRET: Final = "not-checked"  # noqa: S105 - what stands where a secret would


def key_of(account_id: str) -> str:
    """The access key that an account's calls are told by."""
    return f"LAB{account_id}"


class Endpoint(ThreadingHTTPServer):
    """The server. ``now`` is asked for the account at every request."""

    daemon_threads = True

    def __init__(self, account: Account, own_account: str, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.account = account
        self.own_account = own_account
        """Whose credentials those are that name none."""

    @property
    def url(self) -> str:
        """What to give as AWS_ENDPOINT_URL."""
        return f"http://{LOOPBACK}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Of the services that name operations by their paths."""
        self._answer()

    def do_POST(self) -> None:
        """Of the others."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base's
        """Say nothing."""

    def _answer(self) -> None:
        length = min(int(self.headers.get("content-length") or 0), _MOST_BODY)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, parts.query, headers, self.rfile.read(length))
        signed = _SIGNED.search(headers.get("authorization", ""))
        service = _SERVICES.get(signed["service"]) if signed else None
        if signed is None or service is None:
            self._send(
                403, "text/plain", b"this endpoint answers signed requests of EC2, ELBv2, MSK, Route 53, ACM and STS"
            )
            return
        model = _model(service)
        protocol = model.resolved_protocol
        try:
            account = self._account(signed["key"])
            operation, params = _read(model, request)
            answer = self._called(account, signed["region"], operation, params)
        except ApiError as error:
            self._send(error.status, *error_bytes(protocol, error))
            return
        self._send(200, *answer_bytes(operation, answer))

    def _account(self, key: str) -> str:
        found = re.search(r"\d{12}", key)
        return found[0] if found else self.server.own_account

    def _called(self, account: str, region: str, operation: Any, params: Item) -> Item:
        if operation.name == "AssumeRole":
            return _assumed(params)
        answer = self.server.account.answer(
            account, region, (operation.service_model.service_name, operation.name), params
        )
        check(answer, operation)
        return answer

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@cache
def _model(service: str) -> Any:
    """What botocore describes of a service: read once, however many endpoints there are."""
    return botocore.session.Session().get_service_model(service)


def _read(model: Any, request: Request) -> tuple[Any, Item]:
    """The operation and its parameters.

    Raises:
        ApiError: there is no such operation, or the request cannot be read.
    """
    try:
        return operation_of(model, request)
    except (ValueError, KeyError, RecursionError) as error:
        raise ApiError("SerializationException", f"the request cannot be read: {error}") from None


def _assumed(params: Item) -> Item:
    """Credentials of the account that the role is of; nobody is refused."""
    role = str(params.get("RoleArn", ""))
    account = role.split(":")[4] if role.count(":") >= 5 else ""  # noqa: PLR2004 - the parts of an ARN
    if not re.fullmatch(r"\d{12}", account):
        raise ApiError("ValidationError", f"{role} is invalid")
    expires = datetime.now(UTC) + timedelta(hours=1)
    return {
        "Credentials": {
            "AccessKeyId": key_of(account),
            "SecretAccessKey": SECRET,
            "SessionToken": "none",
            "Expiration": expires.isoformat(timespec="seconds"),
        },
        "AssumedRoleUser": {"AssumedRoleId": "AROAEXAMPLE:brokerproof", "Arn": f"{role}/brokerproof"},
    }
