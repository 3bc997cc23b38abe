"""A wide and deep model of who earns much, as the official models of TensorFlow 1 had it."""

from __future__ import absolute_import, division, print_function

import collections
import os

import tensorflow as tf
from tensorflow import feature_column as fc

flags = tf.app.flags
flags.DEFINE_string("model_dir", None, "Where the model is.")
flags.DEFINE_enum("model_type", "wide_deep", ["wide", "deep", "wide_deep"], "Its kind.")
flags.DEFINE_integer("train_epochs", 4, "How often to read the data.")
FLAGS = flags.FLAGS

_COLUMNS = collections.OrderedDict(
    [("age", [0]), ("education", [""]), ("occupation", [""]), ("hours", [0.0]), ("income", [""])]
)
_ROWS = """39,Bachelors,Adm-clerical,40,<=50K
50,Bachelors,Exec-managerial,13,<=50K
38,HS-grad,Handlers-cleaners,40,<=50K
53,11th,Handlers-cleaners,40,<=50K
28,Bachelors,Prof-specialty,40,<=50K
37,Masters,Exec-managerial,40,<=50K
52,HS-grad,Exec-managerial,45,>50K
31,Masters,Prof-specialty,50,>50K
42,Bachelors,Exec-managerial,40,>50K
37,Some-college,Exec-managerial,80,>50K
30,Bachelors,Prof-specialty,40,>50K
23,Bachelors,Adm-clerical,30,<=50K
"""


def build_columns():
    age = fc.numeric_column("age")
    hours = fc.numeric_column("hours", normalizer_fn=lambda x: x / 40.0)
    education = fc.categorical_column_with_vocabulary_list(
        "education", ["Bachelors", "HS-grad", "11th", "Masters", "Some-college"]
    )
    occupation = fc.categorical_column_with_hash_bucket("occupation", hash_bucket_size=10)
    age_buckets = fc.bucketized_column(age, boundaries=[25, 35, 45])
    crossed = fc.crossed_column([age_buckets, "education"], hash_bucket_size=20)
    wide = [education, occupation, age_buckets, crossed]
    deep = [hours, fc.indicator_column(education), fc.embedding_column(occupation, dimension=4)]
    return wide, deep


def build_estimator():
    wide, deep = build_columns()
    config = tf.estimator.RunConfig(
        model_dir=FLAGS.model_dir,
        tf_random_seed=3,
        session_config=tf.ConfigProto(device_count={"GPU": 0}),
    )
    if FLAGS.model_type == "wide":
        return tf.estimator.LinearClassifier(wide, config=config)
    if FLAGS.model_type == "deep":
        return tf.estimator.DNNClassifier([8, 4], deep, config=config)
    return tf.estimator.DNNLinearCombinedClassifier(
        linear_feature_columns=wide,
        dnn_feature_columns=deep,
        dnn_hidden_units=[8, 4],
        config=config,
    )


def input_fn(data_file, num_epochs, batch_size):
    assert tf.gfile.Exists(data_file), "no data"

    def parse_csv(value):
        columns = tf.decode_csv(value, record_defaults=list(_COLUMNS.values()))
        features = dict(zip(_COLUMNS.keys(), columns))
        return features, tf.equal(features.pop("income"), ">50K")

    dataset = tf.data.TextLineDataset(data_file).map(parse_csv, num_parallel_calls=2)
    dataset = dataset.repeat(num_epochs).batch(batch_size)
    return dataset


def main(_):
    data_file = os.path.join(FLAGS.model_dir, "adult.data")
    tf.gfile.MakeDirs(FLAGS.model_dir)
    with tf.gfile.GFile(data_file, "w") as data:
        data.write(_ROWS)
    model = build_estimator()
    for n in range(FLAGS.train_epochs // 2):
        model.train(input_fn=lambda: input_fn(data_file, 2, 4))
        results = model.evaluate(input_fn=lambda: input_fn(data_file, 1, 4))
        print("epoch", (n + 1) * 2)
        for key in sorted(results):
            print("%s: %.4f" % (key, results[key]))
    wide, deep = build_columns()
    spec = tf.feature_column.make_parse_example_spec(wide + deep)
    serving = tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)
    exported = model.export_savedmodel(os.path.join(FLAGS.model_dir, "export"), serving)
    print("signatures", sorted(tf.gfile.ListDirectory(exported))[-2:])


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.ERROR)
    tf.app.run(main=main)
