"""Counts which branches compiled code takes: kernels are rewritten before they are compiled.

No tracer of Python sees what Numba compiles. So `count_branches`, called before a reader is imported, changes how the
modules of `bitstream` are loaded: each condition of a kernel (of ``if``, ``while``, ``x if c else y``, and each operand
of ``and`` and ``or``) and each ``for`` adds one to a counter of its own for either way that it goes; of a ``for`` these
are a round, and its end. Such code is not kept on disk.
"""

import ast
import importlib
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_ROOM = "lossy_lightning.bitstream"
_DECORATORS = {"entry", "kernel", "inlined"}
_MOST = 2**12

COUNTS = np.zeros((_MOST, 2), np.uint32)
"""How often each branch was taken, by its number: not, and taken."""
PLACES: list[tuple[str, str, int]] = []
"""File, function and line of each branch."""


def _seen(typing_context, number, condition):

    def build(context, builder, signature, arguments):
        taken = context.is_true(builder, signature.args[1], arguments[1])
        numbers, way = ir.IntType(64), builder.zext(taken, ir.IntType(64))
        numbers, way = ir.IntType(64), builder.zext(taken, ir.IntType(64))
        slot = builder.add(builder.mul(arguments[0], numbers(8)), builder.mul(way, numbers(4)))
        address = builder.add(slot, numbers(COUNTS.ctypes.data))
        place = builder.inttoptr(address, ir.IntType(32).as_pointer())
        builder.store(builder.add(builder.load(place), ir.IntType(32)(1)), place)
        return taken

    return types.boolean(types.int64, condition), build


#: Count a condition under its number, and pass its truth on.
seen = intrinsic(_seen)


class _Rewriter(ast.NodeTransformer):
    """Puts ``__seen(number, condition)`` in place of each condition of a function."""

    def __init__(self, module: str, function: str) -> None:
        self.module, self.function = module, function

    def visit_If(self, node: ast.If) -> ast.AST:
        return self._conditional(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._conditional(node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._conditional(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        node.values = [self._counted(value) for value in node.values]
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        number = self._number(node)
        node.body.insert(0, ast.Expr(_call(number, ast.Constant(True))))
        node.orelse.insert(0, ast.Expr(_call(number, ast.Constant(False))))
        return node

    def _conditional(self, node: ast.If | ast.While | ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.test, ast.Constant):
            node.test = self._counted(node.test)
        return node

    def _counted(self, condition: ast.expr) -> ast.expr:
        if isinstance(condition, ast.BoolOp):  # its operands count themselves
            return condition
        return _call(self._number(condition), condition)

    def _number(self, node: ast.stmt | ast.expr) -> int:
        PLACES.append((self.module, self.function, node.lineno))
        return len(PLACES) - 1


def _call(number: int, condition: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("__seen", ast.Load()), [ast.Constant(number), condition], [])


class _Loader(SourceFileLoader):
    """Loads a module from its source, rewritten."""

    def get_code(self, fullname: str) -> object:
        tree, name = ast.parse(self.get_data(self.path), self.path), fullname.removeprefix(f"{_ROOM}.")
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(each, ast.Name) and each.id in _DECORATORS for each in node.decorator_list
            ):
                _Rewriter(name, node.name).visit(node)
        first = next(i for i, node in enumerate(tree.body) if not isinstance(node, ast.Expr))
        tree.body.insert(first, ast.ImportFrom(__name__, [ast.alias("seen", "__seen")], 0))
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class _Finder(MetaPathFinder):
    """Finds the modules of `bitstream` whose code is rewritten."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{_ROOM}."):
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is not None and spec.origin is not None and Path(spec.origin).name != "__init__.py":
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def count_branches() -> None:
    """Rewrite the kernels of all readers that are imported from now on."""
    compiling = importlib.import_module(f"{_ROOM}.compile")
    compiling.entry = njit(nogil=True, error_model="numpy")
    sys.meta_path.insert(0, _Finder())


def chosen(names: tuple[str, ...]) -> np.ndarray:
    """Numbers of the branches in modules of these names."""
    return np.array([i for i, (name, _, _) in enumerate(PLACES) if name.startswith(names)], int)


def coverage(taken: np.ndarray, names: tuple[str, ...]) -> str:
    """How many branches of each module were taken either way, all together, and lines of those that were not.

    Args:
        taken: Whether each branch was ever taken, ``(branches, 2)``, bool.
        names: What the names of modules begin with.
    """
    numbers, lines = chosen(names), []
    for name in sorted({PLACES[i][0] for i in numbers}):
        own = [i for i in numbers if PLACES[i][0] == name]
        missed = [f"{PLACES[i][2]}{'-+'[way]}" for i in own for way in (0, 1) if not taken[i, way]]
        lines.append(f"{name}: {taken[own].sum()} of {2 * len(own)}; not {' '.join(missed) or 'one is left'}")
    return "\n".join([*lines, f"{100 * taken[numbers].mean():.1f} % of {2 * len(numbers)} branches"])
