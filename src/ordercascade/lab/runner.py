"""Work beside the page: a thread, a word when it is done, and what came too late is dropped."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ordercascade.run import World
from ordercascade.tape import Tape

CHUNK = 2_000  # steps between two looks at Cancel; the GIL is released inside
TOLD_S = 0.25  # between two words about how far it is

Work = Callable[[Callable[[int], bool]], Tape]
Finished = Callable[["Tape | None", "Exception | None"], None]


class Runner:
    """Runs one piece of work at a time; a newer one, or cancel(), makes older results stale.

    `told` and `finished` are called on the thread of the event loop that was running at start(),
    by the loop or by wait(); without one (a plain script) on the working thread itself.
    """

    def __init__(self) -> None:
        self._generation = 0
        self._thread: threading.Thread | None = None
        self._home = 0
        self._posted: deque[Callable[[], Any]] = deque()

    @property
    def busy(self) -> bool:
        """Whether a run is under way that nobody has cancelled."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Work, told: Callable[[int], None], finished: Finished) -> None:
        """Run `work` in a thread; it is given a function to call now and then with its steps.

        That function returns False where the work should stop: a newer run, or cancel().
        """
        self._generation += 1
        mine = self._generation
        post = self._poster()
        last = [time.monotonic()]

        def still(steps: int) -> bool:
            if self._generation == mine and time.monotonic() - last[0] > TOLD_S:
                last[0] = time.monotonic()
                post(lambda: told(steps) if self._generation == mine else None)
            return self._generation == mine

        def done(tape: Tape | None, error: Exception | None) -> None:
            if self._generation == mine:
                self._generation += 1
                finished(tape, error)

        def body() -> None:
            tape, failed = None, None
            try:
                tape = work(still)
            except Exception as error:
                # Whatever it was is shown as text where the user looks.
                failed = error
            post(lambda: done(tape, failed))

        self._thread = threading.Thread(target=body, name="ordercascade-run", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Let go of what is under way: its result will be dropped."""
        self._generation += 1

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the thread and take what it brought; False if it is busy after `timeout` s.

        A cell that waits holds up its own event loop, so the loop cannot bring it.
        """
        if self._thread is not None:
            self._thread.join(timeout)
        if threading.get_ident() == self._home:
            self._bring()
        return not self.busy

    def _poster(self) -> Callable[[Callable[[], Any]], None]:
        """Return how to call something on the thread that talks to the page."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return lambda call: call()
        self._home = threading.get_ident()
        context = contextvars.copy_context()  # The kernel keeps there which cell is answered.

        def post(call: Callable[[], Any]) -> None:
            self._posted.append(lambda: context.copy().run(call))
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._bring)

        return post

    def _bring(self) -> None:
        while self._posted:
            self._posted.popleft()()


def to_end(world: World, still: Callable[[int], bool]) -> Tape:
    """Run a world to its end in pieces, so that it can be stopped between them."""
    steps = 0
    while still(steps) and (written := world.run(CHUNK)):
        steps += written
    return world.tape()
