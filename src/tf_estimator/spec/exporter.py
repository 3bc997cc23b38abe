"""What an EvalSpec asks of an exporter; the exporters themselves are above the Estimator."""

import abc
import os
from typing import Any


class Exporter(abc.ABC):
    """Exports a model after an evaluation; `train_and_evaluate` calls those of an EvalSpec.

    Subclass it to decide which models are exported, and in what form.

    Example:
        >>> class Names(Exporter):
        ...     name = "names"
        ...     def export(
        ...         self, estimator, export_path, checkpoint_path, eval_result, is_the_final_export
        ...     ):
        ...         return estimator.get_variable_names()
        >>> Names().name
        'names'
    """

    @property
    def name(self) -> str | None:
        """The name of the exports' folder below `<model_dir>/export`.

        A subclass gives it, as a property or an attribute: EvalSpec refuses an Exporter without a
        name, and two of the same name.
        """
        return None

    @abc.abstractmethod
    def export(
        self,
        estimator: Any,
        export_path: str | os.PathLike[str],
        checkpoint_path: str,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> Any:
        """Exports the model of one checkpoint, or does not.

        Args:
            estimator: the Estimator that was evaluated.
            export_path: the folder for all exports of this exporter, `<model_dir>/export/<name>`.
                It may not exist yet.
            checkpoint_path: the checkpoint that was evaluated.
            eval_result: what `Estimator.evaluate` returned for it.
            is_the_final_export: whether the evaluated step has reached max_steps, so that no other
                call comes.

        Returns:
            The folder of the export, or None if nothing was exported.
        """
