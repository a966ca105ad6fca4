# No Python surface: C functions for the other rooms of the core, see the .pxd beside.
import numpy as np

ACCOUNTS_MAX: int
OPENING_DTYPE: np.dtype[np.void]
RULES: dict[int, tuple[str, str]]
