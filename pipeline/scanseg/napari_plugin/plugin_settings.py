"""Settings of the plugin: stated in the manifest, changed in the preferences of napari.

napari shows and keeps them from 0.9 on; before that the defaults of the manifest count.
"""

from __future__ import annotations

from typing import Any

__all__ = ["DEFAULTS", "engine_settings", "setting"]

# As in napari.yaml; a test compares the two.
DEFAULTS: dict[str, dict[str, Any]] = {
    "engine": {"device": "auto", "precision": "auto"},
    "retraining": {"budget_minutes": 5},
}


def setting(group: str, name: str) -> Any:
    """Value of a setting."""
    default = DEFAULTS[group][name]
    try:
        from napari.settings import get_plugin_settings

        return getattr(getattr(get_plugin_settings("scanseg"), group), name, default)
    except (ImportError, AttributeError, KeyError):
        return default


def engine_settings() -> tuple[str, ...]:
    """Settings for the command line, as ``a.b=value``; what is not changed is left out."""
    given = {name: setting("engine", name) for name in DEFAULTS["engine"]}
    return tuple(
        f"machine.{name}={value}"
        for name, value in given.items()
        if value != DEFAULTS["engine"][name]
    )
