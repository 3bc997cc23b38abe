"""Estimator: the face of the library. It checks arguments and delegates; no graph code here."""

import contextlib
import copy
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, checkpoint, engine, summaries
from tf_estimator._tf import logger, v1
from tf_estimator.config import RunConfig, with_model_dir
from tf_estimator.engine.serve import server as serve
from tf_estimator.predictor import Predictor
from tf_estimator.spec import EstimatorSpec, ModeKeys

# Members that a subclass may have by the same name: the two that only tell something were always
# overridden by some programs, and the others are ours, newer than those programs.
_FREE = (
    "latest_checkpoint",
    "model_fn",
    "evaluate_checkpoints",
    "history",
    "restore_report",
    "predictor",
    "close",
)


class Estimator:
    """Trains, evaluates, predicts with and exports the model that a model_fn builds.

    Everything is kept in a model_dir: checkpoints, event files for TensorBoard, the graph. An
    Estimator made on a model_dir that has checkpoints goes on from the newest.

    Args:
        model_fn: builds the model. Takes `features` and any of `labels`, `mode` (a ModeKeys),
            `params` and `config`, by these names, and returns an EstimatorSpec. Called once for
            each graph; graphs are kept between calls, see `RunConfig(keep_graphs)`.
        model_dir: the folder; str, bytes or os.PathLike. Default: config's, else a temporary one.
        config: a RunConfig.
        params: handed to model_fn, and to input_fn if it asks; deep-copied.
        warm_start_from: where the first weights come from while model_dir has no checkpoint: the
            path of a model_dir, a checkpoint or a SavedModel (all trainable variables), or
            WarmStartSettings.

    Raises:
        TypeError: an argument has a wrong type.
        ValueError: model_fn takes other names or no params while there are some, model_dir differs
            from config's, or a subclass overrides a member of Estimator.

    Example:
        >>> import tempfile
        >>> def model_fn(features, labels, mode):
        ...     w = tf.compat.v1.get_variable("w", [], initializer=tf.zeros_initializer())
        ...     predictions = features["x"] * w
        ...     if mode == ModeKeys.PREDICT:
        ...         return EstimatorSpec(mode, predictions=predictions)
        ...     loss = tf.reduce_mean((predictions - labels) ** 2)
        ...     optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.1)
        ...     train_op = optimizer.minimize(loss, tf.compat.v1.train.get_global_step())
        ...     return EstimatorSpec(mode, loss=loss, train_op=train_op)
        >>> def input_fn():
        ...     x = tf.constant([1.0, 2.0, 3.0])
        ...     return tf.data.Dataset.from_tensors(({"x": x}, 2.0 * x)).repeat(100)
        >>> estimator = Estimator(model_fn, tempfile.mkdtemp())
        >>> round(float(estimator.train(input_fn).get_variable_value("w")), 3)
        2.0
    """

    def __init__(
        self,
        model_fn: Callable[..., EstimatorSpec],
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: Any = None,
    ) -> None:
        Estimator._assert_members_are_not_overridden(self)
        self._config = with_model_dir(config, model_dir)
        self._model_dir = self._config.model_dir  # Which subclasses in libraries read.
        self._model = engine.Model(model_fn, copy.deepcopy(params), self._config)
        self._warm_start_settings = checkpoint.warm_start_settings(warm_start_from)
        self._restore_report: checkpoint.RestoreReport | None = None
        self._has_trained = False
        self._keeper = engine.Keeper(self._config.keep_graphs)
        logger.info("Estimator on %s, with %s", self.model_dir, self._config)

    @property
    def model_dir(self) -> str:
        """The folder of checkpoints and event files."""
        return self._config.model_dir

    @property
    def config(self) -> RunConfig:
        """A copy of the RunConfig."""
        return copy.deepcopy(self._config)

    @property
    def params(self) -> Any:
        """A deep copy of the params; {} if none were given."""
        return self._model.params_copy()

    @property
    def model_fn(self) -> Callable[..., EstimatorSpec]:
        """The model_fn as a function of exactly (features, labels, mode, config)."""

        def public_model_fn(features: Any, labels: Any, mode: str, config: Any) -> EstimatorSpec:
            return self._model.call(features, labels, mode, config)

        return public_model_fn

    def train(
        self,
        input_fn: Callable[..., Any],
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener] | None = None,
    ) -> "Estimator":
        """Trains on from the newest checkpoint, and saves.

        Args:
            input_fn: gives the batches: takes any of `mode`, `params`, `config`; returns a
                tf.data.Dataset of features or (features, labels), or such tensors.
            hooks: SessionRunHooks that run inside the training loop.
            steps: how many steps to add; None for as many as the input has.
            max_steps: the global step to train up to; nothing is done if it is reached already.
            saving_listeners: CheckpointSaverListeners, told before and after each save.

        Returns:
            self.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: both or neither positive of steps and max_steps, saving_listeners while
                saving is off, no batch at all, or model_fn or input_fn returned something wrong.
            tf.errors.NotFoundError, tf.errors.InvalidArgumentError: model_dir holds another model.
            tf.errors.DataLossError: all checkpoints in model_dir are damaged.
            tf.errors.ResourceExhaustedError: there is no room for a checkpoint.
            tf.compat.v1.train.NanLossDuringTrainingError: the loss became NaN.

        Example:
            `estimator.train(input_fn, max_steps=1000)`
        """
        if self._config.task_type == "evaluator":
            raise ValueError(
                "train must not be called by a task of type evaluator; TF_CONFIG says it is one. "
                "Call train_and_evaluate, which does what the task's type asks for."
            )
        engine.strategy_of(ModeKeys.TRAIN, self._config)
        engine.check_input_fn(input_fn)
        if steps is not None and max_steps is not None:
            raise ValueError(
                f"steps and max_steps must not both be given; received {steps} and {max_steps}. "
                "steps counts from now, max_steps from the first step ever."
            )
        _checks.positive_or_none("steps", steps)
        _checks.positive_or_none("max_steps", max_steps)
        all_hooks = list(_checks.hooks("hooks", hooks))
        listeners = _checks.instances(
            "saving_listeners", saving_listeners, v1.train.CheckpointSaverListener
        )
        checkpoint.prepare_folder(self.model_dir)
        if self._config.is_chief:
            checkpoint.repair_state(self.model_dir, self._config.keep_checkpoint_max)
        if max_steps is not None and checkpoint.step_of_latest(self.model_dir) >= max_steps:
            logger.info("Training is done: max_steps=%s is reached already.", max_steps)
            return self
        if steps is not None or max_steps is not None:
            all_hooks.append(v1.train.StopAtStepHook(steps, max_steps))
        theirs = [*all_hooks, *listeners]
        with self._graph(
            ModeKeys.TRAIN, input_fn, theirs, is_initial=self.latest_checkpoint() is None
        ) as built:
            if not self._has_trained:
                # Said of a new process; that a next call reads anew is what calls do.
                step = checkpoint.step_of_latest(self.model_dir)
                engine.warn_that_input_starts_over(built, self._config, all_hooks, step)
                self._has_trained = True
            config = engine.with_devices(ModeKeys.TRAIN, self._config)
            engine.train(built, config, all_hooks, listeners)
        return self

    def evaluate(
        self,
        input_fn: Callable[..., Any],
        steps: int | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Evaluates a checkpoint, and writes the metrics to the event files of `eval_dir(name)`.

        Args:
            input_fn: gives the batches, as for `train`.
            steps: how many batches at most; None for as many as the input has.
            hooks: SessionRunHooks that run around every batch.
            checkpoint_path: what to evaluate: a path, or a name below model_dir, such as
                "model.ckpt-120", or "best" of a `BestCheckpoints`. None for the newest checkpoint;
                without any, the initial or warm-started weights are evaluated.
            name: tells several evaluation sets apart; each has a folder of its own.

        Returns:
            The metrics of model_fn by name, `loss` (the mean over batches) and `global_step`.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: steps is not positive, no batch at all, no such checkpoint, a metric has a
                name that is taken, or model_fn or input_fn returned something wrong.
            tf.errors.NotFoundError, tf.errors.InvalidArgumentError: the checkpoint is of another
                model.
            tf.errors.DataLossError: it is damaged, or all in model_dir are.

        Example:
            `estimator.evaluate(input_fn, name="test")["loss"]`
        """
        self._check_evaluation(input_fn, steps)
        all_hooks = _checks.hooks("hooks", hooks)
        eval_dir = self.eval_dir(name)
        path = self._checkpoint_path(checkpoint_path)
        if path is None:
            logger.warning(
                "There is no checkpoint in %s: evaluating the model as it is initialized.",
                self.model_dir,
            )
        ((_, results),) = self._evaluations(input_fn, [path], steps, all_hooks, eval_dir)
        return results

    def evaluate_checkpoints(
        self,
        input_fn: Callable[..., Any],
        checkpoints: Iterable[str | int] | None = None,
        steps: int | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        name: str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Evaluates many checkpoints as `evaluate` does one, building the model only once. Ours.

        Args:
            input_fn: gives the batches, as for `train`; they start anew for each checkpoint.
            checkpoints: paths, names below model_dir as "model.ckpt-120" or "best", or global
                steps. None for all in model_dir; of those a damaged one is left out, with a
                warning.
            steps: how many batches at most for each; None for as many as the input has.
            hooks: SessionRunHooks that run around every batch. They begin anew with each
                checkpoint, on one graph, to which they can add nothing after the first.
            name: tells several evaluation sets apart, as for `evaluate`.

        Returns:
            The path of each checkpoint to its metrics, in the order of the steps.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: as for `evaluate`; or model_dir has no checkpoint.
            tf.errors.DataLossError: a checkpoint that was given is damaged.

        Example:
            `estimator.evaluate_checkpoints(input_fn, [100, "model.ckpt-200", "best"])`
        """
        self._check_evaluation(input_fn, steps)
        all_hooks = _checks.hooks("hooks", hooks)
        eval_dir = self.eval_dir(name)
        paths = checkpoint.chosen("checkpoints", self.model_dir, checkpoints)
        results = dict(self._evaluations(input_fn, paths, steps, all_hooks, eval_dir))
        if checkpoints is None and not results:
            raise self._untrained("evaluate")
        return results

    def predict(
        self,
        input_fn: Callable[..., Any],
        predict_keys: Sequence[str] | str | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Predicts, lazily: nothing happens before the first `next()`.

        Args:
            input_fn: gives the batches, as for `train`; labels are dropped.
            predict_keys: names of predictions to keep; None for all.
            hooks: SessionRunHooks that run around every batch.
            checkpoint_path: what to predict with, as for `evaluate`; None for the newest.
            yield_single_examples: whether to give one example at a time, or batches as they come.

        Yields:
            Arrays, or dicts of arrays by the names of the predictions.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: there are no trained weights (no checkpoint, no warm_start_from, and nothing
                in model_fn that loads some), predict_keys names nothing, predictions differ in
                batch size while examples are wanted, or model_fn or input_fn returned something
                wrong.
            tf.errors.NotFoundError, tf.errors.InvalidArgumentError: the checkpoint is of another
                model.
            tf.errors.DataLossError: it is damaged, or all in model_dir are.

        Example:
            `[example["class"] for example in estimator.predict(input_fn)]`
        """
        engine.check_input_fn(input_fn)
        all_hooks = _checks.hooks("hooks", hooks)
        path = self._checkpoint_path(checkpoint_path)
        with self._graph(ModeKeys.PREDICT, input_fn, all_hooks, is_initial=path is None) as built:
            if path is None and self._warm_start_settings is None:
                engine.require_given_weights(built, self.model_dir)
            predictions = engine.chosen_predictions(built.spec.predictions, predict_keys)
            yield from engine.predict(
                built, self._config, all_hooks, path, predictions, yield_single_examples
            )

    def predictor(
        self,
        features: Any,
        predict_keys: Sequence[str] | str | None = None,
        checkpoint_path: str | None = None,
        *,
        output_key: str | None = None,
    ) -> Predictor:
        """A function from features to predictions, for single requests; threads may call it. Ours.

        The graph is built once and the weights are read once; a call takes what the model takes.

        Args:
            features: what model_fn's features look like: a tf.TensorSpec, SparseTensorSpec or
                RaggedTensorSpec, or an example of a batch (an array, a list), of which dtype and
                all dimensions but the first are taken; or a dict of these. Or a
                serving_input_receiver_fn, whose receiver tensors a call fills then.
            predict_keys: names of predictions to keep; None for all.
            checkpoint_path: what to predict with, as for `evaluate`; None for the newest.
                `Predictor.refresh` looks again.
            output_key: the name of one of export_outputs to answer with, instead of the
                predictions.

        Returns:
            A Predictor; see there. It is closed by itself.

        Raises:
            TypeError: an argument has a wrong type.
            ValueError: as for `predict`; or output_key names nothing.
            tf.errors.NotFoundError, tf.errors.InvalidArgumentError: the checkpoint is of another
                model.
            tf.errors.DataLossError: it is damaged, or all in model_dir are.

        Example:
            `estimator.predictor({"x": tf.TensorSpec([None, 4], tf.float32)})({"x": rows})["class"]`
        """
        return Predictor(
            serve.server(
                self._model,
                self._config,
                features,
                functools.partial(self._checkpoint_path, checkpoint_path),
                predict_keys=predict_keys,
                output_key=output_key,
                warm_start=self._warm_start_settings,
                on_restore=self._keep_restore_report,
            )
        )

    def export_saved_model(
        self,
        export_dir_base: str | bytes | os.PathLike[str],
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> bytes:
        """Exports a SavedModel that TensorFlow Serving and `tf.saved_model.load` read.

        Args:
            export_dir_base: the folder of all exports; each gets a folder named by the second.
            serving_input_receiver_fn: makes the inputs of the exported graph, see
                `tf_estimator.export`.
            assets_extra: a path below `assets.extra` to a file that is copied there.
            as_text: whether to write the graph as text.
            checkpoint_path: which weights, as for `evaluate`; None for the newest checkpoint, or
                while there is none those of warm_start_from.
            experimental_mode: the ModeKeys to export.

        Returns:
            The folder of the export, as bytes.

        Raises:
            ValueError: there are no weights or no function, or the checkpoint lacks variables.

        Example:
            `estimator.export_saved_model("exports", build_raw_serving_input_receiver_fn(features))`
        """
        return self.experimental_export_all_saved_models(
            export_dir_base,
            {experimental_mode: serving_input_receiver_fn},
            assets_extra,
            as_text,
            checkpoint_path,
        )

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str | bytes | os.PathLike[str],
        input_receiver_fn_map: Mapping[str, Callable[[], Any]],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Exports one SavedModel with a graph for each mode, all on the same variables.

        Args:
            export_dir_base: the folder of all exports; each gets a folder named by the second.
            input_receiver_fn_map: a ModeKeys to the function that makes the inputs of its graph.
            assets_extra: a path below `assets.extra` to a file that is copied there.
            as_text: whether to write the graphs as text.
            checkpoint_path: which weights, as for `evaluate`; None for the newest checkpoint, or
                while there is none those of warm_start_from.

        Returns:
            The folder of the export, as bytes.

        Raises:
            ValueError: as for `export_saved_model`; or a mode has variables that the first (of
                TRAIN, EVAL, PREDICT) lacks.

        Example:
            `estimator.experimental_export_all_saved_models("exports", {ModeKeys.EVAL: eval_fn})`
        """
        engine.check_receiver_fns(input_receiver_fn_map)
        path = self._checkpoint_path(checkpoint_path)
        if path is not None:
            weights = engine.Weights(path)
        elif self._warm_start_settings is not None:
            weights = engine.Weights.from_warm_start(self._warm_start_settings)
        else:
            raise self._untrained("export")
        return engine.export(
            self._model,
            self._config,
            input_receiver_fn_map,
            export_dir_base,
            weights,
            assets_extra,
            as_text,
            self._keep_restore_report,
        )

    @property
    def export_savedmodel(self) -> Any:
        """Was renamed: asking for it is an AttributeError that says so."""
        raise AttributeError(
            "Estimator.export_savedmodel is of version 1 only. Call export_saved_model, or take "
            "tf_estimator.compat.v1.Estimator."
        )

    @property
    def restore_report(self) -> checkpoint.RestoreReport | None:
        """What the last restore of this Estimator took from a checkpoint, in any method. Ours.

        Its `str()` is a table of the names that were restored, that are new in the model, and that
        are left over in the checkpoint. None before any restore, after one by a Saver that model_fn
        brought, and after one from a checkpoint of tf.train.Checkpoint, which is not by name.
        """
        return self._restore_report

    def get_variable_names(self) -> list[str]:
        """The names of the variables in the newest checkpoint.

        Returns:
            Names, sorted.

        Raises:
            ValueError: there is no checkpoint yet.

        Example:
            `estimator.get_variable_names()`
        """
        return [name for name, _ in tf.train.list_variables(self._latest_or_raise())]

    def get_variable_value(self, name: str) -> Any:
        """The value of one variable in the newest checkpoint.

        Args:
            name: as `get_variable_names` gives it.

        Returns:
            A numpy array, or a scalar of its dtype.

        Raises:
            ValueError: there is no checkpoint yet.
            tf.errors.NotFoundError: it has no such variable.

        Example:
            `estimator.get_variable_value("dense/kernel").shape`
        """
        return tf.train.load_variable(self._latest_or_raise(), name)

    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint in model_dir that is whole, or None without any.

        It is the one that train, evaluate, predict and export take. A damaged one is passed over,
        with a warning that names it; a state file that is lost or garbled is done without.

        Returns:
            What `checkpoint_path` takes.

        Raises:
            tf.errors.DataLossError: there are checkpoints, and all of them are damaged.

        Example:
            `estimator.evaluate(input_fn, checkpoint_path=estimator.latest_checkpoint())`
        """
        return checkpoint.latest_whole(self.model_dir)

    def eval_dir(self, name: str | None = None) -> str:
        """The folder of the event files that `evaluate(name=name)` writes.

        Args:
            name: as for `evaluate`.

        Returns:
            `<model_dir>/eval`, or `<model_dir>/eval_<name>`.

        Raises:
            TypeError: name is no str.
        """
        if name is not None:
            _checks.instance("name", name, str)
        return os.path.join(self.model_dir, f"eval_{name}" if name else "eval")

    def close(self) -> None:
        """Lets go of the graphs and sessions that are kept for further calls. Ours.

        Later calls build anew. A call that goes on, as predictions that are still asked for, ends
        as it would. There is nothing else to close: an Estimator that is dropped lets go of them.

        Example:
            `with Estimator(model_fn, model_dir) as estimator: estimator.evaluate(input_fn)`
        """
        self._keeper.close()

    def __enter__(self) -> "Estimator":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def history(self) -> summaries.History:
        """The curves of training and of evaluations, from the event files of all runs so far. Ours.

        Steps that a killed run had done beyond its last checkpoint count once: as they were done
        again. So does a checkpoint that was evaluated again.

        Returns:
            A mapping from a run, "train", "eval" or "eval_<name>", to its curves by tag. A curve
            has the columns `step`, `wall_time` and `value`. Empty if nothing was written.

        Example:
            `step, wall_time, loss = estimator.history()["train"]["loss"]`
        """
        return summaries.read_history(self.model_dir)

    def _check_evaluation(self, input_fn: Any, steps: Any) -> None:
        engine.strategy_of(ModeKeys.EVAL, self._config)
        engine.check_input_fn(input_fn)
        _checks.positive_or_none("steps", steps)

    def _evaluations(
        self,
        input_fn: Callable[..., Any],
        paths: Iterable[str | None],
        steps: int | None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook],
        eval_dir: str,
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The metrics of each checkpoint, None for initial weights, written as soon as known."""
        with self._graph(ModeKeys.EVAL, input_fn, hooks, is_initial=paths == [None]) as built:
            evaluate = engine.evaluator(built, engine.with_devices(ModeKeys.EVAL, self._config))
            for path in paths:
                results = evaluate(hooks, path, steps)
                step = int(results[v1.GraphKeys.GLOBAL_STEP])
                summaries.write_evaluation(eval_dir, results, step, path, built.graph)
                yield path, results

    @contextlib.contextmanager
    def _graph(
        self,
        mode: str,
        input_fn: Callable[..., Any],
        hooks: Sequence[Any],
        *,
        is_initial: bool,
    ) -> Iterator[engine.BuiltGraph]:
        """The graph for one call: a kept one, or a new one.

        It is new wherever initial weights are evaluated or predicted with, and for a warm start.
        """

        def read_input() -> engine.CalledInput:
            given = engine.called(input_fn, mode, self.params, self.config)
            return given.without_labels() if mode == ModeKeys.PREDICT else given

        strategy = engine.strategy_of(mode, self._config)
        is_cold = mode == ModeKeys.TRAIN and self._warm_start_settings is None
        if strategy is None and (is_cold or not is_initial):
            with self._keeper.lent(
                self._model,
                mode,
                read_input,
                self._config,
                self._keep_restore_report,
                hooks=hooks,
            ) as built:
                yield built
            return
        if strategy is None:
            built = engine.build(
                self._model, mode, read_input, self._config, self._keep_restore_report
            )
        else:
            built = engine.build_replicas(
                self._model,
                mode,
                functools.partial(engine.call_input, input_fn, mode, self.params, self.config),
                self._config,
                strategy,
                self._keep_restore_report,
            )
        if self._warm_start_settings is not None and self.latest_checkpoint() is None:
            with built.graph.as_default():
                checkpoint.warm_start(self._warm_start_settings)
        yield built

    # The next two have the names that the original had: adanet replaces the first, to override
    # `train` and others, and calls the second.
    def _assert_members_are_not_overridden(self) -> None:
        _checks.not_overridden(type(self), Estimator, _FREE)

    def _create_and_assert_global_step(self, graph: tf.Graph) -> tf.Variable:
        with graph.as_default():
            return v1.train.get_or_create_global_step()

    def _keep_restore_report(self, report: checkpoint.RestoreReport | None) -> None:
        self._restore_report = report

    def _checkpoint_path(self, given: str | None) -> str | None:
        if not given:
            return self.latest_checkpoint()
        return checkpoint.resolve("checkpoint_path", self.model_dir, os.fsdecode(given))

    def _latest_or_raise(self) -> str:
        path = self.latest_checkpoint()
        if path is None:
            raise self._untrained("read variables from")
        return path

    def _untrained(self, purpose: str) -> ValueError:
        return ValueError(
            f"There must be a checkpoint to {purpose}; model_dir {self.model_dir} has none. "
            "Train first, or give the model_dir that was trained in."
        )
