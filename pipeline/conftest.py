"""Examples in the modules of the napari plugin run only where napari and a Qt are installed."""

from importlib.util import find_spec

collect_ignore_glob = []
if not (find_spec("napari") and (find_spec("PyQt6") or find_spec("PySide6") or find_spec("PyQt5"))):
    collect_ignore_glob.append("scanseg/napari_plugin/*")
