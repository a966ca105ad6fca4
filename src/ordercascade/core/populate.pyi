from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ordercascade.core.laws import Crowd, Drawn, Law, Terms

OPENING_DTYPE: np.dtype[np.void]

def draw(crowd: Crowd, markets: Sequence[Terms], seed: int, name: str) -> Drawn: ...
def sample(law: Law, count: int, seed: int, name: str) -> npt.NDArray[np.float64]: ...
def poisson_levels(
    start: float, gap: float, sign: int, count: int, seed: int, name: str
) -> npt.NDArray[np.int64]: ...
def curve(
    kind: str, distances: npt.NDArray[np.int64], total: int, scale: float, power: float
) -> npt.NDArray[np.int64]: ...
