# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""The work of moecal's own kernels in PyTorch's operators: functions of tensors, which torch.compile takes too."""
from __future__ import annotations

from observed import Unavailable
from operands import Operands, check_no_capacity

BLOCK = 128  # neighbours that share a scale


class Kernels:
    """<operation>(observation): a function and the tensors that it is called with. What the function holds beside them is
    of the point alone, not of a set of operands."""

    def __init__(self, torch, operands: Operands):
        self.torch, self.operands = torch, operands

    def to_fp8(self, values, word: str, by_tensor: bool):
        """Quantized values and their scales: amax over the largest FP8 value."""
        dtype = self.operands.dtype(word)
        largest = self.torch.finfo(dtype).max
        if by_tensor:
            scale = values.abs().amax().float() / largest
            return (values.float() / scale).to(dtype), scale
        blocks = values.view(values.shape[0], -1, BLOCK)
        scales = blocks.abs().amax(dim=2, keepdim=True).float() / largest
        return (blocks.float() / scales).to(dtype), scales

    def with_cast(self, o: dict, function):
        """The function, and the cast after it where moecal's kernel has one: a peer needs both."""
        d, columns = o["dtypes"], o["point"].get("inner") or o["point"]["hidden"]
        if d["c"] == d["a"]:
            return function
        self.check_blocks(columns)
        return lambda *tensors: self.to_fp8(function(*tensors), d["c"], False)

    def check_blocks(self, columns: int) -> None:
        """@throws Unavailable"""
        if columns % BLOCK:
            raise Unavailable(f"rows of {columns} have no whole blocks of {BLOCK}")

    def quantize(self, o: dict):
        p, d = o["point"], o["dtypes"]
        by_tensor = d["scale_mode"] == "tensor"
        if not by_tensor:
            self.check_blocks(p["hidden"])
        values = self.operands.uniform((p["tokens"], p["hidden"]), d["a"])
        return (lambda values: self.to_fp8(values, d["c"], by_tensor)), (values,)

    def permute(self, o: dict):
        p, d = o["point"], o["dtypes"]
        order, _ = self.operands.routing(o)
        tokens = self.operands.uniform((p["tokens"], p["hidden"]), d["a"])
        if d["a"].startswith("fp8"):
            tokens = tokens.view(self.torch.uint8)
        return self.with_cast(o, lambda tokens, token_of: tokens.index_select(0, token_of)), (tokens, order // p["top_k"])

    def unpermute(self, o: dict):
        p = o["point"]

        def combine(rows, row_of, weights):
            chosen = rows.index_select(0, row_of).view(p["tokens"], p["top_k"], -1)
            return (weights @ chosen).view(p["tokens"], -1)

        rows, row_of, weights = self.unpermuted(o)
        return combine, (rows, row_of, weights.to(rows.dtype).unsqueeze(1))

    def unpermuted(self, o: dict):
        """Rows, the row of each choice, and its weight [tokens, top_k]."""
        p = o["point"]
        _, row_of = self.operands.routing(o)
        rows = self.operands.uniform((row_of.numel(), p["hidden"]), o["dtypes"]["a"])
        return rows, row_of, self.torch.rand((p["tokens"], p["top_k"]), device=rows.device)

    def swiglu(self, o: dict):
        p = o["point"]
        gate_up = self.operands.uniform((p["tokens"], 2 * p["inner"]), o["dtypes"]["a"])
        return self.with_cast(o, self.activated), (gate_up,)

    def activated(self, gate_up):
        gate, up = gate_up.chunk(2, dim=1)
        return self.torch.nn.functional.silu(gate) * up

    def topk_gate(self, o: dict):
        """Weights, counts, offsets and the row of every choice, as topk_gate's. No step waits for the host."""
        check_no_capacity(o)
        torch, p = self.torch, o["point"]
        logits = self.operands.uniform((p["tokens"], p["experts"]), o["dtypes"]["a"])
        scores_of = torch.sigmoid if o["implementation"].endswith("_sigmoid") else lambda x: torch.softmax(x, 1)

        def gate(logits, ones, rows):
            weights, experts = scores_of(logits.float()).topk(p["top_k"], dim=1)
            weights = weights / weights.sum(dim=1, keepdim=True)
            flat = experts.flatten()
            counts = torch.zeros(p["experts"], dtype=torch.int64, device=logits.device).scatter_add_(0, flat, ones)
            order = flat.argsort(stable=True)
            return weights, experts, counts, counts.cumsum(0), torch.empty_like(order).scatter_(0, order, rows)

        choices = p["tokens"] * p["top_k"]
        ones = torch.ones(choices, dtype=torch.int64, device=logits.device)
        return gate, (logits, ones, torch.arange(choices, device=logits.device))


class FusibleKernels(Kernels):
    """The same work as a compiler can fuse it: a product of matrices stays a kernel of its own, a sum does not."""

    def unpermute(self, o: dict):
        p = o["point"]

        def combine(rows, row_of, weights):
            chosen = rows.index_select(0, row_of).view(p["tokens"], p["top_k"], -1)
            return (chosen.float() * weights.unsqueeze(2)).sum(dim=1).to(rows.dtype)

        return combine, self.unpermuted(o)

    def activated(self, gate_up):
        """In FP32, rounded once, as moecal's: a fused kernel computes so at no cost."""
        gate, up = gate_up.chunk(2, dim=1)
        return (self.torch.nn.functional.silu(gate.float()) * up.float()).to(gate_up.dtype)
