# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What peers are given: tensors of a point's shapes and types, and routing draws of its distribution."""
from __future__ import annotations

from observed import Unavailable, capacity_factor

NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2",
         "int8": "int8", "int32": "int32", "uint8": "uint8"}


def check_no_capacity(o: dict) -> None:
    """@throws Unavailable"""
    if capacity_factor(o):
        raise Unavailable("a capacity drops rows, which no operator of the peer does")


class Operands:
    """Tensors on one device: uniform data, and a routing draw for every set."""

    def __init__(self, torch, device: str):
        self.torch, self.device = torch, torch.device(device)

    def dtype(self, word: str):
        if not hasattr(self.torch, NAMES.get(word, "?")):
            raise Unavailable(f"PyTorch has no type {word}")
        return getattr(self.torch, NAMES[word])

    def uniform(self, shape: tuple, word: str):
        values = self.torch.rand(shape, device=self.device) * 2 - 1
        return (values * 127).to(self.dtype(word)) if word == "int8" else values.to(self.dtype(word))

    def loads(self, o: dict, experts: int):
        """How probable each expert is, as moecal's draws have it. @throws Unavailable for a distribution not made here, and
        for a capacity."""
        check_no_capacity(o)
        routing = o.get("routing", {})
        distribution = routing.get("distribution", "uniform")
        if distribution == "uniform":
            return self.torch.ones(experts, device=self.device)
        if distribution != "power_law":
            raise Unavailable(f"only uniform and power_law routing draws are made here, not {distribution}")
        places = self.torch.randperm(experts, device=self.device) + 1
        return places.float() ** -routing["exponent"]

    def choices(self, o: dict):
        """Experts of every token [tokens, top_k], different ones."""
        p = o["point"]
        loads = self.loads(o, p["experts"])
        return self.torch.multinomial(loads.expand(p["tokens"], -1), p["top_k"])

    def routing(self, o: dict):
        """(choice of each row, row of each choice), rows sorted by expert, then token."""
        order = self.choices(o).flatten().argsort(stable=True)
        row_of = self.torch.empty_like(order)
        row_of[order] = self.torch.arange(order.numel(), device=self.device)
        return order, row_of

    def group_ends(self, o: dict):
        """Where each group's rows end [groups], 32-bit: groups x m rows chose a group each."""
        torch, p = self.torch, o["point"]
        rows = p["groups"] * p["m"]
        if o.get("routing", {}).get("distribution") == "balanced":
            check_no_capacity(o)
            counts = torch.full((p["groups"],), p["m"], device=self.device)
        else:
            drawn = torch.multinomial(self.loads(o, p["groups"]), rows, replacement=True)
            counts = torch.bincount(drawn, minlength=p["groups"])
        return counts.cumsum(0).to(torch.int32)
