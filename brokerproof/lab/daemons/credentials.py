"""What the lab's clients log in with: drawn anew by each lab, kept in its own tmpfs, in no topology and no log."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from brokerproof.lab.daemons.jvm import STATE_DIR

CREDENTIALS_DIRECTORY: Final = Path(STATE_DIR, "credentials")
_PASSWORD_BYTES: Final = 24


class LabCredentials:
    """The passwords of one lab's users, left where the clients' references lead."""

    def __init__(self, directory: Path = CREDENTIALS_DIRECTORY) -> None:
        self._directory = directory
        self._passwords: dict[str, str] = {}

    def password(self, user: str) -> str:
        """What clients have as this user's password."""
        if user not in self._passwords:
            self._passwords[user] = secrets.token_urlsafe(_PASSWORD_BYTES)
            self._write(f"{user}.username", user)
            self._write(f"{user}.password", self._passwords[user])
        return self._passwords[user]

    def another_password(self) -> str:
        """One that no client has."""
        return secrets.token_urlsafe(_PASSWORD_BYTES)

    def _write(self, name: str, text: str) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / name
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")
