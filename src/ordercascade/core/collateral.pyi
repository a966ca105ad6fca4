# Beside the C functions for the other rooms of the core, see the .pxd: the keys of a collateral.
from collections.abc import Mapping
from typing import Any

PPM: int
MOST: int
BETA_MOST: int
TERMS: Mapping[str, Any]
