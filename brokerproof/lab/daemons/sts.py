"""STS of a lab, on the loopback of every client's host: it says whose a signature is, and nothing else.

It reads whom it knows where the IAM listeners do, so that both judge one client alike. Standard library only, and no
code of the signer's: signatures are made anew by Signature Version 4.
"""

from __future__ import annotations

import calendar
import hmac
import re
import socket
import threading
import time
from collections.abc import Mapping
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Final
from xml.sax.saxutils import escape

STS_PORT: Final = 8080
URL: Final = f"http://127.0.0.1:{STS_PORT}"
"""What clients have as their endpoint."""
TOLERATED_S: Final = 900
"""The time of a request may be so far from STS's own (aws/aws-cli issue 6676)."""
_MOST_BODY: Final = 10_000
_SIGNED: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<scope>\d{8}/[\w-]+/sts/aws4_request), "
    r"SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
_IDENTITY: Final = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>{arn}</Arn><UserId>{key}</UserId><Account>{account}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)
_ERROR: Final = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
    "<Message>of a lab</Message></Error></ErrorResponse>"
)


def judged(headers: Mapping[str, str], body: bytes, known: Mapping[str, str], now: float) -> tuple[int, str]:
    """Status and answer to one request; header names in small letters, ``now`` by STS's own clock."""
    found = _SIGNED.fullmatch(headers.get("authorization", ""))
    code = "MissingAuthenticationToken" if found is None else _refusal(headers, body, found, known, now)
    if found is None or code:
        return 403, _ERROR.format(code=code)
    arn = known.get(f"arn.{found['key']}", "")
    return 200, _IDENTITY.format(arn=escape(arn), key=found["key"], account=arn.split(":")[4])


def _refusal(
    headers: Mapping[str, str], body: bytes, found: re.Match[str], known: Mapping[str, str], now: float
) -> str:
    """The error code; empty where nothing is wrong."""
    secret = known.get(f"secret.{found['key']}")
    if b"Action=GetCallerIdentity" not in body:
        return "AccessDenied"
    if secret is None:
        return "InvalidClientTokenId"
    if f"session_ended.{found['key']}" in known:
        return "ExpiredToken"
    in_time = abs(now - _seconds(headers.get("x-amz-date", ""))) <= TOLERATED_S
    own = in_time and hmac.compare_digest(_signature(headers, body, found, secret), found["signature"])
    return "" if own else "SignatureDoesNotMatch"


def _seconds(date: str) -> float:
    try:
        return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return 0.0


def _signature(headers: Mapping[str, str], body: bytes, found: re.Match[str], secret: str) -> str:
    """Of a POST to the root without a query (AWS Signature Version 4)."""
    names = found["headers"]
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names.split(";"))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
    hashed = sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{headers.get('x-amz-date', '')}\n{found['scope']}\n{hashed}"
    key = f"AWS4{secret}".encode()
    for part in found["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


class Sts(ThreadingHTTPServer):
    """One endpoint, in the network namespace that it is made in; it serves until :meth:`end`."""

    daemon_threads = True

    def __init__(self, state: Path, port: int = STS_PORT) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self._ended = False
        threading.Thread(target=self._serve, name="sts", daemon=True).start()

    def server_bind(self) -> None:
        """Bind, and ask no resolver for a name of the address."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "sts", self.server_address[1]

    def _serve(self) -> None:
        while not self._ended:
            self.handle_request()  # without a deadline: an idle lab does nothing
        self.server_close()

    def end(self) -> None:
        """Take no more connections."""
        self._ended = True
        self.socket.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Sts
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        """As botocore asks."""
        lines = self.server.state.read_text().splitlines()
        known = dict(line.split("=", 1) for line in lines)
        now = time.time() + int(known.get("clock_offset_s", "0"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(min(int(headers.get("content-length", "0")), _MOST_BODY))
        status, answer = judged(headers, body, known, now)
        self.send_response_only(status)
        self.send_header("Date", formatdate(now, usegmt=True))
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base's
        """Say nothing."""
