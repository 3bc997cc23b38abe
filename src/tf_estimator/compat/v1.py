"""What `tf.compat.v1.estimator` was: the same code, with the defaults and extras of version 1."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import tf_estimator as _v2
from tf_estimator import *  # noqa: F403 - all names of version 2; those that differ follow

__all__ = list(_v2.__all__)


class Estimator(_v2.Estimator):  # type: ignore[no-redef]
    """The Estimator of version 1: `tf_estimator.Estimator`, and `export_savedmodel`."""

    def export_savedmodel(
        self,
        export_dir_base: str | bytes | os.PathLike[str],
        serving_input_receiver_fn: Callable[[], Any],
        assets_extra: Mapping[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """The former name of `export_saved_model`, for prediction.

        Args:
            export_dir_base: see `export_saved_model`.
            serving_input_receiver_fn: see `export_saved_model`.
            assets_extra: see `export_saved_model`.
            as_text: see `export_saved_model`.
            checkpoint_path: see `export_saved_model`.
            strip_default_attrs: has no effect: default attributes are always left out, so that
                older and newer versions of TensorFlow read the graph.

        Returns:
            The folder of the export, as bytes.
        """
        del strip_default_attrs
        return self.export_saved_model(
            export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path
        )
