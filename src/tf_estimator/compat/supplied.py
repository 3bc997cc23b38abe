"""What `tf_estimator.install()` and `tf-estimator run` supply to old programs, name by name.

The one table of it: `check` reads programs with it, `run` is to bring what it lists.
"""

from tf_estimator.compat import original_names

# Modules that `install()` puts back under tensorflow_estimator.python.estimator and
# tensorflow.python.estimator; original_names has the names in them.
INSTALLED_MODULES = original_names.MODULES
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
        "CrossShardOptimizer PaddingSpec batch_parallel bfloat16_scope core cross_replica_sum "
        "initialize_system outside_compilation replicate rewrite shard shutdown_system",
    ),
    **_named(
        "cluster_resolver",
        "tensorflow.distribute.cluster_resolver",
        "ClusterResolver KubernetesClusterResolver SimpleClusterResolver SlurmClusterResolver "
        "TFConfigClusterResolver TPUClusterResolver",
    ),
    "cluster_resolver.GceClusterResolver": (
        "tensorflow.distribute.cluster_resolver.GCEClusterResolver"
    ),
    "cluster_resolver.UnionClusterResolver": "tensorflow.distribute.cluster_resolver.UnionResolver",
    **_named(
        "data",
        "tensorflow.data.experimental",
        "AUTOTUNE Optional Reducer TFRecordWriter bucket_by_sequence_length copy_to_device "
        "dense_to_sparse_batch enumerate_dataset get_next_as_optional get_single_element "
        "group_by_reducer group_by_window ignore_errors make_saveable_from_iterator map_and_batch "
        "parallel_interleave parse_example_dataset prefetch_to_device rejection_resample scan "
        "shuffle_and_repeat unbatch unique",
    ),
    # What makes datasets is of version 1: those of version 2 have no make_one_shot_iterator.
    **_named(
        "data",
        "tensorflow.compat.v1.data.experimental",
        "Counter CsvDataset RandomDataset SqlDataset choose_from_datasets "
        "make_batched_features_dataset make_csv_dataset sample_from_datasets",
    ),
    **_named(
        "data",
        "",
        "batch_and_drop_remainder padded_batch_and_drop_remainder sloppy_interleave",
    ),
    **_named(
        "feature_column",
        "tensorflow.feature_column",
        "sequence_categorical_column_with_hash_bucket "
        "sequence_categorical_column_with_identity "
        "sequence_categorical_column_with_vocabulary_file "
        "sequence_categorical_column_with_vocabulary_list sequence_numeric_column",
    ),
    **_named("util", "tensorflow", "make_ndarray make_tensor_proto"),
    **_named(
        "layers",
        "",
        "apply_regularization avg_pool2d batch_norm bias_add conv1d conv2d conv2d_transpose conv3d "
        "convolution convolution1d convolution2d convolution2d_transpose convolution3d dropout "
        "embed_sequence flatten fully_connected instance_norm l1_l2_regularizer l1_regularizer "
        "l2_regularizer layer_norm linear max_pool2d one_hot_encoding optimize_loss relu repeat "
        "softmax stack sum_regularizer variance_scaling_initializer xavier_initializer "
        "xavier_initializer_conv2d",
    ),
    "layers.safe_embedding_lookup_sparse": "tensorflow.compat.v1.nn.safe_embedding_lookup_sparse",
    **_named(
        "lookup",
        "",
        "FastHashSpec HashTable MutableHashTable index_table_from_file index_table_from_tensor "
        "index_to_string index_to_string_table_from_file index_to_string_table_from_tensor "
        "string_to_index",
    ),
    **_named(
        "lookup",
        "tensorflow.lookup",
        "KeyValueTensorInitializer TextFileIndex TextFileInitializer",
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
        "tf_estimator.compat.v1",
        "BaselineEstimator DNNEstimator DNNLinearCombinedEstimator LinearEstimator",
    ),
    **_named(
        "estimator",
        "tf_estimator.compat.v1.experimental",
        "dnn_logit_fn_builder linear_logit_fn_builder",
    ),
    **_named(
        "estimator",
        "",
        "binary_classification_head clip_gradients_by_norm forward_features "
        "logistic_regression_head multi_class_head multi_head multi_label_head "
        "poisson_regression_head regression_head",
    ),
    **_named("training", "", "HParams parse_values"),
    "training.checkpoints_iterator": "tensorflow.train.checkpoints_iterator",
    **_named("predictor", "tf_estimator.predictor", "from_estimator from_saved_model"),
    **_named(
        "framework",
        "tensorflow.compat.v1.train",
        "assert_global_step create_global_step get_global_step get_or_create_global_step "
        "init_from_checkpoint",
    ),
    **_named("framework", "tensorflow.train", "list_variables load_checkpoint load_variable"),
    **_named("framework", "tensorflow", "CriticalSection argsort is_tensor nest sort"),
    **_named(
        "framework",
        "",
        "add_arg_scope add_model_variable arg_scope arg_scoped_arguments assign_from_checkpoint "
        "assign_from_checkpoint_fn assign_from_values assign_from_values_fn current_arg_scope "
        "filter_variables get_local_variables get_model_variables get_trainable_variables "
        "get_unique_variable get_variables get_variables_by_name get_variables_by_suffix "
        "get_variables_to_restore has_arg_scope local_variable model_variable variable",
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
        "FusedRNNCell LSTMBlockCell LSTMBlockFusedCell LayerNormBasicLSTMCell "
        "TimeReversedFusedRNN stack_bidirectional_dynamic_rnn",
    ),
    **_named(
        "crf",
        "",
        "crf_binary_score crf_decode crf_log_likelihood crf_log_norm crf_multitag_sequence_score "
        "crf_sequence_score crf_unary_score viterbi_decode",
    ),
    **_named(
        "summary",
        "",
        "all_summary_ops always_record_summaries audio create_file_writer flush generic histogram "
        "image initialize never_record_summaries record_summaries_every_n_global_steps scalar "
        "should_record_summaries summary_writer_initializer_op",
    ),
    **_named(
        "metrics",
        "",
        "accuracy aggregate_metric_map aggregate_metrics f1_score streaming_accuracy streaming_auc "
        "streaming_covariance streaming_false_negatives streaming_false_positives "
        "streaming_mean_absolute_error streaming_mean_cosine_distance streaming_mean_iou "
        "streaming_mean_relative_error streaming_mean_squared_error "
        "streaming_pearson_correlation streaming_precision streaming_precision_at_thresholds "
        "streaming_recall streaming_recall_at_thresholds streaming_root_mean_squared_error "
        "streaming_sensitivity_at_specificity streaming_specificity_at_sensitivity "
        "streaming_true_negatives streaming_true_positives",
    ),
    "metrics.confusion_matrix": "tensorflow.compat.v1.confusion_matrix",
    "metrics.streaming_mean": "tensorflow.compat.v1.metrics.mean",
    "metrics.streaming_mean_tensor": "tensorflow.compat.v1.metrics.mean_tensor",
    "metrics.streaming_percentage_less": "tensorflow.compat.v1.metrics.percentage_below",
    **_named("learn", "", "ModeKeys RunConfig"),
    "seq2seq.sequence_loss": "",
}

# Of slim `run` has what is in these as well.
CONTRIB |= {
    f"slim.{name}": ""
    for part, dot, name in (each.partition(".") for each in CONTRIB if not CONTRIB[each])
    if part in ("layers", "framework")
} | _named("slim", "", "create_global_step get_global_step get_or_create_global_step")

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
    "layers.create_feature_spec_for_parsing": (
        "Write tf.compat.v1.feature_column.make_parse_example_spec"
    ),
    "layers.input_from_feature_columns": "Write tf.compat.v1.feature_column.input_layer",
    "layers.separable_conv2d": "Write tf.compat.v1.layers.separable_conv2d",
    "layers.weighted_sum_from_feature_columns": "Write tf.compat.v1.feature_column.linear_model",
    "layers.xavier_initializer": "Write tf.compat.v1.glorot_uniform_initializer",
    "layers.l2_regularizer": "Write tf.keras.regularizers.L2 with half of the scale",
    "layers.l1_regularizer": "Write tf.keras.regularizers.L1",
    "layers.layer_norm": "Write a layer tf.keras.layers.LayerNormalization",
    "layers.flatten": "Write tf.compat.v1.layers.flatten",
    "layers.fully_connected": "Write tf.compat.v1.layers.dense, whose activation is None",
    "layers.batch_norm": "Write tf.compat.v1.layers.batch_normalization",
    "layers.conv2d": "Write tf.compat.v1.layers.conv2d, whose activation is None",
    "layers.conv2d_transpose": (
        "Write tf.compat.v1.layers.conv2d_transpose, whose activation is None"
    ),
    "layers.dropout": "Write tf.nn.dropout, whose rate is 1 - keep_prob",
    "layers.embed_sequence": "Write tf.nn.embedding_lookup",
    "layers.max_pool2d": "Write tf.nn.max_pool2d",
    "layers.one_hot_encoding": "Write tf.one_hot",
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
    "estimator.clip_gradients_by_norm": "Write an optimizer of tf.keras.optimizers: clipnorm",
    "estimator.replicate_model_fn": "Write the model_fn itself: an Estimator trains on one device",
    "estimator.TowerOptimizer": "Write the optimizer itself: an Estimator trains on one device",
    "estimator.RNNClassifier": "Write tf_estimator.experimental.RNNClassifier",
    "estimator.RNNEstimator": "Write tf_estimator.experimental.RNNEstimator",
    "framework": "Write tf.compat.v1.train, or what the package tf-slim has",
    "framework.nest": "Write tf.nest",
    "learn": "Write an estimator of tf_estimator.compat.v1",
    "learn.ModeKeys": "Write tf_estimator.ModeKeys, where INFER is PREDICT",
    "learn.RunConfig": "Write tf_estimator.RunConfig",
    "learn.Estimator": "Write tf_estimator.Estimator",
    "learn.Experiment": "Write tf_estimator.train_and_evaluate",
    "learn.learn_runner": "Write tf_estimator.train_and_evaluate",
    "learn.datasets": "Write tf.keras.datasets",
    "learn.preprocessing": "Write tf.keras.layers.TextVectorization",
    "metrics": "Write what fits of tf.compat.v1.metrics, where labels come first",
    "rnn": "Write what fits of tf.keras.layers",
    "crf": "TensorFlow 2 has none of its own",
    "predictor": "Write what fits of tf_estimator.predictor",
    "cluster_resolver": "Write what fits of tf.distribute.cluster_resolver",
    "seq2seq.sequence_loss": "Write tf.nn.sparse_softmax_cross_entropy_with_logits, and weigh it",
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
    "data.batch_and_drop_remainder": "Write Dataset.batch with drop_remainder=True",
    "data.padded_batch_and_drop_remainder": "Write Dataset.padded_batch with drop_remainder=True",
    "data.sloppy_interleave": "Write Dataset.interleave with deterministic=False",
    "distribute": "Write what fits of tf.distribute",
    "distributions": "The package tensorflow-probability has it",
    "eager": "Write what TensorFlow 2 has: it is eager",
    "factorization": "Write tf_estimator.compat.v1.experimental.KMeans for k-means",
    "feature_column": "Write what fits of tf.feature_column",
    "feature_column.sequence_input_layer": (
        "Write tf_estimator.experimental.RNNEstimator, which takes columns of sequences"
    ),
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
    "slim": "Write tf.keras.layers; run has the layers of slim, arg_scope and what gets variables",
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
    "os.errno": "errno",
    "time.clock": "time.perf_counter",
    **{
        f"unittest.TestCase.{old}": f"unittest.TestCase.{new}"
        for old, new in (
            ("assert_", "assertTrue"),
            ("assertAlmostEquals", "assertAlmostEqual"),
            ("assertEquals", "assertEqual"),
            ("assertItemsEqual", "assertCountEqual"),
            ("assertNotEquals", "assertNotEqual"),
            ("assertRaisesRegexp", "assertRaisesRegex"),
            ("assertRegexpMatches", "assertRegex"),
        )
    },
    "xml.etree.cElementTree": "xml.etree.ElementTree",
    **{f"numpy.{name}": name for name in ("bool", "complex", "float", "int", "object", "str")},
    **_named(
        "numpy",
        "numpy.exceptions",
        "AxisError ComplexWarning RankWarning VisibleDeprecationWarning",
    ),
    "numpy.long": "int",
    "numpy.unicode": "str",
    "numpy.Inf": "numpy.inf",
    "numpy.Infinity": "numpy.inf",
    "numpy.NAN": "numpy.nan",
    "numpy.NaN": "numpy.nan",
    "numpy.PINF": "numpy.inf",
    "numpy.alltrue": "numpy.all",
    "numpy.asscalar": "numpy.ndarray.item",
    "numpy.bool8": "numpy.bool_",
    "numpy.cfloat": "numpy.complex128",
    "numpy.complex_": "numpy.complex128",
    "numpy.cumproduct": "numpy.cumprod",
    "numpy.float_": "numpy.float64",
    "numpy.in1d": "numpy.isin",
    "numpy.infty": "numpy.inf",
    "numpy.int0": "numpy.intp",
    "numpy.longfloat": "numpy.longdouble",
    "numpy.mat": "numpy.asmatrix",
    "numpy.object0": "numpy.object_",
    "numpy.product": "numpy.prod",
    "numpy.rank": "numpy.ndim",
    "numpy.round_": "numpy.round",
    "numpy.row_stack": "numpy.vstack",
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
    "tensorflow.python.eager.profiler": "tensorflow.python.profiler.profiler_v2",
    "tensorflow.python.training.tracking": "tensorflow.python.trackable",
    "tensorflow.python.training.tracking.graph_view": "tensorflow.python.checkpoint.graph_view",
    "tensorflow.python.training.tracking.tracking": "tensorflow.python.trackable.autotrackable",
    "tensorflow.python.training.tracking.util": "tensorflow.python.checkpoint.checkpoint",
}
