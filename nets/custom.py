"""`Custom`: a person's own net, loss or metric as a configuration.

`Custom(MyNet, width=96)` is a configuration like those that ship: its fields are the arguments of the
part, with the types, defaults and help of the part's signature and docstring.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic

from nets import code as codes
from nets.code import Code
from nets.config import config
from nets.custom_signature import (
    Argument,
    Part,
    check_takes_given,
    describe_unknown,
    read_arguments,
)
from nets.errors import ConfigError, ModelFileError, UntrustedCodeError

_RESERVED = ("kind", "source", "code")
_LIBRARY = (
    "nets.efficientnet:EfficientNetLite0",
    "nets.library:torchvision_net",
    "nets.library:timm_net",
)
"""Nets that are made as a person's own, and run no code of a person's own."""


class _MadeFromPart(type):
    """Makes `Custom(part, **arguments)` an object of the class that belongs to the part."""

    def __call__(cls, *args: Any, **arguments: Any) -> Any:
        if cls is not Custom:
            return super().__call__(*args, **arguments)
        if len(args) != 1:
            raise ConfigError(
                f"Custom takes the part and then its arguments by name, got {len(args)} without a "
                "name. Write Custom(MyNet, width=96)."
            )
        made = _class_of(args[0])
        names = [name for name in made.__annotations__ if name not in _RESERVED]
        for name in arguments:
            if name not in names:
                raise ConfigError(describe_unknown(args[0], name, names))
        check_takes_given(args[0], arguments)
        return made(**arguments)


class Custom(metaclass=_MadeFromPart):
    """A part of a person's own: `Custom(MyNet, width=96)`.

    A net is a class `__init__(self, spec, num_outputs, *, ...)` with `forward(self, x, length=None)`,
    or a function `make(spec, num_outputs, *, ...)` that returns one. It lies in a file or in an
    installed package, at the top level. Its other arguments are settings: numbers, texts, truth
    values, None, and lists of these.

    Raises:
        ConfigError: the part has no file, cannot be found by its name there, or an argument is unknown
            or breaks the type that the signature states.
    """

    if typing.TYPE_CHECKING:  # each part's class is a dataclass with these fields and its own
        kind: Literal["custom"]
        source: str
        code: str
        __dataclass_fields__: ClassVar[dict[str, Any]]

        def __init__(self, part: Part = ..., /, **arguments: Any) -> None: ...

    _part: ClassVar[Part | None] = None
    """None: its code is not loaded in this process."""
    _code: ClassVar[Code | None] = None
    """None: it belongs to an installed package, or its code is not loaded."""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the part is called with, beside what the workbench gives."""
        names = type(self).__annotations__
        return {name: getattr(self, name) for name in names if name not in _RESERVED}

    @property
    def is_loaded(self) -> bool:
        """Whether the part can be used in this process."""
        return self._part is not None

    @property
    def is_class(self) -> bool:
        """Whether the part is a class, as far as it is loaded."""
        cls = type(self)
        return inspect.isclass(cls._part)

    @property
    def part(self) -> Part:
        """The class or function.

        Raises:
            UntrustedCodeError: its code is not loaded here.
        """
        cls = type(self)  # by the class: a function found by the object would be bound to it
        part = cls._part
        if part is None:
            files = self.source.partition(":")[0]
            raise UntrustedCodeError(
                f"{self.source} is a part of a person's own, and its code ({files}, version "
                f"{self.code or 'as installed'}) is not loaded here: a record runs no code by itself. "
                "Name the person's file, or read the code and allow it with --trust-code."
            )
        return part

    @property
    def reconstructs(self) -> bool:
        """Whether it is a net that learns its own input: `reconstructs = True` in the class.

        Raises:
            UntrustedCodeError: its code is not loaded here.
            ConfigError: it says something else than True or False.
        """
        said = getattr(self.part, "reconstructs", False)
        if isinstance(said, bool):
            return said
        name = self.source.partition(":")[2]
        raise ConfigError(f"reconstructs of {name} must be True or False, got {said!r}.")

    @property
    def wants_preparation(self) -> str | None:
        """The `preparation.method` that a net is made for: `wants_preparation = "scale"` in the class."""
        return getattr(self.part, "wants_preparation", None)

    @property
    def own_code(self) -> Code | None:
        """Its files; None where an installed package has it, or it is not loaded."""
        cls = type(self)
        return cls._code

    @property
    def sha256(self) -> dict[str, str]:
        """Path of each of its files to the SHA-256 of the content."""
        return self.own_code.sha256 if self.own_code else {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.source, self.code, self.own_code, self.is_loaded, self.arguments)


def custom_parts(experiment: Any) -> list[Custom]:
    """The parts of a person's own in a configuration, at any depth."""
    if isinstance(experiment, Custom):
        return [experiment]
    if isinstance(experiment, tuple | list):
        return [part for value in experiment for part in custom_parts(value)]
    names = getattr(type(experiment), "__dataclass_fields__", ())
    return [part for name in names for part in custom_parts(getattr(experiment, name))]


def is_record(value: object) -> bool:
    """Whether a value is the record of a part of a person's own."""
    return isinstance(value, Mapping) and value.get("kind") == "custom"


def from_record(values: Mapping[str, Any]) -> Custom:
    """The part of a record, checked as far as it is loaded in this process. Imports nothing.

    Optimizers and schedules of torch are always loaded.

    Raises:
        pydantic.ValidationError: an argument breaks its type.
    """
    source, digest = str(values.get("source", "")), str(values.get("code") or "")
    _load_library_part(source)
    made = _classes.get((source, digest)) or _unloaded(source, digest, tuple(values))
    return pydantic.TypeAdapter(made).validate_python(dict(values))


def _load_library_part(source: str) -> None:
    """Load a class of `torch.optim`, or a net of a library: making one runs no code of a person's own."""
    where, _, name = source.partition(":")
    if (source, "") in _classes:
        return
    if source in _LIBRARY:
        load_part(source, None)
    if not where.startswith("torch.optim"):
        return
    import torch  # a second of every command that sends a request otherwise

    for module in (torch.optim, torch.optim.lr_scheduler):
        part = vars(module).get(name)
        bases = (torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler)
        if inspect.isclass(part) and issubclass(part, bases) and part.__module__ == where:
            _classes[source, ""] = _make_class(source, None, part)


def load_part(source: str, code: Code | None) -> None:
    """Import the part of a record. From now on it is loaded in this process.

    Args:
        code: its files; None: an installed package has it.

    Raises:
        ConfigError: it cannot be imported, or is not there.
    """
    key = (source, code.digest if code else "")
    if key in _classes:
        return
    where, _, name = source.partition(":")
    if code is not None:
        module = codes.load_module(code)
    else:
        try:
            module = importlib.import_module(where)
        except ImportError as error:
            raise ConfigError(f"{source} cannot be imported: {error}.") from error
    part = _look_up(vars(module), name)
    if not callable(part):
        raise ConfigError(f"{where} has no {name}, which the record names.")
    _classes[key] = _make_class(source, code, part)


def send_parts(experiment: Any) -> list[dict[str, Any]]:
    """The parts of a configuration with their files, as JSON types."""
    return [
        {"source": each.source, "code": each.own_code and codes.as_json(each.own_code)}
        for each in custom_parts(experiment)
        if each.is_loaded
    ]


def receive_parts(sent: Iterable[Mapping[str, Any]]) -> None:
    """Load what `send_parts` gave in another process of the same person.

    Raises:
        ConfigError: the code cannot be imported here.
    """
    for values in sent:
        code = codes.from_json(values["code"]) if values["code"] else None
        if code is not None:
            codes.allow(code)
        load_part(values["source"], code)


def check_trust(custom: Custom, folder: Path | None, *, allowed: bool, where: str) -> Code | None:
    """Refuse the code of a record, unless this process may run it. Runs nothing.

    Args:
        folder: where its files lie; None: nowhere.
        allowed: whether a person said that this code may run.
        where: where a person reads the files, for the message.

    Returns:
        Its files; None where an installed package has it.

    Raises:
        UntrustedCodeError: nobody has allowed it; the files are named.
        ModelFileError: its files are missing or changed.
    """
    if not custom.code:
        if not allowed and (custom.source, "") not in _classes:
            raise UntrustedCodeError(_refusal(custom, [custom.source.partition(":")[0]], where))
        return None
    if folder is None or not folder.is_dir():
        raise ModelFileError(f"The code of {custom.source} is missing in {where}.")
    code = codes.read(folder, custom.source, custom.code)
    if allowed:
        codes.allow(code)
    if not codes.is_allowed(code):
        raise UntrustedCodeError(_refusal(custom, list(code.sha256), where))
    return code


def trust(custom: Custom, folder: Path | None, *, allowed: bool, where: str) -> Custom:
    """`check_trust`, then import the part: the same configuration, loaded.

    Raises:
        UntrustedCodeError, ModelFileError: as `check_trust`.
        ConfigError: the code cannot be imported here, or an argument breaks its type.
    """
    load_part(custom.source, check_trust(custom, folder, allowed=allowed, where=where))
    values = {"kind": "custom", "source": custom.source, "code": custom.code}
    return from_record(values | custom.arguments)


def _refusal(custom: Custom, files: list[str], where: str) -> str:
    return (
        f"{custom.source} is code of a person's own, and running it can do anything that you can. "
        f"Nobody has allowed it here. Read {', '.join(files)} in {where}, then say --trust-code "
        "(in Python: trust_code=True)."
    )


_classes: dict[tuple[str, str], type[Custom]] = {}
"""Source and version of the code to the class of its configurations, of all parts loaded here."""


def _rebuild(
    source: str, digest: str, code: Code | None, loaded: bool, arguments: dict[str, Any]
) -> Custom:
    """From a pickle, which another process of the same person made."""
    if loaded:
        if code is not None:
            codes.allow(code)
        load_part(source, code)
    return from_record({"kind": "custom", "source": source, "code": digest, **arguments})


def _class_of(part: Part) -> type[Custom]:
    source, code = _locate(part)
    key = (source, code.digest if code else "")
    if code is not None:
        codes.allow(code)
    if key not in _classes:
        _classes[key] = _make_class(source, code, part)
    return _classes[key]


def _locate(part: Part) -> tuple[str, Code | None]:
    """Where a part is: `own.py:MyNet` with its files, or `package.module:MyNet` of a package."""
    name = getattr(part, "__qualname__", None)
    if not callable(part) or name is None or isinstance(part, functools.partial):
        raise ConfigError(f"Custom takes a class or a function, got {part!r}.")
    file = _file_of(part)
    if "<" in name or file is None or not file.is_file():
        raise ConfigError(
            f"{name} must be a class or function at the top level of a Python file, so that other "
            "processes can import it, and it is not. Put it into a file and import it from there."
        )
    if codes.is_installed(file) or part.__module__.startswith("nets."):
        return f"{part.__module__}:{name}", None
    if _look_up(_globals_of(part), name) is not part:
        raise ConfigError(
            f"{file.name} has no {name} that is this part: something else has its name. Give the part "
            "a name of its own at the top level of the file."
        )
    code = codes.collect(file, codes.import_root(file))
    return f"{code.entry}:{name}", code


def _functions(part: Part) -> list[Any]:
    """The functions that a part is made of, unwrapped."""
    if not inspect.isclass(part):
        return [inspect.unwrap(part)]
    own = [inspect.unwrap(f) for f in vars(part).values() if inspect.isfunction(f)]
    return [f for f in own if f.__module__ == part.__module__]


def _file_of(part: Part) -> Path | None:
    module = sys.modules.get(part.__module__)
    if file := getattr(module, "__file__", None):
        return Path(file).resolve()
    # A file that `load_experiment` ran is no module.
    files = [Path(f.__code__.co_filename) for f in _functions(part) if hasattr(f, "__code__")]
    return files[0].resolve() if files else None


def _globals_of(part: Part) -> Mapping[str, Any]:
    if part.__module__ in sys.modules:
        return vars(sys.modules[part.__module__])
    return typing.cast("Mapping[str, Any]", _functions(part)[0].__globals__)


def _look_up(names: Mapping[str, Any], qualname: str) -> Any:
    first, *rest = qualname.split(".")
    return functools.reduce(lambda at, name: getattr(at, name, None), rest, names.get(first))


def _make_class(source: str, code: Code | None, part: Part) -> type[Custom]:
    namespace: dict[str, Any] = {"_part": staticmethod(part), "_code": code}
    annotations: dict[str, Any] = {}
    for name, argument in read_arguments(part).items():
        if name in _RESERVED or name.startswith("_") or hasattr(Custom, name):
            raise ConfigError(
                f"an argument of {part.__qualname__} is called {name!r}, a name that settings of "
                "own parts have already. Call it something else."
            )
        annotations[name] = argument.annotation
        namespace[name] = _field(argument)
    digest = code.digest if code else ""
    return _finish(part.__qualname__, source, digest, annotations, namespace)


def _unloaded(source: str, digest: str, names: tuple[str, ...]) -> type[Custom]:
    annotations = {name: Any for name in names if name not in _RESERVED}
    return _finish(source, source, digest, annotations, {})


def _finish(
    name: str, source: str, digest: str, annotations: dict[str, Any], namespace: dict[str, Any]
) -> type[Custom]:
    own = {"kind": Literal["custom"], "source": Literal[source], "code": Literal[digest]}
    fields = {
        "kind": pydantic.Field(default="custom"),
        "source": pydantic.Field(
            default=source, description="The file or module of the part, and its name there."
        ),
        "code": pydantic.Field(
            default=digest, description="Version of its code: a digest of the files it needs."
        ),
    }
    made = _MadeFromPart(
        name,
        (Custom,),
        {
            "__annotations__": own | annotations,
            "__module__": __name__,
            "__doc__": f"The settings of {source}.",
            **fields,
            **namespace,
        },
    )
    return config(typing.cast("type[Custom]", made))


def _field(argument: Argument) -> Any:
    default = argument.default
    if default is inspect.Parameter.empty:
        return pydantic.Field(description=argument.meaning)
    if isinstance(default, list | dict | set):
        return pydantic.Field(
            default_factory=lambda: copy.copy(default), description=argument.meaning
        )
    return pydantic.Field(default=default, description=argument.meaning)
