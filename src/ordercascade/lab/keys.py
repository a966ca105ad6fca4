"""The root's own widget: status line, keys, names for controls without one, downloads."""

from __future__ import annotations

import anywidget
import traitlets

from ordercascade.lab.facts import STATIC


class Root(anywidget.AnyWidget):
    """Shows the status; finds the enclosing `.oc-root` and listens there.

    Keys press the buttons on the page; what no button does comes as a message.
    """

    _esm = (STATIC / "root.js").read_text(encoding="utf-8")
    _css = (STATIC / "lab.css").read_text(encoding="utf-8")
    text = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    state = traitlets.Unicode("idle").tag(sync=True)

    def photograph(self, name: str) -> None:
        """Have the browser save the pictures as they are now."""
        self.send({"picture": name})

    def save(self, name: str, kind: str, content: bytes) -> None:
        """Have the browser save a file."""
        self.send({"save": name, "type": kind}, [content])
