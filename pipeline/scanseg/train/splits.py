"""Which images are trained on, and which are kept to see what came of it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Split", "split_images"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def series(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Split:
    """Names of images, in two groups that share no image and no series.

    Parameters
    ----------
    training, held_out
        Names.
    by
        What was kept together: ``series`` or ``image``.
    """

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    by: str

    @property
    def statement(self) -> str:
        """One sentence for people."""
        if not self.held_out:
            return (
                f"Nothing is held out: there is one {self.by} only. Figures are of the images that "
                "were trained on, so they say nothing about new ones."
            )
        held = ", ".join(self.held_out[:5]) + (" …" if len(self.held_out) > 5 else "")
        return (
            f"Split by {self.by}: trained on {len(self.training)}, held out {len(self.held_out)} "
            f"({held})."
        )

    def as_dict(self) -> dict[str, object]:
        """For a file."""
        return {
            "by": self.by,
            "training": list(self.training),
            "held_out": list(self.held_out),
            "statement": self.statement,
        }


def split_images(images: Sequence[_Named], *, held_out: float, seed: int) -> Split:
    """Hold out whole images, or whole series where the images are in sub-folders.

    Copies of an image stay together. The order is by a checksum of the name and the seed, so the
    same images are held out on every machine, and adding one moves few others.

    Parameters
    ----------
    images
        With ``name``, ``series`` and ``sha256``.
    held_out
        Share of images to hold out; at least one group where there are two.
    seed
        Another seed, another choice.
    """
    by = "series" if len({each.series for each in images}) > 1 else "image"
    groups = _groups(images, by)
    order = sorted(groups, key=lambda group: _number(group[0].name, seed))
    kept_out: list[_Named] = []
    for group in order[:-1]:  # one group at least is trained on
        if kept_out and len(kept_out) + len(group) > held_out * len(images) + 0.5:
            continue
        if held_out > 0:
            kept_out += group
    names = {each.name for each in kept_out}
    return Split(
        training=tuple(sorted(each.name for each in images if each.name not in names)),
        held_out=tuple(sorted(names)),
        by=by,
    )


def _groups(images: Sequence[_Named], by: str) -> list[list[_Named]]:
    """Images that must not be separated."""
    group_of: dict[str, int] = {}
    groups: dict[int, list[_Named]] = defaultdict(list)
    for number, each in enumerate(sorted(images, key=lambda image: image.name)):
        keys = [f"content {each.sha256}", f"series {each.series}" if by == "series" else each.name]
        known = sorted({group_of[key] for key in keys if key in group_of})
        home = known[0] if known else number
        for other in known[1:]:  # a copy ties two series together
            groups[home] += groups.pop(other)
            group_of.update({key: home for key, g in group_of.items() if g == other})
        groups[home].append(each)
        group_of.update(dict.fromkeys(keys, home))
    return list(groups.values())


def _number(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
