"""TOML in and out: text to strict Structs with errors that name file, key path and nearest key."""

from __future__ import annotations

import datetime
import difflib
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NoReturn, TypeVar, Union

import msgspec

from ordercascade.config import LATER, LATER_VALUES
from ordercascade.errors import ConfigError, InputError, InputTypeError
from ordercascade.exact import Exact, exact, plain

T = TypeVar("T", bound=msgspec.Struct)
Raw = dict[str, Any]
Path = tuple[str | int, ...]

TEXT_MAX = 2**24
LISTED_MAX = 24
# Arrays of these tables are written as [[…]]; everything else goes inline.
_TABLES = frozenset(
    (
        *("venue", "market", "account", "positions", "population", "liquidation"),
        *("shock", "index", "transfer", "funding", "collateral", "jump"),
    )
)
_FIRST = ("schema", "name", "preset")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def loads(text: str, *, file: str = "") -> Raw:
    """Parse TOML text; decimals stay exact."""
    if len(text) > TEXT_MAX:
        raise ConfigError("line 1", f"must be at most {TEXT_MAX} characters", len(text), file=file)
    try:
        raw: Raw = _prepared(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        _refuse_text(str(error), text, file)
    return raw


def value_of(text: str) -> object:
    """Return the value of a `--set key=value`: TOML where it is TOML, else the bare text."""
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text


def build(raw: Raw, kind: type[T], *, file: str = "") -> T:
    """Turn parsed TOML into a Struct, or raise ConfigError with file, key path, rule and value."""
    raw = _prepared(raw)
    try:
        return msgspec.convert(raw, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        _refuse(error, raw, kind, file)


def dumps(config: msgspec.Struct) -> str:
    """Return the canonical TOML text of a Struct: its keys in their order, nothing left out."""
    raw = msgspec.to_builtins(config, builtin_types=(Decimal,), enc_hook=_encode)
    lines: list[str] = []
    _write(lines, "", raw)
    return "\n".join(lines).strip() + "\n"


def key_path(path: Path) -> str:
    """Return a key path as people write it: venue[0].market[1].tick_size."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the file"


def nearest(word: str, choices: typing.Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or the choices where they are few."""
    listed = list(choices)
    close = difflib.get_close_matches(word, listed, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(listed)}" if len(listed) <= LISTED_MAX else ""


def tables(kind: Any, raw: object, path: Path = ()) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Yield (path, valid keys) of every table there is in `raw`."""
    for hint in _hints_at(kind, raw, ()):
        if isinstance(raw, dict) and _fields(hint):
            yield path, _fields(hint)
            for key, value in raw.items():
                for declared in _hints_at(hint, {key: value}, (key,)):
                    yield from tables(declared, value, (*path, key))
        elif isinstance(raw, list) and typing.get_origin(hint) is tuple:
            for index, item in enumerate(raw):
                yield from tables(typing.get_args(hint)[0], item, (*path, index))


def _decode(kind: type, value: object) -> object:
    if kind is not Exact:
        raise NotImplementedError(kind)
    try:
        return exact("value", value)
    except (InputError, InputTypeError) as error:
        rule = getattr(error, "rule", "must be a decimal: a number or a string such as '0.1'")
        raise ValueError(rule) from None


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    raise NotImplementedError(type(value))


def _prepared(node: Any) -> Any:
    """Spell TOML times as text, a book without a kind as the file it must be, laws in full."""
    if isinstance(node, dict):
        made = {key: _prepared(value) for key, value in node.items()}
        if isinstance(made.get("population"), list):
            made["population"] = [_law_spelt(item) for item in made["population"]]
        book = made.get("book")
        if isinstance(book, dict) and "file" in book:
            made["book"] = {"kind": "file"} | book
        return made
    if isinstance(node, list | tuple):
        return [_prepared(item) for item in node]
    if isinstance(node, datetime.datetime):
        return node.isoformat()
    return node


def _law_spelt(population: Any) -> Any:
    """Spell a plain number as the law it stands for, and a law by its keys where they say it."""
    if not isinstance(population, dict):
        return population
    made = dict(population)
    for key in ("leverage", "notional", "size"):
        law = made.get(key)
        if isinstance(law, int | Decimal | str) and not isinstance(law, bool):
            made[key] = {"kind": "constant", "value": law}
        elif isinstance(law, dict) and "kind" not in law and "values" in law:
            made[key] = {"kind": "values"} | law
    if isinstance(made.get("correlation"), int | Decimal | str):
        made["correlation"] = [[made["correlation"]]]
    return made


def _refuse_text(message: str, text: str, file: str) -> NoReturn:
    found = re.search(r"at line (\d+)", message)
    line = int(found.group(1)) if found else text.count("\n") + 1
    source = text.splitlines()[line - 1] if text else ""
    if "overwrite" in message or "twice" in message or "mutate" in message:
        key = source.split("=")[0].strip(" []")
        raise ConfigError(f"line {line}", f"duplicate key {key!r}", file=file) from None
    rule = re.sub(r" \(at .*\)$", "", message)
    raise ConfigError(f"line {line}", f"is no TOML: {rule}", source.strip(), file=file) from None


def _refuse(error: msgspec.ValidationError, raw: Raw, kind: type, file: str) -> NoReturn:
    """Say a msgspec error in the house's form."""
    message, path = _split(str(error))
    value = _value_at(raw, path)
    hints = list(_hints_at(kind, raw, path))
    if found := re.search(r"unknown field `(.*)`$", message):
        key = found.group(1)
        names = [name for hint in hints for name in _fields(hint)]
        if key in LATER:
            rule = f"key {key!r} does not exist yet; the nearest valid key is {LATER[key]!r}"
        else:
            rule = f"unknown key {key!r}{nearest(key, names)}"
        raise ConfigError(key_path((*path, key)), rule, file=file) from None
    if found := re.search(r"missing required field `(.*)`$", message):
        raise ConfigError(key_path((*path, found.group(1))), "is required", file=file) from None
    if message.startswith(("Invalid enum value", "Invalid value")):
        choices = _choices(kind, raw, path, hints)
        if str(value) in LATER_VALUES:
            rule = f"does not exist yet; there are: {', '.join(choices)}"
        else:
            close = difflib.get_close_matches(str(value), choices, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            rule = f"must be one of {', '.join(choices)}{hint}"
        raise ConfigError(key_path(path), rule, value, file=file) from None
    if found := re.match(r"Expected `(.*)`, got `(.*)`$", message):
        rule = f"must be {found.group(1)}, not {found.group(2)}"
        raise ConfigError(key_path(path), rule, file=file) from None
    rule = message.replace("Expected ", "must be ").replace("`", "")
    plain_value = value if isinstance(value, str | int | Decimal) else None
    raise ConfigError(key_path(path), rule, plain_value, file=file) from None


def _split(message: str) -> tuple[str, Path]:
    text, _, place = message.rpartition(" - at `$")
    if not text:
        return message, ()
    parts = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]", place.removesuffix("`"))
    return text, tuple(int(index) if index else name or "…" for name, index, _ in parts)


def _value_at(raw: object, path: Path) -> object:
    for part in path:
        try:
            raw = raw[part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _plain_types(hint: Any) -> Iterator[Any]:
    """Yield the members of a union, without Annotated and None."""
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        for member in typing.get_args(hint):
            yield from _plain_types(member)
    elif origin is typing.Annotated:
        yield from _plain_types(typing.get_args(hint)[0])
    elif hint is not types.NoneType:
        yield hint


def _fields(hint: Any) -> tuple[str, ...]:
    is_struct = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return hint.__struct_fields__ if is_struct else ()


def _hints_at(kind: Any, raw: object, path: Path) -> Iterator[Any]:
    """Yield the types that a value at `path` may have; a tagged Struct only where its tag fits."""
    for hint in _plain_types(kind):
        config: Any = getattr(hint, "__struct_config__", None)
        tag = getattr(config, "tag", None)
        if tag is not None and isinstance(raw, Mapping) and raw.get(config.tag_field, tag) != tag:
            continue
        if not path:
            yield hint
            continue
        part, rest = path[0], path[1:]
        inner = _value_at(raw, (part,))
        if isinstance(part, int):
            for member in typing.get_args(hint)[:1]:
                yield from _hints_at(member, inner, rest)
        elif part in _fields(hint):
            declared = typing.get_type_hints(hint, include_extras=True)[part]
            yield from _hints_at(declared, inner, rest)


def _choices(kind: Any, raw: Raw, path: Path, hints: list[Any]) -> list[str]:
    """Return the words a Literal or a tag may be."""
    words = [
        str(word)
        for hint in hints
        if typing.get_origin(hint) is Literal
        for word in typing.get_args(hint)
    ]
    if words or not path:
        return words
    # A wrong tag fits no member of the union: ask for the owner without looking at its tag.
    owners = _hints_at(kind, _without(raw, path), path[:-1])
    return [str(owner.__struct_config__.tag) for owner in owners if _fields(owner)]


def _without(raw: Raw, path: Path) -> Any:
    """Return a copy of `raw` in which the key at `path` is gone."""
    copied = json.loads(json.dumps(raw, default=str))
    owner = _value_at(copied, path[:-1])
    if isinstance(owner, dict):
        owner.pop(str(path[-1]), None)
    return copied


def _write(lines: list[str], path: str, table: Raw) -> None:
    order = sorted(table, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    said = {key: table[key] for key in order if table[key] not in (None, (), [])}
    tables = {
        key: value
        for key, value in said.items()
        if isinstance(value, dict) or (key in _TABLES and _is_tables(value))
    }
    lines.extend(f"{_key(k)} = {_inline(v)}" for k, v in said.items() if k not in tables)
    for key, value in tables.items():
        inner = f"{path}.{_key(key)}" if path else _key(key)
        for item in [value] if isinstance(value, dict) else value:
            lines.append("")
            lines.append(f"[{inner}]" if isinstance(value, dict) else f"[[{inner}]]")
            _write(lines, inner, item)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, dict) for item in value)


@lru_cache(maxsize=1024)
def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, dict):
        said = {key: item for key, item in value.items() if item is not None}
        return "{ " + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in said.items()) + " }"
    if isinstance(value, Decimal):
        return f'"{plain(value)}"'  # Digits, a point and a sign: nothing to escape.
    text = str(value)
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
