"""The result document: what it refuses, and that its JSON is what its schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from brokerproof.reports.document import (
    DOCUMENT_VERSION,
    DocumentError,
    ResultDocument,
    Run,
    decode_document,
    document_pieces,
    encode_document,
    write_document,
)
from brokerproof.reports.files import create_atomically, write_atomically
from tests.reports.builder import RUN, client_result, document, mixed
from tests.reports.path import view
from tools.schemas import RESULT_SCHEMA, main, schema, schema_text


def as_json(result: ResultDocument) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(encode_document(result))
    return loaded


def test_a_document_survives_its_json() -> None:
    assert decode_document(encode_document(mixed())) == mixed()


def test_a_document_of_version_1_names_the_broker_in_the_subject() -> None:
    loaded = as_json(mixed()) | {"document_version": 1}
    for check in (check for client in loaded["clients"] for check in client["checks"]):
        if check["subject"] == "broker":
            check["subject"] = f"broker-{check.pop('broker_id')}"
    assert decode_document(json.dumps(loaded)) == mixed()


@pytest.mark.parametrize("subject", [7, "proxy", "broker-x"])
def test_a_wrong_subject_in_version_1_is_refused_in_words(subject: object) -> None:
    loaded = as_json(mixed()) | {"document_version": 1}
    loaded["clients"][0]["checks"][0]["subject"] = subject
    with pytest.raises(DocumentError, match="subject"):
        decode_document(json.dumps(loaded))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"document_version": DOCUMENT_VERSION + 1}, f"version {DOCUMENT_VERSION + 1}"),
        ({"document_version": 0}, "version 0"),
        ({"surprise": 1}, "surprise"),
        ({"complete": "yes"}, r"\$.complete"),
        ({"started": "2026-03-14T09:26:53"}, r"\$.started"),
        ({"complete": False}, "incomplete exactly when it states why"),
        ({"incomplete_because": ["torn"]}, "incomplete exactly when it states why"),
    ],
)
def test_a_wrong_document_is_refused_in_words(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        decode_document(json.dumps(as_json(mixed()) | change))


@pytest.mark.parametrize("field", ["document_version", "run", "started", "complete"])
def test_what_a_document_cannot_do_without(field: str) -> None:
    loaded = as_json(mixed())
    del loaded[field]
    with pytest.raises(DocumentError, match=field):
        decode_document(json.dumps(loaded))


@pytest.mark.parametrize("run", [document(), mixed(), document(because=("torn",))])
def test_a_document_written_client_by_client_is_the_same(run: ResultDocument) -> None:
    assert b"".join(document_pieces(run)) == encode_document(run)


def test_not_json_is_refused() -> None:
    with pytest.raises(DocumentError, match="not a result document"):
        decode_document("half a docu")


@pytest.mark.parametrize("target", ["/etc/orders.yaml", "clusters/orders.yaml", "../orders.yaml"])
def test_a_target_with_a_path_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="is a path"):
        Run(run_id="r", target=target, tool=RUN.tool, host=RUN.host)


def test_one_name_for_two_clients_is_refused() -> None:
    with pytest.raises(ValueError, match="same pattern, name and label"):
        document(client_result(view()), client_result(view()))


def test_one_id_for_two_checks_is_refused() -> None:
    result = client_result(view())
    with pytest.raises(ValueError, match="same check_id"):
        msgspec.structs.replace(result, checks=result.checks * 2)


def test_the_committed_schema_is_current() -> None:
    assert RESULT_SCHEMA.read_text(encoding="utf-8") == schema_text(), "run make schema"


def test_schema_check_finds_an_outdated_file(tmp_path: Path) -> None:
    schemas = {tmp_path / "schema.json": schema_text}
    assert main(["--check"], schemas) == 1
    assert main([], schemas) == 0
    assert main(["--check"], schemas) == 0


def test_the_schema_is_as_strict_as_the_tool() -> None:
    definitions = schema()["$defs"]
    objects = {name: one for name, one in definitions.items() if one.get("type") == "object"}
    assert len(objects) > 25
    assert [name for name, one in objects.items() if one.get("additionalProperties") is not False] == []
    required = set(objects["ResultDocument"]["required"])
    assert required == {"document_version", "run", "started", "complete"}
    refused = [name for name, one in objects.items() if "Raises:" in one.get("description", "")]
    assert refused == [], "what a constructor raises is not for readers of a document"


def test_the_schema_describes_every_field_of_a_document() -> None:
    definitions = schema()["$defs"]
    loaded = as_json(mixed())
    assert set(loaded) == set(definitions["ResultDocument"]["properties"])
    for client in loaded["clients"]:
        assert set(client) == set(definitions["ClientResult"]["properties"])
        for outcome in client["outcomes"]:
            assert set(outcome) == set(definitions["Outcome"]["properties"])


def test_writing_replaces_the_whole_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    write_document(mixed(), path)
    assert decode_document(path.read_bytes()) == mixed()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")

    def half() -> Any:
        yield b"new, but"
        raise OSError("disk is full")

    with pytest.raises(OSError, match="disk is full"):
        write_atomically(path, half())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_creating_refuses_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    create_atomically(path, b"first")
    with pytest.raises(FileExistsError):
        create_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
