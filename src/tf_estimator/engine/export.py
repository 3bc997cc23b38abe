"""SavedModels: one graph a mode, the variables once, written aside and then renamed."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, checkpoint
from tf_estimator._tf import logger, v1, without_deprecation_notes
from tf_estimator.config import RunConfig, default_session_config
from tf_estimator.engine.graph import BuiltGraph, build
from tf_estimator.engine.inputs import GraphInput
from tf_estimator.engine.model import Model
from tf_estimator.engine.partial_restore import restore_in_part, tell_restored
from tf_estimator.engine.restore import check_checkpoint
from tf_estimator.export import signatures
from tf_estimator.export.assets import extra_assets
from tf_estimator.spec import ModeKeys

# The first graph that is there brings the variables, so it is the one that may have most of them.
_ORDER = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)

# The collection in which who trains a SavedModel further looks for the op of one step.
_TRAIN_OP_KEY = "saved_model_train_op"


def check_receiver_fns(receiver_fns: Mapping[str, Any]) -> None:
    """Raises unless every mode is a ModeKeys and has a function; None stands for a mode left out.

    Raises:
        ValueError: a mode is unknown, a function cannot be called, or there is none at all.
    """
    if all(receiver_fn is None for receiver_fn in receiver_fns.values()):
        raise _checks.wrong_value(
            "input_receiver_fn_map",
            f"must have a function for at least one mode of {_ORDER}",
            receiver_fns,
            "tf_estimator.export.build_raw_serving_input_receiver_fn makes one.",
        )
    for mode, receiver_fn in receiver_fns.items():
        if mode not in _ORDER:
            raise _checks.wrong_value("The mode of an export", f"must be one of {_ORDER}", mode)
        if receiver_fn is not None and not callable(receiver_fn):
            raise _checks.wrong_type(
                f"The input receiver function of mode {mode!r}",
                "must be callable",
                receiver_fn,
                "tf_estimator.export.build_raw_serving_input_receiver_fn makes one.",
                was=ValueError,
            )


@dataclasses.dataclass(frozen=True)
class Weights:
    """Where the values of exported variables come from.

    Attributes:
        checkpoint_path: a checkpoint, restored as it is; or None.
        warm_start: used if there is no checkpoint_path.
    """

    checkpoint_path: str | None
    warm_start: checkpoint.WarmStartSettings | None = None

    @classmethod
    def from_warm_start(cls, settings: checkpoint.WarmStartSettings) -> "Weights":
        """The weights of a model that was warm-started and not trained.

        A checkpoint with the same names and rows is restored as it is, as the original did: that
        brings what a warm start leaves out by default, such as moving averages.
        """
        if settings.var_name_to_vocab_info or settings.var_name_to_prev_var_name:
            return cls(None, settings)
        return cls(checkpoint.warm_start_checkpoint(settings))

    def prepare(
        self, built: BuiltGraph, *, ignore_missing: bool
    ) -> checkpoint.RestoreReport | None:
        """Checks that the weights fit the graph, which is the default one now.

        Returns:
            What `load` will restore; None where that is not known by name.
        """
        if self.checkpoint_path is not None:
            return check_checkpoint(built, self.checkpoint_path, ignore_missing=ignore_missing)
        if self.warm_start is not None:
            checkpoint.warm_start(self.warm_start)
        return None

    def load(
        self,
        session: tf.compat.v1.Session,
        built: BuiltGraph,
        saver: tf.compat.v1.train.Saver,
        report: checkpoint.RestoreReport | None,
    ) -> None:
        """Gives the variables their values, as `prepare` reported."""
        if self.checkpoint_path is None:
            session.run(v1.global_variables_initializer())
            return
        if report is not None and report.new:
            restore_in_part(session, built, saver, report)
        else:
            saver.restore(session, self.checkpoint_path)
        tell_restored(built, report)


def export(
    model: Model,
    config: RunConfig,
    receiver_fns: Mapping[str, Callable[[], Any]],
    base: str | bytes | os.PathLike[str],
    weights: Weights,
    assets_extra: Mapping[str, str] | None,
    as_text: bool,
    on_restore: Callable[[checkpoint.RestoreReport | None], None] = lambda report: None,
) -> bytes:
    """Writes a SavedModel to a timestamped folder in `base`.

    for each mode, in the order TRAIN, EVAL, PREDICT:
        build its graph on what the receiver function makes
        add graph, signatures and assets; the first one's variables too
    copy the extra assets
    rename the folder to its final name: nobody sees half an export

    Args:
        model: the checked model_fn.
        config: the session's configuration, and what model_fn sees.
        receiver_fns: mode to a function that makes the receiver in the default graph.
        base: the folder of all exports.
        weights: where the variables' values come from.
        assets_extra: a path below `assets.extra` to the file that is copied there.
        as_text: whether to write the graph as text (`saved_model.pbtxt`).
        on_restore: told what was restored.

    Returns:
        The folder, as bytes, as ever.

    Raises:
        ValueError: there is no such checkpoint, it lacks variables, or a later mode has variables
            that the first one lacks.
    """
    extra = extra_assets(assets_extra)
    export_dir = signatures.timestamped_export_dir(base)
    temporary = signatures.temporary_export_dir(export_dir)
    builder = v1.saved_model.Builder(os.fsdecode(temporary))
    try:
        saved: set[str] | None = None
        for mode in (mode for mode in _ORDER if receiver_fns.get(mode) is not None):
            built, receiver = _build(model, mode, receiver_fns[mode], config, on_restore)
            saved = _add_mode(builder, built, receiver, config, weights, saved)
        with without_deprecation_notes():
            builder.save(as_text)
        _copy_assets(os.fsdecode(temporary), extra)
        tf.io.gfile.rename(temporary, export_dir)
    except BaseException:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.rmtree(temporary)
        raise
    logger.info("SavedModel written to %s", os.fsdecode(export_dir))
    return export_dir


def _build(
    model: Model,
    mode: str,
    receiver_fn: Callable[[], Any],
    config: RunConfig,
    on_restore: Callable[[checkpoint.RestoreReport | None], None],
) -> tuple[BuiltGraph, Any]:
    received: list[Any] = []

    def read_input() -> GraphInput:
        receiver = receiver_fn()
        if not hasattr(receiver, "features") or not hasattr(receiver, "receiver_tensors"):
            raise _checks.wrong_type(
                "What an input receiver function returns",
                "must be a ServingInputReceiver or another receiver of tf_estimator.export",
                receiver,
            )
        received.append(receiver)
        return GraphInput(receiver.features, getattr(receiver, "labels", None), ())

    return build(model, mode, read_input, config, on_restore), received[0]


def _add_mode(
    builder: Any,
    built: BuiltGraph,
    receiver: Any,
    config: RunConfig,
    weights: Weights,
    saved: set[str] | None,
) -> set[str]:
    """Adds one mode; `saved` are the variables that are in already. Returns those that are then."""
    with built.graph.as_default(), without_deprecation_notes():
        outputs = signatures.export_outputs(built.spec, built.mode)
        signature_defs = signatures.signature_defs(receiver, outputs)
        names = {variable.op.name for variable in v1.global_variables()}
        if saved is not None and (new := sorted(names - saved)):
            raise ValueError(
                f"All modes of one export must share the variables of the first; mode "
                f"{built.mode!r} adds {new}. Build them in every mode, or export it on its own."
            )
        with _lack_is_value_error(built.mode):
            report = weights.prepare(built, ignore_missing=config.ignore_missing)
        scaffold = built.spec.scaffold
        saver = scaffold.saver or v1.train.Saver(sharded=True, allow_empty=True)
        if built.spec.train_op is not None:
            v1.add_to_collection(_TRAIN_OP_KEY, built.spec.train_op)
        given = {
            "signature_def_map": signature_defs,
            "assets_collection": _assets(),
            "main_op": _main_op(scaffold),
            "saver": saver,
            "strip_default_attrs": True,
        }
        tags = signatures.TAGS[built.mode]
        session_config = config.session_config or default_session_config()
        if saved is not None:
            builder.add_meta_graph(tags, **given)
            return saved
        with v1.Session(config=session_config) as session, _lack_is_value_error(built.mode):
            weights.load(session, built, saver, report)
            builder.add_meta_graph_and_variables(session, tags, **given)
        return names


@contextlib.contextmanager
def _lack_is_value_error(mode: str) -> Iterator[None]:
    """Makes a ValueError of that for missing variables: in an export it ever was one."""
    try:
        yield
    except tf.errors.NotFoundError as error:
        raise ValueError(f"Mode {mode!r} cannot be exported. {error.message}") from error


def _main_op(scaffold: tf.compat.v1.train.Scaffold) -> tf.Operation:
    """What a loader runs after it restored the variables: local variables, tables."""
    given = scaffold.local_init_op
    if given is None:
        given = v1.train.Scaffold.default_local_init_op()
    # A session runs a tensor as well, a SavedModel takes only an operation.
    return given if isinstance(given, tf.Operation) else tf.group(given)


def _assets() -> list[tf.Tensor]:
    """The files that the graph reads at its start; TensorFlow would pass over one that is gone."""
    assets = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
    for path in map(tf.get_static_value, assets):
        if path is not None and not tf.io.gfile.exists(path.item()):
            raise _checks.wrong_value(
                "A vocabulary file of model_fn",
                "must exist to be exported",
                os.fsdecode(path.item()),
            )
    return assets


def _copy_assets(export_dir: str, targets: Mapping[str, str]) -> None:
    for target, source in targets.items():
        path = os.path.join(export_dir, target)
        tf.io.gfile.makedirs(os.path.dirname(path))
        tf.io.gfile.copy(source, path)
