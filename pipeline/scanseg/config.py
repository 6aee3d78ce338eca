"""Settings: stated once, checked always, and explained when they are misspelt."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from scanseg.errors import ConfigError
from scanseg.micrograph import as_pixel_size_nm

__all__ = ["Config", "PixelSize", "read_yaml"]

# libyaml's, where it is there, reads a contract in 3 ms, the one in Python in 45.
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a user may write for it: one number or two.
PixelSize = Annotated[tuple[float, float], BeforeValidator(as_pixel_size_nm)]


class Config(BaseModel):
    """A frozen group of settings. A key that does not exist stops the run.

    Examples
    --------
    >>> class Tiling(Config):
    ...     tile_px: int = 512
    ...     "Side of a square tile."
    >>> Tiling.from_settings({"tile_px": 256}).tile_px
    256
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def from_settings(
        cls, settings: dict[str, Any], *, overrides: tuple[str, ...] = (), origin: str = "settings"
    ) -> Self:
        """Check a nested dictionary, with ``a.b=value`` overrides on top of it.

        Parameters
        ----------
        settings
            Nested settings, as a YAML file gives them.
        overrides
            ``dotted.key=value`` strings; the value is read as YAML.
        origin
            Where the settings come from, for the error.

        Raises
        ------
        ConfigError
            Every problem at once: unknown keys with the nearest known one, wrong types and ranges.
        """
        merged = _deep_copy(settings)
        for override in overrides:
            _apply_override(merged, override)
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            problems = "; ".join(_explain(cls, problem) for problem in error.errors())
            raise ConfigError(
                f"The settings in {origin} are not valid: {problems}.",
                hint="Correct them and run again.",
            ) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds one mapping.

    Raises
    ------
    ConfigError
        When it cannot be read or is no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), SAFE_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())  # a parser's takes several lines
        raise ConfigError(
            f"{path} cannot be read as YAML: {reason}.", hint="Check the path and the file."
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds no settings (a YAML mapping).", hint="Write lines such as: name: value"
        )
    return content


def _deep_copy(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _deep_copy(value) if isinstance(value, dict) else value
        for key, value in settings.items()
    }


def _apply_override(settings: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"'{override}' is no setting.", hint="Write it as --set group.name=value."
        )
    *groups, name = key.strip().split(".")
    for group in groups:
        inner = settings.setdefault(group, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"'{group}' in '{override}' is a value, not a group of settings.",
                hint=f"Set it as a whole: {group}=value.",
            )
        settings = inner
    settings[name] = yaml.load(text, SAFE_LOADER)


def _explain(schema: type[BaseModel], problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    dotted = ".".join(location)
    if problem["type"] != "extra_forbidden":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{dotted or 'the whole'}: {message} (found {problem['input']!r})"
    known = _known_keys(schema, location[:-1])
    near = difflib.get_close_matches(location[-1], known, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(known))}"
    return f"'{dotted}' is unknown, {advice}"


def _known_keys(schema: type[BaseModel], groups: list[str]) -> list[str]:
    for group in groups:
        field = schema.model_fields.get(group)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        schema = inner
    return list(schema.model_fields)
