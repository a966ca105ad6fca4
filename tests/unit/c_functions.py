"""The C functions of core/scalar.pxd, called as ctypes calls them."""

from __future__ import annotations

import ctypes
from typing import Any

from ordercascade.core import scalar


def function(name: str, arguments: int) -> Any:
    """Return a C function of core/scalar.pxd, found through its capsule."""
    capsule = scalar.__pyx_capi__[name]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arguments)
    return kind(pointer(capsule, name_of(capsule)))
