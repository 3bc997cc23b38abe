"""Models of all kinds under a MirroredStrategy: the numbers and names are those of one device.

The strategy is made as programs do it, before anything else, on two logical processors. A process
has them or it has not, from its start: so all of it runs in one of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = Path(__file__).parent / "programs" / "models.py"
_CASES = (
    "optimizer of version 1",
    "optimizer of Keras 3",
    "optimizer of tf_keras",
    "moving averages of an optimizer of Keras 3",
    "moving averages of an optimizer of tf_keras",
    "loss scaling of Keras 3",
    "DNNClassifier",
    "LinearRegressor",
    "DNNLinearCombinedClassifier, twice the same optimizer",
    "DNNClassifier of version 1",
    "batch norm of version 1",
    "batch norm of Keras 3",
    "batch norm of tf_keras",
    "metrics of Keras 3",
    "metrics of tf_keras",
    "input that ends in mid-round",
)


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(_PROGRAM)]
    ended = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_all_cases_are_there(results: dict[str, Any]) -> None:
    assert sorted(results) == sorted((*_CASES, "refused"))


@pytest.mark.parametrize("case", _CASES)
def test_all_is_as_on_one_device(case: str, results: dict[str, Any]) -> None:
    alone, mirrored = results[case]
    assert mirrored["names"] == alone["names"]
    for part in ("losses", "metrics", "variables"):
        assert mirrored[part] == pytest.approx(
            alone[part], rel=2e-5 if part == "variables" else 2e-6, abs=1e-6
        )


@pytest.mark.parametrize(
    ("case", "message"),
    {
        "model_to_estimator": "one piece each",
        "legacy optimizer": "legacy",
        "Keras batch norm, central storage": "Train with a MirroredStrategy",
        "tensors of input_fn": "tf.data.Dataset",
    }.items(),
)
def test_what_would_not_be_right_is_refused(
    case: str, message: str, results: dict[str, Any]
) -> None:
    assert message in results["refused"][case]
