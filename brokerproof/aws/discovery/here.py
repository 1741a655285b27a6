"""Where this host is, by EC2's instance metadata (version 2); nothing, where none answers. The only I/O is its HTTP.

The endpoint and its switch are those of every AWS SDK: AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_EC2_METADATA_DISABLED.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from brokerproof.aws.discovery.hosts import Here, Spot
from brokerproof.aws.discovery.reader import Place

_DEFAULT: Final = "http://169.254.169.254"
_TIMEOUT_S: Final = 1.0
"""Link-local: it answers at once, or not at all."""
_LIFE_S: Final = "60"
_DONE: Final = 200


def find_here(environ: Mapping[str, str] = os.environ) -> Here | None:
    """Account, Region, VPC, subnet, address and groups of this host; None where nothing says them.

    Where the instance's own address is not the one this process comes from, it is a pod or container with an address of
    its own: then the VPC alone is known.
    """
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    url = urlsplit(environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _DEFAULT)
    try:
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=_TIMEOUT_S)
        try:
            return _read(connection)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None


def _read(connection: http.client.HTTPConnection) -> Here:
    connection.request("PUT", "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": _LIFE_S})
    token = _answer(connection)
    own = connection.sock.getsockname()[0]
    document = json.loads(_get(connection, "dynamic/instance-identity/document", token))
    mac = _get(connection, "meta-data/mac", token)
    of_interface = f"meta-data/network/interfaces/macs/{mac}"
    vpc_id = _get(connection, f"{of_interface}/vpc-id", token)
    spot = Spot(vpc_id)
    if document["privateIp"] == own:
        groups = tuple(_get(connection, f"{of_interface}/security-group-ids", token).split())
        spot = Spot(vpc_id, _get(connection, f"{of_interface}/subnet-id", token), own, groups=groups)
    return Here(Place(str(document["accountId"]), str(document["region"])), spot)


def _get(connection: http.client.HTTPConnection, path: str, token: str) -> str:
    connection.request("GET", f"/latest/{path}", headers={"X-aws-ec2-metadata-token": token})
    return _answer(connection)


def _answer(connection: http.client.HTTPConnection) -> str:
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != _DONE:
        raise ValueError(f"instance metadata answered {answer.status}")
    return body.decode()
