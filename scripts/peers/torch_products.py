# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's products of matrices, for one expert, for groups of them and in attention: the same layout, types, scales and
outputs."""
from __future__ import annotations

from observed import Unavailable, stored_shapes
from operands import Operands


class Products:
    """<operation>(observation): a function and the tensors that it is called with."""

    def __init__(self, torch, operands: Operands):
        self.torch, self.operands = torch, operands
        # Split-K sums in FP32, as moecal's: PyTorch's default allows 16 bits, which is less work.
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False

    def expert_gemm(self, o: dict):
        p, d = o["point"], o["dtypes"]
        (*a_shape, a_turned), (*b_shape, b_turned) = stored_shapes(p, d.get("layout", ""))
        a, b = self.operands.uniform(tuple(a_shape), d["a"]), self.operands.uniform(tuple(b_shape), d["b"] or d["a"])
        a, b = a.t() if a_turned else a, b.t() if b_turned else b
        if d["a"].startswith("fp8"):
            return self.scaled(o, a, b)
        if d["a"] == "int8":
            if d["c"] != "int32":
                raise Unavailable("torch._int_mm gives int32 only")
            return self.torch._int_mm, (a, b)
        if d["a"] != d["c"]:
            raise Unavailable("torch.mm gives the type of its operands only")
        return self.torch.mm, (a, b)

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
        return (lambda *tensors: self.torch._scaled_mm(*tensors, out_dtype=out, use_fast_accum=False)), (a, b, one, other)

    def grouped_gemm(self, o: dict):
        """Rows of A group after group, a group's weights stored [n, k]."""
        p, d = o["point"], o["dtypes"]
        rows = p["groups"] * p["m"]
        ends = self.operands.group_ends(o)
        a = self.operands.uniform((rows, p["k"]), d["a"])
        b = self.operands.uniform((p["groups"], p["n"], p["k"]), d["b"]).transpose(1, 2)
        if d["a"].startswith("fp8"):
            return self.scaled_groups(o, a, b, ends)
        if d["a"] != d["c"]:
            raise Unavailable("torch._grouped_mm gives the type of its operands only")
        return self.torch._grouped_mm, (a, b, ends)

    def scaled_groups(self, o: dict, a, b, ends):
        """torch._scaled_grouped_mm takes FP32 scales of rows and of columns only: they stand for one scale per operand."""
        p, d = o["point"], o["dtypes"]
        if d["scale_mode"] != "tensor":
            raise Unavailable(f"scales by {d['scale_mode']} are not run with torch._scaled_grouped_mm here")
        of_rows = self.torch.ones(p["groups"] * p["m"], device=a.device)
        of_columns = self.torch.ones((p["groups"], p["n"]), device=a.device)
        out = self.operands.dtype(d["c"])

        def product(a, b, one, other, ends):
            return self.torch._scaled_grouped_mm(a, b, one, other, offs=ends, out_dtype=out, use_fast_accum=False)

        return product, (a, b, of_rows, of_columns, ends)

    def attention(self, o: dict):
        """The fastest that PyTorch chooses: mostly fused, as moecal's by cuDNN."""
        p, word = o["point"], o["dtypes"]["a"]
        query, key, value = (self.operands.uniform((p["batch"], heads, p["sequence"], p["head_size"]), word)
                             for heads in (p["heads"], p["kv_heads"], p["kv_heads"]))
        attend = self.torch.nn.functional.scaled_dot_product_attention
        is_causal, shares_keys = bool(p["causal"]), p["heads"] != p["kv_heads"]
        return (lambda *tensors: attend(*tensors, is_causal=is_causal, enable_gqa=shares_keys)), (query, key, value)
