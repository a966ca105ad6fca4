from collections.abc import Mapping
from typing import Any

ANSWER: Mapping[str, Any]
CALLS: Mapping[str, Any]
LEVEL_MAX: int
SPAN_NS_MAX: int
