"""The global step is read before it is written, where the program leaves that open."""

import pytest
import tensorflow as tf

from tf_estimator.engine.step_order import read_before_write

v1 = tf.compat.v1


@pytest.fixture
def step():
    with tf.Graph().as_default():
        yield v1.train.get_or_create_global_step()


def waits_for(op):
    return {one.name for one in op.control_inputs}


def slowly(tensor):
    """What takes longer than an assignment."""
    large = tf.random.uniform([300, 300])
    product = tf.linalg.matmul(large, large)
    with tf.control_dependencies([product]):
        return tf.identity(tensor)


def test_a_write_beside_the_reads_waits_for_them(step):
    early = step.read_value()
    write = step.assign(step + 1)
    late = step.read_value()
    other = step.read_value()  # runs for neither
    read_before_write(step, tf.group(write.op), tf.add(early, late))
    reads = [one.op.inputs[0].op.name for one in (early, late, other)]
    assert [name in waits_for(write.op) for name in reads] == [True, True, False]


def test_a_rate_is_of_the_step_that_is_taken(step):
    """Such as in the programs that came with BERT."""
    with tf.control_dependencies([slowly(1.0)]):
        rate = tf.cast(step.read_value(), tf.float32)
    used = v1.get_variable("used", initializer=-1.0)
    train_op = tf.group(used.assign(rate), step.assign(step + 1))
    read_before_write(step, train_op, rate)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for number in range(20):
            session.run(train_op)
            assert session.run(used) == number


def test_a_read_that_waits_for_the_write_is_no_circle(step):
    read = step.read_value()
    write = step.assign_add(1)
    read.op.inputs[0].op._add_control_inputs([write.op])
    read_before_write(step, write, tf.cast(read, tf.float32))
    assert waits_for(write.op) == set()
    with v1.Session() as session:
        session.run(step.initializer)
        assert session.run([write, read])[1] == 1


def test_what_initializes_waits_for_nothing(step):
    rate = tf.cast(step.read_value(), tf.float32)
    start = step.assign(5)
    read_before_write(step, step.assign_add(1), rate)
    assert waits_for(start.op) == waits_for(step.initializer) == set()


def test_reads_in_branches_of_version_1_are_left_alone(step):
    v2 = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    try:
        rate = tf.cond(tf.constant(False), step.read_value, lambda: tf.constant(0, tf.int64))
    finally:
        if v2:
            v1.enable_control_flow_v2()
    write = step.assign_add(1)
    read_before_write(step, write, tf.cast(rate, tf.float32))
    with v1.Session() as session:
        session.run(step.initializer)
        session.run(write)
        assert session.run(step) == 1


def test_a_step_of_references_is_left_alone():
    with tf.Graph().as_default():
        step = v1.get_variable("global_step", initializer=0, use_resource=False)
        read_before_write(step, step.assign_add(1), tf.cast(step, tf.float32))
