"""``scanseg doctor``: what this installation is and whether it works, to paste into a report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from scanseg.cli.exits import ExitCode

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

# Of the many features of a processor, those that decide how fast a network is.
FEATURES = ("sse4_2", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")


class Finding(NamedTuple):
    """A line of the answer; ``ok`` is None for what is only told."""

    subject: str
    ok: bool | None
    text: str


@app.command()
def doctor(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Where results are to go.")
    ] = Path(),
) -> None:
    """Check versions, processor, engines, models, GPU and write access.

    Paste the answer into a bug report. It holds no names of your images.
    """
    checks: dict[str, Callable[[], list[Finding]]] = {
        "versions": _versions,
        "machine": _machine,
        "gpu": _gpu,
        "opengl": _opengl,
        "models": _models,
        "output": lambda: [_write_access(output)],
    }
    findings = []
    for subject, check in checks.items():
        try:
            findings += check()
        except Exception as error:
            findings.append(Finding(subject, False, f"{type(error).__name__}: {error}"))
    typer.echo("```text")
    for each in findings:
        mark = {None: "      ", True: "ok    ", False: "FAILED"}[each.ok]
        typer.echo(f"{mark} {each.subject:<12} {each.text}")
    typer.echo("```")
    if any(each.ok is False for each in findings):
        raise typer.Exit(ExitCode.ENVIRONMENT)


def _versions() -> list[Finding]:
    from scanseg.runs.record import versions

    found = versions()
    own = f"{found.pop('scanseg')}, Python {found.pop('python')}"
    libraries = ", ".join(f"{name} {version}" for name, version in found.items())
    return [Finding("scanseg", None, own), Finding("libraries", None, libraries)]


def _machine() -> list[Finding]:
    import psutil

    from scanseg.runs.record import describe_machine

    machine = describe_machine()
    memory = psutil.virtual_memory()
    features = _processor_features()
    return [
        Finding("system", None, str(machine["system"])),
        Finding("processor", None, f"{_processor_name()}, {machine['n_cores']} cores"),
        Finding("features", None, ", ".join(features) or "not told by this system"),
        Finding(
            "memory", None, f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB"
        ),
    ]


def _processor_name() -> str:
    import platform

    names = (line.partition(":")[2] for line in _cpuinfo() if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine()).strip()


def _processor_features() -> list[str]:
    flags = next((line for line in _cpuinfo() if line.startswith(("flags", "Features"))), "")
    known = set(flags.partition(":")[2].split())
    return [feature for feature in FEATURES if feature in known]


def _cpuinfo() -> list[str]:
    """Lines that Linux says about the processor; none elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def _gpu() -> list[Finding]:
    try:
        import torch
    except ImportError:
        return [Finding("gpu", None, "PyTorch is not installed, so none is used")]
    if not torch.cuda.is_available():
        return [Finding("gpu", None, f"PyTorch {torch.__version__} finds no CUDA GPU")]
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return [Finding("gpu", True, f"{', '.join(names)}; CUDA {torch.version.cuda}")]


def _opengl() -> list[Finding]:
    """Look for the library that napari draws with; napari itself would take seconds to load."""
    from ctypes.util import find_library
    from importlib.util import find_spec

    if find_spec("napari") is None:
        return [Finding("opengl", None, "napari is not installed, so none is needed")]
    library = next(filter(None, map(find_library, ("GL", "OpenGL", "opengl32"))), None)
    if library is None:
        text = "not found: napari cannot draw. On Debian and Ubuntu: apt install libgl1"
        return [Finding("opengl", None, text)]
    return [Finding("opengl", True, f"{library}, for napari")]


def _models() -> list[Finding]:
    """Compile every shipped model and compare with what it computed when it was saved."""
    from scanseg.bundle import load_model, model_names, self_test
    from scanseg.inference import open_engine

    findings = []
    for name in model_names():
        try:
            model = load_model(name)
            outcome = self_test(model)
            engine = open_engine(model).description
            text = f"{engine}, probabilities differ by {outcome.largest_difference:.1g}"
            findings.append(Finding(name, outcome.passed, text))
        except Exception as error:
            findings.append(Finding(name, False, f"{type(error).__name__}: {error}"))
    return findings or [Finding("models", False, "none is installed: install scanseg again")]


def _write_access(folder: Path) -> Finding:
    """Try it in the folder, or in the nearest one above it that exists."""
    import shutil

    place = folder.absolute()
    while not place.is_dir():
        place = place.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".scanseg-doctor-", dir=place) as scratch:
            first, second = Path(scratch, "first"), Path(scratch, "second")
            first.write_bytes(b"x")
            os.replace(first, second)
    except OSError as error:
        return Finding("output", False, f"cannot be written to ({error.strerror})")
    free = shutil.disk_usage(place).free
    return Finding("output", True, f"can be written to, {free / 2**30:.1f} GiB free")
