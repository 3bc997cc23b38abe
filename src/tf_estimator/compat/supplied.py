"""What `tf_estimator.install()` and `tf-estimator run` supply to old programs, name by name.

The one table of it: `check` reads programs with it, `run` is to bring what it lists.
"""

# Modules that `install()` puts back under tensorflow_estimator.python.estimator and
# tensorflow.python.estimator. A star stands for all modules of a room.
INSTALLED_MODULES = (
    *("early_stopping", "estimator", "estimator_lib", "exporter", "gc", "mode_keys", "model_fn"),
    *("run_config", "training", "util", "export.*", "head.*", "hooks.*", "inputs.*", "tpu.*"),
    *("canned.dnn", "canned.dnn_linear_combined", "canned.head", "canned.linear"),
    *("canned.metric_keys", "canned.optimizers", "canned.parsing_utils", "canned.prediction_keys"),
)
INSTALLED_ROOTS = ("tensorflow_estimator.python.estimator", "tensorflow.python.estimator")
# And these, which TensorFlow 1.15 and 2 had beside them.
INSTALLED_BESIDE = ("tensorflow.python.tpu.tpu_config", "tensorflow.python.tpu.tpu_estimator")


def _named(old: str, new: str, names: str) -> dict[str, str]:
    """The same names in two modules; without a new module, names that `run` has code for."""
    return {f"{old}.{name}": f"{new}.{name}" if new else "" for name in names.split()}


# What `run` has of tf.contrib: what the same thing is called today, "" where `run` has code of its
# own. Nothing is called the same here that takes other arguments.
CONTRIB: dict[str, str] = {
    **_named(
        "tpu",
        "tf_estimator.compat.v1.tpu",
        "InputPipelineConfig RunConfig TPUConfig TPUEstimator TPUEstimatorSpec",
    ),
    **_named(
        "tpu",
        "tensorflow.compat.v1.tpu",
        "CrossShardOptimizer bfloat16_scope cross_replica_sum initialize_system "
        "outside_compilation replicate rewrite shard shutdown_system",
    ),
    **_named(
        "cluster_resolver",
        "tensorflow.distribute.cluster_resolver",
        "ClusterResolver KubernetesClusterResolver SimpleClusterResolver SlurmClusterResolver "
        "TFConfigClusterResolver TPUClusterResolver",
    ),
    "cluster_resolver.UnionClusterResolver": "tensorflow.distribute.cluster_resolver.UnionResolver",
    **_named(
        "data",
        "tensorflow.data.experimental",
        "AUTOTUNE CsvDataset SqlDataset bucket_by_sequence_length choose_from_datasets "
        "copy_to_device dense_to_sparse_batch enumerate_dataset get_single_element "
        "group_by_reducer group_by_window ignore_errors make_batched_features_dataset "
        "make_csv_dataset map_and_batch parallel_interleave prefetch_to_device "
        "rejection_resample sample_from_datasets scan shuffle_and_repeat unbatch unique",
    ),
    **_named(
        "layers",
        "",
        "apply_regularization batch_norm flatten fully_connected l1_l2_regularizer l1_regularizer "
        "l2_regularizer layer_norm sum_regularizer variance_scaling_initializer "
        "xavier_initializer xavier_initializer_conv2d",
    ),
    **_named(
        "lookup",
        "",
        "HashTable index_table_from_file index_table_from_tensor index_to_string_table_from_file "
        "index_to_string_table_from_tensor",
    ),
    **_named(
        "lookup",
        "tensorflow.lookup",
        "KeyValueTensorInitializer TextFileInitializer",
    ),
    **_named(
        "estimator",
        "tf_estimator.experimental",
        "InMemoryEvaluatorHook build_raw_supervised_input_receiver_fn call_logit_fn "
        "make_early_stopping_hook make_stop_at_checkpoint_step_hook stop_if_higher_hook "
        "stop_if_lower_hook stop_if_no_decrease_hook stop_if_no_increase_hook",
    ),
    "estimator.add_metrics": "tf_estimator.add_metrics",
    **_named(
        "estimator",
        "",
        "binary_classification_head forward_features logistic_regression_head multi_class_head "
        "multi_head multi_label_head poisson_regression_head regression_head",
    ),
    "training.HParams": "",
    **_named("predictor", "tf_estimator.predictor", "from_estimator from_saved_model"),
    **_named(
        "framework",
        "tensorflow.compat.v1.train",
        "assert_global_step create_global_step get_global_step get_or_create_global_step "
        "init_from_checkpoint",
    ),
    **_named("framework", "tensorflow.train", "list_variables load_checkpoint load_variable"),
    **_named("framework", "tensorflow", "argsort is_tensor nest sort"),
    **_named(
        "framework",
        "",
        "add_arg_scope arg_scope assign_from_checkpoint assign_from_checkpoint_fn "
        "get_local_variables get_model_variables get_trainable_variables get_variables "
        "get_variables_to_restore has_arg_scope model_variable variable",
    ),
    **_named(
        "rnn",
        "tensorflow.compat.v1.nn.rnn_cell",
        "BasicLSTMCell BasicRNNCell DeviceWrapper DropoutWrapper GRUCell LSTMCell LSTMStateTuple "
        "MultiRNNCell RNNCell ResidualWrapper",
    ),
    **_named(
        "rnn",
        "tensorflow.compat.v1.nn",
        "static_bidirectional_rnn static_rnn static_state_saving_rnn",
    ),
    **_named(
        "rnn",
        "",
        "LSTMBlockCell LSTMBlockFusedCell LayerNormBasicLSTMCell TimeReversedFusedRNN "
        "stack_bidirectional_dynamic_rnn",
    ),
    **_named(
        "crf",
        "",
        "crf_binary_score crf_decode crf_log_likelihood crf_log_norm crf_sequence_score "
        "crf_unary_score viterbi_decode",
    ),
    **_named(
        "summary",
        "",
        "all_summary_ops always_record_summaries audio create_file_writer flush generic histogram "
        "image initialize never_record_summaries record_summaries_every_n_global_steps scalar "
        "should_record_summaries",
    ),
    **_named(
        "metrics",
        "",
        "accuracy f1_score streaming_accuracy streaming_auc streaming_mean_absolute_error "
        "streaming_mean_iou streaming_mean_squared_error streaming_pearson_correlation "
        "streaming_precision streaming_recall streaming_root_mean_squared_error",
    ),
    "metrics.streaming_mean": "tensorflow.compat.v1.metrics.mean",
    **_named("learn", "", "ModeKeys RunConfig"),
}

# What to write today for what `run` has code of its own for, and for what is nowhere: the longest
# name that fits holds.
TODAY: dict[str, str] = {
    "layers": "The package tf-slim has the layers of tf.contrib.layers: import tf_slim",
    "layers.embedding_column": "Write tf.feature_column.embedding_column",
    "layers.real_valued_column": "Write tf.feature_column.numeric_column",
    "layers.bucketized_column": "Write tf.feature_column.bucketized_column",
    "layers.crossed_column": "Write tf.feature_column.crossed_column",
    "layers.one_hot_column": "Write tf.feature_column.indicator_column",
    "layers.optimize_loss": "Write optimizer.minimize(loss, global_step)",
    "layers.sparse_column_with_hash_bucket": (
        "Write tf.feature_column.categorical_column_with_hash_bucket"
    ),
    "layers.sparse_column_with_keys": (
        "Write tf.feature_column.categorical_column_with_vocabulary_list"
    ),
    "layers.xavier_initializer": "Write tf.compat.v1.glorot_uniform_initializer",
    "layers.l2_regularizer": "Write tf.keras.regularizers.L2 with half of the scale",
    "layers.l1_regularizer": "Write tf.keras.regularizers.L1",
    "layers.layer_norm": "Write a layer tf.keras.layers.LayerNormalization",
    "layers.flatten": "Write tf.compat.v1.layers.flatten",
    "layers.fully_connected": "Write tf.compat.v1.layers.dense, whose activation is None",
    "layers.batch_norm": "Write tf.compat.v1.layers.batch_normalization",
    "lookup": "Write what fits of tf.lookup",
    "lookup.HashTable": "Write tf.lookup.StaticHashTable",
    "lookup.MutableHashTable": "Write tf.lookup.experimental.MutableHashTable",
    "lookup.index_table_from_file": "Write tf.lookup.StaticVocabularyTable",
    "estimator": "Write what fits of tf_estimator",
    "estimator.binary_classification_head": "Write tf_estimator.BinaryClassHead",
    "estimator.logistic_regression_head": "Write tf_estimator.LogisticRegressionHead",
    "estimator.multi_class_head": "Write tf_estimator.MultiClassHead",
    "estimator.multi_head": "Write tf_estimator.MultiHead",
    "estimator.multi_label_head": "Write tf_estimator.MultiLabelHead",
    "estimator.poisson_regression_head": "Write tf_estimator.PoissonRegressionHead",
    "estimator.regression_head": "Write tf_estimator.RegressionHead",
    "estimator.RNNClassifier": "Write tf_estimator.experimental.RNNClassifier",
    "estimator.RNNEstimator": "Write tf_estimator.experimental.RNNEstimator",
    "framework": "Write tf.compat.v1.train, or what the package tf-slim has",
    "framework.nest": "Write tf.nest",
    "learn": "Write an estimator of tf_estimator.compat.v1",
    "learn.ModeKeys": "Write tf_estimator.ModeKeys, where INFER is PREDICT",
    "learn.RunConfig": "Write tf_estimator.RunConfig",
    "learn.datasets": "Write tf.keras.datasets",
    "learn.preprocessing": "Write tf.keras.layers.TextVectorization",
    "metrics": "Write what fits of tf.compat.v1.metrics, where labels come first",
    "rnn": "Write what fits of tf.keras.layers",
    "crf": "TensorFlow 2 has none of its own",
    "predictor": "Write what fits of tf_estimator.predictor",
    "cluster_resolver": "Write what fits of tf.distribute.cluster_resolver",
    "seq2seq": "Write decoding and attention with tf.keras.layers",
    "summary": "Write what fits of tf.compat.v2.summary",
    "training": "Write what fits of tf.compat.v1.train",
    "training.HParams": "Write a dict of your own",
    "tpu": "Write what fits of tf.compat.v1.tpu",
    "autograph": "Write tf.autograph",
    "boosted_trees": "The package tensorflow-decision-forests trains trees",
    "checkpoint": "Write tf.train.Checkpoint",
    "cudnn_rnn": "Write tf.keras.layers.LSTM or GRU, which use cuDNN",
    "data": "Write what fits of tf.data",
    "distribute": "Write what fits of tf.distribute",
    "distributions": "The package tensorflow-probability has it",
    "eager": "Write what TensorFlow 2 has: it is eager",
    "factorization": "Write tf_estimator.compat.v1.experimental.KMeans for k-means",
    "feature_column": "Write what fits of tf.feature_column",
    "gan": "The package tensorflow-gan has it",
    "image": "Write what fits of tf.image",
    "keras": "Write tf.keras",
    "lite": "Write tf.lite",
    "losses": "Write what fits of tf.compat.v1.losses",
    "mixed_precision": "Write tf.keras.mixed_precision",
    "model_pruning": "The package tensorflow-model-optimization prunes",
    "nccl": "Write tf.distribute.NcclAllReduce",
    "opt": "Write an optimizer of tf.keras.optimizers: Estimators take them",
    "quantize": "The package tensorflow-model-optimization quantizes",
    "saved_model": "Write what fits of tf.saved_model",
    "signal": "Write tf.signal",
    "slim": "Install the package tf-slim and write import tf_slim as slim",
    "tensor_forest": "The package tensorflow-decision-forests trains trees",
    "tensorrt": "Write tf.experimental.tensorrt",
    "util": "Write tf.make_tensor_proto and tf.make_ndarray",
}

_ABSTRACT = (
    "AsyncGenerator AsyncIterable AsyncIterator Awaitable ByteString Callable Collection Container "
    "Coroutine Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView "
    "MutableMapping MutableSequence MutableSet Reversible Sequence Set Sized ValuesView"
)

# Names that Python and NumPy had when these programs were written, and what they were.
REMOVED: dict[str, str] = {
    **_named("collections", "collections.abc", _ABSTRACT),
    "base64.decodestring": "base64.decodebytes",
    "base64.encodestring": "base64.encodebytes",
    "fractions.gcd": "math.gcd",
    "inspect.getargspec": "inspect.getfullargspec",
    "time.clock": "time.perf_counter",
    "xml.etree.cElementTree": "xml.etree.ElementTree",
    **{f"numpy.{name}": name for name in ("bool", "complex", "float", "int", "object", "str")},
    "numpy.long": "int",
    "numpy.unicode": "str",
    "numpy.Inf": "numpy.inf",
    "numpy.Infinity": "numpy.inf",
    "numpy.NAN": "numpy.nan",
    "numpy.NaN": "numpy.nan",
    "numpy.PINF": "numpy.inf",
    "numpy.alltrue": "numpy.all",
    "numpy.bool8": "numpy.bool_",
    "numpy.cfloat": "numpy.complex128",
    "numpy.complex_": "numpy.complex128",
    "numpy.cumproduct": "numpy.cumprod",
    "numpy.float_": "numpy.float64",
    "numpy.infty": "numpy.inf",
    "numpy.int0": "numpy.intp",
    "numpy.mat": "numpy.asmatrix",
    "numpy.object0": "numpy.object_",
    "numpy.product": "numpy.prod",
    "numpy.round_": "numpy.round",
    "numpy.singlecomplex": "numpy.complex64",
    "numpy.sometrue": "numpy.any",
    "numpy.str0": "numpy.str_",
    "numpy.string_": "numpy.bytes_",
    "numpy.typeDict": "numpy.sctypeDict",
    "numpy.uint0": "numpy.uintp",
    "numpy.unicode_": "numpy.str_",
}

# Private modules of TensorFlow that moved, and where they are.
MOVED: dict[str, str] = {
    "tensorflow.python.training.tracking": "tensorflow.python.trackable",
}
