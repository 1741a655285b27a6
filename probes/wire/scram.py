"""SCRAM-SHA-512 from the client's side (RFC 5802): what is said, and whether the server proved that it knows us. Pure.

Kafka takes the password as it is, in UTF-8, without the preparation of RFC 4013 (ScramFormatter in Apache Kafka).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from functools import lru_cache
from typing import Final

from brokerproof.probes.outcome.bounds import SCRAM_ITERATIONS

MECHANISM: Final = "SCRAM-SHA-512"
_HASH: Final = "sha512"
_NONCE_BYTES: Final = 24
_GS2_HEADER: Final = "n,,"
"""No channel binding, which Kafka does not know."""


class ServerNotProvedError(Exception):
    """The server does not know the user's secret, or does not speak SCRAM: it is another than it says."""


class Scram:
    """One login. Its messages are asked for one after another: :meth:`first`, then :meth:`answer` until that is None.

    Args:
        username: As in the secret.
        password: As in the secret.
        repeats_nonce: Send the client's own nonce twice in the last message, as librdkafka before 2.6.1.
    """

    mechanism = MECHANISM

    def __init__(self, username: str, password: str, *, repeats_nonce: bool = False) -> None:
        self.principal = f"User:{username}"
        self._user = username.replace("=", "=3D").replace(",", "=2C")
        self._password = password.encode()
        self._repeats_nonce = repeats_nonce
        self._nonce = base64.b64encode(os.urandom(_NONCE_BYTES)).decode()
        self._first_bare = f"n={self._user},r={self._nonce}"
        self._expected: bytes | None = None

    def first(self) -> bytes:
        """The client-first-message."""
        return f"{_GS2_HEADER}{self._first_bare}".encode()

    def answer(self, said: bytes) -> bytes | None:
        """What to say to a message of the server's; None where all is said.

        Raises:
            ServerNotProvedError: it is no message of SCRAM, or shows that the server does not know the secret.
        """
        if self._expected is None:
            return self._final(_text(said))
        self._judge(_text(said))
        return None

    def _final(self, first: str) -> bytes:
        fields = _fields(first)
        try:
            nonce, salt, iterations = fields["r"], base64.b64decode(fields["s"], validate=True), int(fields["i"])
        except (KeyError, ValueError, binascii.Error):
            raise ServerNotProvedError("the server's first message has no nonce, salt and iterations") from None
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise ServerNotProvedError("the server's nonce does not begin with the client's")
        if not 1 <= iterations <= SCRAM_ITERATIONS:
            raise ServerNotProvedError(f"the server asks for {iterations} iterations")
        salted = _salted(self._password, salt, iterations)
        client_key = _hmac(salted, b"Client Key")
        stored = hashlib.new(_HASH, client_key).digest()
        told = f"{self._nonce}{nonce}" if self._repeats_nonce else nonce
        without_proof = f"c={base64.b64encode(_GS2_HEADER.encode()).decode()},r={told}"
        signed = f"{self._first_bare},{first},{without_proof}".encode()
        signature = _hmac(stored, signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._expected = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def _judge(self, final: str) -> None:
        signature = _fields(final).get("v", "")
        expected = base64.b64encode(self._expected or b"").decode()
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise ServerNotProvedError("the server does not prove that it knows the user's secret")


@lru_cache(maxsize=64)
def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    """The slow part, the same at every broker: the salt is the user's."""
    return hashlib.pbkdf2_hmac(_HASH, password, salt, iterations)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, _HASH)


def _text(said: bytes) -> str:
    try:
        return said.decode()
    except UnicodeDecodeError:
        raise ServerNotProvedError("the server's message is not text") from None


def _fields(message: str) -> dict[str, str]:
    return {part[0]: part[2:] for part in message.split(",") if part[1:2] == "="}
