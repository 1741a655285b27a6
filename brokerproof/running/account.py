"""An account, read: that behind an intent file, or the one that a topology would be, in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit
from brokerproof.aws.facts import AccountFacts, facts_of
from brokerproof.aws.intent.files import is_intent, load_intent, loads_intent
from brokerproof.aws.intent.models import Intent
from brokerproof.extras import Extra, require
from brokerproof.running.site import load_target, reached
from brokerproof.topology.models import Topology

if TYPE_CHECKING:
    from brokerproof.aws.answers.hook import Account
    from brokerproof.aws.discovery.reader import Place


def load_target_or_account(
    path: Path, progress: Callable[[str], None] = lambda _: None
) -> tuple[Topology, Audit | None]:
    """A topology file at its word, or the account behind an intent file or a cluster's ARN, with what it shows.

    Raises:
        WrongUseError: the file is wrong, a client has no vantage outside the lab, or the account cannot be read.
        MissingExtraError: it is an intent, and boto3 is not installed.
    """
    if not is_arn(str(path)) and not is_intent(path):
        topology = load_target(path)
        for words in said_by_file(topology):
            progress(words)
        return topology, None
    facts = read_account(path, progress)
    return reached(facts.topology, path), audit(facts)


def said_by_file(topology: Topology) -> Iterator[str]:
    """What a file proves of its own paths, in a line each: somebody wrote it, and it is no witness of the account.

    A file need not state what it has nothing of: of routes, groups and load balancers nothing is said then.
    """
    for found in audit(facts_of(topology)).findings:
        about = found.code.value.partition(".")[0]
        if found.sure and (about not in _STATED_BY or getattr(topology, _STATED_BY[about])):
            yield f"by the file itself: {found.wrong} ({found.code}); `brokerproof audit` shows where"


_STATED_BY = {
    "route": "route_tables",
    "security": "security_groups",
    "dns": "hosted_zones",
    "nlb": "load_balancers",
    "endpoint": "vpc_endpoints",
    "connection": "vpc_connections",
}


_NO_CREDENTIALS = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
"""Nothing is signed for anybody: no request is sent."""


def is_arn(text: str) -> bool:
    """Whether a word is meant as the ARN of a cluster."""
    return text.startswith("arn:")


def intent_of_arn(arn: str) -> Intent:
    """This host as the client of a cluster: where it is and how it logs in is found, and by which pattern is unknown.

    Raises:
        IntentError: it is no ARN of a cluster.
    """
    return loads_intent(
        f"version: 1\nclusters: [{json.dumps(arn)}]\nclients: [{{name: here, at: here, pattern: unknown}}]\n",
        source=arn,
    )


def target_name(target: str) -> str:
    """What reports call a target: the file's name, or the cluster's."""
    return target.split("/")[1] if is_arn(target) and "/" in target else Path(target).name


def read_account(
    path: Path, progress: Callable[[str], None] = lambda _: None, *, record: Path | None = None
) -> AccountFacts:
    """Everything that the account of an intent file, or of a cluster's ARN, says.

    Args:
        path: The file, or the ARN.
        progress: Told what is being read.
        record: Where the answers are kept, with nothing in them of whose they are; also where the account cannot be
            read as far as it must be.

    Raises:
        MissingExtraError: boto3 is not installed.
        IntentError: the file is wrong.
        DiscoveryError: a cluster or a client's host cannot be read.
    """
    require(Extra.AWS, "reading an account")
    from brokerproof.aws.discovery.access import Access  # noqa: PLC0415 - boto3 is an extra
    from brokerproof.aws.discovery.discover import discover  # noqa: PLC0415 - likewise
    from brokerproof.aws.discovery.here import find_here  # noqa: PLC0415 - likewise
    from brokerproof.aws.discovery.recording import Recorder  # noqa: PLC0415 - likewise

    intent = intent_of_arn(str(path)) if is_arn(str(path)) else load_intent(path)
    if record is None:
        return discover(intent, Access(intent), progress, here=find_here)
    recorder = Recorder(intent)
    try:
        return discover(intent, Access(intent, recorder.listen), progress, here=find_here)
    finally:
        recorder.write(record)


def read_recording(folder: Path, progress: Callable[[str], None] = lambda _: None) -> AccountFacts:
    """Everything that the account of a recording said.

    Raises:
        MissingExtraError: boto3 is not installed.
        IntentError, DiscoveryError: it is none.
    """
    require(Extra.AWS, "reading a recording")
    from brokerproof.aws.discovery.discover import discover  # noqa: PLC0415 - boto3 is an extra
    from brokerproof.aws.discovery.recording import Recorded  # noqa: PLC0415 - likewise

    recorded = Recorded(folder)
    return discover(recorded.intent, recorded, progress)


class InProcess:
    """Clients of boto3 whose calls a topology answers. Made once: they take a second, and only what answers changes."""

    def __init__(self) -> None:
        require(Extra.AWS, "an account in process")
        import boto3  # noqa: PLC0415 - an extra
        from botocore.config import Config  # noqa: PLC0415 - likewise

        self.account: Account | None = None
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._session = boto3.Session(**_NO_CREDENTIALS)
        self._config = Config(user_agent="brokerproof-in-process")  # else botocore makes up a long one at every call
        self._lock = Lock()

    def client(self, place: Place, service: str) -> Any:
        """The client of a service for an account and Region."""
        from brokerproof.aws.answers.hook import attach  # noqa: PLC0415 - boto3 is an extra

        key = (place.account_id, place.region_name, service)
        with self._lock:
            if key not in self._clients:
                made = self._session.client(service, region_name=place.region_name, config=self._config)
                attach(made, place.account_id, self._answering)
                self._clients[key] = made
            return self._clients[key]

    def _answering(self) -> Account:
        if self.account is None:
            raise RuntimeError("nothing answers these clients yet")
        return self.account


class AccountInProcess:
    """The account that a topology would be: its answers, discovered."""

    def __init__(self) -> None:
        self._clients = InProcess()

    def facts(self, topology: Topology, intended: Topology) -> AccountFacts:
        """What a discovery for the intended topology's clients reads, while the account is as ``topology``.

        Raises:
            DiscoveryError: a cluster or a client's host cannot be read.
        """
        from brokerproof.aws.answers.hook import Account  # noqa: PLC0415 - boto3 is an extra
        from brokerproof.aws.answers.intent import intent_of  # noqa: PLC0415 - likewise
        from brokerproof.aws.discovery.discover import discover  # noqa: PLC0415 - likewise

        self._clients.account = Account(lambda: topology)
        return discover(intent_of(intended), self._clients, at_once=1)
