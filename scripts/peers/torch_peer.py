# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's own operators at the work of an observation: the same layout, types, cast and outputs."""
from __future__ import annotations

from ratios import Unavailable, capacity_factor, stored_shapes

NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2",
         "int8": "int8", "int32": "int32", "uint8": "uint8"}
BLOCK = 128  # neighbours that share a scale
STREAM_FACTOR = 0.75


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

    def choices(self, o: dict):
        """Experts of every token [tokens, top_k], different ones, all equally probable. @throws Unavailable for another
        draw, and for a capacity: the operators know no dropped rows."""
        if capacity_factor(o):
            raise Unavailable("a capacity drops rows, which no operator of the peer does")
        if o.get("routing", {}).get("distribution", "uniform") != "uniform":
            raise Unavailable(f"only uniform routing draws are made here, not {o['routing']['distribution']}")
        p = o["point"]
        return self.torch.rand((p["tokens"], p["experts"]), device=self.device).topk(p["top_k"], dim=1).indices

    def routing(self, o: dict):
        """(choice of each row, row of each choice), rows sorted by expert, then token."""
        order = self.choices(o).flatten().argsort(stable=True)
        row_of = self.torch.empty_like(order)
        row_of[order] = self.torch.arange(order.numel(), device=self.device)
        return order, row_of


class Torch:
    """make(observation): a call that does its work. There is a make_<operation> for each operation that it has."""

    def __init__(self, torch, device: str):
        self.torch, self.operands = torch, Operands(torch, device)
        self.name = f"PyTorch {torch.__version__}"
        # Split-K sums in FP32, as moecal's: PyTorch's default allows 16 bits, which is less work.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False

    def make(self, o: dict):
        return getattr(self, "make_" + o["operation"])(o)

    def make_memory_copy(self, o: dict):
        source = self.torch.randint(0, 255, (o["point"]["bytes"],), dtype=self.torch.uint8, device=self.operands.device)
        target = self.torch.empty_like(source)
        return lambda: target.copy_(source)

    def make_memory_stream(self, o: dict):
        p = o["point"]
        first, second, target = (self.operands.uniform((p["bytes"] // 4,), "f32") for _ in range(3))
        if (p["reads"], p["writes"]) == (1, 0):
            return first.sum
        if (p["reads"], p["writes"]) == (0, 1):
            return lambda: target.fill_(STREAM_FACTOR)
        return lambda: self.torch.add(first, second, alpha=STREAM_FACTOR, out=target)

    def make_expert_gemm(self, o: dict):
        p, d = o["point"], o["dtypes"]
        (*a_shape, a_turned), (*b_shape, b_turned) = stored_shapes(p, d.get("layout", ""))
        a, b = self.operands.uniform(tuple(a_shape), d["a"]), self.operands.uniform(tuple(b_shape), d["b"] or d["a"])
        a, b = a.t() if a_turned else a, b.t() if b_turned else b
        if d["a"].startswith("fp8"):
            return self.scaled(o, a, b)
        if d["a"] == "int8":
            if d["c"] != "int32":
                raise Unavailable("torch._int_mm gives int32 only")
            return lambda: self.torch._int_mm(a, b)
        if d["a"] != d["c"]:
            raise Unavailable("torch.mm gives the type of its operands only")
        c = self.torch.empty((p["m"], p["n"]), dtype=a.dtype, device=a.device)
        return lambda: self.torch.mm(a, b, out=c)

    def scaled(self, o: dict, a, b):
        """An FP8 product with FP32 scales of tensors or of rows, FP32 accumulation in full as moecal's."""
        p, d = o["point"], o["dtypes"]
        if d.get("layout") not in ("", "TN", None):
            raise Unavailable("torch._scaled_mm takes the layout TN only")
        shapes = {"tensor": ((), ()), "outer_vector": ((p["m"], 1), (1, p["n"]))}
        if d["scale_mode"] not in shapes:
            raise Unavailable(f"scales by {d['scale_mode']} are not run with torch._scaled_mm here")
        one, other = (self.torch.ones(shape, device=a.device) for shape in shapes[d["scale_mode"]])
        out = self.operands.dtype(d["c"])
        return lambda: self.torch._scaled_mm(a, b, scale_a=one, scale_b=other, out_dtype=out, use_fast_accum=False)

    def to_fp8(self, values, word: str, by_tensor: bool):
        """Quantized values and their scales, amax over the largest FP8 value, by PyTorch's separate operators."""
        dtype = self.operands.dtype(word)
        largest = self.torch.finfo(dtype).max
        if by_tensor:
            scale = values.abs().amax().float() / largest
            return (values.float() / scale).to(dtype), scale
        if values.shape[1] % BLOCK:
            raise Unavailable(f"rows of {values.shape[1]} have no whole blocks of {BLOCK}")
        blocks = values.view(values.shape[0], -1, BLOCK)
        scales = blocks.abs().amax(dim=2, keepdim=True).float() / largest
        return (blocks.float() / scales).to(dtype), scales

    def cast(self, o: dict, call):
        """The call, and the cast after it where moecal's kernel has one: a peer needs both."""
        d = o["dtypes"]
        if d["c"] == d["a"]:
            return call
        self.to_fp8(call(), d["c"], False)  # what cannot be done is said before anything is timed
        return lambda: self.to_fp8(call(), d["c"], False)

    def make_quantize(self, o: dict):
        p, d = o["point"], o["dtypes"]
        values = self.operands.uniform((p["tokens"], p["hidden"]), d["a"])
        by_tensor = d["scale_mode"] == "tensor"
        return lambda: self.to_fp8(values, d["c"], by_tensor)

    def make_permute(self, o: dict):
        p, d = o["point"], o["dtypes"]
        order, _ = self.operands.routing(o)
        token_of, tokens = order // p["top_k"], self.operands.uniform((p["tokens"], p["hidden"]), d["a"])
        if d["a"].startswith("fp8"):
            tokens = tokens.view(self.torch.uint8)
        rows = self.torch.empty((order.numel(), p["hidden"]), dtype=tokens.dtype, device=tokens.device)
        return self.cast(o, lambda: self.torch.index_select(tokens, 0, token_of, out=rows))

    def make_unpermute(self, o: dict):
        p, d = o["point"], o["dtypes"]
        _, row_of = self.operands.routing(o)
        rows = self.operands.uniform((row_of.numel(), p["hidden"]), d["a"])
        weights = self.torch.rand((p["tokens"], 1, p["top_k"]), device=rows.device).to(rows.dtype)
        return lambda: weights @ rows.index_select(0, row_of).view(p["tokens"], p["top_k"], p["hidden"])

    def make_topk_gate(self, o: dict):
        """Weights, counts, offsets and the row of every choice, as topk_gate's. No step waits for the host."""
        torch, p = self.torch, o["point"]
        if capacity_factor(o):
            raise Unavailable("a capacity drops rows, which no operator of the peer does")
        logits = self.operands.uniform((p["tokens"], p["experts"]), o["dtypes"]["a"])
        scores_of = torch.sigmoid if o["implementation"].endswith("_sigmoid") else lambda x: torch.softmax(x, 1)
        ones = torch.ones(p["tokens"] * p["top_k"], dtype=torch.int64, device=logits.device)
        rows = torch.arange(ones.numel(), device=logits.device)

        def gate():
            weights, experts = scores_of(logits.float()).topk(p["top_k"], dim=1)
            weights = weights / weights.sum(dim=1, keepdim=True)
            flat = experts.flatten()
            counts = torch.zeros(p["experts"], dtype=torch.int64, device=logits.device).scatter_add_(0, flat, ones)
            order = flat.argsort(stable=True)
            return weights, experts, counts, counts.cumsum(0), torch.empty_like(order).scatter_(0, order, rows)

        return gate

    def make_swiglu(self, o: dict):
        p, d = o["point"], o["dtypes"]
        gate, up = self.operands.uniform((p["tokens"], 2 * p["inner"]), d["a"]).chunk(2, dim=1)
        return self.cast(o, lambda: self.torch.nn.functional.silu(gate) * up)
