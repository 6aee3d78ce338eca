"""What is searched: settings by their dotted names, and the values each may take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from scanseg.config import Config, read_yaml
from scanseg.errors import ConfigError

__all__ = ["Range", "SearchSpace", "Values", "nested", "overrides_of", "read_space"]

Values = Mapping[str, Any]
"""Values of settings by their dotted names."""

Scalar = bool | int | float | str | None


class Range(Config):
    """Numbers from one to another, both included. Whole numbers where the setting is one."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """Every factor is as likely as any other, instead of every difference."""
    step: PositiveFloat | None = None
    """Only values that are so many steps from the lowest; not together with ``log``."""
    points: PositiveInt = 3
    """How many values a grid takes, evenly spaced; a ``step`` says it better."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step")
        return self

    def grid(self, *, whole: bool) -> list[float]:
        """Values that a grid takes, increasing."""
        if self.step is not None:
            values = np.arange(self.low, self.high + 1e-9 * self.step, self.step)
        elif self.points == 1:
            values = np.array([math.sqrt(self.low * self.high) if self.log else self._middle])
        else:
            space = np.geomspace if self.log else np.linspace
            values = space(self.low, self.high, self.points)
        return list(dict.fromkeys(round(v) if whole else float(f"{v:.6g}") for v in values))

    @property
    def _middle(self) -> float:
        return (self.low + self.high) / 2


class SearchSpace(Config):
    """Settings, the values they may take, and values that are known to do well."""

    search: dict[str, Range | list[Scalar | list[Scalar]]] = Field(min_length=1)
    """By dotted name: a range, or a list of values to choose from."""
    known_good: tuple[dict[str, Any], ...] = ()
    """Values by dotted name that are tried first."""

    @model_validator(mode="after")
    def _has_choices(self) -> SearchSpace:
        for name, values in self.search.items():
            if isinstance(values, list) and len(values) < 2:
                raise ValueError(f"{name} needs a range, or a list of at least two values")
        for known in self.known_good:
            if unknown := sorted(set(known) - set(self.search)):
                raise ValueError(f"{unknown[0]} in known_good is not searched")
        return self

    def suggest(self, trial: Any, *, whole: frozenset[str]) -> dict[str, Any]:
        """Values that Optuna wants to try.

        Parameters
        ----------
        trial
            An ``optuna.Trial``.
        whole
            Names of settings that are whole numbers.
        """
        chosen: dict[str, Any] = {}
        for name, values in self.search.items():
            if isinstance(values, list):
                # Optuna's storage knows no lists: their text stands for them.
                texts = [_text(each) for each in values]
                chosen[name] = values[texts.index(trial.suggest_categorical(name, texts))]
            elif name in whole:
                step = {} if values.step is None else {"step": max(1, round(values.step))}
                chosen[name] = trial.suggest_int(
                    name, math.ceil(values.low), math.floor(values.high), log=values.log, **step
                )
            else:
                chosen[name] = trial.suggest_float(
                    name, values.low, values.high, log=values.log, step=values.step
                )
        return chosen

    def grid(self, *, whole: frozenset[str]) -> dict[str, list[Any]]:
        """Values of a grid by name, as Optuna knows them."""
        return {
            name: [_text(each) for each in values]
            if isinstance(values, list)
            else values.grid(whole=name in whole)
            for name, values in self.search.items()
        }

    def as_parameters(self, values: Values) -> dict[str, Any]:
        """Of some values those that lie in this space, as Optuna knows them."""
        kept: dict[str, Any] = {}
        for name, value in values.items():
            allowed = self.search.get(name)
            if isinstance(allowed, list):
                if _text(value) in map(_text, allowed):
                    kept[name] = _text(value)
            elif allowed is not None and _is_number(value) and allowed.low <= value <= allowed.high:
                kept[name] = value
        return kept

    def edges(self) -> Iterator[dict[str, Any]]:
        """One setting after the other at each of its extremes or choices, for checking them."""
        for name, values in self.search.items():
            each = values if isinstance(values, list) else (values.low, values.high)
            yield from ({name: value} for value in each)


def read_space(path: Path) -> SearchSpace:
    """Read a search space.

    Raises
    ------
    ConfigError
        Every problem at once.
    """
    return SearchSpace.from_settings(read_yaml(path), origin=path.name)


def overrides_of(values: Values) -> tuple[str, ...]:
    """``a.b=value`` of each setting, as ``--set`` takes it.

    Examples
    --------
    >>> overrides_of({"optimisation.learning_rate": 1e-05, "batch": 4})
    ('optimisation.learning_rate=1.0e-05', 'batch=4')
    """
    return tuple(f"{name}={_text(value)}" for name, value in values.items())


def nested(settings: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Settings with values by dotted names put in.

    Examples
    --------
    >>> nested({"loss": {"dice": 0.3}}, {"loss.focal": 1.0, "batch": 4})
    {'loss': {'dice': 0.3, 'focal': 1.0}, 'batch': 4}
    """
    merged: dict[str, Any] = {
        key: nested(value, {}) if isinstance(value, Mapping) else value
        for key, value in settings.items()
    }
    for dotted, value in values.items():
        *groups, name = dotted.split(".")
        inner = merged
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return merged


def value_of(settings: Any, dotted: str) -> Any:
    """Value of a setting in a checked tree; what lies in a plain mapping as well.

    Raises
    ------
    ConfigError
        When there is no such setting.
    """
    value = settings
    for part in dotted.split("."):
        known = value if isinstance(value, Mapping) else getattr(type(value), "model_fields", ())
        if part not in known:
            if isinstance(value, Mapping):
                return None  # such as an argument of a network that was not given
            raise ConfigError(
                f"There is no setting '{dotted}'.", hint=f"Known there are {', '.join(known)}."
            )
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value


def whole_numbers(settings: Any, names: Sequence[str]) -> frozenset[str]:
    """Names of those settings that are whole numbers."""
    found = {name: value_of(settings, name) for name in names}
    return frozenset(
        name for name, value in found.items() if isinstance(value, int) and type(value) is not bool
    )


def n_combinations(grid: Mapping[str, Sequence[Any]]) -> int:
    """How many points a grid has."""
    return sum(1 for _ in itertools.product(*grid.values()))


def _text(value: Any) -> str:
    """A value as YAML on one line, which reads back as the same."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).split("\n")[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and type(value) is not bool
