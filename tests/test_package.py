"""What an installed scanseg holds, and what importing it costs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import scanseg

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "pipeline" / "scanseg"
DATA_FOLDERS = ("models", "configs", "sample_data")
# What the folders of data hold that users need: everything else there is Python.
NOT_DATA = {".py", ".pyc"}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_package_list_equals_the_tree(project):
    in_tree = {
        ".".join(("scanseg", *path.parent.relative_to(SOURCE).parts))
        for path in SOURCE.rglob("__init__.py")
    }
    in_tree |= {f"scanseg.{folder}" for folder in DATA_FOLDERS}
    assert set(project["tool"]["setuptools"]["packages"]) == in_tree


def test_wheel_holds_code_and_data(tmp_path):
    # A copy, so that nothing is built in the checkout and no earlier build leaks into the wheel.
    clean = tmp_path / "checkout"
    clean.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clean)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("pipeline", *DATA_FOLDERS):
        shutil.copytree(ROOT / name, clean / name, ignore=ignored)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(clean)], check=True)

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    code = {f"scanseg/{path.relative_to(SOURCE)}" for path in SOURCE.rglob("*.py")}
    data = {
        f"scanseg/{path.relative_to(ROOT)}"
        for folder in DATA_FOLDERS
        for path in _tracked(ROOT / folder)
        if path.suffix not in NOT_DATA
    }
    assert packed >= code | data | {"scanseg/py.typed"}
    assert not [name for name in packed if name.endswith(".pyc")]


def _tracked(folder: Path) -> list[Path]:
    """Files that git knows below a folder; all of them where this is no checkout."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listing = subprocess.run(
            [git, "ls-files", "-z", "--", folder.name],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).exists()]
    return [
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


def loaded_after(code: str, modules: str) -> list[str]:
    """Which of some modules a fresh interpreter holds after some code."""
    found = f"[name for name in {modules.split()} if name in sys.modules]"
    report = f"import sys\n{code}\nprint('LOADED', *{found})"
    done = subprocess.run(
        [sys.executable, "-c", report], check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("statement", ["import scanseg", "import scanseg; dir(scanseg)"])
def test_import_loads_no_heavy_part(statement):
    heavy = "torch albumentations pandas scipy openvino numba matplotlib skimage cv2 ase napari"
    assert loaded_after(statement, heavy) == []


def test_help_loads_no_network():
    # The command line may load what it draws with, never what computes.
    show_help = """
from scanseg.cli import main
sys.argv = ["scanseg", "--help"]
try:
    main()
except SystemExit:
    pass
"""
    assert loaded_after(show_help, "torch albumentations openvino numba pandas scipy") == []


def test_opening_a_network_tells_nobody():
    # OpenVINO would send an event to its maker, and keep a number in the user's home folder.
    opened = "from scanseg.bundle.onnx_network import cpu_has_bf16; cpu_has_bf16()"
    assert loaded_after(opened, "openvino openvino_telemetry") == ["openvino"]
    importing = [
        path.name
        for path in (ROOT / "pipeline" / "scanseg").rglob("*.py")
        if re.search(r"^\s*(import|from) openvino", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["onnx_network.py"]


def test_version_is_stated_once_everywhere(project):
    version = project["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE)[0]
    assert (version, version) == (scanseg.__version__, newest)


def test_menu_names_exist():
    for name in scanseg.__all__:
        assert getattr(scanseg, name) is not None


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_every_module_says_what_it_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert "TODO" not in docstring


def test_continuous_integration_runs_the_test_command_of_the_readme():
    (test_command,) = (line for line in readme_commands() if "pytest" in line)
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.skipif(
    not (ROOT / "models" / "stem-atoms").exists(), reason="the model is not in this checkout"
)
def test_python_lines_of_the_readme_run(monkeypatch, tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    shutil.copy(ROOT / "sample_data" / "mos2_vacancies.tif", tmp_path / "image.tif")
    # What a file is, its first bytes tell and not its name.
    shutil.copy(ROOT / "sample_data" / "pfm_labyrinth.tif", tmp_path / "scan.ibw")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec("".join(blocks), names)
    assert {"y_px", "x_px", "y_err_px", "x_err_px"} <= set(names["atoms"].columns)
    assert {"class", "length_nm", "width_nm"} <= set(names["walls"].branches.columns)


def test_constraints_cover_the_dependencies(project):
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_normal(line.split("==")[0]) for line in constraints if "==" in line}
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"]]
    for extra in ("test", "docs", "em", "codecs", "dev"):
        wanted += extras[extra]
    named = {_normal(re.split(r"[\[<>=!~ ;]", requirement)[0]) for requirement in wanted}
    assert named - {"scanseg", "setuptools"} <= pinned


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
