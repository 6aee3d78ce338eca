#!/usr/bin/env bash
# An environment of its own for trackpy and Atomap, which scanseg is compared with and never depends
# on: Atomap is GPL-3.0.
#
#     bash benchmarks/make_peers_environment.sh [FOLDER]      (default: build/peers-env)
set -euo pipefail
folder="${1:-$(dirname "$0")/../build/peers-env}"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet "atomap==0.4.2" trackpy
"$folder/bin/python" -W ignore -c '
from importlib.metadata import version
import atomap.api, trackpy
print("atomap", version("atomap"), "trackpy", version("trackpy"))'
