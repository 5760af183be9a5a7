"""Reads one section of one named pipeline of ``pipelines.yaml`` into a frozen settings model."""

import reprlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from seds_core.errors import UsageError


class PipelineError(UsageError):
    """A pipeline file that cannot be used; the message names the file and what to change."""


class Settings(BaseModel):
    """Base of all settings: frozen, unknown keys and numbers without end refused, fields documented
    below themselves."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


SettingsT = TypeVar("SettingsT", bound=Settings)


def read_section(path: Path, pipeline: str, section: str, schema: type[SettingsT]) -> SettingsT:
    """The ``section`` of ``pipeline`` in the file at ``path``, as a ``schema``.

    Raises :class:`PipelineError` for a missing file, unknown names (with the nearest right one),
    keys given twice, and values of a wrong kind. A section that is left out has its defaults.
    """
    missing = f"there is no pipeline file {path}; name one with --pipelines FILE"
    pipelines = _entry(read_yaml(path, missing), "pipelines", path, "the file")
    sections = _entry(pipelines, pipeline, path, "'pipelines'", kind="pipeline")
    if not isinstance(sections, dict):
        raise PipelineError(
            f"{path}: pipeline '{pipeline}' must hold sections, such as '{section}:'"
        )
    where = f"{path}, pipeline '{pipeline}', section '{section}'"
    # A section with nothing below its name is null in YAML, and has the defaults too.
    return validated(sections.get(section) or {}, schema, where)


def with_changes(settings: SettingsT, part: str, changes: Mapping[str, object | None]) -> SettingsT:
    """The settings with some fields of one part replaced; ``None`` leaves a field as it is.

    Raises :class:`PipelineError` for values that the part does not accept.
    """
    # The whole is validated anew: pydantic's model_copy would take any value.
    values = settings.model_dump()
    values[part] |= {name: value for name, value in changes.items() if value is not None}
    return validated(values, type(settings), "the command line")


MERGE_TAG = "tag:yaml.org,2002:merge"


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML silently keeps the last of two equal keys; this loader refuses them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE_TAG:  # "<<: *anchor": its keys may be given anew
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise PipelineError(f"{self.name}, line {line}: key '{key}' is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def validated(values: object, schema: type[SettingsT], where: str) -> SettingsT:
    """The values as a ``schema``; :class:`PipelineError` names ``where`` and every problem."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "\n".join(_problem(item, schema) for item in error.errors())
        raise PipelineError(f"{where}:\n{problems}") from None


def read_yaml(path: Path, missing: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """What a YAML file holds; keys that are given twice are refused.

    Raises :class:`PipelineError`, with the sentence ``missing`` where there is no such file.
    """
    try:
        with path.open(encoding="utf-8") as file:
            # It is a safe loader.
            return yaml.load(file, Loader=_UniqueKeyLoader)  # nosec B506
    except FileNotFoundError:
        raise PipelineError(missing) from None
    # It is a ValueError too, which the last clause would call invalid YAML.
    except PipelineError:
        raise
    except UnicodeDecodeError:
        raise PipelineError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    # PyYAML ends in the latter three at dates that are none, lists as keys, and deep nesting.
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise PipelineError(f"{path} is not valid YAML: {error}") from None


def _entry(mapping: Any, key: str, path: Path, where: str, kind: str = "key") -> Any:  # noqa: ANN401
    if isinstance(mapping, dict) and key in mapping:
        return mapping[key]
    known = [str(name) for name in mapping] if isinstance(mapping, dict) else []
    raise PipelineError(f"{path}: {where} has no {kind} '{key}'. {_nearest(key, known)}".rstrip())


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"There are: {', '.join(known)}." if known else ""


# Values may hold each other again and again: written out in full, a small file fills the memory.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxlevel = 2


def _problem(item: Any, schema: type[Settings]) -> str:  # noqa: ANN401 - pydantic's error record
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"  {where}: {item['msg']} (found {_SHORT.repr(item['input'])})"
    hint = _nearest(str(item["loc"][-1]), _keys_at(schema, item["loc"][:-1]))
    return f"  {where}: there is no such key. {hint}"


def _keys_at(schema: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the model that stands at ``location`` below ``schema``."""
    # Sections nest as models do, or are the values of a mapping; a part that is no model, such as
    # an index or a mapping's key, changes nothing.
    for part in location:
        field = schema.model_fields.get(str(part))
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                schema = kind
    return list(schema.model_fields)
