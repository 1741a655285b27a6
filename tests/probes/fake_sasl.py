"""The server's side of SCRAM-SHA-512 (RFC 5802), for a fake broker: one user, strict about nonces as Kafka 4 is."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode
from kio.schema.sasl_authenticate.v1 import SaslAuthenticateRequest, SaslAuthenticateResponse
from kio.schema.sasl_handshake.v1 import SaslHandshakeRequest, SaslHandshakeResponse
from kio.static.primitive import i64Timedelta

from tests.probes.fake_kafka import Handler

REFUSED = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512"
SALT = b"a salt of the user's"
ITERATIONS = 4096


def answer(
    data: bytes = b"", code: ErrorCode = ErrorCode.none, words: str | None = None, lifetime_ms: int = 0
) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=code,
        error_message=words,
        auth_bytes=data,
        session_lifetime=i64Timedelta.parse(timedelta(milliseconds=lifetime_ms)),
    )


def refusal(words: str = REFUSED) -> SaslAuthenticateResponse:
    return answer(code=ErrorCode.sasl_authentication_failed, words=words)


def agreeing(*mechanisms: str) -> Handler:
    """Answer SaslHandshake as a listener with these mechanisms."""

    def handle(request: SaslHandshakeRequest) -> SaslHandshakeResponse:
        known = request.mechanism in mechanisms
        code = ErrorCode.none if known else ErrorCode.unsupported_sasl_mechanism
        return SaslHandshakeResponse(error_code=code, mechanisms=mechanisms)

    return handle


class ScramServer:
    """One connection's server; ``lenient`` takes any nonce that ends as it should, as Kafka did before 4."""

    def __init__(self, username: str, password: str, *, lenient: bool = False, imitation: bool = False) -> None:
        self.username, self.password, self.lenient, self.imitation = username, password, lenient, imitation
        self.bare = self.first = self.nonce = ""

    def handle(self, request: SaslAuthenticateRequest) -> Any:
        said = request.auth_bytes.decode()
        return self._begin(said) if said.startswith("n,,") else self._end(said)

    def _begin(self, said: str) -> Any:
        self.bare = said.removeprefix("n,,")
        fields = dict(part.split("=", 1) for part in self.bare.split(","))
        if fields["n"].replace("=2C", ",").replace("=3D", "=") != self.username:
            return refusal()
        self.nonce = fields["r"] + "of-the-server"
        self.first = f"r={self.nonce},s={base64.b64encode(SALT).decode()},i={ITERATIONS}"
        return answer(self.first.encode())

    def _end(self, said: str) -> Any:
        without_proof, _, proof = said.rpartition(",p=")
        told = without_proof.partition(",r=")[2]
        if not (told.endswith(self.nonce) if self.lenient else told == self.nonce):
            return refusal()
        salted = hashlib.pbkdf2_hmac("sha512", self.password.encode(), SALT, ITERATIONS)
        key = hmac.digest(salted, b"Client Key", "sha512")
        signed = f"{self.bare},{self.first},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha512(key).digest(), signed, "sha512")
        right = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        if base64.b64decode(proof) != right:
            return refusal()
        server_key = b"somebody else" if self.imitation else hmac.digest(salted, b"Server Key", "sha512")
        proved = base64.b64encode(hmac.digest(server_key, signed, "sha512")).decode()
        return answer(f"v={proved}".encode(), lifetime_ms=3_600_000)
