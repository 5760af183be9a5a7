"""Imports mmpose beside mmcv-lite, which lacks two modules that mmpose asks for by name.

mmpose 1.3.2 imports ``mmcv.ops.MultiScaleDeformableAttention`` and
``mmdet.utils.{ConfigType, reduce_mean}`` whatever model is used, though only its ED-Pose and RTMO
models call them. Placeholders answer those imports and are taken out again afterwards, so that a
later look for mmcv's operators or for mmdet finds what is truly installed.
"""

import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

_PLACEHOLDERS: dict[str, tuple[str, ...]] = {
    "mmcv.ops": ("MultiScaleDeformableAttention",),
    "mmdet": (),
    "mmdet.utils": ("ConfigType", "reduce_mean"),
}
"""Module -> the names that mmpose imports from it at module level."""

_MMPOSE_MODULES = ("mmpose.models", "mmpose.apis", "mmpose.datasets", "mmpose.engine")

_lock = threading.Lock()


def import_mmpose() -> None:
    """Imports mmpose once and registers its models; further calls do nothing.

    Call it before any ``import mmpose`` elsewhere. Raises ImportError with what to install when
    mmpose, mmengine or mmcv is missing.
    """
    with _lock:
        if all(name in sys.modules for name in _MMPOSE_MODULES):
            return
        with _without_import_warnings(), _placeholders_for_what_is_missing():
            for name in _MMPOSE_MODULES:
                _import_or_explain(name)


def _import_or_explain(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError as error:
        message = (
            f"mmpose could not be imported ({error}). Expected mmpose 1.3, mmengine and mmcv-lite "
            "or mmcv as this project's pyproject.toml names them; install the project again."
        )
        raise ImportError(message) from error


@contextmanager
def _placeholders_for_what_is_missing() -> Iterator[None]:
    """Puts placeholder modules into ``sys.modules``, only where nothing real can be imported."""
    missing = [name for name in _PLACEHOLDERS if not _is_importable(name)]
    placed = {name: _placeholder(name, _PLACEHOLDERS[name]) for name in missing}
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _is_importable(name: str) -> bool:
    """Whether the real module works here.

    Only importing tells: mmcv-lite ships the source of ``mmcv.ops`` without its compiled part, and
    mmdet stops with an AssertionError beside an mmcv that is too new for it.
    """
    try:
        importlib.import_module(name)
    except (ImportError, AssertionError):
        return False
    return True


def _placeholder(name: str, attributes: tuple[str, ...]) -> ModuleType:
    module = ModuleType(name, "Stands in while mmpose is imported.")
    for attribute in attributes:
        setattr(module, attribute, _refusal(f"{name}.{attribute}"))
    return module


def _refusal(full_name: str) -> Callable[..., object]:
    """A stand-in that says what is missing if a model that needs it is built after all."""

    def refuse(*_arguments: object, **_named: object) -> object:
        package = "mmcv" if full_name.startswith("mmcv") else "mmdet"
        message = f"{full_name} is needed by this model: install the full {package} package."
        raise ImportError(message)

    return refuse


@contextmanager
def _without_import_warnings() -> Iterator[None]:
    """Silences what mmpose's own imports warn of: old syntax, old torch and numpy calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
