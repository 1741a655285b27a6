"""AWS's wire protocols, as far as read-only calls need them: a request to its parameters, an answer to its bytes. Pure.

Driven by botocore's own descriptions of the services, so that no name is written here.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from brokerproof.aws.answers.organization import ApiError, Item

_REQUEST_ID: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: what of it says which call it is."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


# Requests


def operation_of(service: Any, request: Request) -> tuple[Any, Item]:
    """The operation that a request asks for, and its parameters.

    Raises:
        ApiError: the service has no such operation.
    """
    protocol = service.resolved_protocol
    if protocol in {"ec2", "query"}:
        values = {key: found[0] for key, found in parse_qs(request.body.decode(), keep_blank_values=True).items()}
        model = _model(service, values.get("Action", ""))
        shape = model.input_shape
        return model, {} if shape is None else _from_query(shape, values, "", ec2=protocol == "ec2")
    if protocol == "json":
        model = _model(service, request.headers.get("x-amz-target", "").rpartition(".")[2])
        return model, json.loads(request.body or b"{}")
    return _by_path(service, request)


def _model(service: Any, name: str) -> Any:
    if name not in service.operation_names:
        raise ApiError("InvalidAction", f"The action {name} is not valid for this web service.")
    return service.operation_model(name)


def _from_query(shape: Any, values: Mapping[str, str], prefix: str, *, ec2: bool) -> Any:
    match shape.type_name:
        case "structure":
            given: Item = {}
            for name, member in shape.members.items():
                key = _query_name(name, member, ec2=ec2)
                below = f"{prefix}.{key}" if prefix else key
                if any(value == below or value.startswith(f"{below}.") for value in values):
                    given[name] = _from_query(member, values, below, ec2=ec2)
            return given
        case "list":
            inner = (
                ""
                if ec2 or shape.serialization.get("flattened")
                else f".{shape.member.serialization.get('name', 'member')}"
            )
            numbers = {
                int(found[1])
                for given in values
                if (found := re.match(rf"{re.escape(prefix + inner)}\.(\d+)(\.|$)", given))
            }
            return [_from_query(shape.member, values, f"{prefix}{inner}.{n}", ec2=ec2) for n in sorted(numbers)]
        case "integer" | "long":
            return int(values[prefix])
        case "boolean":
            return values[prefix] == "true"
        case _:
            return values[prefix]


def _query_name(name: str, member: Any, *, ec2: bool) -> str:
    given = member.serialization
    if not ec2:
        return str(given.get("name", name))
    if "queryName" in given:
        return str(given["queryName"])
    located = str(given.get("name", name))
    return located[:1].upper() + located[1:]


def _by_path(service: Any, request: Request) -> tuple[Any, Item]:
    """Of services that name their operations by method and path."""
    query = {key: found[0] for key, found in parse_qs(request.query, keep_blank_values=True).items()}
    for name in service.operation_names:
        model = service.operation_model(name)
        template = model.http.get("requestUri", "/").partition("?")[0]
        found = re.fullmatch(re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", template), request.path)
        if found is None or model.http.get("method", "POST") != request.method or model.input_shape is None:
            continue
        params: Item = {}
        for key, member in model.input_shape.members.items():
            located = member.serialization.get("name", key)
            where = member.serialization.get("location")
            if where == "uri" and located in found.groupdict():
                params[key] = _scalar(member, unquote(found[located]))
            elif where == "querystring" and located in query:
                params[key] = _scalar(member, query[located])
        return model, params
    raise ApiError("NotFoundException", f"No operation has {request.method} {request.path}.", 404)


def _scalar(shape: Any, text: str) -> Any:
    return int(text) if shape.type_name in {"integer", "long"} else text


# Answers


def answer_bytes(model: Any, answer: Item) -> tuple[str, bytes]:
    """The answer's content type and bytes."""
    protocol = model.service_model.resolved_protocol
    shape = model.output_shape
    if protocol in {"json", "rest-json"}:
        kind = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
        return kind, json.dumps(_as_json(shape, answer)).encode()
    inner = "".join(_as_xml(shape, answer, ec2=protocol == "ec2")) if shape is not None else ""
    match protocol:
        case "ec2":
            whole = f"<{model.name}Response><requestId>{_REQUEST_ID}</requestId>{inner}</{model.name}Response>"
        case "query":
            wrapper = shape.serialization.get("resultWrapper", f"{model.name}Result")
            meta = f"<ResponseMetadata><RequestId>{_REQUEST_ID}</RequestId></ResponseMetadata>"
            whole = f"<{model.name}Response><{wrapper}>{inner}</{wrapper}>{meta}</{model.name}Response>"
        case _:
            whole = f"<{shape.name}>{inner}</{shape.name}>"
    return "text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{whole}'.encode()


def _as_json(shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {
                shape.members[name].serialization.get("name", name): _as_json(shape.members[name], part)
                for name, part in value.items()
            }
        case "list":
            return [_as_json(shape.member, part) for part in value]
        case "blob":
            return base64.b64encode(value).decode()
        case "timestamp":
            return value.timestamp()
        case _:
            return value


def _as_xml(shape: Any, value: Item, *, ec2: bool) -> Iterator[str]:
    """The members of a structure."""
    for name, part in value.items():
        member = shape.members[name]
        tag = str(member.serialization.get("name", name))
        if member.type_name == "list" and member.serialization.get("flattened"):
            for one in part:
                yield f"<{tag}>{_inner(member.member, one, ec2=ec2)}</{tag}>"
        else:
            yield f"<{tag}>{_inner(member, part, ec2=ec2)}</{tag}>"


def _inner(shape: Any, value: Any, *, ec2: bool) -> str:
    match shape.type_name:
        case "structure":
            return "".join(_as_xml(shape, value, ec2=ec2))
        case "list":
            tag = str(shape.member.serialization.get("name", "item" if ec2 else "member"))
            return "".join(f"<{tag}>{_inner(shape.member, one, ec2=ec2)}</{tag}>" for one in value)
        case "boolean":
            return "true" if value else "false"
        case _:
            return escape(str(value))


def error_bytes(protocol: str, error: ApiError) -> tuple[str, bytes]:
    """The same of a refusal."""
    code, message = escape(error.code), escape(error.message)
    if protocol in {"json", "rest-json"}:
        return "application/json", json.dumps({"__type": error.code, "message": error.message}).encode()
    told = f"<Code>{code}</Code><Message>{message}</Message>"
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{told}</Error></Errors><RequestID>{_REQUEST_ID}</RequestID></Response>"
    else:
        whole = f"<Error><Type>Sender</Type>{told}</Error><RequestId>{_REQUEST_ID}</RequestId>"
        text = f"<ErrorResponse>{whole}</ErrorResponse>"
    return "text/xml", text.encode()
