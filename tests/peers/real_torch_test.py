# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Where PyTorch is installed: on the CPU, that its operators do the work of the point, one by one and compiled."""
import argparse
import inspect
import sys
import unittest
import unittest.mock

try:
    import torch
except (ImportError, OSError):
    print("skipped: PyTorch is not installed")
    sys.exit(77)

from doubles import MOE_POINT, gemm, grouped, observation
import interrupts
import observed
import operands
import peers
import running
import torch_peer
import torch_products

HALF_STEP = {torch.bfloat16: 2**-8, torch.float16: 2**-11, torch.float8_e4m3fn: 2**-4}  # of rounding, relative
# Where the next value lies beside one, in units of it, by how many roundings: of BF16's sums of top_k products too.
ROUNDED_ONCE, ROUNDED_OFTEN = 1.01, 4.0
CAST = {"c": "fp8_e4m3", "scale_mode": "block_1x128"}


def program(o, kind=torch_peer.Torch):
    """What the peer's function gives for its tensors, and the tensors."""
    torch.manual_seed(1)
    peer = kind.__new__(kind)
    torch_peer.Torch.__init__(peer, torch, "cpu")
    function, tensors = peer.program(o)
    return function(*tensors), tensors


class Products(unittest.TestCase):
    def test_products_have_the_layout_and_the_shape(self):
        calls = []
        for layout in ("TN", "NN", "NT", "TT"):
            with unittest.mock.patch.object(torch, "mm", wraps=torch.mm) as seen:
                torch_peer.Torch(torch, "cpu").make(gemm(layout))()
            a, b = seen.call_args.args
            calls.append((layout, tuple(a.shape), tuple(b.shape), a.is_contiguous(), b.is_contiguous()))
        self.assertEqual(calls, [("TN", (6, 2), (2, 4), True, False), ("NN", (6, 2), (2, 4), True, True),
                                 ("NT", (6, 2), (2, 4), False, True), ("TT", (6, 2), (2, 4), False, False)])

    def test_fp8_products_are_of_one_layout(self):
        types_of = {"a": "fp8_e4m3", "b": "fp8_e4m3", "c": "bf16", "scale_mode": "tensor", "layout": "NN"}
        with self.assertRaisesRegex(observed.Unavailable, "TN only"):
            program(gemm(dtypes=types_of))
        with self.assertRaisesRegex(observed.Unavailable, "block_1x128"):
            program(gemm(dtypes=types_of | {"layout": "TN", "scale_mode": "block_1x128"}))

    def check_product(self, result, exact, dtype=torch.bfloat16):
        self.assertEqual(result.dtype, dtype)
        self.assertTrue(torch.allclose(result.double(), exact, rtol=HALF_STEP[dtype] * ROUNDED_ONCE, atol=1e-4))

    def test_products_are_the_references(self):
        for layout in ("TN", "NN", "NT", "TT"):
            result, (a, b) = program(gemm(layout))
            self.check_product(result, a.double() @ b.double())
        point = {"m": 32, "n": 16, "k": 64}
        for mode in ("tensor", "outer_vector"):
            types_of = {"a": "fp8_e4m3", "b": "fp8_e4m3", "scale_mode": mode}
            result, (a, b, one, other) = program(gemm(dtypes=types_of) | {"point": point})
            self.check_product(result, (a.double() * one) @ (b.double() * other))
        result, (a, b) = program(gemm(dtypes={"a": "int8", "b": "int8", "c": "int32"}) | {"point": point})
        self.assertTrue(torch.equal(result, (a.long() @ b.long()).int()))

    def test_grouped_products_are_the_references(self):
        for distribution in ("uniform", "balanced", "power_law"):
            routing = {"distribution": distribution, "exponent": 1.2}
            result, (a, b, ends) = program(grouped(routing=routing))
            self.assertEqual((ends.dtype, ends[-1].item()), (torch.int32, 32))
            starts = [0, *ends.tolist()[:-1]]
            exact = torch.cat([a[start:end].double() @ b[i].double() for i, (start, end) in enumerate(zip(starts, ends.tolist()))])
            self.check_product(result, exact)
        self.assertFalse(b.is_contiguous(), "weights lie [n, k]")

    def test_attention_is_the_reference(self):
        for causal, kv_heads in ((1, 2), (0, 4)):
            point = {"batch": 2, "sequence": 5, "heads": 4, "kv_heads": kv_heads, "head_size": 8, "causal": causal}
            result, (query, key, value) = program(observation("attention", point, dtypes={"a": "f32", "c": "f32"}))
            key, value = (tensor.double().repeat_interleave(4 // kv_heads, dim=1) for tensor in (key, value))
            scores = query.double() @ key.transpose(2, 3) / 8 ** 0.5
            if causal:
                scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), float("-inf"))
            self.assertTrue(torch.allclose(result.double(), scores.softmax(3) @ value, atol=1e-5))

    def test_scaled_grouped_products_are_called_as_pytorch_declares_them(self):
        """There is none on the CPU: its shapes are checked by PyTorch's own rules, without data."""
        with self.assertRaisesRegex(NotImplementedError, "CPU"):
            program(grouped(dtypes={"a": "fp8_e4m3", "b": "fp8_e4m3", "scale_mode": "tensor"}))
        products = torch_products.Products(torch, operands.Operands(torch, "cpu"))
        function, tensors = products.grouped_gemm(grouped(dtypes={"a": "fp8_e4m3", "b": "fp8_e4m3", "scale_mode": "tensor"}))
        # A transposed copy keeps its strides only if it is transposed on its way.
        tensors = [t.transpose(1, 2).to("meta").transpose(1, 2) if t.dim() == 3 else t.to("meta") for t in tensors]
        result = function(*tensors)
        self.assertEqual((tuple(result.shape), result.dtype), ((32, 16), torch.bfloat16))


class Routing(unittest.TestCase):
    def test_batches_are_timed_as_pytorch_declares_it(self):
        """What timing.py and held.py call of torch.cuda: without a GPU none of it can run."""
        inspect.signature(torch.cuda.Event.__new__).bind(torch.cuda.Event, enable_timing=True)
        inspect.signature(torch.cuda._sleep).bind(1000)
        for call in (torch.cuda.Event.record, torch.cuda.Event.query, torch.cuda.Event.synchronize):
            inspect.signature(call).bind(None)
        inspect.signature(torch.cuda.Event.elapsed_time).bind(None, None)
        inspect.signature(torch.cuda.synchronize).bind()

    def test_choices_differ_and_follow_the_loads(self):
        draws = operands.Operands(torch, "cpu")
        for distribution in ("uniform", "power_law"):
            o = observation("permute", MOE_POINT | {"tokens": 2000}, routing={"distribution": distribution, "exponent": 3.0})
            chosen = draws.choices(o).sort(dim=1).values
            self.assertTrue((chosen[:, 0] < chosen[:, 1]).all())
            counts = chosen.flatten().bincount(minlength=4)
            # Uniform: 1000 of each, and a standard deviation of 22.
            self.assertEqual(bool((counts - 1000).abs().max() < 150), distribution == "uniform", counts)

    def test_a_capacity_or_another_draw_is_no_work_of_these_operators(self):
        for operation in ("permute", "unpermute", "topk_gate"):
            with self.assertRaisesRegex(observed.Unavailable, "capacity"):
                program(observation(operation, MOE_POINT, routing={"capacity_factor": 1.2, "distribution": "uniform"}))
        for o in (observation("permute", MOE_POINT), grouped()):
            with self.assertRaisesRegex(observed.Unavailable, "recorded"):
                program(o | {"routing": {"capacity_factor": 0, "distribution": "recorded"}})
            with self.assertRaisesRegex(observed.Unavailable, "capacity"):
                program(o | {"routing": {"capacity_factor": 1.2, "distribution": "balanced"}})


class Kernels(unittest.TestCase):
    """Against the definition in FP64."""

    kind = torch_peer.Torch
    roundings = ROUNDED_OFTEN  # each operator rounds

    def made(self, operation, **more):
        return program(observation(operation, MOE_POINT | {"hidden": 256, "inner": 128} | more.pop("point", {}), **more), self.kind)

    def near(self, result, exact):
        bound = HALF_STEP[result.dtype] * self.roundings
        self.assertTrue(torch.allclose(result.double(), exact, rtol=bound, atol=bound / 8), (result.double() - exact).abs().max())

    def check_fp8(self, quantized, scales, exact):
        """Of blocks, or of the whole: amax is FP8's largest, and every value is rounded once."""
        self.assertEqual((quantized.dtype, scales.dtype), (torch.float8_e4m3fn, torch.float32))
        blocks = exact.view(quantized.shape)
        amax = blocks.abs().amax() if scales.dim() == 0 else blocks.abs().amax(dim=2, keepdim=True)
        self.assertTrue(torch.allclose(scales.double(), amax / 448, rtol=2**-7, atol=0))
        smallest = 2**-9 * scales.double()  # steps below FP8's normal numbers
        bound = blocks.abs() * (HALF_STEP[torch.float8_e4m3fn] + 2**-7) + smallest
        self.assertTrue(((quantized.double() * scales.double() - blocks).abs() <= bound).all())

    def test_swiglu(self):
        for more in ({}, {"dtypes": CAST}):
            result, (gate_up,) = self.made("swiglu", **more)
            gate, up = gate_up.double().chunk(2, dim=1)
            exact = gate / (1 + torch.exp(-gate)) * up
            if more:
                self.assertEqual(tuple(result[0].shape), (6, 1, 128))
                self.check_fp8(*result, exact)
            else:
                self.near(result, exact)

    def test_quantize(self):
        for mode, scales in (("tensor", ()), ("block_1x128", (6, 2, 1))):
            (quantized, scale), (values,) = self.made("quantize", dtypes={"c": "fp8_e4m3", "scale_mode": mode})
            self.assertEqual(tuple(scale.shape), scales)
            self.check_fp8(quantized, scale, values.double())

    def test_permute(self):
        for more in ({}, {"dtypes": CAST}):
            result, (tokens, token_of) = self.made("permute", **more)
            self.assertEqual(sorted(token_of.tolist()), sorted(list(range(6)) * 2))
            exact = torch.stack([tokens[token].double() for token in token_of.tolist()])
            if more:
                self.assertEqual(tuple(result[0].shape), (12, 2, 128))
                self.check_fp8(*result, exact)
            else:
                self.assertTrue(torch.equal(result.double(), exact))

    def test_unpermute(self):
        result, (rows, row_of, weights) = self.made("unpermute")
        weights = weights.double().view(6, 2, 1)
        self.near(result, (rows[row_of].double().view(6, 2, 256) * weights).sum(dim=1))

    def test_topk_gate(self):
        for scores in ("softmax", "sigmoid"):
            made, (logits, *_) = self.made("topk_gate", implementation="own" if scores == "softmax" else "own_sigmoid")
            weights, experts, counts, ends, row_of = made
            of_all = torch.softmax(logits.double(), 1) if scores == "softmax" else torch.sigmoid(logits.double())
            chosen = of_all.gather(1, experts)
            self.assertTrue(torch.allclose(weights.double(), chosen / chosen.sum(dim=1, keepdim=True), atol=1e-6))
            rest = of_all.scatter(1, experts, 0)
            self.assertTrue((rest.max(dim=1).values <= chosen.min(dim=1).values).all())
            flat = experts.flatten().tolist()
            self.assertEqual(counts.tolist(), [flat.count(expert) for expert in range(4)])
            self.assertEqual(ends.tolist(), [sum(counts[:expert + 1].tolist()) for expert in range(4)])
            order = sorted(range(12), key=lambda choice: (flat[choice], choice))
            self.assertEqual([order.index(choice) for choice in range(12)], row_of.tolist())


class _Compiled(torch_peer.Compiled):
    """Its function is the compiled one."""

    def program(self, o):
        self.torch, self.parts = torch, [torch_peer.FusibleKernels(torch, operands.Operands(torch, "cpu"))]
        function, tensors = super().program(o)
        return self.compile(function), tensors


class CompiledKernels(Kernels):
    """The same of torch.compile's kernels, which need a C++ compiler."""

    kind = _Compiled
    roundings = ROUNDED_ONCE

    @classmethod
    def setUpClass(cls):
        try:
            torch_peer.Compiled(torch, "cpu")
        except Exception as error:  # pylint: disable=broad-except
            raise unittest.SkipTest(f"torch.compile does not work here: {running.one_line(error)}")


class Runs(unittest.TestCase):
    def test_points_are_run_and_compared(self):
        swiglu = observation("swiglu", {"tokens": 3, "inner": 8}, 1e-6, backend="cpu")
        odd = observation("host_adam", {}, backend="cpu")
        runner = running.Runner(interrupts.Interrupts())
        words = argparse.Namespace(device="cpu", seconds=60, compile_seconds=0, points=0)
        peers.run_peers([swiglu, odd], words, runner)
        self.assertEqual([o["operation"] for o, _, _ in runner.timed], ["swiglu"])
        said = runner.not_run.text()
        self.assertRegex(said, "PyTorch .*, host_adam: .*1 points")
        self.assertIn("- vLLM (moe_permute, moe_unpermute, moe_align_block_size): its kernels are of GPUs", said)
        rows = peers.compare_with_peers([swiglu], runner.timed, runner.peers, runner.not_run)
        self.assertIn("| swiglu | PyTorch", peers.section("Peers", rows, "peer", False, "none"))

    def test_many_points_are_compiled_one_after_the_other(self):
        """More shapes than the compilations that PyTorch allows of one text."""
        try:
            peer = torch_peer.Compiled(torch, "cpu")
        except Exception as error:  # pylint: disable=broad-except
            self.skipTest(f"torch.compile does not work here: {running.one_line(error)}")
        runner = running.Runner(interrupts.Interrupts())
        runner.timer = running.Timer(torch, "cpu")
        runner.run([peer], [observation("swiglu", {"tokens": tokens, "inner": 8}) for tokens in range(2, 14)], 600)
        self.assertEqual(len(runner.timed), 12, runner.not_run.text())


if __name__ == "__main__":
    unittest.main()
