#!/usr/bin/env bash
# An environment of its own for AtomAI 0.8.1, which scanseg is compared with and never depends on.
#
#     bash benchmarks/make_atomai_environment.sh [FOLDER]      (default: build/atomai-env)
#
# AtomAI as its package index serves it today does not import. Two things are missing:
#   - six, which mendeleev imports and nothing installs any longer;
#   - the operators of torchvision where its build and torch's do not fit together ("operator
#     torchvision::nms does not exist"). AtomAI uses none of them, so their names are registered
#     before torchvision is first imported, and only if torchvision fails to bring its own.
set -euo pipefail
folder="${1:-$(dirname "$0")/../build/atomai-env}"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet "torch==2.13.0" "atomai==0.8.1" six

site_packages="$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
cat > "$site_packages/sitecustomize.py" <<'PYTHON'
"""Before torchvision is imported, register the operators that its build cannot load."""

import importlib.abc
import importlib.util
import pathlib
import sys


class RegisterOperators(importlib.abc.MetaPathFinder):
    """Stands in front of the finders, acts once, and lets them find torchvision."""

    libraries = []  # a library's operators go when it is collected

    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        import torch

        if self.own_operators_load(torch):
            return None
        library = torch.library.Library("torchvision", "FRAGMENT")
        for signature in (
            "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        ):
            library.define(signature)
        self.libraries.append(library)
        return None

    @staticmethod
    def own_operators_load(torch):
        specification = importlib.util.find_spec("torchvision")
        for path in pathlib.Path(specification.origin).parent.glob("_C*.so"):
            try:
                torch.ops.load_library(path)
            except (ImportError, OSError):
                return False
            return hasattr(torch.ops.torchvision, "nms")
        return False


sys.meta_path.insert(0, RegisterOperators())
PYTHON

"$folder/bin/python" -W ignore -c '
import atomai, numpy, torch
print("atomai", atomai.__version__, "torch", torch.__version__, "numpy", numpy.__version__)'
