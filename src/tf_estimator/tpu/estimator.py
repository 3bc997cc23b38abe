"""TPUEstimator, which runs on CPU and GPU: an Estimator that tells batch sizes."""

import contextlib
import enum
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, engine, estimator
from tf_estimator._tf import logger
from tf_estimator.spec import ModeKeys
from tf_estimator.tpu import functions
from tf_estimator.tpu.config import InputPipelineConfig, RunConfig
from tf_estimator.tpu.embedding import no_embedding
from tf_estimator.tpu.throughput import examples_per_second


class ExportSavedModelApiVersion(enum.Enum):
    """How a model is exported for TPUs. For CPU and GPU both are the same."""

    V1 = 1
    V2 = 2


class TPUEstimator(estimator.Estimator):
    """An Estimator that tells model_fn and input_fn how large the batches are, on CPU and GPU.

    Programs that were written for TPUs run with `use_tpu=False` as they are. What is different from
    an Estimator:

    - `params["batch_size"]` is what this constructor is given for training, evaluation or
      prediction. model_fn and input_fn must both take `params`. In an export and for `predictor`
      there is no such entry, as a batch may have any size there. `params["use_tpu"]` is False.
    - model_fn may return a TPUEstimatorSpec.
    - `tf.compat.v1.tpu.CrossShardOptimizer` works, as on one shard.
    - The log and the event files have the examples per second, too.

    Args:
        model_fn: builds the model. Takes `features`, `params`, and any of `labels`, `mode` and
            `config`; returns a TPUEstimatorSpec or an EstimatorSpec.
        model_dir: as for `Estimator`.
        config: a `tpu.RunConfig`.
        params: a dict of what model_fn and input_fn are given, deep-copied; or an object with a
            method `add_hparam`, as HParams was.
        use_tpu: must be False here.
        train_batch_size: examples in a batch of training, an integer; None to tell none.
        eval_batch_size: of evaluation.
        predict_batch_size: of prediction.
        batch_axis: has no effect: batches are not cut.
        eval_on_tpu: has no effect without TPUs.
        export_to_tpu: whether an export is to have a graph for TPUs. It has none in any case, and
            the log says so.
        export_to_cpu: whether an export is to have a graph for CPU and GPU.
        warm_start_from: as for `Estimator`.
        embedding_config_spec: must be None here.
        export_saved_model_api_version: has no effect without TPUs.

    Raises:
        NotImplementedError: use_tpu is True, or embedding_config_spec is given. It is a
            RuntimeError as well.
        TypeError: an argument has a wrong type.
        ValueError: model_fn takes no `params`, params have an entry that is set here ("batch_size",
            "context"), or as for `Estimator`.

    Example:
        >>> import tempfile
        >>> from tf_estimator.tpu import RunConfig, TPUEstimatorSpec
        >>> def model_fn(features, mode, params):
        ...     mean = tf.reduce_mean(tf.reshape(features, [params["batch_size"]]))
        ...     step = tf.compat.v1.train.get_global_step()
        ...     return TPUEstimatorSpec(mode, loss=mean, train_op=step.assign_add(1))
        >>> def input_fn(params):
        ...     return tf.data.Dataset.range(8).map(float).batch(params["batch_size"])
        >>> estimator = TPUEstimator(model_fn, tempfile.mkdtemp(), RunConfig(), use_tpu=False,
        ...                          train_batch_size=4, eval_batch_size=2)
        >>> estimator.train(input_fn, steps=2).evaluate(input_fn) == {"loss": 3.5, "global_step": 2}
        True
    """

    def __init__(
        self,
        model_fn: Callable[..., Any] | None = None,
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        batch_axis: Sequence[int] | None = None,
        eval_on_tpu: bool = True,
        export_to_tpu: bool = True,
        export_to_cpu: bool = True,
        warm_start_from: Any = None,
        embedding_config_spec: Any = None,
        export_saved_model_api_version: ExportSavedModelApiVersion = ExportSavedModelApiVersion.V1,
    ) -> None:
        del batch_axis, eval_on_tpu
        if not isinstance(config, RunConfig):
            raise _checks.wrong_type("config", "must be a tpu.RunConfig", config, was=ValueError)
        # For its checks, which are of the user's function.
        engine.Model(model_fn, params, config)  # type: ignore[arg-type]
        functions.check_params(params)
        # Handed on as they are: there are libraries that give 0 for what input_fn does not read.
        self._batch_sizes = {
            ModeKeys.TRAIN: train_batch_size,
            ModeKeys.EVAL: eval_batch_size,
            ModeKeys.PREDICT: predict_batch_size,
        }
        _check_version(export_saved_model_api_version)
        # Last of the checks of these arguments, and before anything is made on disk.
        if use_tpu:
            raise _no_tpu()
        if embedding_config_spec is not None:
            raise no_embedding("embedding_config_spec")
        # Programs set these two, by these names.
        self._export_to_tpu = export_to_tpu
        self._export_to_cpu = export_to_cpu
        self._log_every_n_steps = config.log_step_count_steps
        evaluation = config.tpu_config.eval_training_input_configuration
        self._slices_evaluation = evaluation == InputPipelineConfig.SLICED
        super().__init__(
            functions.model_fn_on_one_shard(model_fn),
            model_dir,
            # The hook of `train` logs in its place.
            config.replace(log_step_count_steps=None),
            params,
            warm_start_from,
        )

    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener] | None = None,
    ) -> "TPUEstimator":
        """Trains on; see `Estimator.train`.

        Args:
            input_fn: gives the batches: takes `params`, and any of `mode` and `config`; returns a
                tf.data.Dataset of features or (features, labels), or such tensors.
            hooks: see there.
            steps: see there.
            max_steps: see there.
            saving_listeners: see there.

        Returns:
            self.

        Raises:
            ValueError: input_fn takes no `params`; or as for `Estimator.train`.
        """
        given = _checks.hooks("hooks", hooks)
        if self._log_every_n_steps:
            size = self._batch_sizes[ModeKeys.TRAIN]
            given += (examples_per_second(size, self._log_every_n_steps, self.model_dir),)
        super().train(input_fn, given, steps, max_steps, saving_listeners)
        return self

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str | bytes | os.PathLike[str],
        input_receiver_fn_map: Mapping[str, Callable[[], Any]],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Exports a SavedModel for CPU and GPU; see `Estimator`.

        Args:
            export_dir_base: see there.
            input_receiver_fn_map: see there.
            assets_extra: see there.
            as_text: see there.
            checkpoint_path: see there.

        Returns:
            The folder of the export, as bytes.

        Raises:
            ValueError: neither export_to_cpu nor export_to_tpu is true; or as there.
            NotImplementedError: export_to_cpu is false.
        """
        if not self._export_to_cpu:
            if self._export_to_tpu:
                raise NotImplementedError(
                    "export_to_cpu must be True: an export for TPUs alone cannot be made without "
                    "one."
                )
            raise ValueError("One of export_to_cpu and export_to_tpu must be True; both are not.")
        if self._export_to_tpu:
            logger.info("The export is for CPU and GPU only, as with export_to_tpu=False.")
        return super().experimental_export_all_saved_models(
            export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path
        )

    @contextlib.contextmanager
    def _graph(
        self,
        mode: str,
        input_fn: Callable[..., Any],
        hooks: Sequence[Any],
        *,
        is_initial: bool,
    ) -> Iterator[engine.BuiltGraph]:
        if mode == ModeKeys.EVAL and self._slices_evaluation:
            raise ValueError(
                "TPUConfig(eval_training_input_configuration=SLICED) is for TPUs; with use_tpu "
                "False it must be PER_HOST_V1."
            )
        size = self._batch_sizes[mode]
        with contextlib.ExitStack() as stack:
            with functions.batches_have(size):
                lent = super()._graph(
                    mode, functions.input_fn_with(input_fn, size), hooks, is_initial=is_initial
                )
                built = stack.enter_context(lent)
            yield built


def _check_version(version: Any) -> None:
    if version not in (*ExportSavedModelApiVersion, 1, 2):
        rule = "must be an ExportSavedModelApiVersion"
        raise _checks.wrong_value("export_saved_model_api_version", rule, version)


def _no_tpu() -> NotImplementedError:
    found = tf.config.list_physical_devices("TPU")
    seen = f"TensorFlow sees {len(found)} of them" if found else "TensorFlow sees none here"
    return NotImplementedError(
        f"use_tpu must be False: TPUEstimator runs on CPU and GPU, and uses no TPU; {seen}. "
        "Pass use_tpu=False to run the same program, with the same results."
    )
