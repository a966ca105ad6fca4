from collections.abc import Mapping

STAGES: Mapping[str, int]
SPAN_NS_MAX: int
PPM: int
MOST: int
