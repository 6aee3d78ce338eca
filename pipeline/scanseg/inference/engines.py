"""What computes logits: OpenVINO on CPUs, PyTorch on GPUs and as the reference."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from scanseg.bundle import Model, load_weights, self_test
from scanseg.bundle.onnx_network import OnnxNetwork, cpu_has_bf16
from scanseg.errors import BundleError, ConfigError, MachineError
from scanseg.micrograph import FloatImage

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Engine", "OpenvinoEngine", "Precision", "TorchEngine", "open_engine"]

Precision = Literal["f32", "bf16"]

_LOG = logging.getLogger(__name__)


class Engine(Protocol):
    """A compiled network, which several threads may call."""

    @property
    def description(self) -> str:
        """Library, precision and processor, for the record of a run."""
        ...

    def logits(self, tiles: FloatImage) -> FloatImage:
        """Logits (N, C, h, w) of tiles (N, channels, h, w)."""
        ...


class OpenvinoEngine:
    """The network of a model in OpenVINO on the CPU.

    Parameters
    ----------
    model
        A model.
    precision
        Arithmetic of the convolutions.
    n_threads
        None takes every physical core.
    """

    def __init__(
        self, model: Model, *, precision: Precision = "f32", n_threads: int | None = None
    ) -> None:
        self._network = OnnxNetwork(model.onnx_path, precision=precision, n_threads=n_threads)
        self.description = f"OpenVINO {precision} on the CPU"

    def logits(self, tiles: FloatImage) -> FloatImage:
        """Logits (N, C, h, w) of tiles (N, channels, h, w)."""
        return self._network.logits(tiles)


class TorchEngine:
    """The network of a model in PyTorch: on a GPU, or on the CPU as the reference.

    Parameters
    ----------
    model
        A model.
    device
        As PyTorch names it.
    precision
        Arithmetic of the convolutions.
    """

    def __init__(self, model: Model, *, device: str = "cpu", precision: Precision = "f32") -> None:
        import torch

        from scanseg.nets import build_network

        contract = model.contract
        network = build_network(
            contract.architecture,
            n_channels=len(contract.channels),
            n_classes=len(contract.classes),
            n_members=contract.members,
        )
        load_weights(model, network)
        channels_last: torch.memory_format = torch.channels_last
        self._network = network.eval().to(device=device).to(memory_format=channels_last)  # type: ignore[call-overload]
        self._device = torch.device(device)
        self._bf16 = precision == "bf16"
        on = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "the CPU"
        self.description = f"PyTorch {precision} on {on}"

    def logits(self, tiles: FloatImage) -> FloatImage:
        """Logits (N, C, h, w) of tiles (N, channels, h, w)."""
        import torch

        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16),
        ):
            moved = torch.from_numpy(tiles).to(self._device, memory_format=torch.channels_last)
            computed: Tensor = self._network(moved)
            logits: FloatImage = computed.float().cpu().contiguous().numpy()
        return logits


def open_engine(
    model: Model, *, device: str = "auto", precision: str = "auto", n_threads: int | None = None
) -> Engine:
    """Compile the network of a model for a processor.

    Parameters
    ----------
    model
        A model.
    device
        ``auto`` (a CUDA GPU where there is one, else the CPU), ``cpu``, ``cuda`` or ``cuda:1``.
    precision
        ``auto``, ``f32`` or ``bf16``. ``auto`` takes bf16 where the processor has it and the
        probabilities of the model's test input agree with the stored ones.
    n_threads
        Of the CPU; None takes every physical core.

    Raises
    ------
    MachineError
        When the machine has no such device, or does not compute in bf16.
    BundleError
        When the engine does not compute what the model computed when it was saved.
    """
    _check_words(device, precision)
    if device == "auto":
        device = "cuda" if _has_cuda() else "cpu"
    if device != "cpu":
        _check_cuda(device)

    def compiled(chosen: Precision) -> Engine:
        if device == "cpu":
            return OpenvinoEngine(model, precision=chosen, n_threads=n_threads)
        return TorchEngine(model, device=device, precision=chosen)

    if precision != "f32":
        engine = _agreeing_bf16(model, compiled) if _has_bf16(device) else None
        if engine is not None:
            return engine
        if precision == "bf16":
            raise MachineError(
                f"'{model.name}' cannot run in bf16 on this {_kind(device)}: it has no bf16, or "
                "its rounding changes the probabilities of the model's test input too much.",
                hint="Use precision auto or f32.",
            )
    engine = compiled("f32")
    _check_f32(model, engine)
    return engine


def _agreeing_bf16(model: Model, compiled: _Compile) -> Engine | None:
    engine = compiled("bf16")
    test = self_test(model, logits=engine.logits, precision="bf16")
    if test.passed:
        return engine
    _LOG.info(
        "%s runs in f32: in bf16 its test probabilities differ by up to %.3f (mean %.4f)",
        model.name,
        test.largest_difference,
        test.mean_difference,
    )
    return None


def _check_f32(model: Model, engine: Engine) -> None:
    test = self_test(model, logits=engine.logits)
    if not test.passed:
        raise BundleError(
            f"'{model.name}' does not compute what it computed when it was saved: probabilities of "
            f"its test input differ by up to {test.largest_difference:.2g} ({engine.description}).",
            hint="Copy the model again; if that does not help, reinstall OpenVINO or PyTorch.",
        )


def _check_words(device: str, precision: str) -> None:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ConfigError(
            f"There is no device '{device}'.",
            hint="Known are auto, cpu, cuda and cuda:1, cuda:2, …",
        )
    if precision not in ("auto", "f32", "bf16"):
        raise ConfigError(
            f"There is no precision '{precision}'.", hint="Known are auto, f32 and bf16."
        )


def _has_cuda() -> bool:
    """Whether a CUDA GPU can be used; torch, 2 s to load, is asked only where a driver is found."""
    if not Path("/proc/driver/nvidia/version").exists() and shutil.which("nvidia-smi") is None:
        return False
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def _check_cuda(device: str) -> None:
    import torch

    n_found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(device.partition(":")[2] or 0)
    if index >= n_found:
        raise MachineError(
            f"The device {device} was asked for, and PyTorch {torch.__version__} finds {n_found} "
            "CUDA GPUs.",
            hint="Use --device cpu, or install a PyTorch with CUDA and the driver of the GPU.",
        )


def _has_bf16(device: str) -> bool:
    if device == "cpu":
        return cpu_has_bf16()
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _kind(device: str) -> str:
    return "processor" if device == "cpu" else "GPU"


class _Compile(Protocol):
    def __call__(self, chosen: Precision) -> Engine: ...
