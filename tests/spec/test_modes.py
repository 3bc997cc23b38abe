"""ModeKeys are the strings that programs and checkpoints of Estimators have always used."""

from tf_estimator.spec import ModeKeys


def test_the_modes_are_the_strings_they_always_were() -> None:
    assert (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT) == ("train", "eval", "infer")
