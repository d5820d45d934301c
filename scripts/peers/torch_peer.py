# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch at the work of an observation: its operators one by one, and compiled into kernels of its own."""
from __future__ import annotations

from operands import Operands
from torch_kernels import FusibleKernels, Kernels
from torch_products import Products

STREAM_FACTOR = 0.75


class Streams:
    """<operation>(observation): a function and the tensors that it is called with."""

    def __init__(self, torch, operands: Operands):
        self.torch, self.operands = torch, operands

    def memory_copy(self, o: dict):
        source = self.torch.randint(0, 255, (o["point"]["bytes"],), dtype=self.torch.uint8, device=self.operands.device)
        return (lambda target, source: target.copy_(source)), (self.torch.empty_like(source), source)

    def memory_stream(self, o: dict):
        p = o["point"]
        first, second, target = (self.operands.uniform((p["bytes"] // 4,), "f32") for _ in range(3))
        if (p["reads"], p["writes"]) == (1, 0):
            return self.torch.sum, (first,)
        if (p["reads"], p["writes"]) == (0, 1):
            return (lambda target: target.fill_(STREAM_FACTOR)), (target,)
        return (lambda a, b, out: self.torch.add(a, b, alpha=STREAM_FACTOR, out=out)), (first, second, target)


class Torch:
    """make(observation): a call that does its work, for operations that it does."""

    names_gaps = True  # operations that it does not do are worth a word

    def __init__(self, torch, device: str):
        operands = Operands(torch, device)
        self.parts = [part(torch, operands) for part in (Streams, Products, Kernels)]
        self.name = f"PyTorch {torch.__version__}"

    def does(self, operation: str) -> bool:
        return any(hasattr(part, operation) for part in self.parts)

    def program(self, o: dict):
        part = next(part for part in self.parts if hasattr(part, o["operation"]))
        return getattr(part, o["operation"])(o)

    def make(self, o: dict):
        function, tensors = self.program(o)
        return lambda: function(*tensors)


class Compiled(Torch):
    """torch.compile's kernels for exactly a point's shapes; all sets of a point share them.
    The constructor raises what torch.compile does where it cannot work."""

    names_gaps = False

    def __init__(self, torch, device: str):
        super().__init__(torch, device)
        self.torch = torch
        self.parts = [FusibleKernels(torch, Operands(torch, device))]
        self.name += ", torch.compile"
        self.of, self.function = None, None
        self.compile(lambda values: values + 1)(torch.ones(8, device=device))

    def make(self, o: dict):
        """Compiles at the first set of a point, and runs each set once: nothing of that is timed."""
        function, tensors = self.program(o)
        if self.of is not o:
            self.function, self.of = self.compile(function), o
        function = self.function
        function(*tensors)
        return lambda: function(*tensors)

    def compile(self, function):
        """Without what other points left: it would count towards the limit of compilations of one text."""
        self.torch.compiler.reset()
        return self.torch.compile(function, fullgraph=True, dynamic=False)
