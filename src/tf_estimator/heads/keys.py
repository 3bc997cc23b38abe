"""The names of predictions, metrics, summaries and signatures that heads give."""

LOGITS = "logits"
LOGISTIC = "logistic"
PROBABILITIES = "probabilities"
CLASS_IDS = "class_ids"
CLASSES = "classes"
ALL_CLASS_IDS = "all_class_ids"
ALL_CLASSES = "all_classes"
PREDICTIONS = "predictions"

LOSS = "loss"
AVERAGE_LOSS = "average_loss"
REGULARIZATION_LOSS = "regularization_loss"
ACCURACY = "accuracy"
ACCURACY_BASELINE = "accuracy_baseline"
PRECISION = "precision"
RECALL = "recall"
AUC = "auc"
AUC_PRECISION_RECALL = "auc_precision_recall"
LABEL_MEAN = "label/mean"
PREDICTION_MEAN = "prediction/mean"
PROBABILITY_MEAN = "probability_mean"

SERVING_DEFAULT = "serving_default"
CLASSIFY = "classification"
REGRESS = "regression"
PREDICT = "predict"


def of_head(key: str, head_name: str | None) -> str:
    """`key` as a head of that name reports it: with the name behind it, if it has one."""
    return f"{key}/{head_name}" if head_name else key


def at_threshold(key: str, threshold: float) -> str:
    """The key of a metric that takes what exceeds `threshold` for positive."""
    return f"{key}/positive_threshold_{threshold:g}"
