"""S3 on loopback, for whoever has a link: signatures are checked as S3 checks them, and so is the condition of a write.

Source: S3 API reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit


@dataclass(frozen=True)
class LinkBucket:
    """One that serves."""

    url: str
    port: int


@contextmanager
def serving(objects: dict[str, bytes], secret: str, cut: set[str] | None = None) -> Iterator[LinkBucket]:
    """Serve objects by their keys, to links that were signed with a secret, for as long as the block lasts.

    ``cut``: keys whose next answer ends before its last byte.
    """
    answers = type("Answers", (_Answers,), {"objects": objects, "secret": secret, "cut": set() if cut is None else cut})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = int(server.server_address[1])
        yield LinkBucket(f"http://127.0.0.1:{port}", port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    secret: str
    cut: set[str]

    def do_GET(self) -> None:
        if self._may():
            found = self.objects.get(self._key())
            if found and self._key() in self.cut:
                self.cut.discard(self._key())
                self._answer(200, found[:-1], length=len(found))
                self.close_connection = True
                return
            self._answer(200 if found is not None else 404, found or b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._may():
            return
        if self.headers.get("If-None-Match") == "*" and self._key() in self.objects:
            self._answer(412, b"")
            return
        self.objects[self._key()] = body
        self._answer(200, b"")

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    def _may(self) -> bool:
        query = dict(parse_qsl(urlsplit(self.path).query))
        wanted = signature(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.secret)
        if query.get("X-Amz-Signature") == wanted:
            return True
        self._answer(403, b"<Code>SignatureDoesNotMatch</Code>")
        return False

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def signature(method: str, path: str, headers: Mapping[str, str], secret: str) -> str:
    """What a request must be signed with."""
    parts = urlsplit(path)
    query = {key: value for key, value in parse_qsl(parts.query) if key != "X-Amz-Signature"}
    signed = query["X-Amz-SignedHeaders"].split(";")
    canonical = "\n".join(
        (
            method,
            parts.path,
            "&".join(f"{quote(key, safe='')}={quote(query[key], safe='')}" for key in sorted(query)),
            *(f"{name}:{headers.get(name, '')}" for name in signed),
            "",
            ";".join(signed),
            "UNSIGNED-PAYLOAD",
        )
    )
    day, region, service, end = query["X-Amz-Credential"].split("/")[1:]
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, end):
        key = hmac.digest(key, part.encode(), "sha256")
    scope = f"{day}/{region}/{service}/{end}"
    text = "\n".join(("AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(key, text.encode(), "sha256").hexdigest()
