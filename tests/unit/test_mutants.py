"""The maker of mutants: what it changes, what it leaves alone, and which ones it chooses."""

from __future__ import annotations

import pytest

from mutants.__main__ import COUNT, SEED, reasons
from mutants.report import REPORT, survivor
from mutants.sites import GROUPS, ROOT, all_sites, choose, mutated, sites_of

TEXT = '''\
"""A module: 1 + 1."""
cdef enum:
    SIZE = 5

cdef int declared(int a) noexcept nogil


cdef int work(int a,
              int b=3) except -1 nogil:
    """Add 1 and 2."""
    cdef int64_t row[7]
    cdef int64_t left = a - b      # a - b of them
    oc_check(a > 0)
    s.total += smaller(a, 2)
    if a < b and not done:
        raise InputError("a", a, f"must be < {b}")
    call(a)
    return -left if flag == True else row[0]


cdef int list_check(const List* l) noexcept nogil:
    return 1 if l.count < 0 else 0
'''


def changes(text: str = TEXT) -> dict[str, set[str]]:
    """The changed lines by kind."""
    found: dict[str, set[str]] = {}
    for site in sites_of("book", "made.pyx", text):
        found.setdefault(site.kind, set()).add(site.after.partition("#")[0].strip())
    return found


def test_every_kind_of_change_is_found() -> None:
    found = changes()
    assert found["comparison"] == {
        "if a <= b and not done:",
        "return -left if flag != True else row[0]",
    }
    assert found["arithmetic"] == {"cdef int64_t left = a + b", "s.total -= smaller(a, 2)"}
    assert found["constant"] == {
        "s.total += smaller(a, 3)",
        "s.total += smaller(a, 1)",
        "return -left if flag == True else row[1]",
    }
    assert found["sign"] == {
        "s.total += larger(a, 2)",
        "return left if flag == True else row[0]",
    }
    assert found["logic"] == {
        "if a < b or not done:",
        "if a < b and done:",
        "return -left if flag == False else row[0]",
    }
    assert found["statement"] == {"pass"}


def test_texts_declarations_checks_and_errors_are_left_alone() -> None:
    lines = {site.line for site in sites_of("book", "made.pyx", TEXT)}
    assert lines == {12, 14, 15, 17, 18}


def test_a_mutant_changes_its_one_line() -> None:
    for site in sites_of("book", "made.pyx", TEXT):
        before, after = TEXT.splitlines(), mutated(site, TEXT).splitlines()
        assert len(before) == len(after)
        different = [i + 1 for i, pair in enumerate(zip(before, after, strict=True))
                     if pair[0] != pair[1]]  # fmt: skip
        assert different == [site.line]
        assert site.again == 0


def test_the_choice_does_not_move_with_the_lines() -> None:
    plain = sorted(sites_of("book", "made.pyx", TEXT), key=lambda site: site.rank(7))
    moved = "# one line more\n" + TEXT.replace("call(a)", "call(a)\n    b = a")
    kept = [site.key for site in sorted(sites_of("book", "made.pyx", moved),
                                        key=lambda site: site.rank(7))]  # fmt: skip
    assert [key for key in kept if "b = a" not in key] == [site.key for site in plain]
    other = sorted(plain, key=lambda site: site.rank(8))
    assert [site.key for site in other] != [site.key for site in plain]


def test_the_first_are_one_of_each_group_and_all_keep_the_shares() -> None:
    sites = all_sites()
    assert len({site.key for site in sites}) == len(sites)
    chosen = choose(sites, 3, sum(share for share, _ in GROUPS.values()))
    assert {site.group for site in chosen[: len(GROUPS)]} == set(GROUPS)
    for group, (share, _) in GROUPS.items():
        assert sum(site.group == group for site in chosen) == share


@pytest.mark.parametrize("group", GROUPS)
def test_every_file_that_is_mutated_exists_and_has_sites(group: str) -> None:
    files = {site.file for site in all_sites() if site.group == group}
    assert len(files) == len(GROUPS[group][1])
    assert all((ROOT / file).exists() for file in files)


def test_every_survivor_has_a_reason_and_every_reason_a_mutant() -> None:
    """`make mutants` writes the page anew, where the engine or the reasons have changed."""
    page = REPORT.read_text("utf-8")
    assert "none yet" not in page
    chosen = {site.key: site for site in choose(all_sites(), SEED, COUNT)}
    gone = [key for key in reasons() if key not in chosen]
    assert not gone, "their lines have changed: judge them again, or drop their reasons"
    for key, reason in reasons().items():
        assert all(cell in page for cell in survivor(chosen[key], reason))
    rows = page.partition("## Survivors")[2].count("\n| ") - 2
    assert rows == len(reasons())
