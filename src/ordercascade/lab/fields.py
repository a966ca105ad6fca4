"""Labelled fields with their own line for what is wrong with them."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets
from ipywidgets import Layout

from ordercascade.safeguards import Safeguard


def problem(name: str) -> Any:
    """Return a line of text that is there only while something is wrong."""
    made = ipywidgets.HTML(layout=Layout(display="none"))
    made.add_class("oc-problem")
    made.add_class(f"oc-problem-{name}")
    return made


def tell(line: Any, text: str) -> None:
    """Show what is wrong, or nothing."""
    line.value = f'<div class="oc-error" role="alert">{escape(text)}</div>' if text else ""
    line.layout.display = "" if text else "none"


class Field:
    """A text field with a label."""

    def __init__(self, name: str, label: str, *, width: str = "150px") -> None:
        self.input = ipywidgets.Text(
            description=label,
            continuous_update=False,
            layout=Layout(width=width),
            style={"description_width": "initial"},
        )
        self.input.add_class(f"oc-field-{name}")
        self.error = problem(name)
        self.box = ipywidgets.VBox([self.input, self.error], layout=Layout(width="auto"))


class Rule:
    """A safeguard: on or off, and its main parameter."""

    def __init__(self, safeguard: Safeguard, *, prefix: str) -> None:
        self.safeguard = safeguard
        self.switch = ipywidgets.Checkbox(
            description=safeguard.label, indent=False, layout=Layout(width="auto")
        )
        self.switch.add_class(f"oc-{prefix}-{safeguard.name}")
        wide = {"share": "90px", "money": "120px"}.get(safeguard.kind, "110px")
        if safeguard.kind == "choice":
            self.value = ipywidgets.Dropdown(
                options=list(safeguard.choices), layout=Layout(width=wide)
            )
        else:
            self.value = ipywidgets.Text(continuous_update=False, layout=Layout(width=wide))
        self.value.tooltip = f"{safeguard.label}: {safeguard.parameter}"
        self.value.add_class(f"oc-{prefix}-{safeguard.name}-value")
        self.error = problem(safeguard.name)
        children: list[Any] = [self.switch]
        if safeguard.kind == "choice":
            label = ipywidgets.Label(safeguard.label)
            children = [label, self.value]
        elif safeguard.kind != "switch":
            children.append(self.value)
        line = ipywidgets.HBox(children, layout=Layout(align_items="center"))
        self.box = ipywidgets.VBox([line, self.error], layout=Layout(width="auto"))
        self.switch.observe(self._switched, "value")

    def show(self, value: str | None) -> None:
        """Show what a scenario says; a parameter that is off keeps its default at hand."""
        self.value.value = self.safeguard.default if value is None else value
        self.switch.value = value is not None
        self._switched()

    @property
    def chosen(self) -> str | None:
        """The parameter, or None where the rule is off."""
        if self.safeguard.kind == "choice":
            return str(self.value.value)
        return str(self.value.value) if self.switch.value else None

    def _switched(self, _: object = None) -> None:
        self.value.disabled = self.safeguard.kind != "choice" and not self.switch.value
