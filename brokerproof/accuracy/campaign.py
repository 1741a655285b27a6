"""A whole proof: its cases shared out among workers, each trial written down as it ends.

Threads, each with a lab of its own; what they measure is measured by the probes' processes.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Final, Protocol, TypeAlias

import msgspec

from brokerproof.accuracy.cases import Case
from brokerproof.accuracy.trial import Trial

_AWAKE_S: Final = 0.5


class Carrier(Protocol):
    """Who carries out trials: :class:`brokerproof.accuracy.prover.Prover`, or something quicker in tests."""

    def carry_out(self, case: Case) -> Trial:
        """The case's trial."""
        ...

    def abandon(self) -> None:
        """End what is being done, from another thread."""
        ...

    def close(self) -> None:
        """End what is kept between trials."""
        ...


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a proof is after a trial."""

    done: int
    """Trials of this proof so far, with those of earlier sittings."""
    cases: int
    left_s: float
    """How long the rest takes if it goes on as in this sitting."""
    trial: Trial


OnTrial = Callable[[Progress], None]


class CarrierError(RuntimeError):
    """A defect in a worker; one sentence. What was measured before it is kept."""


def run(
    cases: Sequence[Case],
    *,
    workers: int,
    carrier: Callable[[], Carrier],
    on_trial: OnTrial,
    done: Sequence[Trial] = (),
) -> None:
    """Carry out every case that is not done yet.

    Args:
        cases: In an order that keeps those of one lab together.
        workers: How many labs at once.
        carrier: Makes one worker's carrier.
        on_trial: Called in this thread after each trial; it writes the trial down.
        done: The trials of earlier sittings.

    Raises:
        CarrierError: a worker failed for a reason of its own.
        KeyboardInterrupt: SIGINT or SIGTERM came; every lab has ended, and what was measured was handed on.
    """
    known = {trial.case_id for trial in done}
    left = [case for case in cases if case.case_id not in known]
    work: queue.SimpleQueue[tuple[Case, ...]] = queue.SimpleQueue()
    for batch in _batches(left):
        work.put(batch)
    results: Results = queue.SimpleQueue()
    stop = threading.Event()
    carriers = [carrier() for _ in range(max(1, workers))]
    threads = [threading.Thread(target=_work, args=(one, work, results, stop), daemon=True) for one in carriers]
    gathering = _Gathering(results, len(threads), on_trial, len(cases), len(cases) - len(left))
    with _interruptible(results):
        for thread in threads:
            thread.start()
        try:
            interrupted = gathering.until_end()
        finally:
            # After an ordinary end nothing is alive any more.
            stop.set()
            if any(thread.is_alive() for thread in threads):
                for one in carriers:
                    one.abandon()
            for thread in threads:
                thread.join()
        if interrupted:
            while gathering.until_end():
                pass
            raise KeyboardInterrupt


@contextmanager
def _interruptible(results: Results) -> Iterator[None]:
    """Let SIGINT and SIGTERM come as a message among the trials, so that none is lost half written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda *_: results.put(_Interrupted()))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interrupted:
    """Somebody wants it to end."""


class _Ended:
    """A worker has come to its end."""


class _Gathering:
    """What the workers send, written down one after another."""

    def __init__(self, results: Results, workers: int, on_trial: OnTrial, cases: int, earlier: int) -> None:
        self._results = results
        self._workers = workers
        self._on_trial = on_trial
        self._cases = cases
        self._earlier = earlier
        self._now = 0
        self._began = time.monotonic()

    def until_end(self) -> bool:
        """Until every worker has ended; true where it was interrupted before."""
        while self._workers:
            match self._next():
                case _Interrupted():
                    return True
                case _Ended():
                    self._workers -= 1
                case Trial() as trial:
                    self._note(trial)
                case BaseException() as defect:
                    self._workers -= 1
                    raise CarrierError(f"{type(defect).__name__}: {defect}") from defect
        return False

    def _next(self) -> Trial | BaseException | _Ended | _Interrupted:
        """What comes next. A signal just before a wait does not end it, so none is without end."""
        while True:
            with suppress(queue.Empty):
                return self._results.get(timeout=_AWAKE_S)

    def _note(self, trial: Trial) -> None:
        self._now += 1
        done = self._earlier + self._now
        left_s = (time.monotonic() - self._began) / self._now * (self._cases - done)
        self._on_trial(Progress(done=done, cases=self._cases, left_s=left_s, trial=trial))


def _batches(cases: Sequence[Case]) -> list[tuple[Case, ...]]:
    """Cases of one topology, which one lab can be for all of them."""
    return [tuple(group) for _, group in groupby(cases, key=lambda case: (case.pattern, case.variant))]


def _work(
    carrier: Carrier,
    work: queue.SimpleQueue[tuple[Case, ...]],
    results: Results,
    stop: threading.Event,
) -> None:
    try:
        while not stop.is_set():
            try:
                batch = work.get_nowait()
            except queue.Empty:
                break
            for case in batch:
                if stop.is_set():
                    break
                trial = carrier.carry_out(case)
                if not stop.is_set():
                    results.put(trial)
        carrier.close()
    except BaseException as defect:  # noqa: BLE001 - handed on to the thread that waits
        results.put(defect)
    else:
        results.put(_Ended())


Results: TypeAlias = "queue.SimpleQueue[Trial | BaseException | _Ended | _Interrupted]"
