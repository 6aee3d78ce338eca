"""Steps of work that can be taken back, and made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["History", "Snapshot"]

STEPS = 40


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A layer as it was: points (N, D) or N lines, their features, a colour each."""

    data: Any
    features: Any
    colours: NDArray[Any]


class History:
    """Snapshots before each change.

    Parameters
    ----------
    take
        Returns the layer as it is.
    put
        Makes the layer what it was.
    """

    def __init__(self, take: Callable[[], Snapshot], put: Callable[[Snapshot], None]) -> None:
        self._take, self._put = take, put
        self._done: list[Snapshot] = []
        self._undone: list[Snapshot] = []

    def __len__(self) -> int:
        """How many changes can be taken back."""
        return len(self._done)

    @property
    def before(self) -> Snapshot | None:
        """The layer before the last change."""
        return self._done[-1] if self._done else None

    def remember(self) -> None:
        """Keep the layer as it is: it will be changed."""
        self._done.append(self._take())
        del self._done[:-STEPS]
        self._undone.clear()

    def undo(self) -> bool:
        """Take the last change back; False where there is none."""
        return self._travel(self._done, self._undone)

    def redo(self) -> bool:
        """Make it again."""
        return self._travel(self._undone, self._done)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()

    def _travel(self, source: list[Snapshot], target: list[Snapshot]) -> bool:
        if not source:
            return False
        target.append(self._take())
        self._put(source.pop())
        return True
