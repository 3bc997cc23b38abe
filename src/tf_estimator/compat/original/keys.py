"""The names of predictions and metrics as the original's classes of constants had them."""

from tf_estimator.heads import keys


class PredictionKeys:
    """Names of predictions."""

    ALL_CLASSES = keys.ALL_CLASSES
    ALL_CLASS_IDS = keys.ALL_CLASS_IDS
    CLASSES = keys.CLASSES
    CLASS_IDS = keys.CLASS_IDS
    LOGISTIC = keys.LOGISTIC
    LOGITS = keys.LOGITS
    PREDICTIONS = keys.PREDICTIONS
    PROBABILITIES = keys.PROBABILITIES
    TOP_K = "top_k"


class MetricKeys:
    """Names of metrics; those with a `%` are patterns for a number or a class."""

    ACCURACY = keys.ACCURACY
    ACCURACY_BASELINE = keys.ACCURACY_BASELINE
    AUC = keys.AUC
    AUC_PR = keys.AUC_PRECISION_RECALL
    LABEL_MEAN = keys.LABEL_MEAN
    LOSS = keys.LOSS
    LOSS_MEAN = keys.AVERAGE_LOSS
    LOSS_REGULARIZATION = keys.REGULARIZATION_LOSS
    PRECISION = keys.PRECISION
    PREDICTION_MEAN = keys.PREDICTION_MEAN
    RECALL = keys.RECALL

    ACCURACY_AT_THRESHOLD = f"{keys.ACCURACY}/positive_threshold_%g"
    PRECISION_AT_THRESHOLD = f"{keys.PRECISION}/positive_threshold_%g"
    RECALL_AT_THRESHOLD = f"{keys.RECALL}/positive_threshold_%g"
    PRECISION_AT_RECALL = "precision_at_recall_%g"
    RECALL_AT_PRECISION = "recall_at_precision_%g"
    SENSITIVITY_AT_SPECIFICITY = "sensitivity_at_specificity_%g"
    SPECIFICITY_AT_SENSITIVITY = "specificity_at_sensitivity_%g"

    AUC_AT_CLASS = f"{keys.AUC}/class%d"
    AUC_PR_AT_CLASS = f"{keys.AUC_PRECISION_RECALL}/class%d"
    PROBABILITY_MEAN_AT_CLASS = f"{keys.PROBABILITY_MEAN}/class%d"
    AUC_AT_NAME = f"{keys.AUC}/%s"
    AUC_PR_AT_NAME = f"{keys.AUC_PRECISION_RECALL}/%s"
    PROBABILITY_MEAN_AT_NAME = f"{keys.PROBABILITY_MEAN}/%s"
