from collections.abc import Mapping

STAGES: Mapping[str, int]
