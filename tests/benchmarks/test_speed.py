"""benchmarks/speed.py lets processes take turns and reports; how fast they are is not tested."""

import importlib
import importlib.util
import json
import statistics
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def contest():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        names = ("contestants", "models", "race", "report", "turns")
        modules = {name: importlib.import_module(f"contest.{name}") for name in names}
        yield type("Contest", (), modules)


@pytest.fixture(scope="module")
def program(contest):
    spec = importlib.util.spec_from_file_location("speed_benchmark", BENCHMARKS / "speed.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(contest):
    """As if measured: ours ten times as fast as all others, in everything."""
    found = []
    for event in contest.race.Plan({}).events():
        for result in event:
            speed = 1000.0 if result.contestant.startswith("ours") else 100.0
            result.wall, result.cpu = [speed, speed * 1000, speed / 2], [speed * 2]
            result.memory, result.imported = [220.0], [100.0]
            result.calls = [0.5, 1 / speed, 1 / speed]
            result.versions = {"Python": "3.0", "tensorflow": "2.0"}
            found.append(result)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)  # processes that each import TensorFlow
def test_processes_take_turns_and_all_is_written(program, tmp_path, monkeypatch, capsys):
    arguments = "--quick --turns 2 --only train predict mlp ours session original torch"
    files = ["--json", str(tmp_path / "all.json"), "--write", "--docs", str(tmp_path)]
    nowhere = ["--original", str(tmp_path / "none"), "--rivals", sys.executable]
    monkeypatch.setattr(sys, "argv", ["speed.py", *arguments.split(), *nowhere, *files])
    program.main()
    measured = json.loads((tmp_path / "all.json").read_text())["results"]
    by_name = {(result["task"], result["contestant"]): result for result in measured}
    for key in [("train", "ours"), ("train", "session"), ("predict", "ours")]:
        assert len(by_name[key]["wall"]) == len(by_name[key]["cpu"]) == 2
        assert by_name[key]["memory"][0] >= by_name[key]["imported"][0] > 50
        assert "tensorflow" in by_name[key]["versions"]
    assert len(by_name["predict", "ours"]["calls"]) == 5 * 3  # the turn that warms up is drawn
    assert by_name["train", "original"]["missing"] == "its environment is not installed"
    assert "No module named 'torch'" in by_name["train", "torch"]["missing"]
    assert "bare Session loop" in capsys.readouterr().out
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md", ".png"}


def test_a_process_that_fails_is_told_apart_from_one_that_is_missing(contest, tmp_path, capfd):
    result = contest.race.Result("train", "no such model", "ours")
    racer = contest.race.Racer(sys.executable, result, 3, str(tmp_path), first=True)
    assert not racer.ready()
    racer.turn(counts=True)
    racer.finish()
    racer.kill()
    assert result.failed
    assert result.missing == "failed: KeyError: 'no such model'"
    assert "Traceback" in capfd.readouterr().err


def test_goals_are_ratios_of_medians(contest, results):
    for goal, outcome in contest.report.outcomes(results):
        assert outcome.wall == outcome.cpu == 10
        assert outcome.reached == (goal.least <= 10)
    rows = contest.report.goal_rows(results)
    assert rows[1] == ["train mlp", "tf.estimator 2.15", "10.00", "10.00", "at least 5", "yes"]
    assert [row[-1] for row in rows].count("NO") == 6
    memory = contest.report.memory_rows(results)[1]
    assert memory[3:6] == ["1.00", "at most 1.1", "yes"]
    assert memory[-3:] == ["120", "120", "1.00"]


def test_what_was_not_measured_is_said(contest, results):
    for result in results:
        if result.contestant in {"ours_jit", "original"}:
            result.missing = "not today"
    text = contest.report.table(results)
    assert "not available: not today" in text
    measured = [goal for goal, outcome in contest.report.outcomes(results) if outcome]
    assert {goal.against for goal in measured} == {"keras_100", "session"}
    assert contest.report.memory_rows(results)[1][5] == "not measured"


def test_every_goal_is_measured(contest):
    events = [result for event in contest.race.Plan({}).events() for result in event]
    measured = {(result.task, result.model, result.contestant) for result in events}
    for goal in contest.contestants.GOALS:
        assert (goal.task, goal.model, goal.contestant) in measured
        assert (goal.against_task or goal.task, goal.model, goal.against) in measured


def test_the_page_has_the_machine_the_tables_and_the_pictures(
    contest, program, results, tmp_path, monkeypatch, capsys
):
    saved = tmp_path / "all.json"
    contest.race.save(saved, {"processor": "abacus"}, results)
    monkeypatch.setattr(
        sys, "argv", ["speed.py", "--load", str(saved), "--write", "--docs", str(tmp_path)]
    )
    program.main()
    page = (tmp_path / "performance.md").read_text()
    assert "- processor: abacus" in page
    assert "| train mlp | tf.estimator 2.15 | 10.00 | 10.00 | at least 5 | yes |" in page
    for name in ("performance-train.png", "performance-predict.png"):
        assert f"({name})" in page
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert contest.report.table(results) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("only", "wanted"),
    [
        (["train", "mlp", "ours"], {("train", "mlp", "ours")}),
        (["predictor"], {("predictor", "mlp", "ours"), ("predictor", "wide_deep", "ours")}),
        (["cnn", "keras"], {("train", "cnn", "keras")}),
    ],
)
def test_only_some(contest, only, wanted):
    events = contest.race.Plan({}, only=frozenset(only)).events()
    assert {(r.task, r.model, r.contestant) for event in events for r in event} == wanted


def test_weights_are_the_same_for_all(contest):
    for model in contest.models.MODELS.values():
        first, second = model.initial(), model.initial()
        assert {name: value.shape for name, value in first.items()} == model.weights
        assert all((first[name] == second[name]).all() for name in first)


def test_a_turn_is_as_many_calls_as_it_says(contest, monkeypatch, tmp_path):
    (tmp_path / "go").write_text("go\ngo\n")
    calls = []
    with (tmp_path / "go").open() as lines, (tmp_path / "said").open("w") as said:
        monkeypatch.setattr(sys, "stdin", lines)
        contest.turns.Turns(said, 3).call(lambda: calls.append(1))
    ready, *turns = map(json.loads, (tmp_path / "said").read_text().splitlines())
    assert ready == {"ready": True}
    assert len(calls) == 6
    assert [len(turn["calls"]) for turn in turns] == [3, 3]
    assert all(turn["wall"] >= statistics.fsum(turn["calls"]) > 0 for turn in turns)
