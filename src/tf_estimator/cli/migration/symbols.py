"""Where each name of tf.estimator is now. Made by tests/cli/make_tables.py."""

# tensorflow.compat.v1.estimator.NAME is tf_estimator.compat.v1.NAME.
_V1 = """
BaselineClassifier BaselineEstimator BaselineRegressor BestExporter BinaryClassHead
CheckpointSaverHook CheckpointSaverListener DNNClassifier DNNEstimator DNNLinearCombinedClassifier
DNNLinearCombinedEstimator DNNLinearCombinedRegressor DNNRegressor Estimator EstimatorSpec EvalSpec
Exporter FeedFnHook FinalExporter FinalOpsHook GlobalStepWaiterHook Head LatestExporter
LinearClassifier LinearEstimator LinearRegressor LoggingTensorHook LogisticRegressionHead ModeKeys
MultiClassHead MultiHead MultiLabelHead NanLossDuringTrainingError NanTensorHook
PoissonRegressionHead ProfilerHook RegressionHead RunConfig SecondOrStepTimer SessionRunArgs
SessionRunContext SessionRunHook SessionRunValues StepCounterHook StopAtStepHook SummarySaverHook
TrainSpec VocabInfo WarmStartSettings add_metrics classifier_parse_example_spec experimental
experimental.InMemoryEvaluatorHook experimental.KMeans experimental.LinearSDCA
experimental.build_raw_supervised_input_receiver_fn experimental.call_logit_fn
experimental.dnn_logit_fn_builder experimental.linear_logit_fn_builder
experimental.make_early_stopping_hook experimental.make_stop_at_checkpoint_step_hook
experimental.stop_if_higher_hook experimental.stop_if_lower_hook
experimental.stop_if_no_decrease_hook experimental.stop_if_no_increase_hook export
export.ClassificationOutput export.EvalOutput export.ExportOutput export.PredictOutput
export.RegressionOutput export.ServingInputReceiver export.TensorServingInputReceiver
export.build_parsing_serving_input_receiver_fn export.build_raw_serving_input_receiver_fn inputs
inputs.numpy_input_fn inputs.pandas_input_fn regressor_parse_example_spec tpu
tpu.InputPipelineConfig tpu.RunConfig tpu.TPUConfig tpu.TPUEstimator tpu.TPUEstimatorSpec
tpu.experimental tpu.experimental.EmbeddingConfigSpec train_and_evaluate
"""
V1 = frozenset(_V1.split())

# tensorflow.compat.v1.estimator.NAME is not here (yet).
_V1_MISSING = ""
V1_MISSING = frozenset(_V1_MISSING.split())

# tensorflow.estimator.NAME is tf_estimator.NAME.
_V2 = """
BaselineClassifier BaselineEstimator BaselineRegressor BestExporter BinaryClassHead
CheckpointSaverHook CheckpointSaverListener DNNClassifier DNNEstimator DNNLinearCombinedClassifier
DNNLinearCombinedEstimator DNNLinearCombinedRegressor DNNRegressor Estimator EstimatorSpec EvalSpec
Exporter FeedFnHook FinalExporter FinalOpsHook GlobalStepWaiterHook Head LatestExporter
LinearClassifier LinearEstimator LinearRegressor LoggingTensorHook LogisticRegressionHead ModeKeys
MultiClassHead MultiHead MultiLabelHead NanLossDuringTrainingError NanTensorHook
PoissonRegressionHead ProfilerHook RegressionHead RunConfig SecondOrStepTimer SessionRunArgs
SessionRunContext SessionRunHook SessionRunValues StepCounterHook StopAtStepHook SummarySaverHook
TrainSpec VocabInfo WarmStartSettings add_metrics classifier_parse_example_spec experimental
experimental.InMemoryEvaluatorHook experimental.LinearSDCA experimental.RNNClassifier
experimental.RNNEstimator experimental.build_raw_supervised_input_receiver_fn
experimental.call_logit_fn experimental.make_early_stopping_hook
experimental.make_stop_at_checkpoint_step_hook experimental.stop_if_higher_hook
experimental.stop_if_lower_hook experimental.stop_if_no_decrease_hook
experimental.stop_if_no_increase_hook export export.ClassificationOutput export.EvalOutput
export.ExportOutput export.PredictOutput export.RegressionOutput export.ServingInputReceiver
export.TensorServingInputReceiver export.build_parsing_serving_input_receiver_fn
export.build_raw_serving_input_receiver_fn regressor_parse_example_spec train_and_evaluate
"""
V2 = frozenset(_V2.split())

# tensorflow.estimator.NAME is not here (yet).
_V2_MISSING = ""
V2_MISSING = frozenset(_V2_MISSING.split())

# Classes that are others in version 1.
_DIFFERENT = """
BaselineClassifier BaselineEstimator BaselineRegressor DNNClassifier DNNEstimator
DNNLinearCombinedClassifier DNNLinearCombinedEstimator DNNLinearCombinedRegressor DNNRegressor
Estimator LinearClassifier LinearEstimator LinearRegressor
"""
DIFFERENT = frozenset(_DIFFERENT.split())

# Modules of the original, and the module that each is now.
MODULES = {
    "tensorflow.compat.v1.estimator": "tf_estimator.compat.v1",
    "tensorflow.compat.v1.estimator.experimental": "tf_estimator.compat.v1.experimental",
    "tensorflow.compat.v1.estimator.export": "tf_estimator.export",
    "tensorflow.compat.v1.estimator.inputs": "tf_estimator.inputs",
    "tensorflow.compat.v1.estimator.tpu": "tf_estimator.compat.v1.tpu",
    "tensorflow.compat.v1.estimator.tpu.experimental": "tf_estimator.compat.v1.tpu.experimental",
    "tensorflow.estimator": "tf_estimator",
    "tensorflow.estimator.experimental": "tf_estimator.experimental",
    "tensorflow.estimator.export": "tf_estimator.export",
}
