"""Hand columns over as an Arrow C stream: no copy, no Arrow library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

def stream(
    names: Sequence[str],
    words: Sequence[Sequence[str] | None],
    batches: Sequence[Sequence[npt.NDArray[np.signedinteger[Any]]]],
) -> object: ...
