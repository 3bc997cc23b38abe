"""What `tf.contrib.crf` was: linear-chain conditional random fields.

The score of a sequence of tags is the sum of an input for each tag at its place, and of a
transition for each pair of neighbours. See https://doi.org/10.1561/2200000013 for the algorithms.

In all functions, inputs are floats of shape [batch, length, tags], sequence_lengths integers of
shape [batch], and transition_params floats of shape [tags, tags], from a tag (row) to the next
(column). What is beyond the length of a sequence has no influence.
"""

from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

__all__ = [
    "crf_binary_score",
    "crf_decode",
    "crf_log_likelihood",
    "crf_log_norm",
    "crf_multitag_sequence_score",
    "crf_sequence_score",
    "crf_unary_score",
    "viterbi_decode",
]


def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[tf.Tensor, Any]:
    """The logarithm of the probability of sequences of tags.

    Args:
        inputs: see above; the number of tags must be known.
        tag_indices: integers of shape [batch, length].
        sequence_lengths: see above.
        transition_params: see above; None makes a variable `transitions`.

    Returns:
        A Tensor of shape [batch], and the transition_params.
    """
    inputs = tf.convert_to_tensor(inputs)
    if transition_params is None:
        n_tags = inputs.shape.as_list()[2]
        transition_params = v1.get_variable("transitions", [n_tags, n_tags])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    norm = crf_log_norm(inputs, sequence_lengths, transition_params)
    return score - norm, transition_params


def crf_sequence_score(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any
) -> tf.Tensor:
    """The scores of sequences of tags, of shape [batch]; 0 for an empty one."""
    unary = crf_unary_score(tag_indices, sequence_lengths, inputs)
    return unary + crf_binary_score(tag_indices, sequence_lengths, transition_params)


def crf_multitag_sequence_score(
    inputs: Any, tag_bitmap: Any, sequence_lengths: Any, transition_params: Any
) -> tf.Tensor:
    """The logarithm of the sum of exp(score) over all sequences of allowed tags, of shape [batch].

    Args:
        inputs: see above.
        tag_bitmap: bools of shape [batch, length, tags]: which tags are allowed at a place.
        sequence_lengths: see above.
        transition_params: see above.
    """
    inputs = tf.convert_to_tensor(inputs)
    forbidden = tf.fill(tf.shape(inputs), tf.constant(-np.inf, inputs.dtype))
    allowed = tf.where(tf.cast(tag_bitmap, tf.bool), inputs, forbidden)
    return crf_log_norm(allowed, sequence_lengths, transition_params)


def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> tf.Tensor:
    """The sums of the inputs of the tags, of shape [batch]."""
    inputs = tf.convert_to_tensor(inputs)
    tags = tf.convert_to_tensor(tag_indices)
    there = tf.sequence_mask(sequence_lengths, tf.shape(tags)[1], inputs.dtype)
    of_tags = tf.gather(inputs, tf.cast(tags, tf.int64), axis=2, batch_dims=2)
    return tf.reduce_sum(of_tags * there, 1)


def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> tf.Tensor:
    """The sums of the transitions between the tags, of shape [batch]."""
    transitions = tf.convert_to_tensor(transition_params)
    tags = tf.cast(tag_indices, tf.int64)
    pairs = tf.stack([tags[:, :-1], tags[:, 1:]], axis=2)
    lengths = tf.maximum(tf.cast(sequence_lengths, tf.int64) - 1, 0)
    there = tf.sequence_mask(lengths, tf.shape(pairs)[1], transitions.dtype)
    return tf.reduce_sum(tf.gather_nd(transitions, pairs) * there, 1)


def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> tf.Tensor:
    """The logarithm of the sum of exp(score) over all sequences, of shape [batch]; 0 if empty."""
    inputs = tf.convert_to_tensor(inputs)
    transitions = tf.convert_to_tensor(transition_params)[tf.newaxis]
    lengths = tf.cast(sequence_lengths, tf.int32)

    def step(alpha: tf.Tensor, place: Any) -> tf.Tensor:
        n, at_place = place
        reached = tf.reduce_logsumexp(alpha[:, :, tf.newaxis] + transitions, 1) + at_place
        return tf.where(_goes_on(n, lengths), reached, alpha)

    alphas = tf.scan(step, _places(inputs), inputs[:, 0], swap_memory=True)
    norm = tf.reduce_logsumexp(alphas[-1], 1)
    return tf.where(lengths > 0, norm, tf.zeros_like(norm))


def _places(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The places of a sequence: their numbers, and the inputs there."""
    return tf.range(tf.shape(inputs)[1]), tf.transpose(inputs, [1, 0, 2])


def _goes_on(place: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Whether there is a transition to a place; of shape [batch, 1]."""
    return ((place > 0) & (place < lengths))[:, tf.newaxis]


def crf_decode(
    potentials: Any, transition_params: Any, sequence_length: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """The sequences of tags with the highest scores, by the Viterbi algorithm.

    Args:
        potentials: the inputs, see above.
        transition_params: see above.
        sequence_length: the sequence_lengths, see above.

    Returns:
        The tags, int32 of shape [batch, length], 0 beyond the length, and their scores, of shape
        [batch]. An empty sequence is taken as one of length 1.
    """
    inputs = tf.convert_to_tensor(potentials)
    transitions = tf.convert_to_tensor(transition_params)[tf.newaxis]
    lengths = tf.maximum(tf.cast(sequence_length, tf.int32), 1)
    nowhere = tf.zeros(tf.shape(inputs[:, 0]), tf.int32)

    def forward(state: Any, place: Any) -> Any:
        best, _ = state
        n, at_place = place
        scores = best[:, :, tf.newaxis] + transitions
        reached = tf.reduce_max(scores, 1) + at_place
        there = _goes_on(n, lengths)
        came_from = tf.argmax(scores, 1, output_type=tf.int32)
        # Where nothing comes each tag is from itself, so the way back can begin at the last place.
        itself = nowhere + tf.range(tf.shape(inputs)[2])
        return tf.where(there, reached, best), tf.where(there, came_from, itself)

    best, came_from = tf.scan(forward, _places(inputs), (inputs[:, 0], nowhere))
    last_tag = tf.argmax(best[-1], 1, output_type=tf.int32)

    def back(tag: tf.Tensor, pointers: tf.Tensor) -> tf.Tensor:
        return tf.gather(pointers, tag, batch_dims=1)

    earlier = tf.scan(back, came_from, last_tag, reverse=True)  # from each place, the one before
    tags = tf.transpose(tf.concat([earlier[1:], last_tag[tf.newaxis]], 0))
    tags *= tf.sequence_mask(lengths, tf.shape(inputs)[1], tf.int32)
    tags.set_shape(inputs.shape[:2])
    return tags, tf.reduce_max(best[-1], 1)


def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], Any]:
    """The tags with the highest score of one sequence, outside of TensorFlow.

    Args:
        score: an array of shape [length, tags].
        transition_params: an array of shape [tags, tags].

    Returns:
        The list of tags, and their score.

    Example:
        >>> tags, score = viterbi_decode([[1.0, 0.0], [0.0, 3.0]], [[0.0, 0.0], [0.5, 0.0]])
        >>> [int(tag) for tag in tags], float(score)
        ([0, 1], 4.0)
    """
    scores, transitions = np.asarray(score), np.asarray(transition_params)
    best, came_from = scores[0], []
    for at_place in scores[1:]:
        ways = best[:, np.newaxis] + transitions
        came_from.append(np.argmax(ways, 0))
        best = at_place + np.max(ways, 0)
    tags = [int(np.argmax(best))]
    for pointers in reversed(came_from):
        tags.append(int(pointers[tags[-1]]))
    return tags[::-1], np.max(best)
