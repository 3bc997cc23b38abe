"""The part of TPUEstimator that has no meaning without a TPU."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


class EmbeddingConfigSpec:
    """Says which embedding tables live in the memory of TPUs. Cannot be made here.

    On CPU and GPU an embedding is a variable like others: leave `embedding_config_spec` out, and
    build the columns with `tf.feature_column.embedding_column`.

    Args:
        feature_columns: TPU embedding columns.
        optimization_parameters: how the tables are trained.
        clipping_limit: of their gradients.
        pipeline_execution_with_tensor_core: whether tables and model work at the same time.
        experimental_gradient_multiplier_fn: scales their gradients by the step.
        feature_to_config_dict: a name of a feature to its configuration.
        table_to_config_dict: a name of a table to its configuration.
        partition_strategy: "div" or "mod".
        profile_data_directory: of profiles of the input.

    Raises:
        NotImplementedError: always.
    """

    def __init__(
        self,
        feature_columns: Iterable[Any] | None = None,
        optimization_parameters: Any = None,
        clipping_limit: float | None = None,
        pipeline_execution_with_tensor_core: bool = False,
        experimental_gradient_multiplier_fn: Callable[..., Any] | None = None,
        feature_to_config_dict: Mapping[str, Any] | None = None,
        table_to_config_dict: Mapping[str, Any] | None = None,
        partition_strategy: str = "div",
        profile_data_directory: str | None = None,
    ) -> None:
        raise no_embedding("EmbeddingConfigSpec")


def no_embedding(subject: str) -> NotImplementedError:
    """The error for a table that should live in a TPU."""
    return NotImplementedError(
        f"{subject} is for embedding tables in the memory of a TPU, and TPUEstimator runs on CPU "
        "and GPU here. Leave it out, and use tf.feature_column.embedding_column."
    )
