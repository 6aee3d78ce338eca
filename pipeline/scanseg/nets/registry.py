"""Networks by name: the pipeline knows a name and its arguments, never a class."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scanseg.contract import Architecture
from scanseg.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["build_network", "network_names", "register_network"]

# Called as builder(n_channels=..., n_classes=..., **architecture.arguments); returns a network that
# maps (N, n_channels, h, w) to logits (N, n_classes, h, w).
Builder = Callable[..., "nn.Module"]

_BUILDERS: dict[str, Builder] = {}


def register_network(name: str) -> Callable[[Builder], Builder]:
    """Register the decorated function as the builder of a network.

    Parameters
    ----------
    name
        What recipes and bundles call it.

    Raises
    ------
    ValueError
        When the name is taken.
    """

    def register(builder: Builder) -> Builder:
        if name in _BUILDERS:
            raise ValueError(f"a network called '{name}' is registered already")
        _BUILDERS[name] = builder
        return builder

    return register


def network_names() -> tuple[str, ...]:
    """Names of the registered networks, sorted."""
    return tuple(sorted(_BUILDERS))


def build_network(
    architecture: Architecture, *, n_channels: int, n_classes: int, n_members: int = 1
) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    architecture
        Name in the registry, and arguments of the network.
    n_channels
        Input channels.
    n_classes
        Output channels: logits of the classes, background first.
    n_members
        Networks of an ensemble; their logits follow each other.

    Raises
    ------
    ConfigError
        When the name or an argument is unknown.

    Examples
    --------
    >>> network = build_network(Architecture(), n_channels=1, n_classes=2)
    >>> sum(weights.numel() for weights in network.parameters()) < 1_000_000
    True
    """
    if n_members > 1:
        from scanseg.nets.ensemble import Ensemble

        return Ensemble(
            build_network(architecture, n_channels=n_channels, n_classes=n_classes)
            for _ in range(n_members)
        )
    builder = _BUILDERS.get(architecture.name)
    if builder is None:
        raise ConfigError(
            f"There is no network '{architecture.name}'{_nearest(architecture.name)}.",
            hint=f"Known are {', '.join(network_names())}.",
        )
    try:
        return builder(n_channels=n_channels, n_classes=n_classes, **_plain(architecture.arguments))
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(
            f"The network '{architecture.name}' cannot be built from {architecture.arguments}: "
            f"{error}.",
            hint="Correct the arguments of the architecture.",
        ) from error


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, _BUILDERS, n=1)
    return f", did you mean '{near[0]}'?" if near else ""


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments with lists (all that YAML knows) as the tuples that the networks expect."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in arguments.items()
    }
