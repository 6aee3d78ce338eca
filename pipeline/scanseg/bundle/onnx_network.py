"""The network of a bundle in OpenVINO, on the CPU."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scanseg.errors import BundleError
from scanseg.micrograph import FloatImage

__all__ = ["OnnxNetwork", "cpu_has_bf16", "openvino_core"]


class OnnxNetwork:
    """A compiled network; any number of threads may call it.

    One stream over all threads. Measured on two cores with the default network (CPU-seconds a
    megapixel, bf16): 0.22 with one thread, 0.23 with two, 0.22 in two streams, and the same for
    tiles of 512 to 1536 px; fixing the shape at compilation saves 5 %. So neither streams nor
    batches nor a compilation a shape are worth their memory.

    Parameters
    ----------
    path
        ONNX file whose batch, height and width are dynamic.
    precision
        Arithmetic of the convolutions.
    n_threads
        None takes every physical core.
    """

    def __init__(
        self,
        path: Path,
        *,
        precision: Literal["f32", "bf16"] = "f32",
        n_threads: int | None = None,
    ) -> None:
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1}
        if n_threads is not None:
            settings["INFERENCE_NUM_THREADS"] = n_threads
        try:
            self._compiled = openvino_core().compile_model(path, "CPU", settings)
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO cannot read {path}: {str(error).strip().splitlines()[-1]}.",
                hint="Copy or download the model again.",
            ) from None
        self._of_thread = threading.local()

    def logits(self, tiles: FloatImage) -> FloatImage:
        """Logits (N, C, h, w) of tiles (N, channels, h, w), h and w multiples of the model's."""
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        # Without the copy the next call would overwrite what this one returned.
        result = request.infer([np.ascontiguousarray(tiles)], share_inputs=True)
        logits: FloatImage = result[0]
        return logits


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 natively (AVX512-BF16 or AMX)."""
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def openvino_core() -> Any:
    """The entry to OpenVINO, one a process, imported so that it tells nobody.

    Whoever needs OpenVINO takes it from here.
    """
    with _untold():
        import openvino

    return openvino.Core()


@contextmanager
def _untold() -> Iterator[None]:
    """Let OpenVINO be imported without telling its maker.

    It sends an event over the network, with a number that it keeps in the user's home folder, and
    takes up to 0.7 s for it. It does neither where the package that does it is missing.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
