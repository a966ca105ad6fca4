from collections.abc import Mapping
from typing import Any

GATES: Mapping[str, Any]
MOST: int
PPM: int
SPAN_NS_MAX: int
