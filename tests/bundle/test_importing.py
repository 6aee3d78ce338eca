"""A model from somebody else: taken when it is sound, refused when it could be anything else."""

import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import yaml

from scanseg.bundle import installed_names, load_model
from scanseg.bundle.importing import import_model
from scanseg.bundle.model import checksum
from scanseg.errors import BundleError, ConfigError


class Evil:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return (os.mkdir, (str(self._path),))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("SCANSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def given(model, tmp_path):
    return shutil.copytree(model.folder, tmp_path / "given")


def _resigned(folder):
    """Checksums anew, as somebody would who means harm."""
    path = folder / "model.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["checksums"] = {each.name: checksum(each) for each in folder.iterdir() if each != path}
    path.write_text(yaml.safe_dump(settings))


def _set(folder, **changes):
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def test_a_folder_is_imported_and_found_by_name(given, home, model):
    imported = import_model(given, name="theirs")
    assert imported.folder == (home / "theirs").resolve()
    assert installed_names() == ("theirs",)
    assert load_model("theirs").sha256 == model.sha256


def test_an_archive_is_imported(given, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "given"), "zip", tmp_path, "given")
    assert import_model(tmp_path / archive).name == "tiny"
    assert installed_names() == ("tiny",)


def test_a_name_is_not_taken_twice(given):
    import_model(given)
    with pytest.raises(ConfigError, match="imported before"):
        import_model(given)
    import_model(given, replace=True)
    with pytest.raises(ConfigError, match="ships with"):
        import_model(given, name="stem-atoms")
    with pytest.raises(ConfigError, match="name"):
        import_model(given, name="../outside")
    assert installed_names() == ("tiny",)


def test_altered_files_are_refused(given):
    card = given / "README.md"
    card.write_text(card.read_text() + "altered")
    with pytest.raises(BundleError, match=r"README\.md differ"):
        import_model(given)


@pytest.mark.parametrize(
    ("name", "words"),
    [("weights.pt", "pickles"), ("network.py", "holds no code"), ("notes.txt", "A model holds")],
)
def test_other_files_are_refused(given, name, words):
    (given / name).write_bytes(b"x")
    _resigned(given)
    with pytest.raises(BundleError, match=words):
        import_model(given)
    assert installed_names() == ()


@pytest.mark.parametrize("name", ["weights.safetensors", "network.onnx", "test_input.npy"])
def test_a_pickle_under_another_name_is_never_loaded(given, tmp_path, name):
    trap = tmp_path / "executed"
    (given / name).write_bytes(pickle.dumps(Evil(trap)))
    _resigned(given)
    with pytest.raises(BundleError, match="pickle"):
        import_model(given)
    assert not trap.exists()


def test_an_array_of_objects_is_never_loaded(given, tmp_path):
    trap = tmp_path / "executed"
    array = np.empty(1, object)
    array[0] = Evil(trap)
    np.save(given / "test_output.npy", array, allow_pickle=True)
    _resigned(given)
    with pytest.raises(BundleError, match=r"test_output\.npy is no array of numbers"):
        import_model(given)
    assert not trap.exists()


def test_yaml_that_unfolds_or_names_objects_is_refused(given):
    path = given / "model.yaml"
    text = path.read_text()
    path.write_text("a: &a [x, x]\nb: [*a, *a]\n" + text)
    with pytest.raises(BundleError, match="refers to parts of itself"):
        import_model(given)
    path.write_text(f"evil: !!python/object/apply:os.mkdir [{given}/executed]\n{text}")
    with pytest.raises(BundleError, match="no contract"):
        import_model(given)
    assert not (given / "executed").exists()


def test_a_network_that_computes_something_else_is_refused(given):
    stored = np.load(given / "test_output.npy")
    np.save(given / "test_output.npy", -stored)
    _resigned(given)
    with pytest.raises(BundleError, match="does not give what is stored"):
        import_model(given)


def test_weights_of_another_network_are_refused(given):
    _set(given, architecture={"name": "compact-unet", "arguments": {"filters": [4, 6]}})
    with pytest.raises(BundleError, match="not those of the network"):
        import_model(given)
    _set(given, architecture={"name": "compact-unet", "arguments": {"filters": [10**9]}})
    with pytest.raises(BundleError, match="strange arguments: filters"):
        import_model(given)


def test_a_cut_file_is_refused(given):
    path = given / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    _resigned(given)
    with pytest.raises(BundleError, match="longer or shorter"):
        import_model(given)


def test_operators_and_weights_from_elsewhere_are_refused(given):
    import onnx

    path = given / "network.onnx"
    graph = onnx.load(path)
    graph.graph.node[0].domain = "com.evil"
    graph.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))
    onnx.save(graph, path)
    _resigned(given)
    with pytest.raises(BundleError, match=r"operators of its own \(com\.evil\)"):
        import_model(given)


@pytest.mark.parametrize("name", ["given/../../outside.npy", "/outside.npy"])
def test_an_archive_that_points_out_of_itself_is_refused(given, tmp_path, name):
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for each in given.iterdir():
            file.write(each, f"given/{each.name}")
        file.writestr(name, b"x")
    with pytest.raises(BundleError, match="points out of it"):
        import_model(archive)


def test_links_are_not_followed(given, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("mine")
    (given / "README.md").unlink()
    (given / "README.md").symlink_to(secret)
    with pytest.raises(BundleError, match="link"):
        import_model(given)


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        import_model(tmp_path / "nothing")
    (tmp_path / "weights.pth").write_bytes(b"\x80\x02")
    with pytest.raises(BundleError, match="pickles"):
        import_model(tmp_path / "weights.pth")


def test_a_header_whose_length_looks_like_a_pickle_is_none(given):
    from safetensors.numpy import load_file, save_file

    path = given / "weights.safetensors"
    weights = load_file(path)
    save_file(weights, path, metadata={"note": ""})
    shorter = int.from_bytes(path.read_bytes()[:8], "little")
    # The low bytes of 0x10280 are those that a pickle of protocol 2 begins with.
    save_file(weights, path, metadata={"note": "x" * (0x10280 - shorter)})
    assert path.read_bytes()[:2] == b"\x80\x02"
    _resigned(given)
    assert import_model(given).name == "tiny"
