"""The exporters that look at no metric: after every evaluation, and after the last."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from tf_estimator._tf import logger
from tf_estimator.export import garbage
from tf_estimator.export.settings import ExportSettings
from tf_estimator.spec.exporter import Exporter


class LatestExporter(Exporter):
    """Exports after every evaluation, and keeps the newest exports.

    Args:
        name: the name of the exports' folder below `<model_dir>/export`.
        serving_input_receiver_fn: makes the inputs of the exported graph, see
            `tf_estimator.export`.
        assets_extra: a path below `assets.extra` to a file that is copied there.
        as_text: whether to write the graph as text.
        exports_to_keep: how many exports stay, the newest; None for all. Only folders named by a
            time in seconds count, and are ever deleted.

    Raises:
        TypeError: an argument has a wrong type. For a serving_input_receiver_fn that cannot be
            called the error is a ValueError as well.
        ValueError: exports_to_keep is not positive, or a key of assets_extra leads out of
            `assets.extra`.

    Example:
        >>> import tensorflow as tf
        >>> from tf_estimator.export import build_raw_serving_input_receiver_fn
        >>> receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1])})
        >>> LatestExporter("latest", receiver_fn, exports_to_keep=2).name
        'latest'
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        self._name = name
        self._settings = ExportSettings(serving_input_receiver_fn, assets_extra, as_text)
        self._exports_to_keep = garbage.check_exports_to_keep(exports_to_keep)

    @property
    def name(self) -> str:
        """The name of the exports' folder below `<model_dir>/export`."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str | os.PathLike[str],
        checkpoint_path: str | None,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> bytes:
        """Exports the checkpoint, then deletes the oldest exports.

        Args:
            estimator: the Estimator that was evaluated.
            export_path: the folder of this exporter's exports.
            checkpoint_path: the checkpoint that was evaluated; None for the newest.
            eval_result: is not looked at.
            is_the_final_export: is not looked at.

        Returns:
            The folder of the export, as bytes.
        """
        del eval_result, is_the_final_export
        made = self._settings.export(estimator, export_path, checkpoint_path)
        garbage.delete_old_exports(export_path, self._exports_to_keep, made)
        return made


class FinalExporter(Exporter):
    """Exports once, when the training is over.

    Args:
        name: the name of the exports' folder below `<model_dir>/export`.
        serving_input_receiver_fn: makes the inputs of the exported graph, see
            `tf_estimator.export`.
        assets_extra: a path below `assets.extra` to a file that is copied there.
        as_text: whether to write the graph as text.

    Raises:
        TypeError: an argument has a wrong type. For a serving_input_receiver_fn that cannot be
            called the error is a ValueError as well.
        ValueError: a key of assets_extra leads out of `assets.extra`.

    Example:
        >>> import tensorflow as tf
        >>> from tf_estimator.export import build_raw_serving_input_receiver_fn
        >>> receiver_fn = build_raw_serving_input_receiver_fn({"x": tf.zeros([1])})
        >>> FinalExporter("final", receiver_fn).name
        'final'
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
    ) -> None:
        self._name = name
        self._settings = ExportSettings(serving_input_receiver_fn, assets_extra, as_text)

    @property
    def name(self) -> str:
        """The name of the exports' folder below `<model_dir>/export`."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str | os.PathLike[str],
        checkpoint_path: str | None,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Exports the checkpoint if it is the last one.

        Args:
            estimator: the Estimator that was evaluated.
            export_path: the folder of this exporter's exports.
            checkpoint_path: the checkpoint that was evaluated; None for the newest.
            eval_result: is not looked at.
            is_the_final_export: whether the training is over.

        Returns:
            The folder of the export, as bytes; None before the final call.
        """
        del eval_result
        if not is_the_final_export:
            return None
        logger.info("The training is over: exporter %r exports the model.", self.name)
        return self._settings.export(estimator, export_path, checkpoint_path)
