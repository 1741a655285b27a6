"""AWS's descriptions of its services, read once a process: botocore reads them anew in every session."""

from __future__ import annotations

import sys
from typing import Any


class _Folders(list[str]):
    """Where descriptions are. Every session of boto3 names its own folder again."""

    def append(self, folder: str) -> None:
        if folder not in self:
            super().append(folder)


def share() -> None:
    """Have all sessions of botocore use one loader, where botocore is imported."""
    session: Any = sys.modules.get("botocore.session")
    if session is not None:
        one = session.create_loader()
        one._search_paths = _Folders(one.search_paths)
        session.create_loader = lambda _search_path_string=None: one
