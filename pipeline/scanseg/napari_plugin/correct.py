"""Correct: atoms, walls and class maps put right by hand; undone, kept, and never lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from scanseg.napari_plugin import recovery
from scanseg.napari_plugin.atom_editor import AtomEditor
from scanseg.napari_plugin.autosave import Autosave
from scanseg.napari_plugin.docking import DockContent
from scanseg.napari_plugin.editing import Editor, State
from scanseg.napari_plugin.label_editor import LabelEditor
from scanseg.napari_plugin.layer_choice import LayerChoice
from scanseg.napari_plugin.viewing import facts_of
from scanseg.napari_plugin.wall_editor import WallEditor

__all__ = ["CorrectWidget"]

KINDS = ("Points", "Shapes", "Labels")
ROLES = ("atoms", "walls", "class map", "")


class CorrectWidget(DockContent):
    """Corrects a layer of atoms or walls, or a class map."""

    def __init__(self, napari_viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self.editor: Editor | None = None
        self._layer: Any = None
        self.layer_choice = LayerChoice(napari_viewer, KINDS, ROLES)
        self.class_choice = QComboBox()
        self.snap_box = QCheckBox("snap to the local fit")
        self.snap_box.setChecked(True)
        self.save_button = QPushButton("Save…")
        self.recover_button = QPushButton("Recover")
        self.status = QLabel("")
        self.status.setWordWrap(True)
        self.tools: dict[str, QPushButton] = {}
        self.autosave = Autosave(self._key, self._state, self)
        self._lay_out()
        self.save_button.clicked.connect(self._ask_and_save)
        self.recover_button.clicked.connect(self.recover)
        self.layer_choice.layer_changed.connect(self._take_layer)
        self._take_layer(self.layer_choice.layer)

    def release(self) -> None:
        """Keep what is not saved yet, and listen to no layer any more."""
        self.autosave.store()
        self._let_go()

    def save(self, path: Path) -> None:
        """Write the corrected layer: atoms as CSV, walls as GeoJSON, maps as OME-TIFF."""
        if self.editor is None:
            return
        self.editor.write(path)
        self.autosave.discard()
        self._offer_recovery()
        self.say(f"Saved: {path}")

    def recover(self) -> None:
        """Take the corrections that an earlier session has left."""
        left = recovery.load(self._key())
        if self.editor is not None and left is not None:
            self.editor.recover(left)

    def say(self, text: str) -> None:
        """Show a line to the user."""
        self.status.setText(text)

    def _key(self) -> str:
        if self._layer is None:
            return ""
        facts = facts_of(self._layer)
        return f"{facts.get('path', self._layer.name)} {facts.get('role')}"

    def _state(self) -> State:
        assert self.editor is not None  # there is no key without an editor
        return self.editor.state()

    def _take_layer(self, layer: Any) -> None:
        self.autosave.store()
        self._let_go()
        self._layer = layer
        self.class_choice.clear()
        for widget in (self.save_button, self.class_choice):
            widget.setEnabled(layer is not None)
        self.snap_box.setVisible(type(layer).__name__ == "Points")
        if layer is None:
            self._show_tools()
            self.recover_button.setEnabled(False)
            self.say("There are no atoms or walls yet: use Segment, or open a run.")
            return
        self.editor = self._editor_of(layer)
        self.editor.changed.connect(self._note_change)
        self.editor.said.connect(self.say)
        self.editor.replaced.connect(self.autosave.forget)
        self.class_choice.addItems(self.editor.class_names)
        self._show_tools()
        self.say("")
        self._offer_recovery()

    def _editor_of(self, layer: Any) -> Editor:
        class_name = self.class_choice.currentText
        if type(layer).__name__ == "Points":
            return AtomEditor(self._viewer, layer, class_name, self.snap_box.isChecked)
        kind = WallEditor if type(layer).__name__ == "Shapes" else LabelEditor
        return kind(self._viewer, layer, class_name)

    def _let_go(self) -> None:
        if self.editor is not None:
            self.editor.release()
        self.editor = self._layer = None

    def _note_change(self, what: str) -> None:
        self.autosave.wake()
        self.say(what)

    def _offer_recovery(self) -> None:
        fresh = self.editor is not None and not self.editor.n_changes
        left = fresh and self.autosave.has_left
        self.recover_button.setEnabled(left)
        if left:
            self.say("An earlier session has left corrections of this image: Recover.")

    def _show_tools(self) -> None:
        """The buttons of the editor, in two columns."""
        for button in self.tools.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        acts = {} if self.editor is None else self.editor.tools
        self.tools = {name: QPushButton(name) for name in acts}
        for place, (name, act) in enumerate(acts.items()):
            self.tools[name].clicked.connect(partial(_call, act))
            self._grid.addWidget(self.tools[name], place // 2, place % 2)

    def _ask_and_save(self) -> None:
        assert self.editor is not None  # the button is off without
        facts = facts_of(self._layer)
        stem = Path(facts["path"]).stem if facts.get("path") else self._layer.name
        ending = self.editor.ending
        path, _ = QFileDialog.getSaveFileName(
            self, "Save corrections", stem + ending, f"*.{ending.rpartition('.')[2]}"
        )
        if path:
            self.save(Path(path))

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("layer", self.layer_choice)
        form.addRow("class", self.class_choice)
        self._grid = QGridLayout()
        last = QGridLayout()
        last.addWidget(self.save_button, 0, 0)
        last.addWidget(self.recover_button, 0, 1)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.snap_box)
        column.addLayout(self._grid)
        column.addLayout(last)
        column.addWidget(self.status)
        column.addStretch(1)


def _call(act: Any, *_: Any) -> None:
    act()
