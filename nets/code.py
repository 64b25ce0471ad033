"""The Python files of a person's own part: found, hashed, and loaded again in another process.

A part is a class or function in a file. Its code is that file and what the file imports beside it. Code
that came with a run or a model is loaded only where a person allowed it (`trust`).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import site
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from nets.errors import ConfigError, ModelFileError

FOLDER = "code"
"""Where the files lie in a run and beside a saved net."""

_OURS = ("nets", "tracking", "workbench")
"""Packages that are installed wherever a part runs, also where they lie beside a person's file."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """The files of a part, by path below the folder that imports start from."""

    entry: str
    """Path of the file that defines the part."""
    files: Mapping[str, bytes]
    """Path to content, the entry among them."""

    def __post_init__(self) -> None:
        outside = [p for p in self.files if PurePosixPath(p).is_absolute() or ".." in p.split("/")]
        if outside:
            raise ConfigError(f"code lies below one folder, got a file {outside[0]!r}.")

    @property
    def sha256(self) -> dict[str, str]:
        """Path to the SHA-256 of the content, in hex."""
        return {path: hashlib.sha256(self.files[path]).hexdigest() for path in sorted(self.files)}

    @property
    def digest(self) -> str:
        """12 hex digits of all files: the name of this version of the code."""
        lines = "".join(f"{path} {digest}\n" for path, digest in self.sha256.items())
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


def collect(file: Path, root: Path) -> Code:
    """A file, and what it imports of files below `root`, at any depth of functions and files.

    Imports by a text, such as `importlib.import_module(name)`, are not seen.
    """
    files: dict[str, bytes] = {}
    waiting = [file.resolve()]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root).as_posix()
        if name not in files:
            files[name] = path.read_bytes()
            waiting += _imports(path, files[name], root)
    return Code(entry=file.resolve().relative_to(root).as_posix(), files=files)


def _imports(path: Path, content: bytes, root: Path) -> Iterator[Path]:
    """The files below `root` that a file imports, with the packages they are in."""
    for node in ast.walk(ast.parse(content, str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _find(root, alias.name)
        elif isinstance(node, ast.ImportFrom):
            folder = root
            if node.level:
                folder = path.parents[node.level - 1]
            module = node.module or ""
            if module or folder != root:
                for alias in node.names:
                    name = f"{module}.{alias.name}".strip(".")
                    yield from _find(folder, name, top=root)


def _find(folder: Path, name: str, top: Path | None = None) -> Iterator[Path]:
    """The files of a dotted name: `a.b` is a/__init__.py and a/b.py, as far as they are there."""
    for package in (folder, *folder.parents):  # relative imports run the packages around them
        if top is None or package == top or not package.is_relative_to(top):
            break
        if (package / "__init__.py").is_file():
            yield package / "__init__.py"
    here = folder
    if top is None and name.partition(".")[0] in _OURS:
        return
    for part in name.split("."):
        if (here / f"{part}.py").is_file():
            yield here / f"{part}.py"
            return
        here = here / part
        if not here.is_dir():
            return
        if (here / "__init__.py").is_file():
            yield here / "__init__.py"


def is_installed(file: Path) -> bool:
    """Whether a file belongs to an installed package or to Python itself: it does not travel."""
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    folders += [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return any(file.is_relative_to(Path(folder).resolve()) for folder in folders)


def import_root(file: Path) -> Path:
    """The folder that imports of a file start from: above the packages around it."""
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def forget_others(folder: Path) -> None:
    """Forget imported modules that files in `folder` would import by name, but that lie elsewhere.

    Two experiments may each have a layers.py beside them: the second one must not get the first one's.
    Modules of installed packages and of Python stay.
    """
    folder = folder.resolve()
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        file = getattr(module, "__file__", None)
        if file is None or top in _OURS:
            continue
        if not (folder / f"{top}.py").is_file() and not (folder / top).is_dir():
            continue
        where = Path(file).resolve()
        if not where.is_relative_to(folder) and not is_installed(where):
            del sys.modules[name]


_lock = threading.RLock()
_loaded: dict[str, tuple[Code, ModuleType]] = {}
"""Digest to code that this process has loaded from its files."""
_own: dict[str, Code] = {}
"""Digest to code of parts that the person's own program made, and of code that was allowed."""
_folder: list[tempfile.TemporaryDirectory[str]] = []


def allow(code: Code) -> None:
    """From now on this process may run this code: its person wrote it, or trusts it."""
    _own[code.digest] = code


def is_allowed(code: Code) -> bool:
    """Whether exactly this code may run here, file by file."""
    own = _own.get(code.digest)
    return own is not None and dict(own.files) == dict(code.files)


def load_module(code: Code) -> ModuleType:
    """The entry's module, run from these files; once per process and version.

    Raises:
        ConfigError: the file cannot be imported; its error is named.
    """
    assert is_allowed(code), "code of others is refused before"
    with _lock:
        if code.digest not in _loaded:
            _loaded[code.digest] = code, _run(code, _write(code))
        return _loaded[code.digest][1]


def _write(code: Code) -> Path:
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory(prefix="workbench-code-"))
    folder = Path(_folder[0].name) / code.digest
    for path, content in code.files.items():
        target = folder / PurePosixPath(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def _run(code: Code, folder: Path) -> ModuleType:
    parts = PurePosixPath(code.entry).with_suffix("").parts
    in_package = len(parts) > 1
    name = ".".join(parts) if in_package else f"workbench_code_{code.digest}_{parts[0]}"
    with _apart(code, folder):
        try:
            if in_package:
                return importlib.import_module(name)
            spec = importlib.util.spec_from_file_location(name, folder / code.entry)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module  # dataclasses and type hints look there
            spec.loader.exec_module(module)
            return module
        except (Exception, SystemExit) as error:
            sys.modules.pop(name, None)
            raise ConfigError(
                f"{code.entry} cannot be imported here: {type(error).__name__}: {error}. What it "
                "imports must be installed, or lie beside it."
            ) from error


@contextmanager
def _apart(code: Code, folder: Path) -> Iterator[None]:
    """Import from `folder`, whatever other versions of these files are imported already."""
    tops = {PurePosixPath(path).parts[0].removesuffix(".py") for path in code.files}
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in tops}
    for name in before:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.update(before)


def read(folder: Path, source: str, digest: str) -> Code:
    """The code of a part from the files that were recorded of it. Runs nothing.

    Args:
        folder: where the files lie, as `FOLDER` of a run.
        source: the part, as `own.py:MyNet`.
        digest: what its record says of all files.

    Raises:
        ModelFileError: files are missing, or are not those of the record.
    """
    entry = source.partition(":")[0]
    try:
        code = collect(folder / entry, folder.resolve())
    except (OSError, ValueError, SyntaxError) as error:
        raise ModelFileError(
            f"the code of {source} cannot be read in {folder}: {type(error).__name__}: {error}."
        ) from error
    if code.digest != digest:
        raise ModelFileError(
            f"the files in {folder} are not those that {source} was recorded with: their digest is "
            f"{code.digest}, the record has {digest}. Somebody changed them."
        )
    return code


def as_json(code: Code) -> dict[str, Any]:
    """As JSON types, for a request to another process of the same person."""
    return {"entry": code.entry, "files": {p: c.decode() for p, c in code.files.items()}}


def from_json(values: Mapping[str, Any]) -> Code:
    """The inverse of `as_json`."""
    files = {path: text.encode() for path, text in values["files"].items()}
    return Code(entry=values["entry"], files=files)
