"""Where the engine's code can be changed by one small mistake, and which changes are tried.

A site is one possible mutant. Its rank depends on the seed and on its own line and function, not
on line numbers, so that a change elsewhere does not choose other mutants.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = "src/ordercascade/core/"
RULES = "src/ordercascade/mechanisms/"

# How many mutants each group gets, and its files.
GROUPS = {
    "book": (20, ["matching.pyx", "book.pyx", "queues.pxd", "rules.pxd", "ladder.pxd"]),
    "ledger": (15, ["ledger.pyx"]),
    "margin": (15, ["margin.pxd", "units.pxd"]),
    "triggers": (15, ["triggers.pyx", "triggers.pxd"]),
    "venue": (
        35,
        [
            *(
                "venue.pyx",
                "users.pyx",
                "bounds.pyx",
                "questions.pyx",
                "world.pyx",
                "watch.pyx",
                "steps.pyx",
                "losses.pyx",
                "closeout.pyx",
            ),
            *("settle.pyx", "outside.pyx", "opening.pyx", "initial.pyx", "state.pxd"),
            *(RULES + "closing.pyx", RULES + "prices.pyx"),
        ],
    ),
    "schedules": (
        12,
        ["schedule.pxd", "answers.pyx", "contracts.pxd", "levels.pyx"],
    ),
    "stages": (
        20,
        [
            *("stages.pyx", "takeover.pyx", "insured.pyx", "variation.pyx", "pairs.pyx"),
            *("funding.pyx", "expiry.pyx", "interest.pyx", "gates.pyx", "calls.pyx"),
            *("collateral.pyx", "conversion.pyx", "pledges.pxd", RULES + "tranches.pyx"),
        ],
    ),
    "portfolios": (
        16,
        [
            *("hedging.pyx", "options.pyx", "grids.pxd", "portfolio.pyx", "blocks.pyx"),
            *("funds.pyx", "closefee.pyx", "reserve.pyx"),
            RULES + "options.pyx",
        ],
    ),
    "safeguards": (
        18,
        [
            *("halting.pyx", "reopening.pyx", "rating.pyx", "undo.pyx", "turns.pyx"),
            *(RULES + "breakers.pyx", RULES + "feeds.pyx", RULES + "slices.pyx"),
            *(RULES + "surcharges.pyx", RULES + "plugins.pyx"),
        ],
    ),
}
KINDS = ("comparison", "arithmetic", "constant", "sign", "logic", "statement")

_TEXTS = re.compile(
    r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\#[^\n]*", re.DOTALL
)
_START = re.compile(r"^( *)(?:def|cdef)\b(?! *(?:class|extern|enum|struct|union)\b)[^=]*?(\w+)\(")
_SWAPS = {
    "comparison": {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    "arithmetic": {
        **{"+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "<<": ">>", ">>": "<<"},
        **{"&": "|", "|": "&", "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|="},
    },
    "logic": {"and": "or", "or": "and", "True": "False", "False": "True", "not": ""},
    # The engine's own operators: which way a rounding goes, which end a bound is.
    "sign": {
        **{"smaller": "larger", "larger": "smaller", "div_floor": "div_ceil"},
        **{"div_ceil": "div_floor", "mul_ppm_up": "mul_ppm_down", "FALLS": "RISES", "BID": "ASK"},
        **{"RISES": "FALLS", "ASK": "BID"},
    },
}
_PATTERNS = {
    "comparison": re.compile(r"(?<=\s)(?:<=|>=|==|!=|<|>)(?=\s)"),
    "arithmetic": re.compile(r"(?<=\s)(?:<<|>>|[-+|&]=|[-+*/%&|])(?=\s)"),
    "logic": re.compile(r"\b(?:and|or|True|False|(?<!is )not)\b"),
    "sign": re.compile(
        r"\b(?:smaller|larger|div_floor|div_ceil|mul_ppm_up)(?=\()"
        r"|\b(?:FALLS|RISES|BID|ASK)\b"
    ),
    "minus": re.compile(r"(?:(?<=[(\[])|(?<=[,=*/<>?:] )|(?<=return )|(?<=else ))-(?=[\w(<])"),
    "constant": re.compile(r"(?<![\w.])\d[\d_]*(?![\w.])"),
}
# `p[0]` where p is a pointer says `the thing there`; another number is another thing's memory.
_POINTED = re.compile(r"(?:\)|\b(?:capacity|count|list|to|e|l|t|b|orders|levels))\[0\]")
# A whole statement on a line of its own: a call, or a write to somebody's state.
_STATEMENT = re.compile(
    r"\s+(?:[\w.]+\(.*\)|[\w.&]+[.\[][^=]* [-+|&]?= .*|\w+ [-+]= .*|break|continue)$"
)


@dataclass(frozen=True)
class Site:
    """One possible change of one line."""

    group: str
    kind: str
    file: str
    function: str
    line: int
    before: str
    after: str
    again: int  # Which of the function's lines of this text it is.
    text: str = ""  # Tells one text of the function from another.

    @property
    def key(self) -> str:
        """What names the mutant, wherever its line stands."""
        return "|".join((self.file, self.function, self.before, self.after, str(self.again)))

    def rank(self, seed: int) -> bytes:
        return hashlib.blake2b(f"{seed}|{self.key}".encode(), digest_size=16).digest()


def code_of(text: str) -> str:
    """Return the text with comments, strings and the C texts blanked, lines and columns kept."""
    return _TEXTS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def bodies(code: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, first and last line (0-based) of the body of each function that computes."""
    lines = code.splitlines()
    for first, line in enumerate(lines):
        if not (found := _START.match(line)):
            continue
        depth, last = line.count("(") - line.count(")"), first
        while depth > 0:
            last += 1
            depth += lines[last].count("(") - lines[last].count(")")
        if not lines[last].rstrip().endswith(":"):
            continue  # A declaration.
        end = last
        for number in range(last + 1, len(lines)):
            text = lines[number]
            if text.strip() and len(text) - len(text.lstrip()) <= len(found[1]):
                break
            end = number
        yield found[2], last + 1, end


def changes(code: str) -> Iterator[tuple[str, int, int, str]]:
    """Yield kind, start, end and new text of each change of a line of blanked code."""
    for kind, swaps in _SWAPS.items():
        for found in _PATTERNS[kind].finditer(code):
            gap = 1 if found[0] == "not" else 0
            yield kind, found.start(), found.end() + gap, swaps[found[0]]
    for found in _PATTERNS["minus"].finditer(code):
        yield "sign", found.start(), found.end(), ""
    pointed = {found.end() - 2 for found in _POINTED.finditer(code)}
    sized = re.match(r"\s+cdef [\w ]+\[", code)  # An array's length.
    for found in _PATTERNS["constant"].finditer(code):
        if found.start() not in pointed and not sized:
            value = int(found[0])
            yield "constant", found.start(), found.end(), str(value + 1)
            if value > 0:
                yield "constant", found.start(), found.end(), str(value - 1)


def droppable(lines: list[str], number: int) -> bool:
    """Whether a line is a whole statement that can be left out."""
    code = lines[number]
    whole = code.count("(") == code.count(")") and code.count("[") == code.count("]")
    before = "\n".join(lines[max(0, number - 8) : number])
    opened = before.rpartition(":\n")[2]
    closed = opened.count("(") == opened.count(")")
    return whole and closed and bool(_STATEMENT.match(code.rstrip()))


def is_oracle(function: str) -> bool:
    """Whether a function is a check of the tests themselves."""
    return function.endswith("_check") or function.startswith("_check")


def sites_of(group: str, file: str, text: str) -> Iterator[Site]:
    """Yield every possible mutant of a file, of functions that are no checks themselves."""
    code, plain = code_of(text).splitlines(), text.splitlines()
    seen: Counter[tuple[str, str]] = Counter()  # methods of several classes may share a name
    for function, first, last in bodies(code_of(text)):
        if is_oracle(function):
            continue
        whole = "\n".join(plain[first : last + 1])
        text_id = hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()
        for number in range(first, last + 1):
            before = plain[number].strip()
            again = seen[function, before]
            seen[function, before] += 1
            if "oc_check(" in code[number] or "raise " in code[number] or not code[number].strip():
                continue
            found = [
                (kind, plain[number][:start] + new + plain[number][end:])
                for kind, start, end, new in changes(code[number])
            ]
            if droppable(code, number):
                indent = len(plain[number]) - len(plain[number].lstrip())
                found.append(("statement", " " * indent + "pass"))
            for kind, after in found:
                yield Site(
                    *(group, kind, file, function, number + 1, before, after.strip(), again),
                    text_id,
                )


def all_sites() -> list[Site]:
    """Return every possible mutant of the engine."""
    found = []
    for group, (_, names) in GROUPS.items():
        for name in names:
            file = name if "/" in name else CORE + name
            found += list(sites_of(group, file, (ROOT / file).read_text("utf-8")))
    return found


def choose(sites: list[Site], seed: int, count: int) -> list[Site]:
    """Return `count` mutants by seed: each group its share, its kinds in turn.

    The first are one of each group."""
    ranked: dict[str, dict[str, list[Site]]] = defaultdict(lambda: defaultdict(list))
    for site in sorted(sites, key=lambda site: site.rank(seed)):
        ranked[site.group][site.kind].append(site)
    queues = {}
    for group, kinds in ranked.items():
        longest = max(len(each) for each in kinds.values())
        queues[group] = [
            kinds[kind][i] for i in range(longest) for kind in KINDS if i < len(kinds[kind])
        ]
    chosen: list[Site] = []
    total = sum(share for share, _ in GROUPS.values())
    for turn in range(count):
        for group, (share, _) in GROUPS.items():
            # One, and its share of this many turns, so that every prefix is mixed.
            due = min(share, 1 + share * turn * len(GROUPS) // total)
            mine = sum(site.group == group for site in chosen)
            chosen += queues.get(group, [])[mine:due]
            if len(chosen) >= count:
                return chosen[:count]
    return chosen


def mutated(site: Site, text: str) -> str:
    """Return the file's text with the change made."""
    lines = text.splitlines(keepends=True)
    line = lines[site.line - 1]
    indent = len(line) - len(line.lstrip())
    lines[site.line - 1] = line[:indent] + site.after + "\n"
    return "".join(lines)
