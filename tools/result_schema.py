"""The JSON Schema of the result document, derived from its types and committed beside them.

``python -m tools.result_schema`` writes it; ``--check`` only reports whether the committed one is current.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

import brokerproof
from brokerproof.reports.document import DOCUMENT_VERSION, ResultDocument
from brokerproof.reports.files import write_atomically

SCHEMA_FILE: Final = Path(brokerproof.__file__).parent / "reports" / "schema" / "result-document.schema.json"


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
    """The schema as it is committed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema file, or with ``--check`` compare it; 1 when it is out of date."""
    if arguments == ["--check"]:
        current = SCHEMA_FILE.exists() and SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()
        if not current:
            sys.stderr.write(f"{SCHEMA_FILE.name} is out of date: run python -m tools.result_schema\n")
        return 0 if current else 1
    write_atomically(SCHEMA_FILE, schema_text().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
