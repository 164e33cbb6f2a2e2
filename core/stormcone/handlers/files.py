"""Loading the user's handler file."""

import importlib
import importlib.util
import sys
import threading
import traceback
from importlib.machinery import SOURCE_SUFFIXES, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from stormcone.errors import HandlerFileError, HandlerMistake
from stormcone.handlers import App
from stormcone.text import one_line

DEFAULT_NAME = "app"

RESERVED = "commands"
"""What the command line calls the handler of its own commands."""

COMMANDS = "stormcone.handlers.commands"


def load_app(spec: str) -> App:
    """The app of `FILE.py` or `FILE.py:NAME`. The file is run as a program would be: its folder is on the path.

    Each call reads the file again, and what it imports from its own folder; where that fails, the modules that were
    there before are as they were.

    Raises:
        HandlerFileError: there is no such file, it fails, or has no `App` of that name.
    """
    path, name = _split(spec)
    if not path.is_file():
        python = path.with_name(f"{path.name}.py")
        hint = f"did you mean {python}{'' if name == DEFAULT_NAME else f':{name}'}?" if python.is_file() else ""
        raise HandlerFileError(f"there is no handler file {path}; {hint or 'give the path of a Python file'}")
    module = _import(path)
    found = getattr(module, name, None)
    if isinstance(found, App):
        _check(found, path)
        return found
    apps = sorted(key for key, value in vars(module).items() if isinstance(value, App))
    if found is not None:
        raise HandlerFileError(
            f"{name} in {path} is of type {type(found).__name__}, not App; write {name} = App([...])"
        )
    hint = f"it has {', '.join(apps)}; say {path}:{apps[0]}" if apps else "write app = App([...]) in it"
    raise HandlerFileError(f"{path} has no App called {name}; {hint}")


def _check(app: App, path: Path) -> None:
    if not app.handlers:
        raise HandlerFileError(f"the app in {path} has no handlers, so nothing would be done; write App([...])")
    if any(handler.label == RESERVED and handler.origin().__module__ != COMMANDS for handler in app.handlers):
        raise HandlerFileError(
            f"a handler in {path} is called {RESERVED!r}, which is what commands of the command line are called; "
            "set another `name` on it"
        )


def _split(spec: str) -> tuple[Path, str]:
    path, separator, name = spec.rpartition(":")
    if separator and name.isidentifier():
        return Path(path), name
    return Path(spec), DEFAULT_NAME


class _Fresh(SourceFileLoader):
    """Reads the file itself, never what was kept of it: that counts as the same for the rest of a second."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile it."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


_beside: dict[Path, set[str]] = {}
"""The modules that each handler file has imported from its own folder, which are read again with it."""


def _import(path: Path) -> ModuleType:
    name = f"stormcone_handlers_{path.stem}"
    if path.suffix not in SOURCE_SUFFIXES:
        raise HandlerFileError(f"{path} is not a Python file; its name must end in .py")
    loader = _Fresh(name, str(path))
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    module.__file__ = str(path)
    folder = path.resolve().parent
    before = {each: sys.modules.pop(each) for each in (name, *_beside.get(path, ())) if each in sys.modules}
    others = set(sys.modules)
    sys.modules[name] = module
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        loader.exec_module(module)
    except BaseException as error:
        for each in set(sys.modules) - others:
            if each == name or _stands_in(folder, each):
                del sys.modules[each]
        sys.modules.update(before)
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        if isinstance(error, HandlerMistake):
            raise HandlerFileError(f"{error}{'' if error.placed else _where(error, path, f'{path}, ')}") from error
        raise HandlerFileError(f"{path} cannot be imported: {one_line(error)}{_where(error, path)}") from error
    _beside[path] = {each for each in set(sys.modules) - others - {name} if _stands_in(folder, each)}
    return module


def _stands_in(folder: Path, name: str) -> bool:
    """Whether a module was found in that folder, as a file or in a package."""
    file = getattr(sys.modules[name], "__file__", None)
    if file is None:
        return False
    found, top = Path(file).resolve(), folder / name.partition(".")[0]
    return found == top.with_suffix(".py") or top in found.parents


def _where(error: BaseException, path: Path, file: str = "") -> str:
    """The last line of the file that the error passed through."""
    if isinstance(error, SyntaxError):
        return ""  # its text has the line
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return f" ({file}line {lines[-1]})" if lines else ""
