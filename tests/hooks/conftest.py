"""Training by hand: at every step with the hooks, or only where they say that they look."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tensorflow as tf

from tf_estimator.engine.steps.looks import Looks

v1 = tf.compat.v1


class _Session(v1.train.SessionRunHook):
    """Keeps the session that hooks do not see."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.session = session


def _take_steps(
    build: Callable[[], tuple[Any, Any]],
    hooks: Sequence[tf.compat.v1.train.SessionRunHook],
    most: int,
    *,
    singly: bool = False,
    at_once: int = 1000,
) -> list[int]:
    looked = []
    with tf.Graph().as_default():
        step = v1.train.get_or_create_global_step()
        train_op, loss = build()
        hooks = [_Session(), *hooks]
        with v1.train.MonitoredSession(hooks=hooks) as session:
            plain, looks = hooks[0].session, Looks(hooks, loss)
            done = int(plain.run(step))
            last = done + most
            while done < last and not session.should_stop():
                look = done + 1 if singly else looks.next(done)
                free = min(last - done, math.inf if look is None else look - 1 - done)
                for _ in range(min(free, at_once)):
                    plain.run(train_op)
                looks.skipped(min(free, at_once))
                done += min(free, at_once)
                if free <= at_once and done < last:
                    session.run(train_op)
                    done += 1
                    looked.append(done)
    return looked


@pytest.fixture
def take_steps() -> Callable[..., list[int]]:
    """Trains in a graph of `build() -> (train_op, loss)`; the steps that hooks looked at.

    It ends after `most` steps or when a hook asks; with `singly` every step is looked at, without
    it hooks are asked at least every `at_once` steps.
    """
    return _take_steps
