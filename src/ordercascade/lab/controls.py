"""The rows of controls: where in the run, and how the pictures are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets
from ipywidgets import Layout

from ordercascade.lab.player import JUMPS

SPEEDS = {"0.5×": 400, "1×": 200, "2×": 100, "4×": 50}  # ms a step
HELP = (
    "Keys, while the stepper has the focus: ← → one step, Shift with ← → ten, Space play or pause, "
    "Home and End, [ and ] slower and faster, ? this help. Click in the price picture, in the log "
    "or in the tree to go there; hold the pointer over the depth to read a level; click an account "
    "to find it in the log."
)


def button(label: str, icon: str, name: str, tip: str, *, width: str = "auto") -> Any:
    """Return a button with a class of its own and an accessible name."""
    made = ipywidgets.Button(description=label, icon=icon, tooltip=tip, layout=Layout(width=width))
    made.add_class(name)
    return made


def choice(label: str, options: Any, name: str, *, width: str = "auto") -> Any:
    """Return a menu with its label."""
    made = ipywidgets.Dropdown(
        options=options,
        description=label,
        layout=Layout(width=width),
        style={"description_width": "initial"},
    )
    made.add_class(name)
    return made


def row(children: list[Any]) -> Any:
    """Return controls side by side that wrap where the page is narrow."""
    made = ipywidgets.HBox(children, layout=Layout(flex_flow="row wrap", align_items="center"))
    made.add_class("oc-row")
    return made


class Transport:
    """First, back, play, step, last, scrubber, speed and jumps. Python owns the step."""

    def __init__(
        self, go: Callable[[int], None], jump: Callable[[str, int], None], steps: int
    ) -> None:
        """`go` takes the number of steps done; `jump` a kind of step and a direction, 1 or -1."""
        self.steps, self._quiet = 0, False
        small = "40px"
        self.first = button("", "fast-backward", "oc-first", "first: the opening", width=small)
        self.back = button("", "step-backward", "oc-back", "back one step", width=small)
        self.next = button("Step", "step-forward", "oc-next", "one step on", width="80px")
        self.last = button("", "fast-forward", "oc-last", "last step", width=small)
        self.next.button_style = "primary"
        self.play = ipywidgets.Play(
            min=0, max=steps, interval=SPEEDS["1×"], show_repeat=False, layout=Layout(width="auto")
        )
        self.scrub = ipywidgets.IntSlider(
            min=0, max=steps, readout=False, layout=Layout(flex="1 1 200px", min_width="120px")
        )
        self.scrub.add_class("oc-scrub")
        self.speed = choice("speed", list(SPEEDS), "oc-speed", width="110px")
        self.speed.value = "1×"
        self.kind = choice("jump to", list(JUMPS), "oc-kind", width="170px")
        self.before = button("", "chevron-left", "oc-jump-back", "the one before", width=small)
        self.after = button("", "chevron-right", "oc-jump", "the next one", width=small)
        self.help = button("", "question", "oc-help-button", "keys and help", width=small)
        self.note = ipywidgets.HTML(layout=Layout(display="none"))
        self.note.add_class("oc-help")
        self.first.on_click(lambda _: go(0))
        self.back.on_click(lambda _: go(self.steps - 1))
        self.next.on_click(lambda _: go(self.steps + 1))
        self.last.on_click(lambda _: go(self.scrub.max))
        self.before.on_click(lambda _: jump(self.kind.value, -1))
        self.after.on_click(lambda _: jump(self.kind.value, 1))
        self.help.on_click(lambda _: self.say("" if self.note.value == HELP else HELP))
        self.speed.observe(self._speed, "value")
        # No jslink: with two writers fast clicks are lost. Python observes both and owns the step.
        for widget in (self.play, self.scrub):
            widget.observe(lambda change: None if self._quiet else go(change["new"]), "value")
        left = [self.first, self.back, self.play, self.next, self.last, self.scrub, self.speed]
        self.box = ipywidgets.VBox(
            [row([*left, self.kind, self.before, self.after, self.help]), self.note]
        )

    def show(self, steps: int) -> None:
        """Move the scrubber and the player's own count to where the stepper is."""
        self.steps = steps
        self._quiet = True
        for widget in (self.play, self.scrub):
            if widget.value != steps:
                widget.value = steps
        self._quiet = False

    def reach(self, steps: int) -> None:
        """Set the number of steps of the longest run shown."""
        self._quiet = True
        for widget in (self.play, self.scrub):
            widget.max = steps
        self._quiet = False

    def key(self, name: str) -> None:
        """Do what a key without a button asks for: slower, faster, help."""
        if name == "help":
            self.help.click()
            return
        speeds = list(SPEEDS)
        at = speeds.index(self.speed.value) + (1 if name == "faster" else -1)
        self.speed.value = speeds[min(max(at, 0), len(speeds) - 1)]

    def say(self, text: str) -> None:
        """Show a sentence under the controls; nothing for none."""
        if self.note.value != text:
            self.note.value = text
            self.note.layout.display = "" if text else "none"

    def _speed(self, change: dict[str, Any]) -> None:
        self.play.interval = SPEEDS[change["new"]]


class Options:
    """How the pictures are drawn: by level or summed, what is shown, grouping, which market."""

    def __init__(self, changed: Callable[[], None], chosen: Callable[[], None]) -> None:
        """`changed` redraws; `chosen` takes another market."""
        self._quiet = False
        self.sum = choice("depth", [("cumulative", True), ("level by level", False)], "oc-sum")
        self.zoom = choice(
            "show", [("what is touched", True), ("the whole book", False)], "oc-zoom"
        )
        self.group = choice("levels of", [("1 tick", 1)], "oc-group")
        self.market = choice("market", [("", (0, 0))], "oc-market")
        for widget in (self.sum, self.zoom, self.group):
            widget.observe(lambda _: None if self._quiet else changed(), "value")
        self.market.observe(lambda _: None if self._quiet else chosen(), "value")
        self.box = row([self.sum, self.zoom, self.group, self.market])

    @property
    def show(self) -> dict[str, Any]:
        """The settings as keywords of `Player.at`."""
        return {
            "cumulative": self.sum.value,
            "zoom": self.zoom.value,
            "group": self.group.value,
        }

    def offer(self, markets: dict[str, Any], chosen: Any, tick: str) -> None:
        """Offer a run's markets, and groups of its ticks."""
        self._quiet = True
        self.market.options = list(markets.items())
        self.market.value = chosen
        self.market.layout.display = "" if len(markets) > 1 else "none"
        sizes = (1, 2, 5, 10, 20, 50, 100, 1000)
        named = [(f"{n} tick{'s' if n > 1 else ''} ({n * float(tick):,g})", n) for n in sizes]
        keep = self.group.value
        self.group.options = named
        self.group.value = keep
        self._quiet = False
