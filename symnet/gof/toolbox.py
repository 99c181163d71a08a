"""The names of `theano.gof.toolbox`: what may be attached to a `FunctionGraph`."""

from __future__ import annotations

from typing import Any

from symnet.rewriting.function_graph import FunctionGraph


class Feature:
    """What is told of changes of a graph: a subclass has those of these methods that it
    needs (see `FunctionGraph.attach_feature`)."""

    def on_attach(self, graph: FunctionGraph) -> None:
        """Before anything else."""

    def on_detach(self, graph: FunctionGraph) -> None:
        """When it is removed."""

    def on_import(self, graph: FunctionGraph, node: Any, reason: Any) -> None:
        """An operation has come into the graph."""

    def on_prune(self, graph: FunctionGraph, node: Any, reason: Any) -> None:
        """An operation is in the graph no more."""

    def on_change_input(
        self,
        graph: FunctionGraph,
        node: Any,
        i: int,
        old: Any,
        new: Any,
        reason: Any = None,
    ) -> None:
        """An operation (or "output") uses another variable at one place."""

    def validate(self, graph: FunctionGraph) -> None:
        """Raises what makes `replace_validate` undo its replacement."""


class ReplaceValidate(Feature):
    """Theano's feature that gives graphs `replace_validate`; here they have it anyway."""


class NodeFinder(Feature):
    """Theano's feature that gives graphs `get_nodes`; here they have it anyway."""


class PrintListener(Feature):
    """Prints every change."""

    def __init__(self, active: bool = True) -> None:
        self.active = active

    def on_import(self, graph: FunctionGraph, node: Any, reason: Any) -> None:
        self._print(f"-- importing: {node}")

    def on_prune(self, graph: FunctionGraph, node: Any, reason: Any) -> None:
        self._print(f"-- pruning: {node}")

    def on_change_input(
        self,
        graph: FunctionGraph,
        node: Any,
        i: int,
        old: Any,
        new: Any,
        reason: Any = None,
    ) -> None:
        self._print(f"-- changing ({node}.inputs[{i}]) from {old} to {new}")

    def _print(self, text: str) -> None:
        if self.active:
            print(text)  # noqa: T201


__all__ = ["Feature", "NodeFinder", "PrintListener", "ReplaceValidate"]
