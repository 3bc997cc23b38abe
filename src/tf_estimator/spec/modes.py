"""The three things an Estimator asks a `model_fn` to build a graph for."""


class ModeKeys:
    """Names of the modes that a `model_fn` is called with.

    * `TRAIN`: the graph of one training step; needs a loss and a train_op.
    * `EVAL`: the graph of one evaluation step; needs a loss.
    * `PREDICT`: the graph that predicts, also when a model is exported; needs predictions.

    The values are plain strings, and comparing with `==` is all that is ever done with them.

    Example:
        >>> ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT
        ('train', 'eval', 'infer')
    """

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"
