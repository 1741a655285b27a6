"""Why an item left no object, in the words of Run Command's statuses. Pure.

Sources: Systems Manager user guide, "Understanding command statuses"; its API reference, CommandInvocation and
CommandPlugin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brokerproof.vantages.run_command import last_words
from brokerproof.wording import one_line

FORGOTTEN: Final = "Forgotten"
"""Of a command that SSM knows no more; no status of its own."""
SAYS: Final = "brokerproof: "
_MOST: Final = 300
_BY_DETAILS: Final[Mapping[str, str]] = {
    "DeliveryTimedOut": "SSM's agent at {instance} did not take the command in time; is it running?",
    "ExecutionTimedOut": "its script did not end in time, and SSM ended it",
    "Undeliverable": "SSM cannot deliver to {instance}: it may not exist, or not respond",
    "Terminated": "it was not begun: more had failed by then than --stop-when-failed allows",
    "Cancelled": "the command was cancelled",
    "AccessDenied": "whoever sent the command has no access to {instance}",
    "InvalidPlatform": "SSM says that the command is not for the platform of {instance}",
    "Pending": "SSM had not yet sent the command to {instance}",
    "Delayed": "SSM could not yet deliver the command to {instance}, and tries again",
    "InProgress": "its script still runs at {instance}",
    "Cancelling": "its script is being ended",
    "Success": "its script succeeded and its object is not there",
}


def details(told: Mapping[str, Any]) -> str:
    """The status in one word, as ``DeliveryTimedOut``: API and user guide write it with and without spaces."""
    return str(told.get("StatusDetails") or told.get("Status", "")).replace(" ", "")


def words(told: Mapping[str, Any]) -> str:
    """The status for people, as ``delivery timed out``."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in details(told)).strip()


def why(client: str, instance: str, told: Mapping[str, Any] | None, command: Mapping[str, Any]) -> str:
    """Why an item left no object.

    Args:
        client: Whose.
        instance: Where it was to run.
        told: What SSM says of the command there; None: nothing.
        command: What it says of the command as a whole.
    """
    if told is None and details(command) == FORGOTTEN:
        return "SSM does not know the command any more: it keeps commands for 30 days"
    if told is None:
        return f"SSM did not send the command to {instance}, and says of it: {words(command)}"
    if details(told) == "Failed":
        return f"its script failed at {instance}{_said(client, told)}"
    known = _BY_DETAILS.get(details(told))
    if known is None:
        return f"SSM says of the command at {instance}: {words(told)}"
    return known.format(instance=instance)


def _said(client: str, told: Mapping[str, Any]) -> str:
    """What the script printed of a client, or of all; else its last line."""
    output = "\n".join(str(plugin.get("Output", "")) for plugin in told.get("CommandPlugins", ()))
    own = [line.removeprefix(SAYS) for line in output.splitlines() if line.startswith(SAYS)]
    for line in own:
        if line.startswith(f"{client}: "):
            return f": {one_line(line.removeprefix(f'{client}: '))[:_MOST]}"
    return f": {one_line(own[-1])[:_MOST]}" if own else last_words(output)
