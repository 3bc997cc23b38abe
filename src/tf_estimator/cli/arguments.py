"""Arguments that commands share, as argparse wants them: a function of the text."""

import argparse
import math


def number(text: str) -> int:
    """How many tasks or restarts, from 0."""
    value = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= value < 1000:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 999; received {text}.")
    return value


def seconds(text: str) -> float:
    """A time, above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0; received {text}.")
    return value
