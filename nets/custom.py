"""`Custom`: a person's own net, loss or metric as a configuration.

`Custom(MyNet, width=96)` is a configuration like those that ship: its fields are the arguments of the
part, with the types, defaults and help of the part's signature and docstring.
"""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic

from nets import code as codes
from nets.code import Code
from nets.config import config, unknown
from nets.errors import ConfigError, ModelFileError, UntrustedCodeError

_RESERVED = ("kind", "source", "code")
_GIVEN = 2
"""Arguments that the workbench gives: a net's spec and num_outputs, a function's outputs and targets."""

Part = Callable[..., Any]
"""A class or a function."""


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
                raise ConfigError(_describe_unknown(args[0], name, names))
        _check_given(args[0], arguments)
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


def from_record(values: Mapping[str, Any]) -> Custom:
    """The part of a record, checked as far as it is loaded in this process. Imports nothing.

    Raises:
        pydantic.ValidationError: an argument breaks its type.
    """
    source, digest = str(values.get("source", "")), str(values.get("code") or "")
    made = _classes.get((source, digest)) or _unloaded(source, digest, tuple(values))
    return pydantic.TypeAdapter(made).validate_python(dict(values))


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
    if codes.is_installed(file):
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


def _check_given(part: Part, arguments: Mapping[str, Any]) -> None:
    """Refuse a function that does not take what the workbench gives, before it seems to lack a setting."""
    if inspect.isclass(part) or given_to(part):
        return
    missing = [
        p.name for p in settings_of(part) if p.default is p.empty and p.name not in arguments
    ]
    if missing:
        raise ConfigError(
            f"a function of your own takes what the workbench gives in its first two arguments (a net "
            f"`spec, num_outputs`, a loss `outputs, targets`), and its settings by name. "
            f"{part.__qualname__} takes {inspect.signature(part)}."
        )


def _describe_unknown(part: Part, name: str, names: list[str]) -> str:
    for parameter in settings_of(part):
        if parameter.name == name:
            hint = _hints(_function_of(part)).get(name, Any)
            return str(_find_problem(part, parameter, hint))
    return unknown(f"argument of {part.__qualname__}", name, names)


def _function_of(part: Part) -> Any:
    return part.__init__ if inspect.isclass(part) else part


def _look_up(names: Mapping[str, Any], qualname: str) -> Any:
    first, *rest = qualname.split(".")
    return functools.reduce(lambda at, name: getattr(at, name, None), rest, names.get(first))


@dataclass(frozen=True, kw_only=True)
class _Argument:
    annotation: Any
    default: Any
    meaning: str


def _make_class(source: str, code: Code | None, part: Part) -> type[Custom]:
    namespace: dict[str, Any] = {"_part": staticmethod(part), "_code": code}
    annotations: dict[str, Any] = {}
    for name, argument in _arguments(part).items():
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


def _field(argument: _Argument) -> Any:
    default = argument.default
    if default is inspect.Parameter.empty:
        return pydantic.Field(description=argument.meaning)
    if isinstance(default, list | dict | set):
        return pydantic.Field(
            default_factory=lambda: copy.copy(default), description=argument.meaning
        )
    return pydantic.Field(default=default, description=argument.meaning)


def _arguments(part: Part) -> dict[str, _Argument]:
    """The arguments that are settings: all but those the workbench gives."""
    hints = _hints(_function_of(part))
    meanings = _meanings(part)
    arguments: dict[str, _Argument] = {}
    for parameter in settings_of(part):
        default = parameter.default
        annotation = hints.get(parameter.name, Any)
        if annotation is Any and isinstance(default, bool | int | float | str):
            annotation = type(default)
        elif annotation is Any and isinstance(default, tuple):
            annotation = tuple[Any, ...]
        if problem := _find_problem(part, parameter, annotation):
            if default is parameter.empty:
                raise ConfigError(problem)
            continue  # it keeps its default
        meaning = meanings.get(parameter.name, "")
        arguments[parameter.name] = _Argument(
            annotation=annotation, default=default, meaning=meaning
        )
    return arguments


def given_to(part: Part) -> list[str]:
    """Names of the arguments that the workbench gives: up to two, first and without a default."""
    settings = {parameter.name for parameter in settings_of(part)}
    return [p.name for p in _parameters(part) if p.name not in settings and p.kind in (0, 1)]


def settings_of(part: Part) -> list[inspect.Parameter]:
    """The parameters of a part that are settings."""
    listed = _parameters(part)
    positional = [p for p in listed if p.kind in (0, 1)]
    first = positional[:_GIVEN]
    takes = all(p.default is p.empty for p in first) and len(first) == _GIVEN
    if inspect.isclass(part):  # of classes only a net takes something of the workbench
        takes = takes and "num_outputs" in [p.name for p in first]
    rest = listed[_GIVEN:] if takes else listed
    return [p for p in rest if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _parameters(part: Part) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(part).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{part!r} has no signature that Python can read: {error}.") from error


def _hints(function: Any) -> dict[str, Any]:
    """The types of the arguments, without those that cannot be looked up here."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError):
        pass
    names = getattr(function, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, text in getattr(function, "__annotations__", {}).items():
        single = type("_", (), {"__annotations__": {name: text}})
        try:
            hints |= typing.get_type_hints(single, names, include_extras=True)
        except (NameError, AttributeError, TypeError):
            continue  # of an import for type checkers: checked as any value
    return hints


def _find_problem(part: Part, parameter: inspect.Parameter, annotation: Any) -> str | None:
    """Why an argument cannot be a setting; None where it can."""
    try:
        adapter = pydantic.TypeAdapter(annotation)
        if parameter.default is not parameter.empty:
            json.dumps(adapter.dump_python(parameter.default, mode="json", warnings=False))
    except (pydantic.errors.PydanticUserError, ValueError, TypeError):
        return (
            f"argument {parameter.name} of {part.__qualname__} cannot be a setting, its type is "
            f"{inspect.formatannotation(annotation)}. Settings are numbers, texts, truth values, None "
            "and lists of these: take a name, and choose by it."
        )
    return None


_ARGUMENT = re.compile(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)")


def _meanings(part: Part) -> dict[str, str]:
    """The texts of a section `Args:` in the docstring of the part or of its `__init__`."""
    meanings: dict[str, str] = {}
    documented = [part, part.__init__] if inspect.isclass(part) else [part]
    for each in documented:
        lines = inspect.cleandoc(each.__doc__ or "").splitlines()
        name = None
        inside = False
        for line in lines:
            if not line.startswith((" ", "\t")):
                if line.strip():
                    inside, name = line.strip() in ("Args:", "Arguments:", "Parameters:"), None
            elif inside and (match := _ARGUMENT.fullmatch(line.strip())):
                name = match[1]
                meanings[name] = match[2]
            elif inside and name:
                meanings[name] += f" {line.strip()}"
    return meanings
