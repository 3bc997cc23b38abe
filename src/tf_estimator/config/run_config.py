"""RunConfig: how, and as which task of a cluster, an Estimator runs."""

import copy
import inspect
import os
from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from tf_estimator import _checks
from tf_estimator.config import options
from tf_estimator.config.cluster import Cluster
from tf_estimator.config.session_config import session_config_of_task

# Marks "not given" where None has a meaning of its own: never save.
_NOT_GIVEN: Final = object()


class _Option(property):
    """A constructor argument of RunConfig: its check, and the read-only property that shows it.

    All that RunConfig does with its arguments (check, replace, compare, show) goes over these, so
    a new one takes a parameter of the constructor and one line like the others'.
    """

    def __init__(self, check: options.Check, doc: str) -> None:
        super().__init__(self._value, doc=doc)
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)  # type: ignore[misc]
        self._name = name

    def _value(self, config: "RunConfig") -> Any:
        return vars(config)["_options"][self._name]

    def checked(self, value: Any) -> Any:
        return self._check(self._name, value)


class RunConfig:
    """How an Estimator runs: its folder, what it saves and logs, its devices, its cluster.

    Which cluster, and which task of it this process is, comes from the environment variable
    TF_CONFIG, a JSON object that `Cluster.parse` describes; it is read when a RunConfig is made.

    A RunConfig compares by value. It can be subclassed and given further attributes, which reach a
    model_fn that takes `config`, and which `replace` keeps.

    Args:
        model_dir: Folder of the model: checkpoints, event files, exports. None: the "model_dir" of
            TF_CONFIG, else a temporary folder that the Estimator makes. If both are given, they
            must be the same. In a cluster one must be given: its tasks meet there.
        tf_random_seed: Seed of the graphs, an integer. None: another one at every run.
        save_summary_steps: Write summaries every so many steps. 0 or None: never.
        save_checkpoints_steps: Save a checkpoint every so many steps. None: not by steps.
        save_checkpoints_secs: Save a checkpoint every so many seconds; 600 if neither this nor
            `save_checkpoints_steps` is given. Only one of the two can be set. Both None: never
            save.
        session_config: A tf.compat.v1.ConfigProto. None: the default one, which in a cluster has
            the device filters of the task.
        keep_checkpoint_max: How many of the newest checkpoints to keep. 0 or None: all.
        keep_checkpoint_every_n_hours: Keep one more checkpoint for every so many hours of training.
        log_step_count_steps: Log the steps per second and the loss every so many steps. None:
            never.
        train_distribute: A tf.distribute.Strategy to train with: a MirroredStrategy,
            OneDeviceStrategy or CentralStorageStrategy, or in a cluster without parameter servers
            a MultiWorkerMirroredStrategy. None: no distribution.
        device_fn: A function of an `op` that returns its device, as a string, for the graph that
            is trained. None: in a cluster with parameter servers, variables go to these in turn,
            other ops to the worker.
        protocol: The protocol between servers: 'grpc', 'grpc+verbs', or None for 'grpc'.
        eval_distribute: A tf.distribute.Strategy to evaluate with.
        experimental_distribute: An object whose attributes `train_distribute` and
            `eval_distribute` are used in place of the arguments of that name.
        experimental_max_worker_delay_secs: The longest time a worker waits before it starts, in
            whole seconds. None: 60.
        session_creation_timeout_secs: How long a worker waits for the session to be ready, and a
            parameter server for a task that trains, in seconds.
        checkpoint_save_graph_def: Whether to write the graph definition next to the checkpoints.
        ignore_missing: Whether variables and tables that a checkpoint lacks keep their initial
            values, when training goes on from it and when it is evaluated, predicted with or
            exported. False: an error that names them. Another shape or type is an error either
            way. `Estimator.restore_report` tells what was restored. Ours, by keyword only.
        keep_graphs: Whether train, evaluate and predict keep their graphs and sessions for the next
            call, which then builds and restores only what has changed; an integer is how many at
            most, True is 4, False is none. A graph is built anew if what model_fn gets or reads has
            changed, or if it cannot be kept; a line of the debug log says why. Files that model_fn
            reads are not looked at. Ours, by keyword only.
        steps_per_loop: How many steps of training one call of the session may take where no hook
            looks at them. 'auto': as many as there are up to the next look of a hook, where that
            changes no number; an integer: so many at most; 1: each step by itself. It has a part
            about this below. Ours, by keyword only.
        jit_compile: Whether the steps of such a loop are compiled by XLA. Ours, by keyword only.
        adopt_live_ps: Whether a chief that was restarted keeps what the parameter servers hold, if
            none of them was restarted as well, so that no step is lost. False: it puts them back
            to the newest checkpoint. Ours, by keyword only.
        save_input_state: Whether the position of the input is saved in each checkpoint, so that a
            run that goes on from one reads on where that was, and a run that was killed ends as
            if it had not been. It has a part about this below. Ours, by keyword only.

    **Many steps in one call.** The time of a small step goes into starting it. So the step is put
    into a loop inside of the graph that runs until a hook has to look, for a tenth of a second at
    most, and the step that a hook looks at is taken by itself, with all hooks. TensorFlow's hooks
    and ours tell when they look; a hook of yours does with a method `next_look`, and without one it
    looks at each step, which then is taken by itself. A step that draws from a seeded random op is
    not put into a loop by 'auto', for it would draw other numbers there; with an integer it is.
    With `jit_compile=True` the loop is one program of XLA's, whose results may differ in the last
    digits. It is for batches of one shape: `dataset.batch(n, drop_remainder=True)`; one of another
    shape is taken by itself. What XLA cannot compile, or computes in another way, such as random
    numbers by a seed, runs in the ordinary loop, and a warning says which op that is.

    **Exact resume.** With `save_input_state=True` the checkpoint has one more variable,
    `input_state`: where the tf.data.Dataset of input_fn is, with the content of its shuffle
    buffers. A next `train`, in the same process or a later one, reads on there; if nothing is left
    to read it starts the input over. So `train(input_fn, steps=10)` twice reads 20 batches, and a
    run that may be killed should say where it is done: with `max_steps`.

    The Dataset must be made of what tf.data can save: no `from_generator`; no stateful random op
    or Python function in `map`, unless its state does not matter: 'warn' and 'ignore' pass over it
    with and without a warning. Use the seeds of `tf.random.stateless_uniform` and of `shuffle`.
    What the model itself draws is not in a checkpoint: a stateful random op, such as dropout,
    starts its sequence anew in every session. Draw by `tf.random.stateless_*` with the global step
    in the seed to have that exact as well. One process that trains, and the Saver that Estimator
    makes, are needed.

    Raises:
        TypeError: If an argument or an entry of TF_CONFIG has the wrong type.
        ValueError: If an argument or an entry of TF_CONFIG has a wrong value, or both
            `save_checkpoints_steps` and `save_checkpoints_secs` are set.

    Example:
        >>> config = RunConfig(model_dir="/tmp/model", save_checkpoints_steps=500)
        >>> config
        RunConfig(model_dir='/tmp/model', save_checkpoints_steps=500)
        >>> config.replace(save_checkpoints_secs=60)
        RunConfig(model_dir='/tmp/model', save_checkpoints_secs=60)
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: Any = _NOT_GIVEN,
        save_checkpoints_secs: Any = _NOT_GIVEN,
        session_config: tf.compat.v1.ConfigProto | None = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float | None = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: tf.distribute.Strategy | None = None,
        device_fn: Callable[[tf.Operation], str] | None = None,
        protocol: str | None = None,
        eval_distribute: tf.distribute.Strategy | None = None,
        experimental_distribute: Any = None,
        experimental_max_worker_delay_secs: int | None = None,
        session_creation_timeout_secs: float | None = 7200,
        checkpoint_save_graph_def: bool = True,
        *,
        ignore_missing: bool = False,
        save_input_state: bool | str = False,
        keep_graphs: bool | int = True,
        steps_per_loop: int | str = "auto",
        jit_compile: bool = False,
        adopt_live_ps: bool = False,
    ) -> None:
        if save_checkpoints_steps is _NOT_GIVEN and save_checkpoints_secs is _NOT_GIVEN:
            save_checkpoints_secs = _DEFAULTS["save_checkpoints_secs"]
        arguments = locals()
        given = {name: arguments[name] for name in _OPTIONS}
        given = {name: None if value is _NOT_GIVEN else value for name, value in given.items()}
        self._options = _settled(given)
        self._tf_config = Cluster.from_environment()
        of_cluster = self._tf_config.model_dir
        if self._options["model_dir"] is None:
            self._options["model_dir"] = of_cluster
        elif of_cluster is not None and self._options["model_dir"] != of_cluster:
            hint = "Give it in one of the two places only."
            rule = f"must agree with model_dir in TF_CONFIG, {of_cluster!r}"
            raise _checks.wrong_value("model_dir", rule, model_dir, hint)
        if session_config is None:
            self._options["session_config"] = session_config_of_task(self._tf_config)

    model_dir = _Option(options.model_dir, "Folder of the model, a string, or None.")
    tf_random_seed = _Option(options.integer, "Seed of the graphs, or None.")
    save_summary_steps = _Option(
        options.not_negative, "Steps between summaries; 0 or None for never."
    )
    save_checkpoints_steps = _Option(options.not_negative, "Steps between checkpoints, or None.")
    save_checkpoints_secs = _Option(options.not_negative, "Seconds between checkpoints, or None.")
    session_config = _Option(options.session_config, "A tf.compat.v1.ConfigProto, or None.")
    keep_checkpoint_max = _Option(options.not_negative, "Checkpoints to keep; 0 or None for all.")
    keep_checkpoint_every_n_hours = _Option(
        options.positive, "Hours for each further checkpoint to keep."
    )
    log_step_count_steps = _Option(options.positive, "Steps between log lines, or None.")
    train_distribute = _Option(options.strategy, "A tf.distribute.Strategy to train with, or None.")
    device_fn = _Option(options.device_fn, "A function from op to device, or None.")
    protocol = _Option(options.protocol, "Protocol between servers, or None.")
    eval_distribute = _Option(
        options.strategy, "A tf.distribute.Strategy to evaluate with, or None."
    )
    experimental_distribute = _Option(
        options.distribute_config, "What holds both strategies, or None."
    )
    experimental_max_worker_delay_secs = _Option(
        options.integer, "Longest delay of a worker, in seconds."
    )
    session_creation_timeout_secs = _Option(
        options.positive, "Longest wait for a session, in seconds."
    )
    checkpoint_save_graph_def = _Option(
        options.boolean, "Whether a graph goes with the checkpoints."
    )
    ignore_missing = _Option(options.boolean, "Whether a checkpoint may lack variables. Ours.")
    save_input_state = _Option(
        options.input_state, "Whether a checkpoint has the position of the input. Ours."
    )
    keep_graphs = _Option(
        options.kept_graphs, "Whether graphs are kept, or how many at most. Ours."
    )
    steps_per_loop = _Option(
        options.steps_per_loop, "Steps in one call of the session, or 'auto'. Ours."
    )
    jit_compile = _Option(options.boolean, "Whether XLA compiles the loop of steps. Ours.")
    adopt_live_ps = _Option(
        options.boolean, "Whether a chief keeps what parameter servers hold. Ours."
    )

    @property
    def tf_config(self) -> Cluster:
        """What TF_CONFIG said when this RunConfig was made."""
        return self._tf_config

    @property
    def cluster_spec(self) -> tf.train.ClusterSpec:
        """The jobs of the cluster; empty without one, and for the evaluator."""
        return self._tf_config.cluster_spec

    @property
    def task_type(self) -> str:
        """The role of this process: 'chief', 'master', 'worker', 'ps' or 'evaluator'."""
        return self._tf_config.task_type

    @property
    def task_id(self) -> int:
        """The index of this process among those of its role."""
        return self._tf_config.task_id

    @property
    def global_id_in_cluster(self) -> int | None:
        """A number of this process that no other one of the cluster has; None for the evaluator."""
        return self._tf_config.global_id_in_cluster

    @property
    def master(self) -> str:
        """The TensorFlow master for training, '' for in-process."""
        return self._tf_config.master

    @property
    def evaluation_master(self) -> str:
        """The TensorFlow master for evaluation, '' for in-process."""
        return self._tf_config.evaluation_master

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints."""
        return self._tf_config.is_chief

    @property
    def num_ps_replicas(self) -> int:
        """The number of parameter servers."""
        return self._tf_config.num_ps_replicas

    @property
    def num_worker_replicas(self) -> int:
        """The number of tasks that train, with the chief."""
        return self._tf_config.num_worker_replicas

    @property
    def service(self) -> Any:
        """The "service" entry of TF_CONFIG, a dict or None."""
        return self._tf_config.service

    def replace(self, **kwargs: Any) -> "RunConfig":
        """A copy with some of the constructor's arguments changed.

        Setting one of `save_checkpoints_steps` and `save_checkpoints_secs` clears the other. The
        cluster, the class and further attributes stay as they are; TF_CONFIG is not read again.

        Args:
            **kwargs: Arguments of the constructor.

        Returns:
            A new RunConfig of the same class.

        Raises:
            TypeError: If a value has the wrong type.
            ValueError: If a name is no argument of the constructor, or a value is wrong.

        Example:
            >>> RunConfig(tf_random_seed=1).replace(tf_random_seed=2, keep_checkpoint_max=1)
            RunConfig(tf_random_seed=2, keep_checkpoint_max=1)
        """
        for name in kwargs:
            if name not in _OPTIONS:
                rule = f"must be arguments of RunConfig ({', '.join(_OPTIONS)})"
                raise _checks.wrong_value("The names given to replace", rule, name)
        changed = copy.deepcopy(self)
        vars(changed)["_options"].update(_settled(kwargs))
        return changed

    def __deepcopy__(self, memo: dict[int, Any]) -> "RunConfig":
        # Strategies hold live devices, and the Cluster cannot change: a copy shares them.
        distribution = ("train_distribute", "eval_distribute", "experimental_distribute")
        shared = [self._options[name] for name in (*distribution, "device_fn")]
        for each in (self._tf_config, *shared):
            memo[id(each)] = each
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        vars(copied).update(copy.deepcopy(vars(self), memo))
        return copied

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        # Of what equal ones have in common, a part that is hashable and does not change.
        return hash((type(self), self._tf_config, self._options["model_dir"]))

    def __repr__(self) -> str:
        defaults = _DEFAULTS | {
            "model_dir": self._tf_config.model_dir,
            "session_config": session_config_of_task(self._tf_config),
            "tf_config": Cluster(),
        }
        if self._options["save_checkpoints_steps"] is not None:
            defaults["save_checkpoints_secs"] = None
        values = self._options | {"tf_config": self._tf_config}
        values |= {name: value for name, value in vars(self).items() if not name.startswith("_")}
        shown = []
        for name, value in values.items():
            if name not in defaults or value != defaults[name]:
                if isinstance(value, tf.compat.v1.ConfigProto):
                    text = f"ConfigProto({' '.join(str(value).split())})"
                else:
                    text = repr(value)
                shown.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


_OPTIONS: Final[dict[str, _Option]] = {
    name: value for name, value in vars(RunConfig).items() if isinstance(value, _Option)
}
_DEFAULTS: Final[dict[str, Any]] = {
    name: parameter.default for name, parameter in inspect.signature(RunConfig).parameters.items()
} | {"save_checkpoints_steps": None, "save_checkpoints_secs": 600}


def _settled(given: dict[str, Any]) -> dict[str, Any]:
    """The options of `given`, checked, and the others that they change."""
    options = {name: _OPTIONS[name].checked(value) for name, value in given.items()}
    saving = ("save_checkpoints_steps", "save_checkpoints_secs")
    every = {name: options[name] for name in saving if options.get(name) is not None}
    if len(every) == 2:
        rule, hint = "cannot be set together", "Set one of them to None."
        raise _checks.wrong_value(" and ".join(saving), rule, tuple(every.values()), hint)
    if every:  # Saving by one of them ends saving by the other.
        options |= dict.fromkeys(saving) | every
    for name in ("train_distribute", "eval_distribute"):
        strategy = getattr(options.get("experimental_distribute"), name, None)
        if strategy is None:
            continue
        if options.get(name) is not None:
            rule = f"must be None if experimental_distribute.{name} is set"
            raise _checks.wrong_value(name, rule, options[name])
        options[name] = strategy
    return options
