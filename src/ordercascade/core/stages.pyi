from collections.abc import Mapping

MOST: int
PPM: int
SPAN_NS_MAX: int
STAGES: Mapping[str, int]
