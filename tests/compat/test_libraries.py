"""Libraries that were written for the original train, evaluate and export, unedited.

They are installed without the versions that they ask for:

    pip install --no-deps adanet==0.9.0 tensorflow-ranking==0.5.5
    pip install deepctr==0.9.4 tensorflow-gan==2.1.0 six setuptools tf-keras
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # adanet builds graph after graph.

# What each library needs beside TensorFlow.
NEEDED = {
    "adanet": ("absl", "six"),
    "deepctr": ("requests", "tf_keras"),
    "tensorflow_ranking": ("absl", "six", "tf_keras"),
    "tensorflow_gan": ("six", "tensorflow_hub", "tensorflow_probability", "tf_keras"),
}

# What the original gives, in TensorFlow 2.15. Of one model only what does not depend on its first
# weights, which it draws by the number of operations there are.
EXPECTED: dict[str, dict[str, dict[str, float]]] = {
    "adanet": {
        "own": {
            "average_loss": 0.6030450,
            "auc": 0.8132353,
            "prediction/mean": 0.3752746,
            "best_ensemble_index_0": 1,
            "best_ensemble_index_1": 2,
            "iteration": 1,
            "global_step": 10,
            "probability": 0.5,
            "signatures": 2,
        },
        "canned": {
            "average_loss": 0.2168944,
            "accuracy": 1.0,
            "prediction/mean": 0.5220170,
            "best_ensemble_index_0": 1,
            "global_step": 6,
        },
    },
    "deepctr": {
        "DeepFMEstimator": {
            "AUC": 0.5738462,
            "LogLoss": 0.6631160,
            "loss": 10.609974,
            "prediction": 0.5444059,
            "global_step": 4,
            "signatures": 2,
        },
        "xDeepFMEstimator": {
            "AUC": 0.7015384,
            "LogLoss": 0.6575018,
            "loss": 10.520148,
            "prediction": 0.5569395,
            "global_step": 4,
            "signatures": 2,
        },
    },
    "tensorflow_ranking": {
        "own": {
            "labels_mean": 1.05,
            "logits_mean": -0.0043203,
            "loss": 8.4493637,
            "mrr": 0.7968751,
            "ndcg": 0.6178412,
            "global_step": 4,
            "scores": 5,
            "signatures": 3,
        },
        "dnn": {"labels_mean": 1.05, "global_step": 4, "signatures": 3},
    },
    "tensorflow_gan": {
        "gan": {
            "discriminator_loss": -7.0963802,
            "generator_loss": -1.9119272,
            "generated": 1.2271923,
            # Half of the steps: what it runs before each takes the other half of the batches.
            "global_step": 5,
            "signatures": 1,
        },
        "tpu": {
            "discriminator_loss": -7.3398056,
            "generator_loss": -4.2584295,
            "generated": 1.6387810,
            "global_step": 10,
        },
    },
}


def _missing(library: str) -> list[str]:
    return [name for name in (library, *NEEDED[library]) if not importlib.util.find_spec(name)]


@pytest.mark.parametrize("library", NEEDED)
def test_a_library_works_as_it_did(library: str) -> None:
    if missing := _missing(library):
        pytest.skip(f"not installed: {', '.join(missing)}")
    # In a process of its own: it changes what others find in TensorFlow, and in Keras.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("library_programs.py")), library],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},  # Some layers are of Keras 2 only.
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == 1, done.stderr
    results: dict[str, Any] = json.loads(lines[0])
    if "absent" in results:
        pytest.skip(f"{library} cannot be imported here: {results['absent']}")
    assert set(results) == set(EXPECTED[library])
    for name, expected in EXPECTED[library].items():
        found = {key: results[name][key] for key in expected}
        assert found == pytest.approx(expected, abs=2e-5), name
