from collections.abc import Iterable

__all__ = ["Schedule"]

KINDS: dict[str, int]
CONTRACTS: dict[str, int]
BASES: dict[str, int]
FEE_BASES: dict[str, int]
ROWS_MAX: int

class Schedule:
    kind: str
    by: str
    def __new__(cls, kind: str, **options: object) -> Schedule: ...
    @classmethod
    def flat(cls, *, maintenance_ppm: int, initial_ppm: int, **options: object) -> Schedule: ...
    @classmethod
    def tiers(cls, rows: Iterable[tuple[int, int, int, int]], **options: object) -> Schedule: ...
    @classmethod
    def slab(cls, rows: Iterable[tuple[int, int, int]], **options: object) -> Schedule: ...
    @classmethod
    def steps(
        cls, *, limit: int, step: int, maintenance_ppm: int, initial_ppm: int, **options: object
    ) -> Schedule: ...
    @classmethod
    def size(
        cls, *, maintenance_ppm: int, initial_ppm: int, increment_ppt: int, **options: object
    ) -> Schedule: ...
    @classmethod
    def skew(
        cls,
        *,
        scale: int,
        fraction_ppm: int,
        minimum_ppm: int,
        scalar_ppm: int,
        fixed: int = 0,
        **options: object,
    ) -> Schedule: ...
    @classmethod
    def interest(
        cls, *, maintenance_ppm: int, initial_ppm: int, lower: int, upper: int, **options: object
    ) -> Schedule: ...
    @classmethod
    def risk(
        cls,
        *,
        long_ppm: int,
        short_ppm: int,
        slippage_ppm: int,
        initial_ppm: int = 1_000_000,
        **options: object,
    ) -> Schedule: ...
    def rates(self, value: int, size: int = 1, *, open_interest: int = 0) -> tuple[int, int]: ...
    def amount(self, value: int) -> int: ...
