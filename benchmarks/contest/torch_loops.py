"""PyTorch: the loop that its tutorials show, and Lightning's Trainer."""

import itertools
import logging
import warnings
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from .turns import Job


class Operations:
    """What forward functions ask for."""

    relu = staticmethod(torch.relu)
    einsum = staticmethod(torch.einsum)
    reshape = staticmethod(torch.reshape)
    mean = staticmethod(torch.mean)
    rsqrt = staticmethod(torch.rsqrt)

    @staticmethod
    def softmax(logits: torch.Tensor) -> torch.Tensor:
        """Over the last axis."""
        return torch.softmax(logits, -1)

    @staticmethod
    def take(table: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Rows of the table."""
        return functional.embedding(indices, table)

    @staticmethod
    def conv(images: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """A convolution that keeps the size."""
        return functional.conv2d(images, kernel, bias, padding=kernel.shape[-1] // 2)

    @staticmethod
    def max_pool(images: torch.Tensor) -> torch.Tensor:
        """Half the height and width."""
        return functional.max_pool2d(images, 2)


def _tensor(array: np.ndarray, axes: tuple[int, ...] | None = None) -> torch.Tensor:
    """A tensor; `axes` bring images and kernels into the order that torch has, once and for all."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(axes)) if axes else array)


def _is_kernel(name: str, value: np.ndarray) -> bool:
    return name.startswith("conv") and value.ndim == 4


class _Module(torch.nn.Module):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self._forward = job.model.forward
        self.weights = torch.nn.ParameterDict(
            {
                name: _tensor(value, (3, 2, 0, 1) if _is_kernel(name, value) else None)
                for name, value in job.model.initial().items()
            }
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._forward(Operations, self.weights, inputs)


def _loader(job: Job) -> torch.utils.data.DataLoader:
    inputs, labels = job.model.data()
    images = _tensor(inputs, (0, 3, 1, 2) if inputs.ndim == 4 else None)
    rows = torch.utils.data.TensorDataset(images, _tensor(labels))
    return torch.utils.data.DataLoader(rows, job.model.batch, shuffle=True, drop_last=True)


def _optimizer(job: Job, module: torch.nn.Module) -> torch.optim.Optimizer:
    optimizers = {"adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam}
    return optimizers[job.model.optimizer](module.parameters(), job.model.rate)


def loop(job: Job) -> None:
    """Trains step by step from a DataLoader."""
    module, loader = _Module(job), _loader(job)
    optimizer = _optimizer(job, module)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    for _ in job.turns:
        for inputs, labels in itertools.islice(batches, job.turns.count):
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(inputs), labels)
            loss.backward()
            optimizer.step()


def lightning(job: Job) -> None:
    """Trains with Lightning's Trainer, without its logger, bars and checkpoints."""
    import lightning as pl  # noqa: PLC0415 - the loop above does without

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")  # advice on more workers, which one small table does not need

    class Whole(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.module = _Module(job)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            inputs, labels = batch
            return functional.cross_entropy(self.module(inputs), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return _optimizer(job, self)

    class Ends(pl.Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> int | None:
            if trainer.global_step % job.turns.count or job.turns.begin():
                return None
            trainer.should_stop = True
            return -1  # leaves out the rest of the epoch

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step % job.turns.count == 0:
                job.turns.end()

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Ends()],
        default_root_dir=job.folder,
    )
    trainer.fit(Whole(), _loader(job))
