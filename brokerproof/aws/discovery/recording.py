"""Keeps the answers of a discovery in a folder, with nothing of whose account it is, and discovers from them again.

``intent.yaml`` and ``answers.jsonl``: one line a call, with its parameters and its answer or error, all of it replaced
by :mod:`.scrub`. A user's report becomes a fixture.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final

from brokerproof.aws.discovery.reader import DiscoveryError, Place
from brokerproof.aws.discovery.scrub import Scrubber, plain, read_back
from brokerproof.aws.intent.files import dumps_intent, load_intent
from brokerproof.aws.intent.models import IntendedAccount, Intent
from brokerproof.topology.models import ClientVantage, Credentials

INTENT: Final = "intent.yaml"
ANSWERS: Final = "answers.jsonl"
_ASKED: Final = "brokerproof_recorded"
_NO_CREDENTIALS: Final = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
"""Nothing is signed for anybody: no request is sent."""
_DONE: Final = 200
_REFUSED: Final = 400
Entry = dict[str, Any]


class Recorder:
    """Listens to the clients of a discovery."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._lock = Lock()
        self._entries: list[Entry] = []

    def listen(self, place: Place, client: Any) -> None:
        """Keep what this client is asked and answered from now on."""

        def ask(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
            context[_ASKED] = dict(params)

        def answered(parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
            answer = {key: value for key, value in parsed.items() if key not in {"ResponseMetadata", "Error"}}
            error = str(parsed.get("Error", {}).get("Code", ""))
            entry = {
                "account": place.account_id,
                "region": place.region_name,
                "call": [model.service_model.service_name, model.name],
                "params": context.get(_ASKED, {}),
                **({"code": error} if error else {"answer": answer}),
            }
            with self._lock:
                self._entries.append(entry)

        client.meta.events.register("before-parameter-build", ask)
        client.meta.events.register("after-call", answered)

    def write(self, folder: Path) -> None:
        """Write what was kept, with everything replaced.

        Raises:
            DiscoveryError: the folder cannot be written, or holds a recording already.
        """
        scrubber = Scrubber(secrets.token_bytes(32))
        for entry in self._entries:
            scrubber.learn([entry["params"], entry.get("answer", {})])
        for arn in self._intent.clusters:
            scrubber.learn({"ClusterName": arn.split("/")[1]})
        lines = sorted(
            json.dumps(
                {
                    "account": scrubber.text(entry["account"]),
                    "region": entry["region"],
                    "call": entry["call"],
                    "params": plain(scrubber.scrubbed(entry["params"])),
                    **(
                        {"code": entry["code"]}
                        if "code" in entry
                        else {"answer": plain(scrubber.scrubbed(entry["answer"]))}
                    ),
                },
                sort_keys=True,
            )
            for entry in self._entries
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / ANSWERS).exists():
                raise DiscoveryError(f"{folder} holds a recording already; name another folder")
            (folder / INTENT).write_text(dumps_intent(_scrubbed_intent(self._intent, scrubber)), encoding="utf-8")
            (folder / ANSWERS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise DiscoveryError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _scrubbed_intent(intent: Intent, scrubber: Scrubber) -> Intent:
    """The same clients at the same places; how to get in, and how they log in, is nobody's business."""
    return Intent(
        clusters=tuple(map(scrubber.text, intent.clusters)),
        accounts=tuple(IntendedAccount(id=scrubber.text(account.id)) for account in intent.accounts),
        clients=tuple(
            client.model_copy(
                update={
                    "name": f"client-{number}",
                    "at": scrubber.text(client.at),
                    "account": None if client.account is None else scrubber.text(client.account),
                    "cluster": None if client.cluster is None else scrubber.text(client.cluster),
                    "endpoint_vpc": None if client.endpoint_vpc is None else scrubber.text(client.endpoint_vpc),
                    "credentials": Credentials(),
                    "vantage": ClientVantage(),
                    "ca_file": None,
                    "existing_topic": None,
                }
            )
            for number, client in enumerate(intent.clients, 1)
        ),
    )


class Recorded:
    """Clients that a recording answers."""

    def __init__(self, folder: Path) -> None:
        """Raises DiscoveryError where there is none, or it cannot be read."""
        self.intent = load_intent(folder / INTENT)
        self._answers = dict(_entries(folder / ANSWERS))
        self._clients: dict[tuple[Place, str], Any] = {}
        self._lock = Lock()

    def client(self, place: Place, service: str) -> Any:
        """The client of a service for an account and Region."""
        with self._lock:
            if (place, service) not in self._clients:
                self._clients[place, service] = self._made(place, service)
            return self._clients[place, service]

    def _made(self, place: Place, service: str) -> Any:
        import boto3  # noqa: PLC0415 - as of the reader: nothing of it is needed to write a recording

        made = boto3.client(service, region_name=place.region_name, **_NO_CREDENTIALS)

        def ask(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
            context[_ASKED] = dict(params)

        def answer(model: Any, context: Mapping[str, Any], **_: Any) -> tuple[Any, Entry]:
            call = [model.service_model.service_name, model.name]
            entry = self._answers.get(_key(place.account_id, place.region_name, call, context.get(_ASKED, {})))
            if entry is None or "code" in entry:
                code = "NotRecorded" if entry is None else entry["code"]
                return _Response(_REFUSED), {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {}}
            return _Response(_DONE), {**read_back(entry["answer"]), "ResponseMetadata": {}}

        made.meta.events.register("before-parameter-build", ask)
        made.meta.events.register("before-call", answer)
        return made


class _Response:
    """As much of an HTTP response as botocore looks at."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def _entries(path: Path) -> Iterator[tuple[str, Entry]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DiscoveryError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            yield _key(entry["account"], entry["region"], entry["call"], entry["params"]), entry
        except (ValueError, KeyError, TypeError):
            raise DiscoveryError(f"{path}:{number}: is no call as `discover --record` writes them") from None


def _key(account: str, region: str, call: list[str], params: Mapping[str, Any]) -> str:
    """What tells calls apart: lists of ids may come in another order, and Route 53 is of no Region."""
    region = "" if call[0] == "route53" else region
    return json.dumps([account, region, call, _sorted(plain(dict(params)))], sort_keys=True)


def _sorted(value: Any) -> Any:
    match value:
        case dict():
            return {key: _sorted(each) for key, each in value.items()}
        case list():
            return sorted((_sorted(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
        case _:
            return value
