"""The JSON Schemas of topology files, result documents and confusion matrices, derived from their types.

``python -m tools.schemas`` writes those that are not current; ``--check`` only names them.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

import brokerproof
from brokerproof.accuracy import matrix
from brokerproof.reports.document import DOCUMENT_VERSION, ResultDocument
from brokerproof.reports.files import write_atomically
from brokerproof.topology import files


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the document version this package writes."""
    generated = msgspec.json.schema(ResultDocument)
    for definition in generated["$defs"].values():
        # The docstring's part for readers of the document; what a constructor raises is not.
        description = inspect.cleandoc(definition.get("description", "")).partition("\n\nRaises:")[0]
        if description:
            definition["description"] = description
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:brokerproof:result-document:{DOCUMENT_VERSION}",
        "title": f"brokerproof result document, version {DOCUMENT_VERSION}",
        **generated,
    }


def schema_text() -> str:
    """The schema of result documents as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


RESULT_SCHEMA: Final = Path(brokerproof.__file__).parent / "reports" / "schema" / "result-document.schema.json"
SCHEMAS: Final[Mapping[Path, Callable[[], str]]] = {
    files.SCHEMA_FILE: files.json_schema,
    RESULT_SCHEMA: schema_text,
    matrix.SCHEMA_FILE: matrix.schema_text,
}
"""Where each is committed, and its text."""


def outdated(schemas: Mapping[Path, Callable[[], str]] = SCHEMAS) -> tuple[Path, ...]:
    """The files that are not what their types say."""
    return tuple(
        path for path, text in schemas.items() if not path.exists() or path.read_text(encoding="utf-8") != text()
    )


def main(arguments: list[str], schemas: Mapping[Path, Callable[[], str]] = SCHEMAS) -> int:
    """Write the files that are not current, or with ``--check`` name them; 1 where there are any."""
    found = outdated(schemas)
    if arguments == ["--check"]:
        for path in found:
            sys.stderr.write(f"{path.name} is out of date: run make schema\n")
        return 1 if found else 0
    for path in found:
        write_atomically(path, schemas[path]().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
