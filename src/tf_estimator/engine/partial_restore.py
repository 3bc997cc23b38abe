"""Starts from a checkpoint, also from one that lacks variables of the graph, and reports it."""

import os
from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
import tensorflow as tf

from tf_estimator import checkpoint
from tf_estimator._tf import logger, v1
from tf_estimator.checkpoint import RestoreReport
from tf_estimator.config import RunConfig, default_session_config
from tf_estimator.engine.graph import BuiltGraph
from tf_estimator.engine.keep.live import LiveSession

# How much of a checkpoint is in memory at a time, about, while it is restored in part.
_BYTES_AT_A_TIME: Final = 1 << 28


class RestoringSessionCreator(v1.train.SessionCreator):
    """Creates the sessions of a process that restores by itself, and reports what was restored.

    What the checkpoint lacks is looked at when a session is created, for hooks may have added
    variables by then.

    Args:
        built: the graph.
        config: the session's configuration, and whether anything may be missing.
        master: of the session.
        folder: whose newest checkpoint is restored, if it has one.
        checkpoint_path: the checkpoint to restore, without a folder; None leaves initial values.
        may_lack: names that may be missing in any case.
    """

    def __init__(
        self,
        built: BuiltGraph,
        config: RunConfig,
        master: str,
        *,
        folder: str | None = None,
        checkpoint_path: str | None = None,
        may_lack: Collection[str] = (),
    ) -> None:
        self._built, self._config, self._master = built, config, master
        self._folder, self._checkpoint_path = folder, checkpoint_path
        self._may_lack = may_lack
        self._session_config = config.session_config or default_session_config()
        self._report: RestoreReport | None = None

    def has_all_of(self, checkpoint_path: str) -> bool:
        """Whether the session came from this checkpoint, and the graph has just what that holds."""
        report = self._report
        if report is None or report.new or report.left_over:
            return False
        return os.path.realpath(report.checkpoint) == os.path.realpath(checkpoint_path)

    def create_session(self) -> tf.compat.v1.Session:
        """A session in which every variable has its value."""
        path = self._checkpoint_path
        if self._folder is not None:
            path = tf.train.latest_checkpoint(self._folder)
        live = self._built.live
        if live is not None:
            # Also where nothing is restored: it notices what hooks have added to the graph.
            session = live.session(self._built.graph)
            if session is not None and path is not None and self._goes_on(live, session, path):
                return session
        report = self._compared(path)
        if live is not None:
            # Before it is read, so that what is written meanwhile is noticed the next time.
            live.restored(path, report)
        if report is not None and report.new:
            session = self._restored_in_part(report)
        else:
            session = self._restored_as_ever()
        if live is not None:
            live.opened(session)
        self._tell(path, report)
        return session

    def _goes_on(self, live: LiveSession, session: tf.compat.v1.Session, path: str) -> bool:
        """Makes an open session as good as a new one, if that can be done."""
        scaffold = self._built.spec.scaffold
        self._built.graph.finalize()
        report = live.report
        if not live.has(path):
            report = self._compared(path)
            live.restored(path, report)
            if report is not None and report.new:
                return False
            scaffold.saver.restore(session, path)
        if each_time := live.each_time(scaffold.local_init_op):
            session.run(each_time, scaffold.local_init_feed_dict)
        if self._folder is not None:
            self._recover_list(scaffold.saver)
        self._tell(path, report)
        return True

    def _compared(self, path: str | None) -> RestoreReport | None:
        if path is None or self._built.has_own_saver:
            return None
        return checkpoint.check_restorable(
            self._built.variables,
            path,
            ignore_missing=self._config.ignore_missing,
            may_lack=self._may_lack,
        )

    def _tell(self, path: str | None, report: RestoreReport | None) -> None:
        if path is not None:
            tell_restored(self._built, report, self._may_lack)
        self._report = report

    def _recover_list(self, saver: tf.compat.v1.train.Saver) -> None:
        """Lets the saver go on to delete the oldest."""
        state = tf.train.get_checkpoint_state(self._folder)
        if state is not None:
            saver.recover_last_checkpoints(state.all_model_checkpoint_paths)

    def _restored_as_ever(self) -> tf.compat.v1.Session:
        return v1.train.ChiefSessionCreator(
            self._built.spec.scaffold,
            master=self._master,
            config=self._session_config,
            checkpoint_dir=self._folder,
            checkpoint_filename_with_path=self._checkpoint_path,
        ).create_session()

    def _restored_in_part(self, report: RestoreReport) -> tf.compat.v1.Session:
        scaffold = self._built.spec.scaffold
        scaffold.finalize()
        manager = v1.train.SessionManager(
            local_init_op=scaffold.local_init_op,
            local_init_feed_dict=scaffold.local_init_feed_dict,
            ready_op=scaffold.ready_op,
            ready_for_local_init_op=scaffold.ready_for_local_init_op,
        )

        def init(session: tf.compat.v1.Session) -> None:
            restore_in_part(session, self._built, scaffold.saver, report)

        session = manager.prepare_session(self._master, config=self._session_config, init_fn=init)
        if self._folder is not None:
            self._recover_list(scaffold.saver)
        return session


def restore_in_part(
    session: tf.compat.v1.Session,
    built: BuiltGraph,
    saver: tf.compat.v1.train.Saver,
    report: RestoreReport,
) -> None:
    """Restores what a checkpoint has, and initializes what it lacks. Adds nothing to the graph.

    What is new is initialized after the rest is restored, for an initial value may be that of
    another variable. Only where the scaffold initializes is it the other way round: its init_op and
    init_fn may set everything.

    Args:
        session: a new one.
        built: its graph, the default one now.
        saver: restores everything, and is built.
        report: what the checkpoint has and lacks.
    """
    scaffold = built.spec.scaffold
    if built.initializes:
        session.run(scaffold.init_op or v1.global_variables_initializer(), scaffold.init_feed_dict)
        if scaffold.init_fn is not None:
            scaffold.init_fn(session)
    else:
        session.run(v1.get_collection("saved_model_initializers"))
    _restore(session, saver, report)
    if not built.initializes:
        new = set(report.new)
        lacking = [v for v in built.variables if not new.isdisjoint(checkpoint.saved_names(v))]
        session.run([variable.initializer for variable in lacking], scaffold.init_feed_dict)


def tell_restored(
    built: BuiltGraph, report: RestoreReport | None, expected: Collection[str] = ()
) -> None:
    """Logs what is new or left over, if anything, and tells who asked for it.

    Args:
        built: the graph.
        report: of a restore; None if the names are not known.
        expected: what may be new without a warning.
    """
    if report is not None and set(report.new) - set(expected):
        logger.warning("Restored in part, as ignore_missing allows. %s", report.in_a_line())
    elif report is not None and (report.new or report.left_over):
        logger.info("Restored %s", report.in_a_line())
    built.on_restore(report)


def _restore(
    session: tf.compat.v1.Session, saver: tf.compat.v1.train.Saver, report: RestoreReport
) -> None:
    """Runs those operations of the saver whose values are in the checkpoint, and feeds these."""
    reader = tf.train.load_checkpoint(report.checkpoint)
    present = set(report.restored)
    restore_all = session.graph.get_operation_by_name(saver.saver_def.restore_op_name)
    ops: list[tf.Operation] = []
    values: dict[tf.Tensor, np.ndarray] = {}
    for op in _each_restored(restore_all):
        read = dict(_read_by(op))
        if present.issuperset(name for name, _ in read.values()):
            ops.append(op)
            for tensor, (name, part) in read.items():
                values[tensor] = _part_of(reader.get_tensor(name), part)
        if sum(value.nbytes for value in values.values()) > _BYTES_AT_A_TIME:
            session.run(ops, values)
            ops, values = [], {}
    session.run(ops, values)


def _each_restored(restore_all: tf.Operation) -> Iterator[tf.Operation]:
    """The operations that set one variable or table each, which a Saver groups by device."""
    for op in restore_all.control_inputs:
        if op.type == "NoOp":
            yield from _each_restored(op)
        else:
            yield op


def _read_by(op: tf.Operation) -> Iterator[tuple[tf.Tensor, tuple[str, str]]]:
    """The tensors that `op` gets out of a checkpoint, and the name and the part of each there."""
    for tensor in op.inputs:
        if tensor.op.type == "RestoreV2":
            _, names, parts = (tf.get_static_value(one) for one in tensor.op.inputs)
            n = tensor.value_index
            yield tensor, (names[n].decode(), parts[n].decode())
        else:
            yield from _read_by(tensor.op)


def _part_of(value: Any, part: str) -> np.ndarray:
    """The part of a partitioned variable: "6 2 4,2:-" are rows 4 and 5 of a value of shape [6, 2].

    Source: the documentation of `tf.raw_ops.RestoreV2`.
    """
    if not part:
        return np.asarray(value)
    spans = part.rpartition(" ")[2].split(":")
    bounds = [[int(n) for n in span.split(",")] for span in spans if span != "-"]
    ranges = iter(slice(start, start + length) for start, length in bounds)
    return value[tuple(slice(None) if span == "-" else next(ranges) for span in spans)]
