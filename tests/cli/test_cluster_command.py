"""The command `tf-estimator cluster`: what TF_CONFIG says, who answers, and SLURM's variables."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tf_estimator.cli import main
from tf_estimator.cli.clusters import slurm
from tf_estimator.cli.clusters.report import report
from tf_estimator.cluster.probe import Answer
from tf_estimator.config import Cluster

JOBS = {"chief": ["c:1"], "worker": ["w:1", "w:2"], "ps": ["p:1"]}


def config(job: str = "worker", index: int = 0, jobs=JOBS, **entries) -> str:
    return json.dumps({"cluster": jobs, "task": {"type": job, "index": index}, **entries})


def answering(**answers: Answer):
    """Asks nobody: all answer, but for those."""
    by_address = {name.replace("_", ":"): answer for name, answer in answers.items()}
    return lambda address: by_address.get(address, Answer.ANSWERS)


def told(text: str | None, **answers: Answer) -> str:
    environment = {} if text is None else {"TF_CONFIG": text}
    return "\n".join(report(environment, ask=answering(**answers)).text())


class TestCheck:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (None, ["TF_CONFIG is not set: a process trains, evaluates and saves alone."]),
            ("{}", ["TF_CONFIG has no cluster"]),
            (
                config("chief"),
                ["This is chief 0 of a cluster of 1 chief, 2 workers, 1 parameter s"],
            ),
            (config("chief"), ["It trains, and writes the checkpoints"]),
            (config("worker", 1), ["This is worker 1 of", "the chief writes the checkpoints"]),
            (config("ps"), ["This is ps 0 of", "It holds variables"]),
            (config("evaluator"), ["This is evaluator 0. It evaluates each checkpoint"]),
            (
                config("master", jobs={"master": ["m:1"], "ps": ["p:1"]}),
                ["It trains and evaluates"],
            ),
            (config("chief", jobs={"chief": ["c:1"]}), ["It is the only task, and starts no ser"]),
            (config(timeout_secs=30), ["may be out of reach for 30 s"]),
            (config(environment="google"), ["somebody else starts the servers"]),
            (config(rpc_layer="grpc"), ['"rpc_layer" is no entry of TF_CONFIG, and does nothing']),
            (config(jobs={"chief": ["c:1"], "worker": ["w:1"]}), ["MultiWorkerMirroredStrategy"]),
        ],
    )
    def test_what_this_task_is(self, text, words) -> None:
        found = told(text)
        assert all(each in found for each in words)
        assert found.endswith("Nothing is wrong.")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "wrong: TF_CONFIG must be a JSON object; received ''"),
            ('{"cluster": {"chief": ["c:1"]}', "at line 1, column 31, near"),
            ("[]", "wrong: TF_CONFIG must be a JSON object (a dict); received []"),
            (config("worker", 2), "one of the indices of worker, [0, 1]; received 2"),
            (config("evaluator", 1), 'There is one evaluator only: its "index" must be 0.'),
            (config(timeout=3), '"timeout" is no entry of TF_CONFIG. Is "timeout_secs" meant?'),
            (
                config("chief", jobs=JOBS | {"workers": ["x:1"]}),
                '"workers" is no role of train_and_evaluate. Is "worker" meant?',
            ),
            (
                '{"cluster": {"chief": ["c:1"]}, "cluster": {}}',
                '"cluster" is twice in one object of TF_CONFIG, and only the last one counts.',
            ),
            (config(jobs=JOBS | {"ps": ["p"]}), "the form \"host:port\"; received 'p' (str)."),
            (
                config(jobs=JOBS | {"ps": ["w:2"]}),
                "must give ps 0 an address of its own, and not that of worker 1; received 'w:2'",
            ),
        ],
    )
    def test_what_is_wrong(self, text, words) -> None:
        found = told(text)
        assert words in found
        assert found.endswith("1 problem.")

    def test_who_answers(self) -> None:
        found = told(config(), w_2=Answer.REFUSED, p_1=Answer.SILENT, w_1=Answer.REFUSED)
        assert found.splitlines()[-6:] == [
            "  chief 0   c:1  answers",
            "  ps 0      p:1  accepts the connection but says nothing: the process is frozen",
            "> worker 0  w:1  is this task, which does not run yet",
            "  worker 1  w:2  refuses the connection: nothing listens on that port",
            "wrong: 2 of 3 other tasks cannot be reached: ps 0, worker 1.",
            "1 problem.",
        ]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (Answer.ANSWERS, "is this task, which runs already\n"),
            (Answer.OTHER, "wrong: This task, worker 0 (w:1), is not there: something else"),
            (Answer.UNKNOWN_HOST, "wrong: This task, worker 0 (w:1), has an address that cannot"),
        ],
    )
    def test_the_address_of_this_task(self, answer, words) -> None:
        assert words in told(config(), w_1=answer)

    def test_it_waits_until_all_answer(self) -> None:
        times = [0.0]

        def sleep(secs: float) -> None:
            times.append(times[-1] + secs)

        def ask(address: str) -> Answer:
            return Answer.REFUSED if address == "p:1" and len(times) < 4 else Answer.ANSWERS

        def problems(wait_secs: float) -> list[str]:
            del times[1:]
            return report(
                {"TF_CONFIG": config()}, wait_secs, ask, lambda: times[-1], sleep
            ).problems

        assert not problems(30.0)
        assert times == [0, 1, 2, 3]
        assert problems(1.5)
        assert times == [0, 1, 1.5]

    def test_it_asks_for_real(self, monkeypatch, capsys) -> None:
        with _server() as there, socket.create_server(("127.0.0.1", 0)) as gone:
            address = f"127.0.0.1:{gone.getsockname()[1]}"
            gone.close()
            for addresses, status in (({"ps": [there]}, 0), ({"ps": [address]}, 1)):
                jobs = {"chief": ["127.0.0.1:9"], **addresses}
                monkeypatch.setenv("TF_CONFIG", config("chief", jobs=jobs))
                assert main(["cluster", "--check"]) == status
                shown = capsys.readouterr().out
                assert ("answers" in shown) == (status == 0)

    @pytest.mark.parametrize(
        "arguments",
        [[], ["--check", "--slurm"], ["--check", "--ps", "1"], ["--slurm", "--wait", "1"]],
    )
    def test_wrong_command_lines(self, arguments) -> None:
        with pytest.raises(SystemExit) as caught:
            main(["cluster", *arguments])
        assert caught.value.code == 2


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """The address of something that greets as a gRPC server does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with listening.accept()[0] as connection:
                connection.recv(64)
                connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))

        thread = threading.Thread(target=greet)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def variables(node: int, local: int, nodes: str = "n[1-2]", counts: str = "3,2") -> dict[str, str]:
    return {
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": counts,
        "SLURM_NODEID": str(node),
        "SLURM_LOCALID": str(local),
        "SLURM_JOB_ID": "5",
    }


class TestSlurm:
    def test_all_tasks_make_the_same_cluster_and_each_is_another(self) -> None:
        found = [
            slurm.tf_config(variables(node, local), parameter_servers=1, has_evaluator=True)
            for node, local in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))
        ]
        assert all(each["cluster"] == found[0]["cluster"] for each in found)
        port = 12288 + 5 * 128
        assert found[0]["cluster"] == {
            "chief": [f"n1:{port}"],
            "worker": [f"n1:{port + 1}", f"n1:{port + 2}"],
            "ps": [f"n2:{port}"],
        }
        clusters = [Cluster.parse(each) for each in found]
        tasks = [(each.task_type, each.task_id) for each in clusters]
        assert tasks == [("chief", 0), ("worker", 0), ("worker", 1), ("ps", 0), ("evaluator", 0)]
        for cluster in clusters:
            cluster.check_addresses()

    def test_ports_are_below_those_of_connections(self) -> None:
        for job in range(1000):
            environment = variables(0, 0) | {"SLURM_JOB_ID": str(job)}
            address = slurm.tf_config(environment)["cluster"]["chief"][0]
            assert 12288 <= int(address.partition(":")[2]) < 32768 - 128

    @pytest.mark.parametrize(
        ("text", "hosts"),
        [
            ("one", "one"),
            ("n[1-3]", "n1 n2 n3"),
            ("n[08-10,12],m5", "n08 n09 n10 n12 m5"),
            ("rack[1-2]n[1-2].x", "rack1n1.x rack1n2.x rack2n1.x rack2n2.x"),
        ],
    )
    def test_hosts(self, text, hosts) -> None:
        assert slurm.hosts(text) == hosts.split()

    @pytest.mark.parametrize(
        ("environment", "options", "message"),
        [
            ({}, {}, "SLURM_STEP_NODELIST is not set, as srun does in each task. Say srun"),
            (variables(0, 0, nodes="n[1-"), {}, r"SLURM_STEP_NODELIST must be .* received 'n\[1-'"),
            (variables(0, 0, nodes="n[a]"), {}, r"SLURM_STEP_NODELIST must be .* received '\[a\]'"),
            (variables(0, 0, counts="3x"), {}, "SLURM_STEP_TASKS_PER_NODE must be as SLURM writes"),
            (variables(0, 0, counts="3"), {}, r"received 2 \(n1, n2\) and 1"),
            (variables(1, 2), {}, "must be of a task of the step"),
            (variables(0, 0), {"parameter_servers": 5}, "has 5 tasks, too few for a chief, 5 par"),
        ],
    )
    def test_errors(self, environment, options, message) -> None:
        with pytest.raises(slurm.SlurmError, match=message):
            slurm.tf_config(environment, **options)

    def test_the_command(self, monkeypatch, capsys) -> None:
        for name, value in variables(1, 0).items():
            monkeypatch.setenv(name, value)
        options = ["--ps", "1", "--timeout", "30", "--port-base", "5000"]
        assert main(["cluster", "--slurm", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["cluster"]["worker"] == ["n1:5001", "n1:5002", "n2:5000"]
        assert (found["task"], found["timeout_secs"]) == ({"type": "worker", "index": 2}, 30)
        monkeypatch.delenv("SLURM_NODEID")
        assert main(["cluster", "--slurm"]) == 1
        shown = capsys.readouterr()
        assert (shown.out, "SLURM_NODEID is not set" in shown.err) == ("", True)
