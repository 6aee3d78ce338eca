"""Which images are trained on, and which are kept to see what came of it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scanseg.errors import ConfigError
from scanseg.train.thumbprint import Thumbprint, nearly_same

__all__ = ["Split", "fold_images", "split_images"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def series(self) -> str: ...
    @property
    def thumbprint(self) -> Thumbprint | None: ...


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
            n = len(self.training)
            why = "there is one image only" if n == 1 else f"all {n} images are trained on"
            return (
                f"Nothing is held out: {why}. Figures are of what was trained on, so they say "
                "nothing about new images."
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

    Copies of an image, exact or nearly so, stay together. The order is by a checksum of the name
    and the seed, so the same images are held out on every machine, and adding one moves few others.

    Parameters
    ----------
    images
        With ``name``, ``series`` and ``sha256``.
    held_out
        Share of images to hold out; at least one group where there are two.
    seed
        Another seed, another choice.
    """
    by, order = _ordered_groups(images, seed)
    kept_out: list[_Named] = []
    for group in order[:-1]:  # one group at least is trained on
        if kept_out and len(kept_out) + len(group) > held_out * len(images) + 0.5:
            continue
        if held_out > 0:
            kept_out += group
    return _split(images, kept_out, by)


def fold_images(images: Sequence[_Named], *, folds: int, seed: int) -> tuple[Split, ...]:
    """Hold out every image once: as many splits as folds, of about the same size.

    Parameters
    ----------
    images, seed
        See ``split_images``; what must not be separated is in one fold.
    folds
        How many, at least 2.

    Raises
    ------
    ConfigError
        When there are fewer images, or series, than folds.
    """
    by, order = _ordered_groups(images, seed)
    if len(order) < folds:
        kind = "series" if by == "series" else "images that are no copies of each other"
        raise ConfigError(
            f"{folds} folds were asked for, and there are {len(order)} {kind}.",
            hint=f"Ask for at most {len(order)}, or label more." if len(order) > 1 else
            "Label more images, or train without folds.",
        )  # fmt: skip
    held: list[list[_Named]] = [[] for _ in range(folds)]
    for group in sorted(order, key=len, reverse=True):  # stable: the order of equal ones stays
        min(held, key=len).extend(group)
    return tuple(_split(images, fold, by) for fold in held)


def _split(images: Sequence[_Named], kept_out: Sequence[_Named], by: str) -> Split:
    names = {each.name for each in kept_out}
    return Split(
        training=tuple(sorted(each.name for each in images if each.name not in names)),
        held_out=tuple(sorted(names)),
        by=by,
    )


def _ordered_groups(images: Sequence[_Named], seed: int) -> tuple[str, list[list[_Named]]]:
    """What was kept together, and the groups in an order that depends on names and seed alone."""
    by = "series" if len({each.series for each in images}) > 1 else "image"
    return by, sorted(_groups(images, by), key=lambda group: _number(group[0].name, seed))


def _groups(images: Sequence[_Named], by: str) -> list[list[_Named]]:
    """Images that must not be separated."""
    group_of: dict[str, int] = {}
    groups: dict[int, list[_Named]] = defaultdict(list)
    seen: list[_Named] = []
    for number, each in enumerate(sorted(images, key=lambda image: image.name)):
        twin = next((one for one in seen if nearly_same(one.thumbprint, each.thumbprint)), each)
        seen.append(each)
        keys = [
            f"content {each.sha256}", f"like {twin.name}",
            f"series {each.series}" if by == "series" else each.name,
        ]  # fmt: skip
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
