from collections.abc import Mapping
from typing import Any

CONTRACT: Mapping[str, Any]
GRID: Mapping[str, Any]
MOST: int
NS_MAX: int
PPM: int
TICK_MOST: int
VOL_MOST: int
