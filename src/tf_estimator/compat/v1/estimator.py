"""The Estimator of version 1, which all estimators of `compat.v1` are."""

import abc
import os
from collections.abc import Callable, Mapping
from typing import Any

from tf_estimator.estimator import Estimator as _Estimator


class Estimator(_Estimator, metaclass=abc.ABCMeta):
    """The Estimator of version 1: `tf_estimator.Estimator`, and `export_savedmodel`.

    Every estimator is an instance of it, those of version 2 as well, for `isinstance`.
    """

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        # Version 2 was derived from version 1, and libraries ask for the latter to mean both.
        return issubclass(other, _Estimator) if cls is Estimator else NotImplemented

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
