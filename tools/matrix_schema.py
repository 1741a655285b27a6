"""Write the matrix's JSON Schema; ``--check`` only reports whether the committed one is current."""

from __future__ import annotations

import sys

from brokerproof.accuracy.matrix import SCHEMA_FILE, schema_text
from brokerproof.reports.files import write_atomically


def main(arguments: list[str]) -> int:
    """Write the schema file, or with ``--check`` compare it; 1 when it is out of date."""
    if arguments == ["--check"]:
        current = SCHEMA_FILE.exists() and SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()
        if not current:
            sys.stderr.write(f"{SCHEMA_FILE.name} is out of date: run python -m tools.matrix_schema\n")
        return 0 if current else 1
    write_atomically(SCHEMA_FILE, schema_text().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
