"""Who takes part, in what, and what has to be reached. Nothing here imports a framework."""

from dataclasses import dataclass

from .models import MODELS

TF_MODELS = tuple(MODELS)
FORWARD = tuple(name for name, model in MODELS.items() if model.forward)


@dataclass(frozen=True)
class Contestant:
    """A program that takes part.

    Args:
        title: for people.
        environment: which Python runs it: "ours", "original" or "rivals".
        call: its function, `module:name`, of a `turns.Job`.
        takes: for each task the models it has.
        options: further arguments of the function.
    """

    title: str
    environment: str
    call: str
    takes: dict[str, tuple[str, ...]]
    options: dict[str, object] | None = None


@dataclass(frozen=True)
class Task:
    """What is measured.

    Args:
        title: for people.
        unit: what is counted.
        count: how many of these in a turn; None takes the model's.
        turns: at most so many, as some take long.
    """

    title: str
    unit: str
    count: int | None
    turns: int


TASKS = {
    "train": Task("Training, batches made of single rows", "steps", None, 5),
    "train_ready": Task("Training, batches ready in memory", "steps", 5000, 5),
    "predict": Task("predict() of one example", "calls", 5, 3),
    "predictor": Task("predictor(...) of one example", "calls", 200, 3),
    "evaluate": Task("evaluate() of 10 batches", "calls", 5, 3),
    "train_and_evaluate": Task(
        "train_and_evaluate, 200 steps and 10 evaluations, from nothing", "calls", 1, 2
    ),
}

_BOTH = ("mlp", "wide_deep")
_CALLS = {"predict": _BOTH, "evaluate": _BOTH, "train_and_evaluate": _BOTH}
_TRAIN = {"train": TF_MODELS, "train_ready": ("mlp",)}

CONTESTANTS = {
    "ours": Contestant(
        "tf_estimator", "ours", "estimators:ours", {**_TRAIN, **_CALLS, "predictor": _BOTH}
    ),
    "ours_jit": Contestant(
        "tf_estimator, jit_compile",
        "ours",
        "estimators:ours",
        {"train": ("mlp",), "train_ready": ("mlp",)},
        {"jit_compile": True},
    ),
    "original": Contestant(
        "tf.estimator 2.15", "original", "estimators:original", {**_TRAIN, **_CALLS}
    ),
    "session": Contestant("bare Session loop", "ours", "session:loop", _TRAIN),
    "keras": Contestant("Keras 3 fit", "ours", "keras_fit:fit", _TRAIN, {"steps_per_execution": 1}),
    "keras_100": Contestant(
        "Keras 3 fit, steps_per_execution=100",
        "ours",
        "keras_fit:fit",
        _TRAIN,
        {"steps_per_execution": 100},
    ),
    "torch": Contestant("PyTorch, DataLoader", "rivals", "torch_loops:loop", {"train": FORWARD}),
    "lightning": Contestant("Lightning", "rivals", "torch_loops:lightning", {"train": FORWARD}),
    "jax": Contestant(
        "JAX, one jitted step a call",
        "rivals",
        "jax_loops:one_step",
        {"train": FORWARD, "train_ready": ("mlp",)},
    ),
    "jax_scan": Contestant(
        "JAX, lax.scan over 100 batches",
        "rivals",
        "jax_loops:scan",
        {"train": FORWARD, "train_ready": ("mlp",)},
    ),
}


@dataclass(frozen=True)
class Goal:
    """A ratio of speeds that is to be reached.

    Args:
        task: of ours.
        model: of both.
        contestant: one of ours.
        against: another.
        least: the ratio.
        against_task: of the other, where it is another one.
    """

    task: str
    model: str
    contestant: str
    against: str
    least: float
    against_task: str = ""


GOALS = [
    Goal("train", "mlp", "ours", "original", 5),
    Goal("train", "mlp", "ours", "keras_100", 1.5),
    Goal("train", "mlp", "ours", "session", 3),
    Goal("train_ready", "mlp", "ours_jit", "original", 30),
    Goal("train_ready", "mlp", "ours_jit", "jax_scan", 0.5),
    Goal("train", "wide_deep", "ours", "original", 1.5),
    Goal("train", "wide_deep", "ours", "keras_100", 1),
    Goal("train", "cnn", "ours", "original", 1),
    Goal("train", "transformer", "ours", "original", 1),
    Goal("predict", "mlp", "ours", "original", 10),
    Goal("predict", "wide_deep", "ours", "original", 40),
    Goal("predictor", "mlp", "ours", "original", 200, "predict"),
    Goal("predictor", "wide_deep", "ours", "original", 400, "predict"),
    Goal("evaluate", "mlp", "ours", "original", 20),
    Goal("evaluate", "wide_deep", "ours", "original", 20),
    Goal("train_and_evaluate", "mlp", "ours", "original", 6),
    Goal("train_and_evaluate", "wide_deep", "ours", "original", 2.5),
]
MOST_MEMORY = 1.1  # of the original's, in each of the above
