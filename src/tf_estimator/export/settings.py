"""What all exporters are told about the SavedModels that they write."""

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_estimator import _checks
from tf_estimator.export.assets import extra_assets


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """The arguments of `Estimator.export_saved_model` that stay the same from export to export.

    They are checked here, when an exporter is made: long before the first evaluation is done.

    Attributes:
        serving_input_receiver_fn: makes the inputs of the exported graph.
        assets_extra: a path below `assets.extra` to a file that is copied there, or None.
        as_text: whether to write the graph as text.

    Raises:
        TypeError: serving_input_receiver_fn cannot be called without arguments (the error is a
            ValueError as well), or another argument has a wrong type.
        ValueError: a key of assets_extra leads out of `assets.extra`.
    """

    serving_input_receiver_fn: Callable[[], Any]
    assets_extra: Mapping[str, str] | None = None
    as_text: bool = False

    def __post_init__(self) -> None:
        if not _takes_nothing(self.serving_input_receiver_fn):
            raise _checks.wrong_type(
                "serving_input_receiver_fn",
                "must be callable without arguments",
                self.serving_input_receiver_fn,
                "tf_estimator.export.build_raw_serving_input_receiver_fn makes one.",
                was=ValueError,
            )
        extra_assets(self.assets_extra)
        # Old programs pass 0, 1 or None; a text would always count as True, "False" too.
        if not isinstance(self.as_text, int | np.bool_ | None):
            raise _checks.wrong_type("as_text", "must be a bool", self.as_text)

    def export(
        self,
        estimator: Any,
        export_path: str | bytes | os.PathLike[str],
        checkpoint_path: str | None,
    ) -> bytes:
        """Writes the SavedModel of one checkpoint; returns its folder."""
        return estimator.export_saved_model(
            export_path,
            self.serving_input_receiver_fn,
            assets_extra=self.assets_extra,
            as_text=self.as_text,
            checkpoint_path=checkpoint_path,
        )


def _takes_nothing(fn: Any) -> bool:
    """Whether `fn` can be called without arguments, as far as it tells."""
    if not callable(fn):
        return False
    try:
        inspect.signature(fn).bind()
    except TypeError:
        return False
    except ValueError:  # Functions written in C may have no signature.
        return True
    return True
