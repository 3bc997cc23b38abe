"""Which names of the original's private modules `install()` brings, and what each of them is here.

Programs and libraries took them from `tensorflow_estimator.python.estimator` and, before TensorFlow
1.15, from `tensorflow.python.estimator`. A plain table, which is read without TensorFlow.
"""

_V1 = "tf_estimator.compat.v1"
_V2 = "tf_estimator"
_OWN = "tf_estimator.compat.original"


def _from(home: str, names: str) -> dict[str, str]:
    """Names and what they are: names of `home`, or of "old=new" the new one."""
    pairs = ((name.partition("=")[0], name.rpartition("=")[2]) for name in names.split())
    return {old: f"{home}.{new}" for old, new in pairs}


def _both(names: str) -> dict[str, str]:
    """Classes by their names of version 1, and with V2 behind the name those of version 2."""
    v2 = " ".join(f"{name}V2={name}" for name in names.split())
    return _from(_V1, names) | _from(_V2, v2)


_EXPORT_OUTPUTS = _from(
    _V2 + ".export",
    "ClassificationOutput EvalOutput ExportOutput PredictOutput RegressionOutput",
) | _from("tf_estimator.spec", "TrainOutput")
_RECEIVERS = (
    _from(
        _V2 + ".export",
        "ServingInputReceiver TensorServingInputReceiver build_parsing_serving_input_receiver_fn "
        "build_raw_serving_input_receiver_fn",
    )
    | _from("tf_estimator.export.receivers", "SupervisedInputReceiver UnsupervisedInputReceiver")
    | _from(
        "tf_estimator.export.receiver_fns",
        "build_raw_supervised_input_receiver_fn build_supervised_input_receiver_fn_from_input_fn",
    )
)
_EXPORT_FOLDERS = _from(
    "tf_estimator.export.signatures",
    "get_temp_export_dir=temporary_export_dir get_timestamped_export_dir=timestamped_export_dir",
)
_HOOKS = _from(
    _V2,
    "CheckpointSaverHook CheckpointSaverListener FeedFnHook FinalOpsHook GlobalStepWaiterHook "
    "LoggingTensorHook NanLossDuringTrainingError NanTensorHook ProfilerHook SecondOrStepTimer "
    "StepCounterHook StopAtStepHook SummarySaverHook",
)
_RUN_HOOK = _from(_V2, "SessionRunArgs SessionRunContext SessionRunHook SessionRunValues")
_EARLY_STOPPING = _from(
    "tf_estimator.hooks",
    "make_early_stopping_hook stop_if_higher_hook stop_if_lower_hook stop_if_no_decrease_hook "
    "stop_if_no_increase_hook",
)
_REGRESSION = _from(_V2, "LogisticRegressionHead PoissonRegressionHead RegressionHead")
_EXPORTERS = _from(_V2, "BestExporter Exporter FinalExporter LatestExporter")
_NUMPY = _from("tf_estimator.inputs", "numpy_input_fn")
_PANDAS = _from("tf_estimator.inputs", "pandas_input_fn")
_KERAS = _from(f"{_OWN}.functions", "model_to_estimator")
_TPU_CONFIG = _from(_V1 + ".tpu", "InputPipelineConfig RunConfig TPUConfig")
_TPU_ESTIMATOR = _from(_V1 + ".tpu", "TPUEstimator TPUEstimatorSpec") | _from(
    "tf_estimator.tpu.estimator", "ExportSavedModelApiVersion"
)
_PARSING = (
    "classifier_parse_example_spec regressor_parse_example_spec "
    "classifier_parse_example_spec_v2=classifier_parse_example_spec "
    "regressor_parse_example_spec_v2=regressor_parse_example_spec"
)

# By module, below either root; "" is the root itself.
NAMES: dict[str, dict[str, str]] = {
    "": {},
    "canned": {},
    "canned.baseline": _both("BaselineClassifier BaselineEstimator BaselineRegressor"),
    "canned.dnn": {
        **_both("DNNClassifier DNNEstimator DNNRegressor"),
        **_from("tf_estimator.canned", "dnn_logit_fn_builder"),
        **_from(f"{_OWN}.model_fns", "_dnn_model_fn=dnn_model_fn"),
    },
    "canned.dnn_linear_combined": {
        **_both("DNNLinearCombinedClassifier DNNLinearCombinedEstimator"),
        **_both("DNNLinearCombinedRegressor"),
        **_from(f"{_OWN}.model_fns", "_dnn_linear_combined_model_fn=dnn_linear_combined_model_fn"),
    },
    "canned.head": _from(
        f"{_OWN}.heads",
        "LossSpec _Head=Head _binary_logistic_head_with_sigmoid_cross_entropy_loss=binary_head "
        "_binary_logistic_or_multi_class_head=class_head "
        "_multi_class_head_with_softmax_cross_entropy_loss=multi_class_head "
        "_regression_head=regression_head "
        "_regression_head_with_mean_squared_error_loss=regression_head",
    ),
    "canned.kmeans": _from(f"{_V1}.experimental", "KMeansClustering=KMeans"),
    "canned.linear": {
        **_both("LinearClassifier LinearEstimator LinearRegressor"),
        **_from(f"{_V2}.experimental", "LinearSDCA"),
        **_from("tf_estimator.canned", "linear_logit_fn_builder"),
        **_from(f"{_OWN}.model_fns", "_linear_model_fn=linear_model_fn"),
    },
    "canned.metric_keys": _from(f"{_OWN}.keys", "MetricKeys"),
    "canned.optimizers": _from(
        f"{_OWN}.functions", "get_optimizer_instance get_optimizer_instance_v2"
    ),
    "canned.parsing_utils": _from(_V2, _PARSING),
    "canned.prediction_keys": _from(f"{_OWN}.keys", "PredictionKeys"),
    "canned.rnn": _from(f"{_V2}.experimental", "RNNClassifier RNNEstimator"),
    "early_stopping": {
        **_EARLY_STOPPING,
        **_from("tf_estimator.summaries", "read_eval_metrics=read_evaluations"),
    },
    "estimator": {
        **_both("Estimator"),
        **_from(_V2, "VocabInfo WarmStartSettings"),
        **_from(
            "tf_estimator.config",
            "maybe_overwrite_model_dir_and_session_config=with_model_dir",
        ),
    },
    "estimator_export": _from(f"{_OWN}.functions", "estimator_export"),
    "exporter": _EXPORTERS,
    "extenders": _from(_V2, "add_metrics"),
    "export": {},
    "export.export": _RECEIVERS | _EXPORT_FOLDERS,
    "export.export_lib": _RECEIVERS | _EXPORT_OUTPUTS | _EXPORT_FOLDERS,
    "export.export_output": _EXPORT_OUTPUTS,
    "gc": _from(
        f"{_OWN}.gc",
        "Path _get_paths=get_paths _largest_export_versions=largest_export_versions "
        "_mod_export_version=mod_export_version _negation=negation "
        "_one_of_every_n_export_versions=one_of_every_n_export_versions _union=union",
    ),
    "head": {},
    "head.base_head": {
        **_from(_V2, "Head"),
        **_from(
            "tf_estimator.heads.keys",
            "CLASSIFY_SERVING_KEY=CLASSIFY DEFAULT_SERVING_KEY=SERVING_DEFAULT "
            "PREDICT_SERVING_KEY=PREDICT REGRESS_SERVING_KEY=REGRESS",
        ),
        **_from(
            f"{_OWN}.head_functions",
            "all_class_ids all_classes call_loss_fn check_dense_labels_match_logits_and_reshape "
            "check_label_range check_logits_final_dim classification_output "
            "get_weights_and_check_match_logits update_metric_with_broadcast_weights "
            "validate_loss_fn_args validate_loss_reduction",
        ),
    },
    "head.binary_class_head": _from(_V2, "BinaryClassHead"),
    "head.head_utils": _from(
        "tf_estimator.canned.model_fns", "binary_or_multi_class_head=class_head"
    ),
    "head.multi_class_head": _from(_V2, "MultiClassHead"),
    "head.multi_head": _from(_V2, "MultiHead"),
    "head.multi_label_head": _from(_V2, "MultiLabelHead"),
    "head.regression_head": _REGRESSION,
    "head.sequential_head": _from("tf_estimator.heads", "SequentialHeadWrapper=SequentialHead"),
    "hooks": {},
    "hooks.basic_session_run_hooks": _HOOKS,
    "hooks.hooks": _from(
        f"{_V2}.experimental", "InMemoryEvaluatorHook make_stop_at_checkpoint_step_hook"
    ),
    "hooks.session_run_hook": _RUN_HOOK,
    "inputs": {},
    "inputs.inputs": _NUMPY | _PANDAS,
    "inputs.numpy_io": _NUMPY,
    "inputs.pandas_io": _PANDAS,
    "keras": _KERAS,
    "keras_lib": _KERAS,
    "mode_keys": _from(_V2, "ModeKeys"),
    "model_fn": {
        **_from(_V2, "EstimatorSpec ModeKeys"),
        **_from(f"{_V2}.experimental", "call_logit_fn"),
        **_from(
            "tf_estimator.heads.keys",
            "AVERAGE_LOSS_METRIC_KEY=AVERAGE_LOSS LOSS_METRIC_KEY=LOSS",
        ),
    },
    "run_config": {
        **_from(_V2, "RunConfig"),
        **_from("tf_estimator.config.entries", "TaskType"),
        **_from("tf_estimator.config", "get_default_session_config=default_session_config"),
    },
    "tpu": {},
    "tpu.tpu_config": _TPU_CONFIG,
    "tpu.tpu_estimator": _TPU_ESTIMATOR,
    "training": _from(_V2, "EvalSpec TrainSpec train_and_evaluate"),
    "util": _from(f"{_OWN}.functions", "fn_args parse_input_fn_result"),
}
NAMES["estimator_lib"] = {
    **_from(
        _V1,
        "BaselineClassifier BaselineEstimator BaselineRegressor DNNClassifier DNNEstimator "
        "DNNLinearCombinedClassifier DNNLinearCombinedEstimator DNNLinearCombinedRegressor "
        "DNNRegressor Estimator LinearClassifier LinearEstimator LinearRegressor inputs",
    ),
    **_from(
        _V2,
        "BinaryClassHead EstimatorSpec Exporter FinalExporter Head LatestExporter ModeKeys "
        "MultiClassHead MultiHead MultiLabelHead RunConfig VocabInfo WarmStartSettings add_metrics "
        "classifier_parse_example_spec export regressor_parse_example_spec",
    ),
    **_from(f"{_V2}.canned", "dnn_logit_fn_builder linear_logit_fn_builder"),
    **_from(f"{_V2}.experimental", "call_logit_fn"),
    **_from(
        "tensorflow_estimator.python.estimator.hooks",
        "basic_session_run_hooks hooks session_run_hook",
    ),
    **{
        name: home
        for module in ("canned.kmeans", "canned.rnn", "early_stopping", "training")
        for name, home in NAMES[module].items()
    },
    **_REGRESSION,
    **_KERAS,
    **_from(f"{_V1}.tpu", "TPUEstimator"),
}

# The modules of names, not the packages that hold them.
MODULES = tuple(sorted(module for module, names in NAMES.items() if names))
PACKAGES = tuple(sorted(set(NAMES) - set(MODULES)))
