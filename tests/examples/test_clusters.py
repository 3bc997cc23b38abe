"""The examples for clusters: the manifest is for the tasks that we have; the others really run."""

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tensorflow as tf

import tf_estimator
from tf_estimator.config import Cluster
from tf_estimator.summaries import read_history
from tf_estimator.training.roles import ROLES

EXAMPLES = Path(__file__).parents[2] / "examples" / "clusters"
SOURCE = Path(tf_estimator.__file__).parents[1]

# Starts Ray on this machine, where nobody else can reach it, with little memory; and then what the
# arguments say.
RAY = """
import fcntl, json, os, resource, runpy, socket, struct, sys

with socket.socket() as one:  # Brings the loopback interface up: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 1 | 64))
resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30,) * 2)
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))  # before Ray looks at both, for its workers
import ray

ray.init(
    num_cpus=1, include_dashboard=False, object_store_memory=80 * 2**20, _temp_dir=os.environ["TMP"]
)
assert {node["NodeManagerAddress"] for node in ray.nodes()} == {"127.0.0.1"}
tf_config = runpy.run_path(sys.argv[0], run_name="__main__")["tf_config"]
addresses = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]
print("others:", json.dumps([tf_config(addresses, rank, 2) for rank in range(6)]))
"""

# A network, and process numbers, of its own: the end of the first process is the end of all.
APART = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"{name}_of_clusters", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def train() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
        yield load("train")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """That of a program whose home is a folder, and which has what this process has."""
    home = folder / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {
        **kept,
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": str(home),
        "PATH": path,
        "PYTHONPATH": str(SOURCE),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **more,
    }


def run(command: list[Any], timeout: float, **how: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command with all that it starts; nothing of it is left, whatever happens."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **how,
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"Not done in {timeout} s. It said:\n{process.communicate()[0]}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, said, "")


def assert_trained(model_dir: Path, steps: int) -> None:
    """It went so far, learned, was evaluated at the end, and exported."""
    reader = tf.train.load_checkpoint(str(model_dir))
    step = reader.get_tensor("global_step")
    assert steps <= step <= steps + 5  # Several that train may each take one too many.
    accuracy = read_history(model_dir)["eval"]["accuracy"]
    assert accuracy.step[-1] == step
    assert accuracy.value[-1] > 0.85
    (exported,) = (model_dir / "export" / "digits").iterdir()
    assert (exported / "saved_model.pb").exists()


def test_alone_it_trains_and_evaluates(train: ModuleType, tmp_path: Path) -> None:
    metrics = train.run(train.make_estimator(str(tmp_path), save_every=200), steps=400)
    assert metrics["global_step"] == 400
    assert metrics["accuracy"] > 0.9
    assert_trained(tmp_path, 400)


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    """What is in the manifest for Kubernetes, by kind."""
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load_all((EXAMPLES / "tfjob.yaml").read_text(encoding="utf-8"))
    return {each["kind"]: each for each in found}


@pytest.fixture(scope="module")
def replicas(manifests: dict[str, Any]) -> dict[str, Any]:
    """How the tasks of each role are to be run."""
    return manifests["TFJob"]["spec"]["tfReplicaSpecs"]


@pytest.fixture(scope="module")
def container(replicas: dict[str, Any]) -> dict[str, Any]:
    """That of all tasks."""
    first, *others = (each["template"] for each in replicas.values())
    assert all(other == first for other in others)
    (container,) = first["spec"]["containers"]
    return container


class TestTFJob:
    """The manifest for Kubernetes."""

    def test_is_a_tfjob(self, manifests, container):
        assert manifests["TFJob"]["apiVersion"] == "kubeflow.org/v1"
        assert container["name"] == "tensorflow"
        assert [port["name"] for port in container["ports"]] == ["tfjob-port"]

    def test_each_task_has_a_role_of_ours(self, manifests, replicas, container):
        # As the operator writes TF_CONFIG.
        name, (port,) = manifests["TFJob"]["metadata"]["name"], container["ports"]
        cluster = {
            kind.lower(): [
                f"{name}-{kind.lower()}-{index}.default.svc:{port['containerPort']}"
                for index in range(replica["replicas"])
            ]
            for kind, replica in replicas.items()
            if kind != "Evaluator"
        }
        for kind, replica in replicas.items():
            for index in range(replica["replicas"]):
                task = {"type": kind.lower(), "index": index}
                config = {"cluster": cluster, "task": task, "environment": "cloud"}
                parsed = Cluster.parse(config)
                parsed.check_addresses()
                assert parsed.task_type in ROLES
        assert {kind: replica["replicas"] for kind, replica in replicas.items()} == {
            "Chief": 1,
            "Worker": 2,
            "PS": 1,
            "Evaluator": 1,
        }

    def test_the_program_takes_its_arguments(self, train, container):
        assert container["command"][0] == "python"
        assert Path(container["command"][1]).name == "train.py"
        arguments = train.parse_arguments(container["args"])
        environment = {each["name"]: each["value"] for each in container["env"]}
        assert Cluster.from_environment(environment).timeout_secs > 60
        (mount,) = container["volumeMounts"]
        assert Path(mount["mountPath"]) in Path(arguments.model_dir).parents

    def test_the_model_dir_is_shared(self, manifests, replicas, container):
        claim = manifests["PersistentVolumeClaim"]
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
        (volume,) = replicas["Chief"]["template"]["spec"]["volumes"]
        assert volume["name"] == container["volumeMounts"][0]["name"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]

    def test_75_starts_a_task_again_and_the_evaluator_may_finish(self, manifests, replicas):
        assert {each["restartPolicy"] for each in replicas.values()} == {"OnFailure"}
        assert manifests["TFJob"]["spec"]["runPolicy"]["cleanPodPolicy"] == "None"

    def test_only_tasks_of_the_job_reach_its_servers(self, manifests, replicas, container):
        policy = manifests["NetworkPolicy"]["spec"]
        labels = replicas["PS"]["template"]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"] == labels
        assert policy["policyTypes"] == ["Ingress"]
        (rule,) = policy["ingress"]
        assert rule["from"] == [{"podSelector": {"matchLabels": labels}}]
        (port,) = container["ports"]
        assert rule["ports"] == [{"protocol": "TCP", "port": port["containerPort"]}]


def write_command(path: Path, text: str) -> None:
    """Makes a command of a text."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


class TestSlurm:
    """The batch script, with a srun that starts all tasks on this machine."""

    SRUN = f"""#!{sys.executable}
import os, subprocess, sys

number = int(os.environ["SLURM_NTASKS"])
command = [each for each in sys.argv[1:] if each != "--kill-on-bad-exit=1"]
assert command[0] == "bash", command
tasks = []
for rank in range(number):
    of_task = {{
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_STEP_TASKS_PER_NODE": str(number),
    }}
    tasks.append(subprocess.Popen(command, env={{**os.environ, **of_task}}))
sys.exit(max(task.wait() for task in tasks))
"""

    @pytest.fixture
    def sbatch(self, tmp_path: Path) -> Any:
        """Runs the script in a folder with this train.py, with so many tasks."""
        commands = tmp_path / "commands"
        write_command(commands / "srun", self.SRUN)
        write_command(
            commands / "tf-estimator", f'#!/bin/sh\nexec "{sys.executable}" -m tf_estimator "$@"\n'
        )

        def sbatch(*arguments: str, program: str) -> subprocess.CompletedProcess[str]:
            (tmp_path / "train.py").write_text(program, encoding="utf-8")
            said = EXAMPLES.joinpath("slurm.sh").read_text(encoding="utf-8")
            (tasks,) = re.findall(r"^#SBATCH --ntasks=(\d+)$", said, re.MULTILINE)
            given = environment(tmp_path, SLURM_NTASKS=tasks, SLURM_JOB_ID="4711")
            given["PATH"] = os.pathsep.join([str(commands), given["PATH"]])
            script = shutil.copy(EXAMPLES / "slurm.sh", tmp_path / "slurm_script")  # As it does.
            return run(["bash", script, *arguments], timeout=60, cwd=tmp_path, env=given)

        return sbatch

    def test_each_task_gets_its_role_and_the_arguments(self, sbatch, tmp_path):
        program = """
import json, os, pathlib, sys
mine = pathlib.Path("given" + os.environ["SLURM_PROCID"])
mine.write_text(json.dumps([os.environ["TF_CONFIG"], *sys.argv[1:]]))
"""
        done = sbatch("--steps", "7", program=program)
        assert done.returncode == 0, done.stdout
        given = [json.loads(path.read_text()) for path in tmp_path.glob("given*")]
        found = [json.loads(tf_config) for tf_config, *_ in given]
        roles = Counter(Cluster.parse(each).task_type for each in found)
        assert roles == {"chief": 1, "worker": 2, "ps": 1, "evaluator": 1}
        assert len({json.dumps(each["cluster"]) for each in found}) == 1
        assert len({json.dumps(each["task"]) for each in found}) == 5
        for _, *arguments in given:
            assert arguments[0] == "--model-dir"
            assert arguments[2:] == ["--steps", "7"]

    @pytest.mark.parametrize(
        ("code", "tries", "last"),
        [("75 if try_ < 3 else 0", 3, 0), ("75", 5, 75), ("1", 1, 1), ("2", 1, 2)],
    )
    def test_only_what_can_be_helped_is_started_again(self, sbatch, tmp_path, code, tries, last):
        (tmp_path / "tries").mkdir()
        program = f"""
import os, pathlib, sys
mine = pathlib.Path("tries", os.environ["SLURM_PROCID"])
with mine.open("a") as file:
    file.write("x")
try_ = len(mine.read_text())
sys.exit({code})
"""
        done = sbatch(program=program)
        assert done.returncode == last, done.stdout
        found = {path.name: len(path.read_text()) for path in (tmp_path / "tries").iterdir()}
        assert found == dict.fromkeys("01234", tries)

    def test_one_that_was_killed_is_started_again(self, sbatch, tmp_path):
        program = """
import os, pathlib, signal
mine = pathlib.Path("killed" + os.environ["SLURM_PROCID"])
if not mine.exists():
    mine.touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
        done = sbatch(program=program)
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("ended with 137 in try 1.") == 5


def why_not_apart() -> str | None:
    """Why Ray cannot have a network of its own here; None if it can."""
    if not importlib.util.find_spec("ray"):
        return "there is no ray for this Python and system"
    if not shutil.which("unshare"):
        return "Ray listens on all interfaces, and there is no unshare to keep it apart"
    tried = subprocess.run([*APART, "true"], capture_output=True, text=True, check=False)
    return tried.stderr or "unshare does not work here" if tried.returncode else None


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For Ray's session: in tmp_path the names of its sockets would be longer than a system takes.

    Its processes are gone before this folder is.
    """
    with tempfile.TemporaryDirectory(prefix="r") as folder:
        yield Path(folder)


@pytest.mark.slow
# Six processes load TensorFlow: 52 s of processor time, which is long on a busy machine.
@pytest.mark.timeout(240)
def test_a_ray_train_job_plays_all_roles(tmp_path: Path, short_folder: Path) -> None:
    if reason := why_not_apart():
        pytest.skip(reason)
    model_dir, start = tmp_path / "model", tmp_path / "start.py"
    start.write_text(RAY, encoding="utf-8")
    done = run(
        [
            *(*APART, sys.executable, start, EXAMPLES / "ray_train.py"),
            *("--model-dir", model_dir, "--steps", "300", "--save-every", "150", "--cpus", "0.25"),
        ],
        timeout=200,
        cwd=tmp_path,
        env=environment(tmp_path, RAY_USAGE_STATS_ENABLED="0", TMP=str(short_folder)),
    )
    assert done.returncode == 0, done.stdout
    roles = set(re.findall(r"Rank (\d) is (\w+ \d)\.$", done.stdout, re.MULTILINE))
    assert roles == {("0", "chief 0"), ("1", "worker 0"), ("2", "ps 0"), ("3", "evaluator 0")}
    assert_trained(model_dir, 300)
    assert re.search(r"^step 3\d\d: accuracy 0\.[89]\d\d$", done.stdout, re.MULTILINE)
    (others,) = re.findall(r"^others: (.*)$", done.stdout, re.MULTILINE)
    found = json.loads(others)
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1", "e:1"]}
    assert all(each["cluster"] == cluster for each in found)
    assert [Cluster.parse(each).task_type for each in found] == (
        ["chief", "worker", "worker", "ps", "ps", "evaluator"]
    )
    assert [each["task"]["index"] for each in found] == [0, 0, 1, 0, 1, 0]
