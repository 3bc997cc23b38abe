"""Runs train.py on Ray: each worker of a Ray Train job is a task of a TF_CONFIG cluster.

    ray job submit --working-dir examples/clusters -- python ray_train.py --model-dir /shared/digits

Ray finds the machines, gives each worker an address, and when one is lost starts all of them anew,
which go on from the last checkpoint. Where there is no Ray cluster it makes one of this machine.
"""

import argparse
import json
import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

TIMEOUT_SECS = 60  # Ray starts all tasks together, but one machine may be slower than another


def tf_config(addresses: Sequence[str], rank: int, ps: int) -> dict[str, Any]:
    """The TF_CONFIG of a worker of Ray's.

    Args:
        addresses: "host:port" of each worker of Ray's, in the order of their ranks. The first is
            the chief and the last the evaluator, whose address nobody needs; before it come the
            parameter servers.
        rank: which of them this is.
        ps: the number of parameter servers.
    """
    *trained_by, _ = addresses
    end = len(trained_by) - ps
    jobs = {"chief": trained_by[:1], "worker": trained_by[1:end], "ps": trained_by[end:]}
    tasks = [(job, index) for job, hosts in jobs.items() for index in range(len(hosts))]
    job, index = [*tasks, ("evaluator", 0)][rank]
    return {
        "cluster": {name: hosts for name, hosts in jobs.items() if hosts},
        "task": {"type": job, "index": index},
        "timeout_secs": TIMEOUT_SECS,
    }


def play(settings: dict[str, Any]) -> None:
    """What each worker of Ray's does: one task of train.py."""
    given = json.loads(os.environ["TF_CONFIG"])  # Ray's has the addresses; it calls all workers
    addresses, rank = given["cluster"]["worker"], given["task"]["index"]
    ours = tf_config(addresses, rank, settings["ps"])
    os.environ["TF_CONFIG"] = json.dumps(ours)
    print("Rank {} is {type} {index}.".format(rank, **ours["task"]))
    tf.get_logger().propagate = False  # Ray shows what the root logger gets, too
    estimator = train.make_estimator(settings["model_dir"], settings["save_every"])
    train.run(estimator, settings["steps"])


def main() -> None:
    """Trains, and says how good the model was at each evaluation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model-dir", required=True, help="a folder that all machines see")
    parser.add_argument("--workers", type=int, default=1, help="beside the chief; default: 1")
    parser.add_argument("--ps", type=int, default=1, help="parameter servers; default: 1")
    parser.add_argument("--steps", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--save-every", type=int, default=200, help="steps; default: %(default)s")
    parser.add_argument("--cpus", type=float, default=1, help="of each task; default: 1")
    arguments = parser.parse_args()
    model_dir = os.path.abspath(arguments.model_dir)
    trainer = TensorflowTrainer(
        play,
        train_loop_config={**vars(arguments), "model_dir": model_dir},
        scaling_config=ScalingConfig(
            num_workers=1 + arguments.workers + arguments.ps + 1,
            resources_per_worker={"CPU": arguments.cpus},
        ),
        run_config=RunConfig(
            storage_path=model_dir,
            name="ray",  # the folder in it for Ray's own notes
            failure_config=FailureConfig(max_failures=3),
        ),
    )
    trainer.fit()
    accuracy = train.make_estimator(model_dir).history()["eval"]["accuracy"]
    for step, value in zip(accuracy.step, accuracy.value, strict=True):
        print(f"step {step}: accuracy {value:.3f}")


if __name__ == "__main__":
    main()
