"""Which modules of the package import which, read from their text: lazy imports count, too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import skipcast

ROOT = Path(skipcast.__file__).parent
TOP = "skipcast"


def path_of(module: str) -> Path | None:
    """Return the file of a module such as `skipcast.search.spec`, or None if there is none."""
    path = ROOT.parent.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each module of ours that a piece of code imports, and the name that it gets there."""
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == TOP:
                    yield alias.name, alias.asname or TOP
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == TOP:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found = submodule if path_of(submodule) else str(node.module)
                yield found, alias.asname or alias.name


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those that are there for type checkers alone."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from _nodes(child)


def used_by(module: str, function: str) -> set[str]:
    """Return the modules that a function of a module imports, itself or by the names that it uses.

    Names are those of its module's imports and of the functions and constants beside it.
    """
    path = path_of(module)
    assert path is not None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target, name in imports(ast.Module([node], [])):
                imported.setdefault(name, set()).add(target)
    beside = {name: node for node in tree.body for name in _defined(node)}
    seen: set[str] = set()
    used: set[str] = set()
    pending = [function]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        used |= imported.get(name, set())
        if name in beside:
            node = beside[name]
            used |= {target for target, _ in imports(node)}
            pending += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return used


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def closure(modules: set[str], *, cut: frozenset[tuple[str, str]] = frozenset()) -> set[str]:
    """Return `modules` and all that they import, directly or not.

    Args:
        modules: where to start.
        cut: pairs of a module and the beginning of what it imports: arrows that do not count.
    """
    seen: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        path = path_of(module)
        if module in seen or path is None:
            continue
        seen.add(module)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        pending += [
            target
            for target, _ in imports(tree)
            if not any(module == source and target.startswith(to) for source, to in cut)
        ]
    return seen


def places(modules: set[str]) -> set[str]:
    """Return the folders and root modules in which modules are, as paths from the project's root.

    >>> sorted(places({"skipcast.files", "skipcast.search.spec", "skipcast.features.groups.track"}))
    ['src/skipcast/features', 'src/skipcast/files.py', 'src/skipcast/search']
    """
    parts = [module.split(".") for module in modules if "." in module]
    return {
        f"src/{TOP}/{p[1]}" + ("" if len(p) > 2 or (ROOT / p[1]).is_dir() else ".py") for p in parts
    }
