"""What the model_fns of the canned estimators share: heads, optimizers, and the last step."""

import contextlib
import dataclasses
import numbers
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from tf_estimator import _checks, checkpoint, optimizers
from tf_estimator._tf import logger, v1, without_deprecation_notes
from tf_estimator.canned.feature_layers import shared_weights
from tf_estimator.config import RunConfig
from tf_estimator.heads import BinaryClassHead, Head, MultiClassHead, RegressionHead
from tf_estimator.spec import EstimatorSpec, ModeKeys


def class_head(
    n_classes: int,
    weight_column: Any,
    label_vocabulary: Any,
    loss_reduction: str,
) -> Head:
    """The head of a classifier: one logit for two classes, else one for each.

    Args:
        n_classes: how many classes there are.
        weight_column: for the head.
        label_vocabulary: for the head.
        loss_reduction: for the head.

    Returns:
        The head.

    Raises:
        TypeError: `n_classes` is no integer. It is a ValueError as well.
        ValueError: it is below 2.
    """
    if not isinstance(n_classes, numbers.Integral):
        raise _checks.wrong_type("n_classes", "must be an integer", n_classes, was=ValueError)
    if n_classes < 2:
        raise _checks.wrong_value("n_classes", "must be at least 2", n_classes)
    settings = {
        "weight_column": weight_column,
        "label_vocabulary": label_vocabulary,
        "loss_reduction": loss_reduction,
    }
    if n_classes == 2:
        return BinaryClassHead(**settings)
    return MultiClassHead(int(n_classes), **settings)


def regression_head(label_dimension: int, weight_column: Any, loss_reduction: str) -> Head:
    """The head of a regressor."""
    return RegressionHead(
        label_dimension, weight_column=weight_column, loss_reduction=loss_reduction
    )


def checked_head(head: Any) -> Head:
    """`head` if it is one, else TypeError."""
    return _checks.instance("head", head, Head, "tf_estimator.Head")


@dataclasses.dataclass(frozen=True)
class OptimizerChoice:
    """What a user gave as an optimizer, checked; made anew for each graph.

    Args:
        given: a name, a callable without arguments, or an optimizer.
        learning_rate: of an optimizer given by name; None for its own default.
        surface: "v1" or "v2": what the names stand for.

    Raises:
        TypeError: it is none of these.
        ValueError: there is no optimizer of that name.
    """

    given: Any
    learning_rate: float | None
    surface: str

    def __post_init__(self) -> None:
        if isinstance(self.given, str | type) or not callable(self.given):
            self.make()  # A callable has to wait for the graph.

    def make(self) -> Any:
        """The optimizer, for the default graph."""
        return optimizers.get(self.given, self.learning_rate, self.surface)

    def minimize(
        self, loss: tf.Tensor, variables: list[tf.Variable], global_step: tf.Variable | None
    ) -> tf.Operation:
        """One step of training, with all that is in the collection UPDATE_OPS.

        Args:
            loss: a float Tensor, shape [].
            variables: what to train.
            global_step: counts the step; None if something else does.

        Returns:
            The train_op.
        """
        optimizer = self.make()
        with without_deprecation_notes():  # The optimizers of tf.compat.v1 cause some.
            return optimizers.minimize(optimizer, loss, variables, global_step, update_ops())


def estimator_spec(
    head: Head,
    features: Any,
    labels: Any,
    mode: str,
    logits: tf.Tensor,
    choice: OptimizerChoice,
    columns: Iterable[Any],
    config: RunConfig,
) -> EstimatorSpec:
    """The EstimatorSpec of a model that has one optimizer.

    Args:
        head: makes it.
        features: as model_fn got them.
        labels: as model_fn got them.
        mode: one of ModeKeys.
        logits: of the head's logits_dimension.
        choice: the optimizer.
        columns: the model's feature columns.
        config: as model_fn got it.

    Returns:
        The EstimatorSpec.
    """
    if mode != ModeKeys.TRAIN:
        return head.create_estimator_spec(features, mode, logits, labels)
    variables = trained_variables(columns, choice.surface, config)
    if choice.surface == "v1":
        # Made in the head's name scope, which is in the names of some optimizers' variables.
        return head.create_estimator_spec(
            features,
            mode,
            logits,
            labels,
            train_op_fn=lambda loss: choice.minimize(loss, variables, v1.train.get_global_step()),
        )
    return head.create_estimator_spec(
        features,
        mode,
        logits,
        labels,
        optimizer=choice.make(),
        trainable_variables=variables,
        update_ops=update_ops(),
    )


def update_ops() -> list[Any]:
    """What has to run with each training step: the collection UPDATE_OPS."""
    return v1.get_collection(v1.GraphKeys.UPDATE_OPS)


def trained_variables(columns: Iterable[Any], surface: str, config: RunConfig) -> list[tf.Variable]:
    """What a model trains: all trainable variables, with one exception.

    The original's version 2 forgot to train the weights of `shared_embeddings`. Its checkpoints
    have no optimizer variables for them, so who goes on from one leaves them as they are.

    Args:
        columns: the model's, which may have made shared weights.
        surface: "v1" or "v2".
        config: says in which folder a checkpoint may be.

    Returns:
        The variables.
    """
    found: list[tf.Variable] = v1.trainable_variables()
    shared = [each for each in shared_weights(columns) if isinstance(each, tf.Variable)]
    latest = checkpoint.latest_whole(config.model_dir) if config.model_dir and shared else None
    if surface == "v1" or latest is None:
        return found
    names = [name for name, _ in tf.train.list_variables(latest)]
    of_optimizer = [name for name in names if name.startswith("training/")]
    trained = {
        id(each) for each in found if any(f"/{each.op.name}/" in name for name in of_optimizer)
    }
    untrained = {id(each) for each in shared if trained and id(each) not in trained}
    if untrained:
        logger.warning(
            "Going on without training shared embeddings, as the run did that made %s.", latest
        )
    return [each for each in found if id(each) not in untrained]


@contextlib.contextmanager
def model_scope(
    name: str, surface: str, partitioner: Callable[..., Any] | None
) -> Iterator[str | None]:
    """The scope of a model, or of one of its parts.

    In version 1 all of it is inside, with the summaries and what trains it, and its variables are
    cut for parameter servers. In version 2 only its variables are, and they are whole.

    Args:
        name: of the scope.
        surface: "v1" or "v2".
        partitioner: cuts the variables of version 1.

    Yields:
        The scope that the variables still have to be put into; None if there is none.
    """
    if surface == "v1":
        with v1.variable_scope(name, partitioner=partitioner):
            yield None
    else:
        yield name


def variable_partitioner(
    surface: str,
    given: Callable[..., Any] | None,
    config: RunConfig,
    min_slice_bytes: int,
) -> Callable[..., Any] | None:
    """What cuts the variables of a model: in version 1 the user's partitioner or a default one.

    Args:
        surface: "v1" or "v2".
        given: the user's, or None for one that cuts large variables, one part for each parameter
            server at most.
        config: says how many servers there are.
        min_slice_bytes: the default one makes no smaller part.

    Returns:
        A partitioner for `tf.compat.v1.variable_scope`; None in version 2.
    """
    if surface == "v2":
        return None
    return given or v1.min_max_variable_partitioner(
        max_partitions=max(1, config.num_ps_replicas), min_slice_size=min_slice_bytes
    )
