"""tf.contrib.crf: numbers against all sequences of tags."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_estimator.compat.contrib import crf

v1 = tf.compat.v1

N_TAGS, LENGTH = 3, 4
LENGTHS = np.array([4, 2, 1, 3, 0])
INPUTS = np.random.default_rng(0).normal(size=(5, LENGTH, N_TAGS)).astype("f4")
TAGS = np.random.default_rng(1).integers(0, N_TAGS, size=(5, LENGTH))
TRANSITIONS = np.random.default_rng(2).normal(size=(N_TAGS, N_TAGS)).astype("f4")


def score(inputs, tags):
    unary = sum(inputs[n, tag] for n, tag in enumerate(tags))
    return unary + sum(TRANSITIONS[pair] for pair in itertools.pairwise(tags))


def all_scores(inputs, length):
    every = itertools.product(range(N_TAGS), repeat=length)
    return {tags: score(inputs, tags) for tags in every}


def log_norm(inputs, length):
    return np.log(np.sum(np.exp(list(all_scores(inputs, length).values())))) if length else 0.0


@pytest.fixture(params=["known", "fed"])
def batch(request, graph):
    """Inputs, lengths and tags in a graph, whose shapes are known or not."""
    given = (INPUTS, LENGTHS, TAGS)
    if request.param == "known":
        return [tf.constant(one) for one in given]
    shapes = ([None, None, N_TAGS], [None], [None, None])
    return [
        v1.placeholder_with_default(one, shape) for one, shape in zip(given, shapes, strict=True)
    ]


def value(fetches):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches)


def test_scores(batch):
    inputs, lengths, tags = batch
    found = value(
        [
            crf.crf_sequence_score(inputs, tags, lengths, TRANSITIONS),
            crf.crf_unary_score(tags, lengths, inputs),
            crf.crf_binary_score(tags, lengths, TRANSITIONS),
        ]
    )
    wanted = [score(one, tags[:n]) for one, tags, n in zip(INPUTS, TAGS, LENGTHS, strict=True)]
    np.testing.assert_allclose(found[0], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1] + found[2], wanted, rtol=1e-5, atol=1e-6)


def test_the_norm_is_the_sum_over_all_sequences(batch):
    inputs, lengths, _ = batch
    found = value(crf.crf_log_norm(inputs, lengths, TRANSITIONS))
    wanted = [log_norm(one, n) for one, n in zip(INPUTS, LENGTHS, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_likelihood_and_its_gradient(batch):
    inputs, lengths, tags = batch
    transitions = tf.constant(TRANSITIONS)
    found, same = crf.crf_log_likelihood(inputs, tags, lengths, transitions)
    assert same is transitions
    likelihood, gradient = value([found, tf.gradients(found, inputs)[0]])
    wanted = [
        score(one, tags[:n]) - log_norm(one, n)
        for one, tags, n in zip(INPUTS, TAGS, LENGTHS, strict=True)
    ]
    np.testing.assert_allclose(likelihood, wanted, rtol=1e-4, atol=1e-5)
    # By an input: whether the tag is there, less its probability.
    scores = all_scores(INPUTS[0], 4)
    total = sum(np.exp(list(scores.values())))
    by_tag = sum(np.exp(one) for tags, one in scores.items() if tags[1] == 2) / total
    assert gradient[0, 1, 2] == pytest.approx((TAGS[0, 1] == 2) - by_tag, abs=1e-5)
    assert np.all(gradient[1, 2:] == 0)


def test_transitions_are_a_variable(batch):
    inputs, lengths, tags = batch
    with v1.variable_scope("tagger"):
        _, transitions = crf.crf_log_likelihood(inputs, tags, lengths)
    (variable,) = v1.trainable_variables()
    assert variable is transitions
    assert variable.op.name == "tagger/transitions"
    assert variable.shape == (N_TAGS, N_TAGS)


def test_several_tags_may_be_allowed(batch):
    inputs, lengths, _ = batch
    bitmap = np.ones(INPUTS.shape, bool)
    bitmap[0, 1] = [True, False, True]
    found = value(crf.crf_multitag_sequence_score(inputs, bitmap, lengths, TRANSITIONS))
    allowed = [one for tags, one in all_scores(INPUTS[0], 4).items() if tags[1] != 1]
    assert found[0] == pytest.approx(np.log(np.sum(np.exp(allowed))), rel=1e-5)
    assert found[1] == pytest.approx(log_norm(INPUTS[1], 2), rel=1e-5)


def test_the_best_of_all_sequences(batch):
    inputs, lengths, _ = batch
    tags, best = crf.crf_decode(inputs, TRANSITIONS, lengths)
    assert tags.dtype == tf.int32
    tags, best = value([tags, best])
    assert tags.shape == (5, LENGTH)
    for n, length in enumerate(np.maximum(LENGTHS, 1)):
        scores = all_scores(INPUTS[n], length)
        wanted = max(scores, key=scores.__getitem__)
        assert tuple(tags[n, :length]) == wanted
        assert np.all(tags[n, length:] == 0)
        assert best[n] == pytest.approx(scores[wanted], rel=1e-5)


def test_sequences_of_one_place(batch):
    inputs, _, tags = (one[:, :1] if one.shape.rank != 1 else one for one in batch)
    ones = tf.ones([5], tf.int32)
    decoded, best = crf.crf_decode(inputs, TRANSITIONS, ones)
    likelihood, _ = crf.crf_log_likelihood(inputs, tags, ones, TRANSITIONS)
    decoded, best, likelihood = value([decoded, best, likelihood])
    first = INPUTS[:, 0]
    np.testing.assert_array_equal(decoded[:, 0], first.argmax(1))
    np.testing.assert_allclose(best, first.max(1))
    wanted = first[range(5), TAGS[:, 0]] - np.log(np.exp(first).sum(1))
    np.testing.assert_allclose(likelihood, wanted, rtol=1e-4, atol=1e-5)


def test_viterbi_outside_of_a_graph():
    for n, length in enumerate(LENGTHS[:-1]):
        tags, best = crf.viterbi_decode(INPUTS[n, :length], TRANSITIONS)
        scores = all_scores(INPUTS[n], length)
        assert tuple(tags) == max(scores, key=scores.__getitem__)
        assert best == pytest.approx(max(scores.values()), rel=1e-5)
