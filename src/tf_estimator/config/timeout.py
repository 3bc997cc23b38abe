"""How long a task of a cluster may be out of reach: by TF_CONFIG, or by a variable beside it."""

import math
from collections.abc import Mapping
from typing import Any, Final

from tf_estimator import _checks

VARIABLE: Final = "TF_ESTIMATOR_TIMEOUT_SECS"
"""The environment variable that counts where TF_CONFIG, which others may write, says nothing."""

DEFAULT_SECS: Final = 10.0

_RULE: Final = "must be a number of seconds above 0"


def of_entry(value: Any) -> float | None:
    """The checked "timeout_secs" entry of TF_CONFIG, in seconds; None if there is none.

    Args:
        value: as it stands there.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above 0, or not finite.
    """
    subject, hint = '"timeout_secs" in TF_CONFIG', 'For example: "timeout_secs": 10.'
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _checks.wrong_type(subject, _RULE, value, hint)
    if not 0 < value < math.inf:  # As NaN is not.
        raise _checks.wrong_value(subject, _RULE, value, hint)
    return float(value)


def of_environment(environment: Mapping[str, str]) -> float:
    """What VARIABLE says, in seconds, or else DEFAULT_SECS.

    Args:
        environment: variables; an empty one is none.

    Raises:
        ValueError: it is no number above 0.

    Example:
        >>> of_environment({"TF_ESTIMATOR_TIMEOUT_SECS": "300"}), of_environment({})
        (300.0, 10.0)
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return DEFAULT_SECS
    try:
        secs = float(text)
    except ValueError:
        secs = math.nan
    if not 0 < secs < math.inf:
        hint = f"For example: {VARIABLE}=300."
        raise _checks.wrong_value(f"The variable {VARIABLE}", _RULE, text, hint)
    return secs
