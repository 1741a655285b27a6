"""Takes what is somebody's out of answers: ids, names and addresses replaced, each the same wherever it stands. Pure.

Only members that discovery reads are kept at all, so that no tag, comment, key or password is. Addresses keep what they
have in common with each other, and their last sixteen bits, so that blocks still hold what they held.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from brokerproof.aws.discovery.members import READ

_ID: Final = re.compile(
    r"\b(tgw-attach|tgw-rtb|tgw|vpce-svc|vpce|vpc|rslvr-rrassoc|rslvr-rr|subnet|sgr|sg|rtb|acl|pcx|dopt|eni|nat|eigw|igw|vgw|lgw|cagw|core-network|pl|rpassoc|rp|i|r)-"
    r"([0-9a-zA-Z]+)\b"
)
_FEWEST: Final = 8
"""Digits of a replacement: no two things get the same one."""
_ACCOUNT: Final = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
_FOUR: Final = re.compile(r"(?<![\w.-])(\d{1,3}(?:\.\d{1,3}){3})(/\d{1,2})?(?![\w.-])")
_FOUR_IN_NAME: Final = re.compile(r"\bip-(\d{1,3}(?:-\d{1,3}){3})\b")
_SIX: Final = re.compile(r"(?<![\w:])([0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(/\d{1,3})?(?![\w:])", re.IGNORECASE)
_KEPT_LABELS: Final = re.compile(
    r"^(b-\d+|bi6-.*|b-\{broker_id\}|\*|\\052|vpce|elb|vpce-svc.*|vpce-[0-9a-z]+.*|kafka|c\d+|scram|iam|tls|dualstack|ip-.*"
    r"|amazonaws|com|cn|ec2|internal|compute|[a-z]{2}(-[a-z]+)+-\d+)$"
)
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_NAMED: Final = frozenset(
    {"ClusterName", "LoadBalancerName", "TargetGroupName", "Name", "DNSName", "DnsName", "DomainName", "Endpoints"}
)
"""Members whose value is a name that somebody chose, or has one in it."""
_ARN_NAMES: Final = re.compile(
    r":(cluster|configuration|role|loadbalancer/net|targetgroup|listener/net)/([A-Za-z0-9_-]+)"
)
_PRESERVED_BITS: Final = 16
_ALL_FOUR: Final = 32


class Scrubber:
    """Replaces by a key of its own, so that nobody can tell from a replacement what it stands for."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._words: dict[str, str] = {}

    def learn(self, value: Any) -> None:
        """Take in the names that somebody chose, which may stand in other strings too."""
        self._walk(value, self._learnt)

    def scrubbed(self, value: Any) -> Any:
        """The value with everything replaced; what discovery does not read is left out."""
        match value:
            case dict() if _is_filter(value):
                return {**value, "Values": self.scrubbed(value["Values"])}
            case dict():
                return {key: self._member(key, each) for key, each in value.items() if _kept(key)}
            case list() | tuple():
                return [self.scrubbed(each) for each in value]
            case str():
                return self.text(value)
            case bytes():
                return self._properties(value)
            case _:
                return value

    def _member(self, key: str, value: Any) -> Any:
        if key == "Policy" and isinstance(value, str):
            return json.dumps(self.scrubbed(json.loads(value)))
        if key == "Tags":
            return [self.scrubbed(tag) for tag in value if tag.get("Key") == "ClusterArn"]
        return self.scrubbed(value)

    def _walk(self, value: Any, see: Callable[[str, str], None]) -> None:
        if isinstance(value, Mapping):
            if _is_filter(value):
                return
            for key, each in value.items():
                for text in each if isinstance(each, list | tuple) else [each]:
                    if isinstance(text, str):
                        see(key, text)
                self._walk(each, see)
        elif isinstance(value, list | tuple):
            for each in value:
                self._walk(each, see)

    def _learnt(self, key: str, value: str) -> None:
        for _, name in _ARN_NAMES.findall(value):
            self._word(name)
        if key not in _NAMED:
            return
        if "." in value:
            for label in value.removesuffix(".").split("."):
                if not _KEPT_LABELS.match(label.lower()) and not _ACCOUNT.fullmatch(label):
                    self._word(label)
        elif key in {"ClusterName", "LoadBalancerName", "TargetGroupName"}:
            self._word(value)

    def _word(self, word: str) -> None:
        if word and not _KEPT_LABELS.match(word.lower()) and not _ID.fullmatch(word):
            self._words.setdefault(word, f"n{self._digits(word, 9)}")

    def text(self, text: str) -> str:
        """A string with every name, id, account and address in it replaced."""
        found = _UUID.sub(lambda m: self._digits(m[0], 32), text)
        found = _ID.sub(lambda m: f"{m[1]}-{self._digits(m[2], max(_FEWEST, len(m[2])))}", found)
        for word in sorted(self._words, key=len, reverse=True):
            if word in found:
                found = re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", self._words[word], found)
        found = _ACCOUNT.sub(lambda m: self._account(m[0]), found)
        found = _FOUR.sub(lambda m: self._four(m[1], m[2] or ""), found)
        found = _FOUR_IN_NAME.sub(lambda m: f"ip-{self._four(m[1].replace('-', '.'), '').replace('.', '-')}", found)
        return _SIX.sub(lambda m: self._six(m[1], m[2] or ""), found)

    def _digits(self, text: str, count: int) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:count].ljust(count, "0")

    def _account(self, account: str) -> str:
        return str(10**11 + int(self._digits(account, 12), 16) % (9 * 10**11))

    def _properties(self, text: bytes) -> bytes:
        """Of a configuration's properties the one that names brokers; others may hold anything."""
        lines = [line for line in text.decode(errors="replace").splitlines() if "advertised.listeners" in line]
        return "\n".join(map(self.text, lines)).encode()

    def _flipped(self, number: int, width: int, first: int, last: int) -> int:
        """Bits from ``first`` up to ``last`` flipped by what stands before each: what was common stays so."""
        for bit in range(first, last):
            before = number >> (width - bit) << (width - bit)
            if int(self._digits(f"{width}/{bit}/{before}", 1), 16) & 1:
                number ^= 1 << (width - 1 - bit)
        return number

    def _four(self, address: str, length: str) -> str:
        try:
            network = IPv4Network(f"{address}{length or '/32'}", strict=False)
            given = IPv4Address(address)
        except ValueError:
            return address + length
        if given.is_link_local or given.is_loopback or network.prefixlen < 8:  # noqa: PLR2004 - a class of addresses, or all
            return address + length
        keeps = 12 if given in IPv4Network("172.16.0.0/12") else 10 if given in IPv4Network("100.64.0.0/10") else 8
        if given in IPv4Network("192.168.0.0/16"):
            return f"198.18.{address.partition('.')[2].partition('.')[2]}{length}"
        flipped = self._flipped(int(given), _ALL_FOUR, keeps, min(_PRESERVED_BITS, network.prefixlen))
        return f"{IPv4Address(flipped)}{length}"

    def _six(self, address: str, length: str) -> str:
        try:
            network = IPv6Network(f"{address}{length or '/128'}", strict=False)
            given = IPv6Address(address)
        except ValueError:
            return address + length
        if given.is_link_local or given.is_loopback or network.prefixlen < 32:  # noqa: PLR2004 - as above
            return address + length
        return f"{IPv6Address(self._flipped(int(given), 128, 16, min(48, network.prefixlen)))}{length}"


def _is_filter(value: Mapping[str, Any]) -> bool:
    """Whether it is a filter of a call, whose name is AWS's own."""
    return value.keys() == {"Name", "Values"}


def _kept(key: str) -> bool:
    return key in READ or key in {"AWS", "error"}


def plain(value: Any) -> Any:
    """A value as JSON has it; times and bytes in a form that :func:`read_back` knows."""
    match value:
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case datetime():
            return {"$time": value.isoformat()}
        case bytes():
            return {"$text": value.decode(errors="replace")}
        case _:
            return value


def read_back(value: Any) -> Any:
    """The reverse of :func:`plain`."""
    match value:
        case {"$time": str(text)}:
            return datetime.fromisoformat(text)
        case {"$text": str(text)}:
            return text.encode()
        case dict():
            return {key: read_back(each) for key, each in value.items()}
        case list():
            return [read_back(each) for each in value]
        case _:
            return value
