"""Python plug-ins that a scenario names. DESIGN §7; ADR 27."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ordercascade as oc
from ordercascade import cli
from ordercascade.errors import ConfigError, MechanismError
from ordercascade.outcome import ending

MODULE = '''
import json
from decimal import Decimal
from ordercascade.mechanisms.plugins import Risk

made = []

class Patient:
    """Closes a share of every position, at the market."""

    def __init__(self, share=1, cooldown_s=0):
        self.share, self.cooldown_ns = Decimal(share), int(cooldown_s * 10**9)
        made.append(self)

    def plan(self, rows):
        lots = [max(1, int(abs(row.size) * self.share)) for row in rows]
        return [(one, None, self.cooldown_ns) for one in lots]

    def state(self):
        return b""

class Idle(Patient):
    """Asks one lot of everybody at first, if told to, and nothing ever again."""

    def __init__(self, first=0):
        self.first, self.asked = first, set()

    def plan(self, rows):
        said = [(self.first * (row.scope not in self.asked), None, 0) for row in rows]
        self.asked |= {row.scope for row in rows}
        return said

class Floor:
    def __init__(self, low):
        self.low = low

    def judge(self, market, view, time_ns):
        return (1, self.low, 0, 0)

    def state(self):
        return b""

class Hookless:
    def state(self):
        return b""

class Broken(Patient):
    def plan(self, rows):
        raise RuntimeError("not today")

class Deep(Patient):
    def plan(self, rows):
        return self.read("no json")

    def read(self, text):
        return json.loads(text)

class Rubbish(Patient):
    def plan(self, rows):  # no rows
        return []

number = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user's own on the path of Python; its name."""
    (tmp_path / "my_rules_for_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_rules_for_a_test", raising=False)
    return "my_rules_for_a_test"


def scenario(*lines: str, name: str = "uniform-ladder", **changes: str) -> oc.Scenario:
    text = oc.scenarios.load(name).to_toml()
    head, _, tail = text.partition("[[venue.market]]")
    plugs = "\n".join(("[[venue.plugin]]", *lines))
    return oc.Scenario.from_toml(f"{head}{plugs}\n\n[[venue.market]]{tail}")


def test_a_plug_in_of_all_lots_is_the_engine_s_own_full_close(module: str) -> None:
    """The limit: what it decides is what the venue does without it, so the tape is the same."""
    base = oc.scenarios.load("uniform-ladder")
    made = scenario('hook = "liquidation"', f'plugin = "{module}:Patient"')
    plain, found = (oc.run(each, progress=False) for each in (base, made))
    for table in ("steps", "fills", "liquidations"):
        for column in plain.tables[table].columns:
            assert plain.tables[table][column].tolist() == found.tables[table][column].tolist()
    assert len(plain.tables["liquidations"]) > 5


def test_parameters_reach_it_and_every_world_has_a_fresh_one(module: str) -> None:
    made = scenario(
        'hook = "liquidation"',
        f'plugin = "{module}:Patient"',
        "parameters = { share = 0.25, cooldown_s = 2 }",
    )
    assert module not in sys.modules  # reading a scenario imports nothing
    first, second = oc.run(made, progress=False), oc.run(made, progress=False)
    assert first.meta["state_hash"] == second.meta["state_hash"]
    objects = sys.modules[module].made
    assert len(objects) == 2 and {one.cooldown_ns for one in objects} == {2 * 10**9}
    rows = first.tables["liquidations"]
    assert all(
        asked < held
        for asked, held in zip(
            rows["lots_asked"].tolist(), rows["lots_before"].tolist(), strict=True
        )
        if held > 1
    )
    again = oc.Scenario.from_toml(made.to_toml())
    assert oc.run(again, progress=False).meta["state_hash"] == first.meta["state_hash"]
    assert first.meta["venues"][0]["plugins"] == [f"liquidation {module}:Patient"]
    report = oc.audit(first)
    assert report.ok and any("plugins" in gap.reason for gap in report.gaps)


@pytest.mark.parametrize("first", [0, 1])
def test_accounts_at_risk_of_whom_nothing_is_asked_are_not_called_safe(
    module: str, first: int
) -> None:
    """Neither is the book to blame where a liquidation was begun and is not gone on with."""
    name, change = "thin-book", f"parameters = {{ first = {first} }}"
    made = scenario('hook = "liquidation"', f'plugin = "{module}:Idle"', change, name=name)
    with oc.World(made) as world:
        world.run()
        assert len(world.venue("perp").at_risk()) > 5
        tape = world.tape()
        assert world.stop == world.fork().stop == oc.Stop.NO_ORDER
    assert bool(len(tape.tables["liquidations"])) == bool(first)
    told = ending(tape)
    assert "accounts are still at risk, but no order is sent for them: account trader-" in told
    assert "nobody is at risk" not in told and "nothing left to trade" not in told
    assert tape.summary()["stop"] == oc.Stop.NO_ORDER
    assert oc.audit(tape).ok


def test_a_breaker_that_is_named_holds_orders_at_its_floor(module: str) -> None:
    made = scenario(
        'hook = "breaker"', f'plugin = "{module}:Floor"', "parameters = { low = 100000000 }"
    )
    tape = oc.run(made, progress=False)
    assert not tape.tables["liquidations"]["lots_filled"].any()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ('hook = "oracle"', 'plugin = "a:B"'),
            "plugin[0].hook: does not exist yet; there are: liquidation",
        ),
        (('hook = "breaker"', 'plugin = "a.B"'), 'plugin[0].plugin: must be "module:Class"'),
        (('hook = "breaker"', 'plugin = "ordercascade.x:B"'), "must be a class of yours"),
        (('hook = "breaker"',), "plugin[0].plugin: is required"),
        (
            ('hook = "breaker"', 'plugin = "a:B"', "parameters = { x = [1] }"),
            "plugin[0].parameters",
        ),
        (('hook = "breaker"', 'plugin = "a:B"', 'parameters = { "x y" = 1 }'), "names as keys"),
    ],
)
def test_a_plug_in_that_cannot_be_is_refused_when_the_file_is_read(
    lines: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        scenario(*lines)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("plugin", "rest", "said"),
    [
        ("no_such_module_here:Rule", "", "cannot be imported"),
        ("{}:Patien", "", "has no class 'Patien'; did you mean 'Patient'?"),
        ("{}:number", "", "has no class 'number'"),
        ("{}:Hookless", "", "Hookless.plan: must be a method of a plug-in"),
        ("{}:Patient", "parameters = { shares = 1 }", "does not take these parameters"),
    ],
)
def test_a_plug_in_that_cannot_be_made_teaches_when_a_world_is_built(
    module: str, plugin: str, rest: str, said: str
) -> None:
    made = scenario('hook = "liquidation"', f'plugin = "{plugin.format(module)}"', rest)
    with pytest.raises(ConfigError) as caught:
        oc.run(made, progress=False)
    assert said in str(caught.value) and "venue[0].plugin[0]" in str(caught.value)


def test_two_policies_and_rules_of_the_same_kind_are_refused() -> None:
    one = 'hook = "liquidation"\nplugin = "a:B"'
    with pytest.raises(ConfigError, match="has one liquidation plug-in at most"):
        scenario(one, "[[venue.plugin]]", one)
    planned = oc.scenarios.load("uniform-ladder").set(
        "venue[0].liquidation=[{kind='equal',slices=3}]"
    )
    head, _, tail = planned.to_toml().partition("[[venue.market]]")
    with pytest.raises(ConfigError, match="must not stand beside rules of the same kind"):
        oc.Scenario.from_toml(f"{head}[[venue.plugin]]\n{one}\n\n[[venue.market]]{tail}")


def test_a_plug_in_that_raises_names_itself_and_the_world_goes_back(module: str) -> None:
    world = oc.World(scenario('hook = "liquidation"', f'plugin = "{module}:Broken"'))
    with pytest.raises(MechanismError, match="Broken"):
        world.run()
    world._open()._check()


@pytest.mark.parametrize(
    ("plugin", "line", "said"),
    [
        ("Broken", 'raise RuntimeError("not today")', "RuntimeError: not today"),
        ("Deep", "return json.loads(text)", "JSONDecodeError: "),
        ("Rubbish", "def plan(self, rows):  # no rows", "ValueError: "),
    ],
)
def test_the_command_says_where_in_the_user_s_code_a_plug_in_failed(
    module: str, plugin: str, line: str, said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Exit code 2 and one line: the plug-in is not our bug. What it calls is not where it is."""
    made = scenario('hook = "liquidation"', f'plugin = "{module}:{plugin}"')
    (tmp_path / "mine.toml").write_text(made.to_toml())
    assert cli.main(["run", str(tmp_path / "mine.toml")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    file = tmp_path / f"{module}.py"
    number = 1 + [each.strip() for each in file.read_text().splitlines()].index(line)
    assert told.startswith(f"ordercascade: {plugin}.plan: {said}")
    assert told.endswith(f" (round 0), at {file}:{number}")
    with pytest.raises(MechanismError) as caught:
        oc.run(made, progress=False)
    assert type(caught.value.__cause__).__name__ == said.partition(":")[0]
    assert caught.value.where == f"{file}:{number}"


def test_rules_beside_a_plug_in_stay_in_a_run(module: str) -> None:
    made = scenario('hook = "liquidation"', f'plugin = "{module}:Patient"')
    world = oc.World(made)
    with pytest.raises(ConfigError, match="plugin: must go without"):
        world.change(made.set("venue[0].exit_buffer=0.01"))
