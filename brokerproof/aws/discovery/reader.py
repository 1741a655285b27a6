"""Makes the calls: side by side, page by page, retried by botocore, and what is refused kept as a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock, Thread
from typing import Any, Final, Protocol, TypeVar

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError

from brokerproof.aws.discovery.calls import Call
from brokerproof.aws.facts import DENIED, Gap
from brokerproof.errors import WrongUseError

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "NotAuthorizedException",
        "ForbiddenException",
    }
)
AT_ONCE: Final = 16
"""Calls at a time of an account and Region: below the read rates that EC2 gives one."""
MOST_AT_ONCE: Final = 64
"""Of all accounts and Regions together."""

NOT_OF_AWS: Final = "the answer is none of AWS's, as where a proxy answers instead"
Item = dict[str, Any]
T = TypeVar("T")


class DiscoveryError(WrongUseError):
    """The account cannot be read as far as it must be; one sentence states why and what to do."""


class Told(dict[str, Any]):
    """A part of an answer. What it lacks and every answer has is said with the call, and no KeyError."""

    def __init__(self, members: Item, call: str) -> None:
        super().__init__((name, _told(value, call)) for name, value in members.items())
        self._call = call

    def __missing__(self, member: str) -> Any:
        raise DiscoveryError(
            f"an answer to {self._call} has no {member}, which AWS documents for every one: the answer may be a "
            "stand-in's; compare it with the call made by the AWS CLI"
        )


def _told(value: Any, call: str) -> Any:
    if isinstance(value, dict):
        return Told(value, call)
    return [_told(each, call) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """An account and a Region."""

    account_id: str
    region_name: str


class Clients(Protocol):
    """Gives out boto3 clients."""

    def client(self, place: Place, service: str) -> Any:
        """The client of a service for an account and Region.

        Raises:
            DiscoveryError: nothing says how to get into the account.
        """
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One call to make.

    ``of``: the resources it is about, where it is not about all of the place. ``absent``: error codes that mean that
    there is none.
    """

    place: Place
    call: Call
    params: Item = field(default_factory=dict)
    of: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """What came back. Not ``known``: there is a gap, and the entries are none."""

    ask: Ask
    entries: tuple[Item, ...] = ()
    known: bool = True
    why: str = ""
    """Of what is not known."""

    @property
    def one(self) -> Item:
        """The answer of a call that does not list; empty where there was none."""
        return self.entries[0] if self.entries else {}


class Reader:
    """The calls of one discovery."""

    def __init__(
        self, clients: Clients, progress: Callable[[str], None] = lambda _: None, *, at_once: int = AT_ONCE
    ) -> None:
        self._clients = clients
        self._progress = progress
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="discover") if at_once > 1 else None
        self._gates: dict[Place, BoundedSemaphore] = defaultdict(lambda: BoundedSemaphore(at_once))
        self._gaps: dict[tuple[Any, ...], Gap] = {}
        self.made = 0
        """Calls answered or refused so far, pages counted."""

    def close(self) -> None:
        """Wait for no more answers."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What was not answered, sorted."""
        return tuple(sorted(self._gaps.values(), key=lambda g: (g.account_id, g.region_name, g.action, g.of)))

    def say(self, text: str) -> None:
        """Progress."""
        self._progress(text)

    def every(self, asks: Iterable[Ask]) -> list[Read]:
        """All of these, side by side; in their order."""
        wanted = list(asks)
        if self._pool is None:
            return [self._read(ask) for ask in wanted]
        under_way = {index: self._pool.submit(self._read_in_turn, wanted[index]) for index in _in_turns(wanted)}
        return [under_way[index].result() for index in range(len(wanted))]

    def beside(self, job: Callable[[], T]) -> Callable[[], T]:
        """Have a job done beside what follows, as far as calls go side by side; returns what waits for its result."""
        if self._pool is None:
            done = job()
            return lambda: done
        future: Future[T] = Future()
        Thread(target=_carry_out, args=(job, future), daemon=True).start()
        return future.result

    def _read_in_turn(self, ask: Ask) -> Read:
        with self._lock:
            gate = self._gates[ask.place]
        with gate:
            return self._read(ask)

    def _read(self, ask: Ask) -> Read:
        try:
            client = self._clients.client(ask.place, ask.call.service)
            entries = tuple(Told(each, ask.call.action) for each in self._entries(client, ask))
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ask.absent:
                return Read(ask)
            return self._unknown(ask, DENIED if code in _DENIED else f"AWS answered {code}")
        except NoCredentialsError:
            return self._unknown(ask, "there are no credentials for the account")
        except ResponseParserError as error:  # its text has all of the answer in it
            return self._unknown(ask, f"{NOT_OF_AWS} ({type(error).__name__})")
        except (BotoCoreError, DiscoveryError) as error:
            return self._unknown(ask, str(error).splitlines()[0])
        return Read(ask, entries)

    def _entries(self, client: Any, ask: Ask) -> Iterator[Item]:
        call, name = ask.call, xform_name(ask.call.operation)
        if not call.key:
            self._count()
            yield getattr(client, name)(**ask.params)
        elif client.can_paginate(name):
            for page in client.get_paginator(name).paginate(**ask.params):
                self._count()
                yield from page.get(call.key, ())
        else:
            yield from self._by_token(getattr(client, name), ask)

    def _by_token(self, method: Callable[..., Item], ask: Ask) -> Iterator[Item]:
        """Pages of an operation that botocore has no paginator for."""
        params = dict(ask.params)
        seen: set[str] = set()
        while True:
            page = method(**params)
            self._count()
            yield from page.get(ask.call.key, ())
            token = page.get("NextToken")
            if not token or token in seen:
                return
            seen.add(token)
            params["NextToken"] = token

    def _count(self) -> None:
        with self._lock:
            self.made += 1

    def _unknown(self, ask: Ask, why: str) -> Read:
        with self._lock:
            self.made += 1
            key = (ask.place, ask.call, ask.of)
            self._gaps[key] = Gap(
                account_id=ask.place.account_id,
                region_name=ask.place.region_name,
                action=ask.call.action,
                why=why,
                unknown=ask.call.tells,
                of=ask.of,
            )
        return Read(ask, known=False, why=why)

    def missing(self, place: Place, call: Call, why: str, of: Sequence[str] = ()) -> None:
        """Something could not be read for another reason than a refusal."""
        self._unknown(Ask(place, call, of=tuple(of)), why)


def _in_turns(asks: Sequence[Ask]) -> list[int]:
    """The order in which calls go out: the first of each account and Region, then the second of each."""
    ranks: dict[Place, int] = defaultdict(int)
    order = []
    for index, ask in enumerate(asks):
        order.append((ranks[ask.place], index))
        ranks[ask.place] += 1
    return [index for _, index in sorted(order)]


def _carry_out(job: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
        future.set_exception(error)


def each_once(what: str, names: Sequence[str]) -> None:
    """Refuse names that a topology tells apart by and two have.

    Raises:
        DiscoveryError: two of several accounts or Regions have one name.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DiscoveryError(
            f"two {what} have the name {twice[0]}, in different accounts or Regions, and a topology tells {what} apart "
            "by name: write an intent file for each cluster"
        )


def where(name: str, values: Iterable[str]) -> Item:
    """A filter of EC2's."""
    return {"Filters": [{"Name": name, "Values": sorted(set(values))}]}
