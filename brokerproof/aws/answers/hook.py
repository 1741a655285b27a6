"""Hands answers to boto3 in process: botocore's ``before-call`` event takes them in place of a request.

Each answer is checked against botocore's own description of the operation before it is handed out. The one module of
this room that needs boto3.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader
from botocore.validate import ParamValidator

from brokerproof.aws.answers.organization import ApiError, Asked, Item, Organization
from brokerproof.aws.answers.paging import page_of
from brokerproof.aws.answers.prefixes import PrefixLists
from brokerproof.aws.answers.profiles import BY_PROFILE
from brokerproof.aws.answers.registry import ANSWERS
from brokerproof.topology.models import Topology

_ASKED: Final = "brokerproof_params"
_DONE: Final = 200
_ENTRIES: Final = ("ec2", "GetManagedPrefixListEntries")
Operation = tuple[str, str]
"""Service and operation, as botocore names them."""


class UnlikeApiError(Exception):
    """An answer that the API could not have given: a defect of this room."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How the account answers beside what is in it.

    ``refused``: the calls that end in an error, by operation. ``without``: members that are left out of an
    operation's entries. ``stale``: operations that are still answered from an earlier topology.
    ``by_prefix_list``: whether rules and routes name prefix lists instead of blocks. ``by_profile``: whether VPCs have
    their zones and resolver rules by Route 53 Profiles.
    """

    page_size: int = 100
    refused: Mapping[Operation, ApiError] = field(default_factory=dict)
    without: Mapping[Operation, tuple[str, ...]] = field(default_factory=dict)
    stale: Mapping[Operation, Topology] = field(default_factory=dict)
    by_prefix_list: bool = False
    by_profile: bool = False


def denied(*operations: Operation) -> dict[Operation, ApiError]:
    """These calls refused, as an identity without the permission is."""
    return {
        (service, name): ApiError(
            "UnauthorizedOperation" if service == "ec2" else "AccessDeniedException",
            f"User is not authorized to perform: {service}:{name}",
            403,
        )
        for service, name in operations
    }


def throttled(*operations: Operation) -> dict[Operation, ApiError]:
    """These calls refused for now."""
    return {operation: ApiError("Throttling", "Rate exceeded") for operation in operations}


class Account:
    """Every account and Region of a topology, as it is whenever one asks."""

    def __init__(self, now: Callable[[], Topology], manners: Manners | None = None) -> None:
        self._now = now
        self._manners = manners or Manners()
        self._prefixes = PrefixLists()
        self.asked: list[tuple[str, str, Operation]] = []
        """Account, Region and operation of every call, in order."""

    def answer(self, account: str, region: str, operation: Operation, params: Mapping[str, Any]) -> Item:
        """What the API says.

        Raises:
            ApiError: it refuses.
        """
        self.asked.append((account, region, operation))
        if operation in self._manners.refused:
            raise self._manners.refused[operation]
        if operation not in ANSWERS:
            raise ApiError("InvalidAction", f"The action {operation[1]} is not valid for this web service.")
        topology = self._manners.stale.get(operation) or self._now()
        if self._manners.by_prefix_list and operation == _ENTRIES:
            whole = self._prefixes.entries(params["PrefixListId"])
        else:
            given = BY_PROFILE.get(operation) if self._manners.by_profile else None
            whole = (given or ANSWERS[operation])(Asked(Organization(topology), account, region, params))
        page = page_of(whole, operation, _paginators(operation[0]), params, self._manners.page_size)
        if self._manners.by_prefix_list:
            page = self._prefixes.named(operation[1], page)
        return _without(page, self._manners.without.get(operation, ()))


@cache
def _paginators(service: str) -> Mapping[str, Any]:
    """What botocore describes of a service's pages; read once, since finding it lists all of botocore's services."""
    described: Mapping[str, Any] = Loader(include_default_search_paths=True).load_service_model(
        service, "paginators-1"
    )["pagination"]
    return described


def attach(client: Any, account_id: str, answering: Callable[[], Account]) -> None:
    """Have a client's calls answered as those of one account, by whatever answers at the time."""

    def answer(model: Any, context: Mapping[str, Any], **_: Any) -> tuple[Any, Item]:
        operation = (model.service_model.service_name, model.name)
        region = str(context.get("client_region"))
        try:
            found = answering().answer(account_id, region, operation, context.get(_ASKED, {}))
        except ApiError as error:
            return _Response(error.status), {
                "Error": {"Code": error.code, "Message": error.message},
                "ResponseMetadata": {"HTTPStatusCode": error.status},
            }
        check(found, model)
        return _Response(_DONE), {**found, "ResponseMetadata": {"HTTPStatusCode": _DONE}}

    client.meta.events.register("before-parameter-build", _keep_params)
    client.meta.events.register("before-call", answer)


def _keep_params(params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_ASKED] = copy.deepcopy(dict(params))


@dataclass(frozen=True, slots=True)
class _Response:
    """As much of an HTTP response as botocore looks at."""

    status_code: int


def _without(answer: Item, members: tuple[str, ...]) -> Item:
    if not members:
        return answer
    return {
        key: [
            {k: v for k, v in entry.items() if k not in members} if isinstance(entry, dict) else entry
            for entry in value
        ]
        if isinstance(value, list)
        else value
        for key, value in answer.items()
    }


def check(answer: Item, model: Any) -> None:
    """Hold an answer against the operation's output shape, closed values included.

    Raises:
        UnlikeApiError: a member that the API does not have, a type or a value that it does not give.
    """
    report = ParamValidator().validate(answer, model.output_shape)
    if report.has_errors():
        raise UnlikeApiError(f"{model.name}: {report.generate_report()}")
    _closed_values(answer, model.output_shape, model.name)


def _closed_values(value: Any, shape: Any, where: str) -> None:
    match shape.type_name:
        case "structure":
            for name, part in value.items():
                _closed_values(part, shape.members[name], f"{where}.{name}")
        case "list":
            for part in value:
                _closed_values(part, shape.member, where)
        # AWS writes some of its closed values in another case than its own description of them.
        case "string" if shape.enum and value.lower() not in {one.lower() for one in shape.enum}:
            raise UnlikeApiError(f"{where}: {value!r} is not one of {', '.join(shape.enum)}")
        case _:
            pass
