"""benchmarks/cluster.py starts clusters that take turns, and reports; how fast is not tested."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
PROGRAM = BENCHMARKS / "cluster.py"


@pytest.fixture(scope="module")
def contest():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        names = ("cluster.group", "cluster.report", "cluster.setups", "models", "race")
        modules = {
            name.split(".")[-1]: importlib.import_module(f"contest.{name}") for name in names
        }
        yield type("Contest", (), modules)


@pytest.fixture(scope="module")
def program(contest):
    spec = importlib.util.spec_from_file_location("cluster_benchmark", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(contest):
    """As if measured: ours 1 ms a step in one process, 3 elsewhere; the original twice that."""
    found = []
    for event in contest.group.Plan({}).events():
        for result in event:
            time = {"one": 1.0, "single": 2.0}.get(result.task, 3.0)
            time *= 1 if result.contestant == "ours" else 2
            result.wall, result.cpu = [900 / time, 1000 / time, 5000 / time], [500 / time]
            result.versions = {"Python": "3.0", "tensorflow": "2.0"}
            found.append(result)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)  # processes that each import TensorFlow
def test_a_cluster_and_one_process_take_turns(tmp_path):
    saved = tmp_path / "all.json"
    arguments = "--quick --turns 1 --only 1e3 one ps_2"
    # In a process of its own, which goes into a network of its own.
    done = subprocess.run(
        [
            *[sys.executable, str(PROGRAM), *arguments.split(), "--json", str(saved)],
            *["--write", "--docs", str(tmp_path), "--original", str(tmp_path / "none")],
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 workers, 1 parameter server" in done.stdout
    measured = json.loads(saved.read_text())["results"]
    by_name = {(result["task"], result["contestant"]): result for result in measured}
    for setup in ("one", "ps_2"):
        assert len(by_name[setup, "ours"]["wall"]) == len(by_name[setup, "ours"]["cpu"]) == 1
        assert by_name[setup, "ours"]["wall"][0] > 1
        assert "tensorflow" in by_name[setup, "ours"]["versions"]
        assert by_name[setup, "original"]["missing"] == "its environment is not installed"
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md", ".png"}


def test_when_one_process_fails_all_end_and_it_is_said(contest, tmp_path, capfd):
    result = contest.race.Result("ps_1", "no such size", "ours")
    group = contest.group.Group(sys.executable, result, 0.1, str(tmp_path))
    try:
        assert not group.ready()
        group.turn(counts=True)
    finally:
        group.kill()
    assert result.failed
    assert result.missing == "failed: KeyError: 'no such size'"
    assert not result.wall
    assert all(not process.is_running() for process in group._processes)
    assert "Traceback" in capfd.readouterr().err


def test_what_it_costs_is_beyond_one_process(contest, results):
    rows = contest.report.cost_rows(results, "ps_1")
    assert rows[1] == ["tf_estimator", "1,000", "1.00", "3.00", "2.00", "4.00", "1.00"]
    assert rows[5] == ["tf.estimator 2.15", "1,000", "2.00", "6.00", "4.00", "8.00", "4.00"]
    assert len(rows) == 1 + 2 * len(contest.setups.SIZES)


def test_a_step_of_two_replicas_takes_in_two_batches(contest, results):
    rows = {row[0]: row for row in contest.report.speed_rows(results, "1e6")}
    assert rows["one process"][1:] == ["1,000", "500", "2.00", "2.00", "1.00x", "1.00x"]
    assert rows["2 workers, 1 parameter server"][-2:] == ["0.33x", "0.33x"]
    assert rows["2 mirrored replicas"][-2:] == ["0.67x", "0.67x"]
    assert rows["one process, steps_per_loop=1"][2:] == ["-", "-", "-", "0.50x", "-"]


def test_what_was_not_measured_is_said(contest, results):
    for result in results:
        if result.contestant == "original":
            result.missing = "not today"
    text = contest.report.table(results)
    assert "tf.estimator 2.15, one process, 1,000 parameters: not available: not today" in text
    assert contest.report.cost_rows(results, "ps_1")[5][2:] == ["-"] * 5


def test_the_page_has_the_machine_the_tables_and_the_picture(
    contest, program, results, tmp_path, monkeypatch, capsys
):
    saved = tmp_path / "all.json"
    contest.race.save(saved, {"processor": "abacus"}, results)
    monkeypatch.setattr(
        sys, "argv", ["cluster.py", "--load", str(saved), "--write", "--docs", str(tmp_path)]
    )
    program.main()
    page = (tmp_path / "performance-cluster.md").read_text()
    assert "- processor: abacus" in page
    assert "| tf_estimator | 1,000 | 1.00 | 3.00 | 2.00 | 4.00 | 1.00 |" in page
    assert "(performance-cluster.png)" in page
    assert (tmp_path / "performance-cluster.png").read_bytes().startswith(b"\x89PNG")
    assert contest.report.table(results) in capsys.readouterr().out


def test_only_some(contest):
    events = list(contest.group.Plan({}, only=frozenset(["ps_1", "1e3", "original"])).events())
    assert [[(r.task, r.model, r.contestant) for r in event] for event in events] == [
        [("ps_1", "1e3", "original")]
    ]


def test_models_have_as_many_parameters_as_they_say(contest):
    for parameters, _ in contest.setups.SIZES.values():
        shapes = contest.models.wide_mlp(parameters).weights.values()
        found = sum(first * (rest[0] if rest else 1) for first, *rest in shapes)
        assert abs(found - parameters) < 0.06 * parameters


def test_the_cluster_is_told_to_each_and_ours_does_not_mind_a_pause(contest):
    cluster = {"chief": ["127.0.0.1:1"], "ps": ["127.0.0.1:2"]}
    config = json.loads(contest.group._tf_config(cluster, "ps", 0, "original"))
    assert config == {"cluster": cluster, "task": {"type": "ps", "index": 0}}
    assert "timeout_secs" in contest.group._tf_config(cluster, "ps", 0, "ours")
    assert contest.group._tf_config({"chief": ["127.0.0.1:1"]}, "chief", 0, "ours") == "{}"
