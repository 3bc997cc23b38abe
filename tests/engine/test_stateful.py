"""What a step runs, which functions it calls, and what in it keeps state of its own."""

import pytest
import tensorflow as tf

from tf_estimator.engine import stateful

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


class TestAncestors:
    def test_inputs_and_control_inputs_once_each(self):
        a = tf.constant(1.0, name="a")
        with tf.control_dependencies([tf.no_op(name="before")]):
            b = tf.identity(a, name="b")
        tf.constant(2.0, name="other")
        total = tf.add(b, a, name="total")
        names = sorted(op.name for op in stateful.ancestors([total, total.op]))
        assert names == ["a", "b", "before", "total"]


class TestIsSource:
    def test_handles_of_resources_and_variants_are_and_anonymous_ones_are_not(self):
        variable = v1.get_variable("v", [], use_resource=True)
        dataset = tf.data.Dataset.range(3)
        iterator = v1.data.make_initializable_iterator(dataset)
        table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0)
        assert stateful.is_source(variable.handle.op)
        assert stateful.is_source(table.resource_handle.op)
        assert any(stateful.is_source(op) for op in stateful.ancestors([iterator.get_next()]))
        assert not stateful.is_source(variable.read_value().op)
        assert not stateful.is_source(tf.data.experimental.to_variant(dataset).op)
        assert not stateful.is_source(tf.constant(1.0).op)
        anonymous = tf.raw_ops.AnonymousIteratorV3(output_types=[tf.int64], output_shapes=[[]])
        assert not stateful.is_source(anonymous.op)


def _in_function(make):
    @tf.function(autograph=False)
    def inner():
        return make()

    @tf.function(autograph=False)
    def outer():
        return inner()

    return outer()


def _in_branch(make):
    return tf.cond(tf.constant(1) > 0, make, lambda: tf.zeros([2]))


def _in_case(make):
    return tf.switch_case(tf.constant(1), [make, lambda: tf.zeros([2])])


def _in_loop(make):
    return tf.while_loop(lambda i: i[0] < 3, lambda i: [i + make()], [tf.zeros([2])])[0]


def _uniform(seed=None):
    return lambda: tf.random.uniform([2], seed=seed)


WHERE = [lambda make: make(), _in_function, _in_branch, _in_case, _in_loop]


class TestSeededRandomOp:
    @pytest.mark.parametrize("where", WHERE)
    def test_one_with_a_seed_is_found_wherever_it_is(self, where):
        found = stateful.seeded_random_op([where(_uniform(seed=7))])
        assert "uniform" in found.lower()
        assert (" in function " in found) == (where is not WHERE[0])

    @pytest.mark.parametrize("where", WHERE)
    def test_one_without_a_seed_is_none(self, where):
        assert stateful.seeded_random_op([where(_uniform())]) is None

    def test_the_seed_of_the_graph_is_one(self):
        v1.set_random_seed(1)
        assert stateful.seeded_random_op([_uniform()()]) == "random_uniform/RandomUniform"

    def test_what_is_not_run_does_not_count(self):
        other = _uniform(seed=7)()
        assert stateful.seeded_random_op([tf.constant(1.0), other.op.inputs[0]]) is None

    def test_stateless_ones_and_generators_keep_nothing(self):
        stateless = tf.random.stateless_uniform([2], seed=[1, 2])
        with tf.init_scope():
            generator = tf.random.Generator.from_seed(3)
        assert stateful.seeded_random_op([stateless]) is None
        assert stateful.seeded_random_op([generator.uniform([2])]) is None

    def test_a_pipeline_that_makes_random_numbers_is_not_of_the_step(self):
        dataset = tf.data.Dataset.range(3).map(lambda _: tf.random.uniform([], seed=7))
        batch = v1.data.make_one_shot_iterator(dataset).get_next()
        assert stateful.seeded_random_op([batch]) is None

    def test_a_sampler_that_learns_keeps_what_it_saw(self):
        sampled = tf.random.learned_unigram_candidate_sampler(
            tf.constant([[1]], tf.int64), 1, 2, True, 5
        )
        assert "Learned" in stateful.seeded_random_op([sampled[0]])


class TestCalledFunctions:
    def test_gradients_and_nested_ones_too(self):
        x = tf.constant(2.0)

        @tf.function(autograph=False)
        def cube(x):
            return tf.cond(x > 0, lambda: x**3, lambda: -x)

        gradient = v1.gradients(cube(x), x)[0]
        ops = stateful.ancestors([gradient])
        kinds = {node.op for _, node in stateful.function_nodes(ops)}
        assert {"Pow", "If", "Neg"} <= kinds or {"Pow", "StatelessIf", "Neg"} <= kinds

    def test_none_where_nothing_is_called(self):
        assert stateful.called_functions(stateful.ancestors([tf.constant(1) + 2])) == {}
