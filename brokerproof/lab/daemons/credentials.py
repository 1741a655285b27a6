"""What the lab's clients log in with: drawn anew by each lab, kept in its own tmpfs, in no topology and no log."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import string
from functools import cached_property
from pathlib import Path
from typing import Final

from brokerproof.lab.daemons import sts
from brokerproof.lab.daemons.certificates import Authority, make_authority, make_client_pems
from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.topology.models import ClientIdentity, IamJudgement

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
        return self._passwords[user]

    def leave(self, user: str, *, given: bool) -> None:
        """Leave a user's secret where clients look for it, or take it away."""
        secret = self.password(user)
        for kind, text in (("username", user), ("password", secret)):
            if given:
                self._write(f"{user}.{kind}", text)
            else:
                (self._directory / f"{user}.{kind}").unlink(missing_ok=True)

    def issue(self, identity: ClientIdentity, authority: Authority, user: str) -> None:
        """Leave a client's certificate and its key."""
        now = dt.datetime.now(dt.UTC)
        issuer = authority if identity.trusted else make_authority("Somebody Else Private CA", now)
        window = (now + dt.timedelta(days=identity.valid_from_days), now + dt.timedelta(days=identity.valid_to_days))
        chain, key = make_client_pems(issuer, user, *window, intermediate=identity.intermediate)
        if not identity.key_fits:
            _, key = make_client_pems(issuer, user, *window, intermediate=False)
        self._write(f"{user}.pem", chain.decode())
        self._write(f"{user}.key", key.decode())

    def sign_for_iam(self, judgement: IamJudgement, state: Path, user: str) -> None:
        """Leave an access key for clients, and for the listeners how to judge what it signs."""
        key_id, secret = self._access_key
        held = secret if judgement.key_fits else self.another_password()
        if judgement.given:
            keys = f"aws_access_key_id = {key_id}\naws_secret_access_key = {held}"
            role = f"role_arn = arn:aws:iam::111111111111:role/{user}\nregion = {judgement.region_name}"
            if judgement.ended:
                self._write("ended.json", _ended(key_id, held))
                keys = f"credential_process = cat {self._directory / 'ended.json'}"
            if judgement.reaches_sts:
                keys += f"\nendpoint_url = {sts.URL}"
            by_role = f"[{user}]\n{role}\nsource_profile = keys\n[keys]\n{keys}"
            self._write("aws", by_role if judgement.by_role else f"[{user}]\n{keys}")
        else:
            self._write("aws", "[nobody]")
        told = {
            "region": judgement.region_name,
            f"arn.{key_id}": f"arn:aws:sts::111111111111:assumed-role/{user}/lab",
            "clock_offset_s": str(judgement.clock_offset_s),
            "most_per_s": str(judgement.most_per_s),
        }
        if judgement.renames_sessions:
            told["renames"] = key_id
        if judgement.known:
            told[f"secret.{key_id}"] = secret
        if judgement.session_ended:
            told[f"session_ended.{key_id}"] = "yes"
        if judgement.denied_at:
            at = "" if judgement.denied_at == "every" else f".{judgement.denied_at}"
            told[f"denied{at}"] = key_id
        if judgement.credentials_left_s is not None:
            told[f"credentials_left_s.{key_id}"] = str(judgement.credentials_left_s)
        written = state.with_name(f".{state.name}")
        written.touch(mode=0o600)
        written.write_text("".join(f"{key}={value}\n" for key, value in told.items()))
        written.replace(state)

    @cached_property
    def _access_key(self) -> tuple[str, str]:
        letters = string.ascii_uppercase + "234567"
        return "ASIA" + "".join(secrets.choice(letters) for _ in range(16)), self.another_password()

    def another_password(self) -> str:
        """One that no client has."""
        return secrets.token_urlsafe(_PASSWORD_BYTES)

    def _write(self, name: str, text: str) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        path = self._directory / name
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")


def _ended(key_id: str, secret: str) -> str:
    """Credentials as a process hands them out (AWS SDKs, process credential provider), an hour too late."""
    end = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    told = {"Version": 1, "AccessKeyId": key_id, "SecretAccessKey": secret, "SessionToken": "of-the-lab"}
    return json.dumps({**told, "Expiration": end.isoformat()})
