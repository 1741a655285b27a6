"""Events as lines: JSON for programs, sentences for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO

from brokerproof.canary.events import Event, HoldChanged, RoundEnded, StateChanged, encode_event
from brokerproof.canary.state import State
from brokerproof.canary.watch import RoundDone
from brokerproof.wording import one_line


class JsonLines:
    """Every event as a line of JSON, written through at once."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._fails = False

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:  # noqa: ARG002  as every sink
        """Write them; where that fails it is said once, and the watch goes on."""
        try:
            for event in events:
                self._out.write(encode_event(event))
            self._out.flush()
        except OSError as problem:
            if not self._fails:
                sys.stderr.write(f"canary: events cannot be written: {problem.strerror or problem}; they are lost\n")
            self._fails = True
        else:
            self._fails = False

    def close(self) -> None:
        """There is nothing left to write."""


class Sentences:
    """What changes, for people; a round that changes nothing is no line."""

    def told(self, events: Sequence[Event], done: RoundDone | None = None) -> None:  # noqa: ARG002  as every sink
        """Print them."""
        began = [each for each in events if isinstance(each, StateChanged) and _began_well(each)]
        for event in events:
            if event not in began:
                for line in sentences_of(event):
                    sys.stdout.write(line + "\n")
        if began:
            sys.stdout.write(f"{clock(began[0].at)}  {began[0].watched.client}: {len(began)} watched things are ok\n")
        sys.stdout.flush()

    def close(self) -> None:
        """There is nothing left to print."""


def sentences_of(event: Event) -> tuple[str, ...]:
    """An event in words; nothing for a round without trouble."""
    match event:
        case RoundEnded():
            trouble = f"{clock(event.began)}  {event.client}: {event.trouble}"
            return (one_line(trouble),) if event.trouble else ()
        case StateChanged():
            words = f"{clock(event.at)}  {event.watched}: {_words(event.before)} -> {_words(event.after)}"
            lines = [words]
            if event.found is not None:
                lines.append(f"          {event.found.known_as}: {event.found.wrong}")
                if event.found.change:
                    lines.append(f"          change: {event.found.change}")
            return tuple(map(one_line, lines))
        case HoldChanged():
            what = " ".join(part for part in (event.client, event.broker) if part) or "everything"
            return (one_line(f"{clock(event.at)}  {what}: {'held' if event.began else 'no longer held'}, {event.who}"),)


def _began_well(event: StateChanged) -> bool:
    return (event.before, event.after) == (State.NOT_YET, State.OK)


def _words(text: str) -> str:
    return text.replace("_", " ")


def clock(at: float) -> str:
    """A time of day, UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
