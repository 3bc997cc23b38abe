"""What Estimator programs took from `tf.contrib.training`: hyperparameters."""

import json
import numbers
import re
from collections.abc import Callable, Mapping
from typing import Any

from tf_estimator._checks import wrong_type, wrong_value

__all__ = ["HParams", "parse_values"]

# One assignment of a list of them: `name = value`, `name[1] = value` or `name = [value, value]`.
_ASSIGNMENT = re.compile(
    r"\s*(?P<name>[A-Za-z][\w.]*)\s*(\[\s*(?P<index>\d+)\s*\])?\s*=\s*"
    r"(\[(?P<values>[^\]]*)\]|(?P<value>[^,\[]*))\s*(,|$)"
)
_FORM = "must be a list of NAME=VALUE, NAME[INDEX]=VALUE or NAME=[VALUE,...], separated by commas"
_TRUE, _FALSE = ("true", "True"), ("false", "False")


class HParams:
    """Hyperparameters, as attributes.

    The value that one begins with gives its type, which later values must have; that of a list or a
    tuple is the type of its first element.

    Args:
        hparam_def: must be None.
        model_structure: any object, to be read with `get_model_structure`.
        **kwargs: the hyperparameters.

    Example:
        >>> hparams = HParams(learning_rate=0.1, units=[10, 5], name="a")
        >>> hparams.parse("learning_rate=0.5,units=[3]").learning_rate
        0.5
        >>> hparams.values()
        {'learning_rate': 0.5, 'units': [3], 'name': 'a'}
    """

    # So that `vars` has nothing but the hyperparameters and these two.
    _hparam_types: dict[str, tuple[type, bool]]
    _model_structure: Any

    def __init__(self, hparam_def: Any = None, model_structure: Any = None, **kwargs: Any) -> None:
        if hparam_def is not None:
            hint = "Give each hyperparameter by its name."
            raise wrong_value("hparam_def", "must be None", hparam_def, hint)
        self._hparam_types = {}
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds a hyperparameter.

        Raises:
            ValueError: there is one of this name, or the class has it; or the value is an empty
                list.
        """
        if getattr(self, name, None) is not None:
            raise wrong_value("The name of a hyperparameter", "must be a new one", name)
        is_list = isinstance(value, (list, tuple))
        if is_list and not value:
            hint = "Its first element gives the type."
            raise wrong_value(f"The hyperparameter {name}", "must not be empty", value, hint)
        self._hparam_types[name] = (type(value[0] if is_list else value), is_list)
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Sets a hyperparameter to a value of its type.

        Raises:
            KeyError: there is none of this name.
            ValueError: the value is of another type.
        """
        kind, is_list = self._hparam_types[name]
        if is_list != isinstance(value, list):
            rule = "must be a list" if is_list else "must not be a list"
            raise wrong_value(f"The hyperparameter {name}", rule, value)
        if is_list:
            setattr(self, name, [_as_kind(name, kind, one) for one in value])
        else:
            setattr(self, name, _as_kind(name, kind, value))

    def del_hparam(self, name: str) -> None:
        """Removes a hyperparameter, if there is one of this name."""
        if hasattr(self, name):
            delattr(self, name)
            del self._hparam_types[name]

    def parse(self, values: str) -> "HParams":
        """Sets hyperparameters as a string says: see `parse_values`.

        Returns:
            This object.

        Raises:
            ValueError: the string says something else, or there is none of a name.
        """
        types = {name: kind for name, (kind, _) in self._hparam_types.items()}
        found = parse_values(values, types)
        for name, value in found.items():
            if isinstance(value, dict):  # Elements of a list, by their places.
                found[name] = self._with_elements(name, value)
        return self.override_from_dict(found)

    def _with_elements(self, name: str, elements: Mapping[int, Any]) -> list[Any]:
        kept = getattr(self, name)
        if not self._hparam_types[name][1]:
            raise wrong_value(f"The hyperparameter {name}", "must not be a list", dict(elements))
        if max(elements) >= len(kept):
            rule = f"must be below {len(kept)}"
            raise wrong_value(f"An index of the hyperparameter {name}", rule, max(elements))
        return [elements.get(n, one) for n, one in enumerate(kept)]

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> "HParams":
        """Sets hyperparameters.

        Returns:
            This object.

        Raises:
            KeyError: there is none of a name.
            ValueError: a value is of another type.
        """
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> "HParams":
        """As `override_from_dict`, of a JSON object."""
        return self.override_from_dict(json.loads(values_json))

    def to_json(
        self,
        indent: Any = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        """The hyperparameters as a JSON object, without those that are functions."""
        found = {name: value for name, value in self.values().items() if not callable(value)}
        return json.dumps(found, indent=indent, separators=separators, sort_keys=sort_keys)

    def values(self) -> dict[str, Any]:
        """The hyperparameters by their names."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default: Any = None) -> Any:
        """A hyperparameter, or `default` if there is none of this name.

        Raises:
            ValueError: `default` is not of the type of the hyperparameter.
        """
        if key not in self._hparam_types:
            return default
        if default is not None:
            kind, is_list = self._hparam_types[key]
            rule = f"must be of its type, {kind.__name__}{'[]' if is_list else ''}"
            if is_list != isinstance(default, list):
                raise wrong_value(f"The default of {key}", rule, default)
            try:
                for one in default if is_list else [default]:
                    _as_kind(key, kind, one)
            except ValueError:
                raise wrong_value(f"The default of {key}", rule, default) from None
        return getattr(self, key)

    def set_model_structure(self, model_structure: Any) -> None:
        """Sets what `get_model_structure` gives."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """The object that was given as model_structure."""
        return self._model_structure

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


def parse_values(
    values: str, type_map: Mapping[str, type], ignore_unknown: bool = False
) -> dict[str, Any]:
    """The values that a string such as `a=1,b=[2,3],c[1]=x` gives to names.

    Args:
        values: the string.
        type_map: the types by name.
        ignore_unknown: whether other names are left out.

    Returns:
        By name a value, a list of values, or a dict from indices to values.

    Raises:
        ValueError: the string is of another form, has a name or an element twice or one that is
            unknown, or a value is not of its type.
    """
    found: dict[str, Any] = {}
    at = 0
    while at < len(values):
        match = _ASSIGNMENT.match(values, at)
        if match is None:
            raise wrong_value("Hyperparameters", _FORM, values[at:])
        at = match.end()
        name = match["name"]
        if name not in type_map:
            if ignore_unknown:
                continue
            rule = f"must be one of {sorted(type_map)}"
            raise wrong_value("The name of a hyperparameter", rule, name)
        _add_parsed(found, match, type_map[name])
    return found


def _add_parsed(found: dict[str, Any], match: re.Match[str], kind: type) -> None:
    name, index = match["name"], match["index"]
    if index is None:
        if name in found:
            raise wrong_value(f"The hyperparameter {name}", "must be set once", match[0])
        if match["values"] is not None:
            found[name] = [_parsed(name, kind, one.strip()) for one in _elements(match["values"])]
        else:
            found[name] = _parsed(name, kind, match["value"].strip())
        return
    if match["values"] is not None:
        raise wrong_value(f"An element of the hyperparameter {name}", "must be no list", match[0])
    elements = found.setdefault(name, {})
    if not isinstance(elements, dict) or int(index) in elements:
        raise wrong_value(f"The hyperparameter {name}", "must be set once", match[0])
    elements[int(index)] = _parsed(name, kind, match["value"].strip())


def _elements(text: str) -> list[str]:
    return [one for one in re.split(r"[ ,]", text) if one]


def _parsed(name: str, kind: Callable[[str], Any], text: str) -> Any:
    """The value of a type that a text says."""
    try:
        if kind is bool:
            return text in _TRUE or (text not in _FALSE and bool(int(text)))
        return text if kind in (str, type(None)) else kind(text)
    except (TypeError, ValueError):
        wanted = getattr(kind, "__name__", str(kind))
        raise wrong_value(f"The hyperparameter {name}", f"must be of type {wanted}", text) from None


def _as_kind(name: str, kind: Any, value: Any) -> Any:
    """A value as one of the type of a hyperparameter, if nothing of it is lost by that."""
    if issubclass(kind, type(None)):
        return value
    fits = issubclass(kind, bool) == isinstance(value, bool)
    if issubclass(kind, (str, bytes)):
        fits = isinstance(value, (str, bytes))
    elif issubclass(kind, numbers.Integral):
        fits = fits and isinstance(value, numbers.Integral)
    elif issubclass(kind, numbers.Number):
        fits = fits and isinstance(value, numbers.Number)
    if not fits:
        rule = f"must be of type {kind.__name__}"
        raise wrong_type(f"The hyperparameter {name}", rule, value, was=ValueError)
    return value.decode() if kind is str and isinstance(value, bytes) else kind(value)
