"""What of a graph a request fills and what answers it, and a session that is ready for requests."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_estimator import _checks
from tf_estimator._tf import direct_call, v1
from tf_estimator.engine.serve.feeds import Feeds


class Endpoint:
    """The tensors of a graph that a request fills, and those that answer it.

    Args:
        subject: what errors call a request, as "features".
        graph: the graph; where a tensor is to be fed and fetched, an operation is added to it.
        feeds: the tensors that are fed, see Feeds.
        outputs: a Tensor or SparseTensor, or a dict of them.

    Attributes:
        graph: the graph.
        feeds: the Feeds.
        outputs: `outputs`.
        fetched: all dense tensors that are fetched, in the order that `pack` takes.
    """

    def __init__(self, subject: str, graph: tf.Graph, feeds: Any, outputs: Any) -> None:
        self.graph, self.outputs = graph, outputs
        self.feeds = Feeds(subject, feeds)
        each = outputs if isinstance(outputs, Mapping) else {None: outputs}
        self._keys, self._is_dict = tuple(each), isinstance(outputs, Mapping)
        self._is_sparse = [isinstance(one, tf.SparseTensor) for one in each.values()]
        fed = {tensor.name for tensor in self.feeds.tensors}
        with graph.as_default():
            # What is fed cannot be fetched as it is.
            self.fetched = [
                tf.identity(part) if part.name in fed else part
                for one in each.values()
                for part in _dense_parts(one)
            ]

    def pack(self, values: list[Any]) -> Any:
        """The outputs from the values of `fetched`, in memory of their own.

        A fetched array can be the very memory of a weight or a constant, and whoever changes an
        answer in place must not change these.
        """
        owned = [one.copy() if type(one) is np.ndarray else one for one in values]
        if any(self._is_sparse):
            parts = iter(owned)
            owned = [
                v1.SparseTensorValue(next(parts), next(parts), next(parts))
                if sparse
                else next(parts)
                for sparse in self._is_sparse
            ]
        return dict(zip(self._keys, owned, strict=True)) if self._is_dict else owned[0]


def _dense_parts(output: Any) -> list[tf.Tensor]:
    if isinstance(output, tf.SparseTensor):
        return [output.indices, output.values, output.dense_shape]
    return [output]


class Ready:
    """An endpoint with a session that has all its values: one set of weights.

    It never changes, and its session goes when nobody holds it any more.

    Args:
        endpoint: what is fed and fetched.
        session: an open session of its graph; only this holds it.
        source: where the weights are from, the path of a checkpoint or of a SavedModel; None if the
            model set them itself.
        version: something to compare with that of what `source` holds later.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        session: tf.compat.v1.Session,
        source: str | None,
        version: Any = None,
    ) -> None:
        self.endpoint, self.session = endpoint, session
        self.source, self.version = source, version
        self._run = direct_call(session, endpoint.feeds.tensors, endpoint.fetched)
        self._arrays, self._pack = endpoint.feeds.arrays, endpoint.pack

    def answer(self, values: Any) -> Any:
        """The outputs for one request, see Feeds.arrays for what it takes and raises."""
        return self._pack(self._run(*self._arrays(values)))


def chosen(subject: str, names: Mapping[str, Any], name: str) -> Any:
    """`names[name]`, or a ValueError that lists the names there are."""
    if name not in names:
        raise _checks.wrong_value(subject, f"must be one of {sorted(names)}", name)
    return names[name]


def tensors_of(kind: str, infos: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of the default graph that the inputs or outputs of a signature stand for.

    Args:
        kind: what errors call one, "input" or "output".
        infos: names to `TensorInfo`s.

    Returns:
        Names to Tensors and SparseTensors.

    Raises:
        ValueError: the graph has no such tensor.
        NotImplementedError: one is of another kind, as a RaggedTensor is.
    """
    graph = v1.get_default_graph()

    def tensor(name: str, path: str) -> tf.Tensor:
        try:
            return graph.get_tensor_by_name(path)
        except (KeyError, ValueError) as error:
            raise ValueError(f"The {kind} {name!r} is not in the graph: {error}") from None

    found = {}
    for name in sorted(infos):  # They have no order.
        info = infos[name]
        encoding = info.WhichOneof("encoding")
        if encoding == "name":
            found[name] = tensor(name, info.name)
        elif encoding == "coo_sparse":
            parts = info.coo_sparse
            found[name] = tf.SparseTensor(
                tensor(name, parts.indices_tensor_name),
                tensor(name, parts.values_tensor_name),
                tensor(name, parts.dense_shape_tensor_name),
            )
        else:
            raise NotImplementedError(
                f"The {kind} {name!r} must be a dense or sparse tensor to be served; the signature "
                f"has it as {encoding}. Name its parts in input_names or output_names."
            )
    return found
