"""A box that lists models: those that ship, those that were trained here, any other folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakSet

from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from scanseg.napari_plugin.own_models import own_models

__all__ = ["AUTOMATIC", "ModelChoice", "offer_model", "withdraw_model"]

AUTOMATIC = "chosen by the image"
OTHER = "other folder …"
_BROWSE = ""


class ModelChoice(QComboBox):
    """Models to choose from.

    Parameters
    ----------
    automatic
        Whether the choice may be left to the kind of the image.
    """

    def __init__(self, *, automatic: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.automatic = automatic
        self.before: str | None = None  # what was chosen until a new model was accepted
        self._added: list[Path] = []
        self.refill()
        self.activated.connect(self._browse)
        _OPEN.add(self)

    @property
    def chosen(self) -> str | None:
        """Name of a model that ships, or the folder of another one; None leaves it to the image."""
        return self.currentData() or None

    def choose(self, model: str | None) -> None:
        """Choose a model by its name or folder; one that is not listed is added."""
        if model is not None and self.findData(model) < 0:
            self._added.append(Path(model))
            self.refill()
        self.setCurrentIndex(max(0, self.findData(model)))

    def refill(self) -> None:
        """List what there is now; what was chosen stays chosen if it still exists."""
        from scanseg.bundle import model_names

        kept = self.currentData()
        self.blockSignals(True)
        self.clear()
        if self.automatic:
            self.addItem(AUTOMATIC, None)
        for name in model_names():
            self.addItem(name, name)
        for folder in dict.fromkeys((*own_models(), *self._added)):
            if folder.is_dir():
                self.addItem(folder.name, str(folder))
        self.addItem(OTHER, _BROWSE)
        self.setCurrentIndex(max(0, self.findData(kept)))
        self.blockSignals(False)

    def _browse(self, *_: Any) -> None:
        if self.currentData() != _BROWSE:
            return
        self.setCurrentIndex(0)
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model")
        if folder:
            self.choose(folder)


_OPEN: WeakSet[ModelChoice] = WeakSet()


def offer_model(folder: Path, *, base: str) -> None:
    """Take a new model wherever the one that it was trained from, or another of it, is taken.

    Parameters
    ----------
    folder
        Of the new model.
    base
        Name or folder of the model that it was trained from.
    """
    for each in _still_open():
        each.refill()
        had = each.chosen
        if each.automatic and (had is None or Path(had).name.startswith(Path(base).name)):
            each.before = had
            each.choose(str(folder))


def withdraw_model(folder: Path) -> None:
    """Take what was taken before, wherever a model is taken that is gone now."""
    for each in _still_open():
        had = each.chosen
        each.refill()
        if had == str(folder):
            known = each.before is None or each.findData(each.before) >= 0
            each.choose(each.before if known else None)


def _still_open() -> list[ModelChoice]:
    """Boxes whose dock was not closed."""
    alive = []
    for each in list(_OPEN):
        try:
            each.count()
        except RuntimeError:
            _OPEN.discard(each)
        else:
            alive.append(each)
    return alive
