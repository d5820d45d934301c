# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What PyTorch's operators are given, by scripts/peers/torch_*.py, with doubles of them."""
import types
import unittest

from doubles import MOE_POINT, FakeTensor, gemm, grouped, observation
import observed
import operands
import torch_kernels
import torch_peer
import torch_products

FP8 = {"a": "fp8_e4m3", "b": "fp8_e4m3", "c": "bf16", "scale_mode": "tensor"}


class WithDoubles(unittest.TestCase):
    def part(self, kind, **operators):
        """One of a peer's parts; the shapes of its operands are kept."""
        part = kind.__new__(kind)
        part.torch, part.operands = types.SimpleNamespace(**operators), operands.Operands.__new__(operands.Operands)
        part.operands.torch = part.torch
        self.shapes = []
        part.operands.uniform = lambda shape, word: self.shapes.append((shape, word)) or FakeTensor(*shape)
        part.operands.group_ends = lambda o: FakeTensor(o["point"]["groups"])
        part.operands.dtype = str
        return part


class Products(WithDoubles):
    def test_a_product_has_the_operands_of_its_layout(self):
        seen = []
        products = self.part(torch_products.Products, mm=lambda a, b: seen.append((a.shape, b.shape)))
        for layout in ("TN", "NN", "NT", "TT"):
            function, tensors = products.expert_gemm(gemm(layout))
            function(*tensors)
        self.assertEqual(self.shapes[0::2], [((6, 2), "bf16"), ((6, 2), "bf16"), ((2, 6), "bf16"), ((2, 6), "bf16")])
        self.assertEqual(self.shapes[1::2], [((4, 2), "bf16"), ((2, 4), "bf16"), ((2, 4), "bf16"), ((4, 2), "bf16")])
        self.assertEqual(seen, [((6, 2), (2, 4))] * 4)

    def test_an_fp8_product_of_another_layout_is_none_of_torchs(self):
        with self.assertRaisesRegex(observed.Unavailable, "TN only"):
            self.part(torch_products.Products).expert_gemm(gemm(dtypes=FP8 | {"layout": "NN"}))

    def test_groups_have_weights_of_their_own(self):
        seen = []
        products = self.part(torch_products.Products, _grouped_mm=lambda *tensors: seen.append([t.shape for t in tensors]))
        function, tensors = products.grouped_gemm(grouped())
        function(*tensors)
        self.assertEqual(self.shapes, [((32, 32), "bf16"), ((4, 16, 32), "bf16")])
        self.assertEqual(seen, [[(32, 32), (4, 32, 16), (4,)]])

    def test_fp8_groups_have_scales_of_rows_and_columns(self):
        seen = {}

        def product(a, b, scale_a, scale_b, offs, out_dtype, use_fast_accum):
            seen.update(shapes=[t.shape for t in (a, b, scale_a, scale_b, offs)], out=out_dtype, fast=use_fast_accum)

        ones = lambda shape, device: FakeTensor(*(shape if isinstance(shape, tuple) else (shape,)))
        products = self.part(torch_products.Products, _scaled_grouped_mm=product, ones=ones)
        function, tensors = products.grouped_gemm(grouped(dtypes=FP8))
        function(*tensors)
        self.assertEqual(seen, {"shapes": [(32, 32), (4, 32, 16), (32,), (4, 16), (4,)], "out": "bf16", "fast": False})
        with self.assertRaisesRegex(observed.Unavailable, "block_1x128"):
            products.grouped_gemm(grouped(dtypes=FP8 | {"scale_mode": "block_1x128"}))

    def test_a_release_without_grouped_products_says_so(self):
        with self.assertRaisesRegex(AttributeError, "_grouped_mm"):
            self.part(torch_products.Products).grouped_gemm(grouped())


class Kernels(WithDoubles):
    def kernels(self, **operators):
        kernels = self.part(torch_kernels.Kernels, **operators)
        kernels.to_fp8 = lambda values, word, by_tensor: ("cast", values, word, by_tensor)
        return kernels

    def test_a_cast_follows_where_ours_has_one(self):
        def made(columns=128, **dtypes):
            return self.kernels().with_cast(observation("permute", {"hidden": columns}, dtypes=dtypes), lambda rows: rows)("rows")

        self.assertEqual(made(), "rows")
        self.assertEqual(made(c="fp8_e4m3"), ("cast", "rows", "fp8_e4m3", False))
        with self.assertRaisesRegex(observed.Unavailable, "whole blocks"):
            made(129, c="fp8_e4m3")

    def test_swiglu_reads_two_columns_for_one(self):
        self.kernels().swiglu(observation("swiglu", {"tokens": 3, "inner": 8}))
        self.assertEqual(self.shapes, [((3, 16), "bf16")])

    def test_a_capacity_is_not_left_out(self):
        for operation in ("permute", "unpermute", "topk_gate"):
            o = observation(operation, MOE_POINT, routing={"capacity_factor": 1.2})
            with self.assertRaisesRegex(observed.Unavailable, "capacity"):
                getattr(self.kernels(), operation)(o)


class Compiled(unittest.TestCase):
    """With a double of torch.compile that counts."""

    def setUp(self):
        self.compiled, self.resets, self.calls = [], 0, []
        compiler = types.SimpleNamespace(reset=self.reset)
        self.peer = torch_peer.Compiled.__new__(torch_peer.Compiled)
        self.peer.torch = types.SimpleNamespace(compile=self.compile, compiler=compiler)
        self.peer.of, self.peer.function = None, None
        self.peer.parts = [types.SimpleNamespace(swiglu=lambda o: (self.calls.append, (o["point"]["tokens"],)))]

    def reset(self):
        self.resets += 1

    def compile(self, function, fullgraph, dynamic):
        self.compiled.append((fullgraph, dynamic))
        return function

    def test_the_sets_of_a_point_share_what_was_compiled_and_each_is_run_before_it_is_timed(self):
        one, other = (observation("swiglu", {"tokens": tokens}) for tokens in (3, 4))
        calls = [self.peer.make(o) for o in (one, one, one, other)]
        self.assertEqual(self.compiled, [(True, False)] * 2)
        self.assertEqual(self.resets, 2, "points' compilations count towards one limit")
        self.assertEqual(self.calls, [3, 3, 3, 4])
        calls[-1]()
        self.assertEqual(self.calls[-1], 4)

    def test_only_own_kernels_are_compiled(self):
        self.assertTrue(self.peer.does("swiglu"))
        self.assertFalse(self.peer.does("expert_gemm"))


if __name__ == "__main__":
    unittest.main()
