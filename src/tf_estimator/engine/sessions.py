"""Sessions: who creates them, and that they are closed whatever happens."""

from collections.abc import Sequence

import tensorflow as tf

from tf_estimator._tf import v1, without_deprecation_notes


class _ClosableCreator(v1.train.SessionCreator):
    """Keeps the session it handed out, to close it if a hook fails before anyone else holds it."""

    def __init__(self, creator: tf.compat.v1.train.SessionCreator):
        self._creator = creator
        self._session: tf.compat.v1.Session | None = None

    def create_session(self) -> tf.compat.v1.Session:
        self._session = self._creator.create_session()
        return self._session

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def monitored_session(
    creator: tf.compat.v1.train.SessionCreator,
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
) -> tf.compat.v1.train.MonitoredSession:
    """A MonitoredSession for a `with`; if a hook fails while it opens, it is closed.

    The end of the input (OutOfRangeError, StopIteration) ends the `with` without an error, as
    MonitoredSession has it.

    Args:
        creator: makes the session, restored and initialized.
        hooks: run around every step, in this order.
    """
    closable = _ClosableCreator(creator)
    try:
        with without_deprecation_notes():
            return v1.train.MonitoredSession(closable, hooks)
    except BaseException:
        closable.close()
        raise
