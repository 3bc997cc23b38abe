"""TPUConfig and RunConfig of TPUEstimator."""

import numbers
import re
from typing import Any, NamedTuple

import tensorflow as tf

from tf_estimator import _checks, config
from tf_estimator.config import default_session_config


class InputPipelineConfig:
    """How input gets to the cores of a TPU: values for TPUConfig. On CPU and GPU all are one.

    Attributes:
        PER_SHARD_V1: input_fn is called for each core.
        PER_HOST_V1: input_fn is called for each host.
        PER_HOST_V2: the same; input_fn returns a Dataset.
        BROADCAST: input_fn is called once, and each core gets all of it.
        SLICED: input_fn is called once, and each core gets its part of it.
    """

    PER_SHARD_V1 = 1
    PER_HOST_V1 = 2
    PER_HOST_V2 = 3
    BROADCAST = 4
    SLICED = 5


class _TPUFields(NamedTuple):
    iterations_per_loop: Any
    num_shards: Any
    num_cores_per_replica: Any
    per_host_input_for_training: Any
    tpu_job_name: Any
    initial_infeed_sleep_secs: Any
    input_partition_dims: Any
    eval_training_input_configuration: Any
    experimental_host_call_every_n_steps: Any
    experimental_allow_per_host_v2_parallel_get_next: Any
    experimental_feed_hook: Any


class TPUConfig(_TPUFields):
    """What a program says of the TPUs it was written for.

    It is checked and kept, so that a model_fn can read it from `config.tpu_config`. On CPU and GPU
    none of it changes how the model runs: there is one shard, and how many steps one call of the
    session takes is for `RunConfig(steps_per_loop)` to say.

    Args:
        iterations_per_loop: steps of training in one call of the session; or a time, a text such as
            "30s", "5m" or "1h".
        num_shards: how many parts a batch is cut into.
        num_cores_per_replica: how many cores one copy of the model is spread over: 1, 2, 4, 8, 16,
            32, 64 or 128.
        per_host_input_for_training: one of InputPipelineConfig; True for PER_HOST_V1, False for
            PER_SHARD_V1.
        tpu_job_name: the job of the TPU in a cluster.
        initial_infeed_sleep_secs: how long to wait before the first batch, in seconds.
        input_partition_dims: how to cut features, and labels, over the cores of one copy: a list of
            one or two dicts or lists. Needs num_cores_per_replica, and PER_HOST_V2.
        eval_training_input_configuration: for evaluation, PER_HOST_V1 or SLICED.
        experimental_host_call_every_n_steps: how often the host is called. On CPU and GPU it is at
            each step.
        experimental_allow_per_host_v2_parallel_get_next: whether the cores' batches are read at the
            same time.
        experimental_feed_hook: a class of a session hook that feeds the TPU.

    Raises:
        TypeError: a number has another type.
        ValueError: a value is none of these.

    Example:
        >>> TPUConfig(iterations_per_loop=100, num_shards=8)
        TPUConfig(iterations_per_loop=100, num_shards=8)
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - documented by the class
        cls,
        iterations_per_loop: int | str = 2,
        num_shards: int | None = None,
        num_cores_per_replica: int | None = None,
        per_host_input_for_training: bool | int = True,
        tpu_job_name: str | None = None,
        initial_infeed_sleep_secs: int | None = None,
        input_partition_dims: Any = None,
        eval_training_input_configuration: int = InputPipelineConfig.PER_HOST_V1,
        experimental_host_call_every_n_steps: int = 1,
        experimental_allow_per_host_v2_parallel_get_next: bool = False,
        experimental_feed_hook: Any = None,
    ) -> "TPUConfig":
        _check_iterations(iterations_per_loop)
        if num_shards is not None:
            _checks.positive("num_shards", num_shards)
        if initial_infeed_sleep_secs:
            _checks.positive("initial_infeed_sleep_secs", initial_infeed_sleep_secs)
        _check_model_parallelism(
            num_cores_per_replica, input_partition_dims, per_host_input_for_training
        )
        evaluates = (InputPipelineConfig.PER_HOST_V1, InputPipelineConfig.SLICED)
        if eval_training_input_configuration not in evaluates:
            raise _checks.wrong_value(
                "eval_training_input_configuration",
                "must be InputPipelineConfig.PER_HOST_V1 or SLICED",
                eval_training_input_configuration,
            )
        # By identity, for 1 is True as well, and means what False does.
        if per_host_input_for_training is True:
            per_host_input_for_training = InputPipelineConfig.PER_HOST_V1
        elif per_host_input_for_training is False:
            per_host_input_for_training = InputPipelineConfig.PER_SHARD_V1
        return super().__new__(
            cls,
            iterations_per_loop=iterations_per_loop,
            num_shards=num_shards,
            num_cores_per_replica=num_cores_per_replica,
            per_host_input_for_training=per_host_input_for_training,
            tpu_job_name=tpu_job_name,
            initial_infeed_sleep_secs=initial_infeed_sleep_secs,
            input_partition_dims=input_partition_dims,
            eval_training_input_configuration=eval_training_input_configuration,
            experimental_host_call_every_n_steps=experimental_host_call_every_n_steps,
            experimental_allow_per_host_v2_parallel_get_next=(
                experimental_allow_per_host_v2_parallel_get_next
            ),
            experimental_feed_hook=experimental_feed_hook,
        )

    def __repr__(self) -> str:
        defaults = _DEFAULT or self
        given = (
            f"{name}={value!r}"
            for name, value, default in zip(self._fields, self, defaults, strict=True)
            if value != default
        )
        return f"{type(self).__name__}({', '.join(given)})"


def _check_iterations(value: Any) -> None:
    rule = 'must be a positive integer, or a time such as "30s", "5m" or "1h"'
    if isinstance(value, bool) or not isinstance(value, str | numbers.Integral):
        raise _checks.wrong_type("iterations_per_loop", rule, value, was=ValueError)
    if not re.fullmatch(r"[1-9]\d*[hms]?", str(value)):
        raise _checks.wrong_value("iterations_per_loop", rule, value)


def _check_model_parallelism(cores: Any, input_partition_dims: Any, per_host_input: Any) -> None:
    if input_partition_dims is not None:
        rule = "must be a list of one or two elements, for features and labels"
        if not isinstance(input_partition_dims, list | tuple):
            raise _checks.wrong_type(
                "input_partition_dims", rule, input_partition_dims, was=ValueError
            )
        if len(input_partition_dims) not in (1, 2):
            raise _checks.wrong_value("input_partition_dims", rule, input_partition_dims)
        if cores is None:
            rule = "must be given if input_partition_dims is"
            raise _checks.wrong_value("num_cores_per_replica", rule, cores)
        if per_host_input != InputPipelineConfig.PER_HOST_V2:
            rule = "must be InputPipelineConfig.PER_HOST_V2 if input_partition_dims is given"
            raise _checks.wrong_value("per_host_input_for_training", rule, per_host_input)
    known = [1, 2, 4, 8, 16, 32, 64, 128]
    if cores is not None and cores not in known:
        raise _checks.wrong_value("num_cores_per_replica", f"must be one of {known}", cores)


_DEFAULT: TPUConfig | None = None
_DEFAULT = TPUConfig()


class RunConfig(config.RunConfig):
    """A RunConfig that a TPUEstimator takes.

    Args:
        tpu_config: a TPUConfig; None for the default one.
        evaluation_master: the TensorFlow master for evaluation. None: `master`, unless TF_CONFIG
            says another or this is the evaluator of a cluster.
        master: the TensorFlow master for training. None: that of `cluster`, else of TF_CONFIG; ""
            for in-process.
        cluster: a tf.distribute.cluster_resolver.ClusterResolver, which tells the master and the
            servers; None without one.
        **kwargs: arguments of `tf_estimator.RunConfig`.

    Raises:
        TypeError: tpu_config is no TPUConfig, cluster is no ClusterResolver, or as
            `tf_estimator.RunConfig`.
        ValueError: both master and cluster are given, cluster goes with a session_config that names
            servers, or as `tf_estimator.RunConfig`.

    Example:
        >>> config = RunConfig(TPUConfig(iterations_per_loop=500), model_dir="/tmp/model")
        >>> config
        RunConfig(tpu_config=TPUConfig(iterations_per_loop=500), model_dir='/tmp/model')
        >>> config.replace(tpu_config=TPUConfig(num_shards=8)).tpu_config.num_shards
        8
    """

    def __init__(
        self,
        tpu_config: TPUConfig | None = None,
        evaluation_master: str | None = None,
        master: str | None = None,
        cluster: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # No device filters of a task: the step is not spread over the tasks of TF_CONFIG.
        self._options["session_config"] = kwargs.get("session_config")
        self._tpu_config = _checked(tpu_config)
        self._cluster = cluster
        if cluster is not None:
            if master is not None:
                raise _checks.wrong_value(
                    "master", "must be None if cluster is given, which has one", master
                )
            master = self._connect()
        self._master = super().master if master is None else master
        if evaluation_master is None:
            evaluation_master = super().evaluation_master
            if not evaluation_master and self.task_type != "evaluator":
                evaluation_master = self._master
        self._evaluation_master = evaluation_master

    def _connect(self) -> str:
        """Adds the servers of the cluster to the session's configuration; gives its master."""
        for name in ("master", "cluster_spec"):
            if not callable(getattr(self._cluster, name, None)):
                rule = "must be a tf.distribute.cluster_resolver.ClusterResolver or None"
                raise _checks.wrong_type("cluster", rule, self._cluster)
        session_config = tf.compat.v1.ConfigProto()
        if self.session_config is None:
            session_config.CopyFrom(default_session_config())
            # Sessions of one server must not see each other's variables.
            session_config.isolate_session_state = True
        elif self.session_config.HasField("cluster_def"):
            rule = "must have no cluster_def if cluster is given"
            raise _checks.wrong_value("session_config", rule, self.session_config)
        else:
            session_config.CopyFrom(self.session_config)
        if servers := self._cluster.cluster_spec():
            session_config.cluster_def.CopyFrom(servers.as_cluster_def())
        self._options["session_config"] = session_config
        return str(self._cluster.master())

    @property
    def tpu_config(self) -> TPUConfig:
        """The TPUConfig."""
        return self._tpu_config

    @property
    def cluster(self) -> Any:
        """The ClusterResolver, or None."""
        return self._cluster

    @property
    def cluster_spec(self) -> tf.train.ClusterSpec:
        """The servers of the cluster, if one was given; else the jobs in TF_CONFIG."""
        found = self._cluster.cluster_spec() if self._cluster is not None else None
        return found if found is not None else super().cluster_spec

    @property
    def master(self) -> str:
        """The TensorFlow master for training, '' for in-process."""
        return self._master

    @property
    def evaluation_master(self) -> str:
        """The TensorFlow master for evaluation, '' for in-process."""
        return self._evaluation_master

    def replace(self, **kwargs: Any) -> "RunConfig":
        """A copy with some arguments changed.

        Args:
            **kwargs: arguments of `tf_estimator.RunConfig`, and `tpu_config`.

        Returns:
            A new RunConfig of the same class.

        Raises:
            TypeError: a value has the wrong type.
            ValueError: a name is none of these, or a value is wrong.

        Example:
            `config.replace(tpu_config=TPUConfig(num_shards=8))`
        """
        tpu_config = kwargs.pop("tpu_config", self._tpu_config)
        changed = super().replace(**kwargs)
        assert isinstance(changed, RunConfig)
        vars(changed)["_tpu_config"] = _checked(tpu_config)
        return changed

    def __deepcopy__(self, memo: dict[int, Any]) -> "RunConfig":
        # A resolver may hold a connection.
        memo[id(self._cluster)] = self._cluster
        copied = super().__deepcopy__(memo)
        assert isinstance(copied, RunConfig)
        return copied

    def __repr__(self) -> str:
        base, _, rest = super().__repr__().partition("(")
        defaults = {
            "tpu_config": _DEFAULT,
            "evaluation_master": super().evaluation_master,
            "master": super().master,
            "cluster": None,
        }
        shown = [
            f"{name}={value!r}"
            for name, default in defaults.items()
            if (value := getattr(self, name)) != default
        ]
        if rest != ")":
            shown.append(rest.removesuffix(")"))
        return f"{base}({', '.join(shown)})"


def _checked(tpu_config: Any) -> TPUConfig:
    return _checks.instance("tpu_config", tpu_config or TPUConfig(), TPUConfig)
