"""Files of the user's own that travel with a SavedModel, in its folder `assets.extra`."""

import os
from collections.abc import Mapping
from typing import Any

from tf_estimator import _checks

_FOLDER = "assets.extra"


def extra_assets(assets_extra: Mapping[Any, Any] | None) -> dict[str, str]:
    """Where each extra asset goes, below the folder of the export, and where it comes from.

    Args:
        assets_extra: a path below `assets.extra` to the file that is to be copied there; None for
            no files. Whether a file is there is seen when it is copied.

    Returns:
        A path below the folder of the export to the file's own path.

    Raises:
        TypeError: assets_extra is no mapping of paths.
        ValueError: a key leads out of `assets.extra`.

    Example:
        >>> extra_assets({"labels/en.txt": "/data/english.txt"})
        {'assets.extra/labels/en.txt': '/data/english.txt'}
    """
    if not isinstance(assets_extra, Mapping | None):
        raise _checks.wrong_type(
            "assets_extra",
            "must be a dict of paths or None",
            assets_extra,
            'To copy "a.txt" into the export write {"a.txt": "/path/of/a.txt"}.',
        )
    targets = {}
    for name, source in (assets_extra or {}).items():
        target = os.path.normpath(os.path.join(_FOLDER, _path("A key of assets_extra", name)))
        if not target.startswith(_FOLDER + os.sep):
            raise _checks.wrong_value(
                "A key of assets_extra", "must be a path below assets.extra", name
            )
        targets[target] = _path("A value of assets_extra", source)
    return targets


def _path(subject: str, value: Any) -> str:
    try:
        return os.fsdecode(value)
    except TypeError:
        raise _checks.wrong_type(subject, "must be a path", value) from None
