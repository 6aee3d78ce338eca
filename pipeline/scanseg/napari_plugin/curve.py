"""A curve that grows while a network is trained, drawn in a millisecond."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

__all__ = ["LossCurve"]

COLOURS = ("#38d6ff", "#ff9f1c", "#7bed8d", "#d78bff", "#ffd23f")
MARGIN_PX = 6
HEIGHT_PX = 110
# The loss of single batches jumps: the mean of so many of the last steps, older ones less.
SMOOTHED_STEPS = 12
MOST_POINTS = 400


class LossCurve(QWidget):
    """Loss by step, one line a member; matplotlib would take 0.1 s for each of its points."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumHeight(HEIGHT_PX)
        self._lines: dict[int, list[tuple[float, float]]] = {}
        self._n_steps = 1

    @property
    def lines(self) -> dict[int, list[tuple[float, float]]]:
        """(step, smoothed loss) of each member."""
        return self._lines

    def clear(self) -> None:
        """Forget everything."""
        self._lines = {}
        self.update()

    def add(self, member: int, step: int, n_steps: int, loss: float) -> None:
        """Add a step."""
        line = self._lines.setdefault(member, [])
        before = line[-1][1] if line else loss
        kept = 1 - 1 / min(len(line) + 1, SMOOTHED_STEPS)
        line.append((step, kept * before + (1 - kept) * loss))
        self._n_steps = max(n_steps, step)
        self.update()

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """As Qt asks."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        grey = self.palette().text().color()
        grey.setAlpha(110)
        painter.setPen(QPen(grey, 1))
        frame = QRectF(self.rect()).adjusted(MARGIN_PX, MARGIN_PX, -MARGIN_PX, -MARGIN_PX)
        painter.drawRect(frame)
        losses = [loss for line in self._lines.values() for _, loss in line]
        if not losses:
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, "loss, step by step")
            return
        low, high = min(losses), max(losses)
        span = max(high - low, 1e-9)
        for member, line in sorted(self._lines.items()):
            some = line[:: max(1, len(line) // MOST_POINTS)] + line[-1:]
            points = np.array(some)
            x = frame.left() + points[:, 0] / self._n_steps * frame.width()
            y = frame.bottom() - (points[:, 1] - low) / span * frame.height()
            painter.setPen(QPen(QColor(COLOURS[member % len(COLOURS)]), 1.6))
            painter.drawPolyline(QPolygonF([QPointF(*each) for each in zip(x, y, strict=True)]))
        painter.setPen(self.palette().text().color())
        steps = max(line[-1][0] for line in self._lines.values())
        text = f"loss {losses[-1]:.3g}, step {steps:,.0f} of {self._n_steps:,}"
        corner = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight
        painter.drawText(frame.adjusted(0, 2, -4, 0), corner, text)
