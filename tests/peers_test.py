# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers: what is held against what, on made-up observations; and, where PyTorch is installed, that its operators
do the work of the point. Without it, doubles stand for it.

Usage: peers_test.py SOURCE_DIR
"""
import argparse
import contextlib
import io
import pathlib
import sys
import types
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else ".") / "scripts" / "peers"))
import moe_peers  # noqa: E402
import peers  # noqa: E402
import ratios  # noqa: E402
import timing  # noqa: E402
import torch_peer  # noqa: E402

try:
    import torch
except (ImportError, OSError):
    torch = None

MIB = 2**20


def observation(operation, point, seconds=1e-3, **more):
    """One of a GPU with a cold cache, in bf16, that moves 256 MiB; what differs is named."""
    o = {"operation": operation, "implementation": "own", "backend": "cuda", "point": point,
         "dtypes": {"a": "bf16", "b": "bf16", "c": "bf16", "accumulate": "f32", "scale_mode": "none", "layout": ""},
         "work": {"read_bytes": 128 * MIB, "written_bytes": 128 * MIB}, "policy": {"cache": "cold"},
         "sample": {"buffer_sets": 2}, "samples_s": [seconds], "flags": {"throttled": [], "outlier": []}}
    o["dtypes"] |= more.pop("dtypes", {})
    o["policy"] = {"cache": more.pop("cache", "cold")}
    return o | more


def copy(mib_moved, seconds):
    return observation("memory_copy", {"bytes": mib_moved * MIB // 2}, seconds, implementation="own",
                       work={"read_bytes": mib_moved * MIB / 2, "written_bytes": mib_moved * MIB / 2})


def reading(mib, seconds):
    return observation("memory_stream", {"bytes": mib * MIB, "reads": 1, "writes": 0}, seconds,
                       work={"read_bytes": mib * MIB, "written_bytes": 0})


def gemm(layout="TN", seconds=1e-3, **more):
    point = {"m": 6, "n": 4, "k": 2}
    return observation("expert_gemm", point, seconds, **({"dtypes": {"layout": layout}, "implementation": "cublaslt"} | more))


class Observations(unittest.TestCase):
    def test_a_throttled_sample_does_not_count(self):
        o = observation("permute", {}) | {"samples_s": [1.0, 3.0, 9.0], "flags": {"throttled": [False, False, True]}}
        self.assertEqual(ratios.seconds(o), 2.0)
        o["flags"]["throttled"] = [True, True, True]
        self.assertEqual(ratios.seconds(o), 3.0)

    def test_a_kind_is_a_piece_of_work(self):
        kinds = [ratios.kind(observation("quantize", {}, dtypes={"c": "fp8_e4m3", "scale_mode": mode}))
                 for mode in ("tensor", "block_1x128")]
        self.assertEqual(kinds, ["quantize tensor", "quantize block_1x128"])
        self.assertEqual(ratios.kind(gemm("NT")), "expert_gemm bf16 NT")
        self.assertEqual(ratios.kind(gemm("TN")), "expert_gemm bf16")
        fused = observation("swiglu", {}, dtypes={"c": "fp8_e4m3", "scale_mode": "block_1x128"})
        self.assertEqual(ratios.kind(fused), "swiglu block_1x128 to fp8_e4m3")
        limited = observation("permute", {}, routing={"capacity_factor": 1.2})
        self.assertEqual(ratios.kind(limited), "permute with a capacity")

    def test_operands_lie_as_the_layout_says(self):
        point = {"m": 6, "n": 4, "k": 2}
        self.assertEqual(ratios.stored_shapes(point, "TN"), ((6, 2, False), (4, 2, True)))
        self.assertEqual(ratios.stored_shapes(point, ""), ((6, 2, False), (4, 2, True)))
        self.assertEqual(ratios.stored_shapes(point, "NN"), ((6, 2, False), (2, 4, False)))
        self.assertEqual(ratios.stored_shapes(point, "NT"), ((2, 6, True), (2, 4, False)))

    def test_a_cold_peer_goes_through_as_many_sets_as_moecal_did(self):
        self.assertEqual(ratios.buffer_sets(observation("swiglu", {}, sample={"buffer_sets": 3000})), 3000)
        self.assertEqual(ratios.buffer_sets(observation("swiglu", {}, cache="warm", sample={"buffer_sets": 3000})), 1)
        with self.assertRaises(ratios.Unavailable):
            ratios.buffer_sets(observation("swiglu", {}, sample={}))


class Comparisons(unittest.TestCase):
    def test_a_rate_is_interpolated_and_never_guessed_below(self):
        rate = ratios.copy_rate([copy(100, 1.0), copy(400, 2.0), copy(400, 4.0)])
        self.assertAlmostEqual(rate.at(200 * MIB), 150 * MIB)
        self.assertEqual(rate.at(4000 * MIB), 200 * MIB)
        with self.assertRaises(ratios.Unavailable):
            rate.at(99 * MIB)

    def test_quantize_is_held_against_a_copy_by_scale_mode(self):
        work = {"read_bytes": 256 * MIB, "written_bytes": 128 * MIB}
        quantizes = [observation("quantize", {"tokens": 1}, seconds, work=work, dtypes={"c": "fp8_e4m3", "scale_mode": mode})
                     for mode, seconds in (("tensor", 0.8), ("block_1x128", 0.4))]
        rows = ratios.compare_with_copy([copy(64, 0.064), copy(2048, 2.048), *quantizes])
        self.assertEqual(sorted(name for name, _ in rows),
                         ["quantize block_1x128", "quantize tensor", "quantize tensor, both reads counted"])
        self.assertAlmostEqual(rows["quantize tensor", "own"].median(), 0.48)
        self.assertAlmostEqual(rows["quantize tensor, both reads counted", "own"].median(), 0.8)
        self.assertEqual(rows["quantize block_1x128", "own"].verdict(True), "at least 0.92: met")
        self.assertEqual(rows["quantize tensor", "own"].verdict(True), "at least 0.92: missed")
        self.assertEqual(rows["quantize tensor", "own"].verdict(False), "at least 0.92: of GPUs")

    def test_what_crosses_no_memory_is_not_held_against_a_copy(self):
        transfer = observation("host_transfer", {"bytes": 1})
        self.assertFalse(ratios.compare_with_copy([copy(64, 1.0), copy(2048, 1.0), transfer]))

    def test_the_choice_is_held_against_reading_the_logits(self):
        point = {"tokens": 131072, "experts": 256, "top_k": 8}
        reads = [reading(64, 64e-6), reading(1024, 1024e-6)]
        whole = observation("topk_gate", point, 400e-6, dtypes={"a": "f32"})
        parts = whole | {"parts_s": {"choose_experts": [150e-6, 160e-6, 170e-6], "table": [200e-6]}}
        rows = ratios.compare_gate_with_reading([*reads, parts])
        (key, row), = rows.items()
        self.assertEqual(key, ("topk_gate: scores and top-k", "own"))
        self.assertAlmostEqual(row.median(), 1.25)
        self.assertEqual(row.verdict(True), "at most 1.3: met")
        (key, row), = ratios.compare_gate_with_reading([*reads, whole]).items()
        self.assertIn("whole gate", key[0])
        self.assertEqual(row.verdict(True), "at most 1.3: missed")
        small = observation("topk_gate", point | {"tokens": 4096}, dtypes={"a": "f32"})
        self.assertFalse(ratios.compare_gate_with_reading([*reads, small]))
        self.assertFalse(ratios.compare_gate_with_reading([whole]), "there is nothing to compare with")

    def test_a_permute_that_sorts_is_held_against_permute_and_table(self):
        point = {"tokens": 8, "experts": 4, "top_k": 2}
        gate = observation("topk_gate", point, 5.0, dtypes={"a": "f32"}, parts_s={"choose_experts": [2.0]})
        permute = observation("permute", point | {"hidden": 16}, 4.0)
        peer = moe_peers.MoePeer.__new__(moe_peers.MoePeer)
        self.assertEqual(peer.own_seconds(permute, [permute, gate]), 7.0)
        self.assertEqual(peer.own_seconds(gate, []), 3.0)
        self.assertEqual(peer.own_seconds(observation("unpermute", point, 6.0), []), 6.0)
        peer.name = "vLLM"
        rows = peers.compare_with_peers([permute, gate], [(permute, "vLLM (eager)", 14.0), (gate, "vLLM", 3.0)], [peer], peers.NotRun())
        self.assertEqual({key: row.median() for key, row in rows.items()},
                         {("permute and the gate's table", "vLLM (eager)"): 2.0, ("topk_gate: the table alone", "vLLM"): 1.0})
        both = [(permute, "vLLM", 14.0), (permute, "PyTorch", 6.0)]
        rows = peers.compare_with_peers([permute, gate], both, [peer], peers.NotRun())
        self.assertEqual(rows["permute", peers.BEST_PEER].entries[0][0], 1.5, "the least ratio, not the least time")
        not_run = peers.NotRun()
        self.assertFalse(peers.compare_with_peers([permute], [(permute, "vLLM", 14.0)], [peer], not_run))
        self.assertIn("vLLM, permute, timed but held against nothing", not_run.text())
        gate["parts_s"]["sort"] = [2.5, 2.5]
        self.assertEqual(peer.own_seconds(gate, []), 2.5)
        with self.assertRaises(ratios.Unavailable):
            peer.own_seconds(permute, [permute, observation("topk_gate", point)])

    def test_the_best_of_a_run_is_the_best_of_all_implementations_and_peers(self):
        alone, contested = gemm("NN", 1.0), gemm("TN", 1.0)
        rows = ratios.compare_with_best([alone, contested], "expert_gemm", [(contested, "PyTorch", 0.9)])
        self.assertEqual(rows["expert_gemm bf16", "moecal's fastest"].verdict(True), "at least 0.95: missed")
        self.assertEqual(rows["expert_gemm bf16", "PyTorch"].entries[0][0], 1.0)
        self.assertEqual({name for name, _ in rows}, {"expert_gemm bf16"}, "one implementation is no comparison")

    def test_grouped_products_stand_side_by_side(self):
        point = {"groups": 4, "m": 8, "n": 8, "k": 8}
        draws = [{"distribution": name, "capacity_factor": 0} for name in ("uniform", "power_law")]
        observations = [observation("grouped_gemm", point, 2e-6 + i * 1e-6, routing=draw, implementation=name)
                        for draw in draws for i, name in enumerate(("cublas_grouped", "cublaslt_streams"))]
        text = ratios.side_by_side(observations[:3], "grouped_gemm", [])
        self.assertIn("| cublas_grouped | cublaslt_streams |", text)
        self.assertIn("uniform | 2.0 (1.00) | 3.0 (0.67) |", text)
        self.assertIn("power_law | 2.0 (1.00) | - |", text)
        rows = ratios.compare_with_best(observations, "grouped_gemm", [])
        self.assertEqual(len(rows["grouped_gemm bf16", "cublas_grouped"].entries), 2)


class Choosing(unittest.TestCase):
    def test_every_beginning_is_spread(self):
        for count in (0, 1, 2, 3, 7, 8, 100):
            self.assertEqual(sorted(ratios.spread(count)), list(range(count)))
        self.assertEqual(ratios.spread(8)[:3], [4, 2, 6])

    def test_kinds_take_turns_and_none_is_left_out(self):
        points = [gemm("TN", i + 1.0) for i in range(40)] + [observation("swiglu", {}, i + 1.0) for i in range(2)]
        order = ratios.in_turn(points)
        self.assertEqual(len(order), 42)
        self.assertEqual([o["operation"] for o in order[:4]], ["expert_gemm", "swiglu"] * 2)
        self.assertEqual(len(ratios.in_turn(points, most=3)), 5)

    def test_tables_say_how_many_of_how_many(self):
        points = [gemm("TN", 1.0), gemm("TN", 2.0), gemm("NN", 1.0)]
        rows = peers.compare_with_peers(points, [(points[0], "PyTorch", 0.97)], [], peers.NotRun())
        self.assertEqual(peers.arguments_of(["o.jsonl"]).points, 0, "all points, as far as the time goes")
        text = ratios.table(rows, "peer", True)
        self.assertIn("| expert_gemm bf16 | PyTorch | 1 of 2 | 0.97 | at least 0.98: missed | 1 | 0.97 |", text)
        self.assertIn("| expert_gemm, all types | PyTorch | 1 of 3 |", text)


class NoPeers(unittest.TestCase):
    def test_each_peer_is_named_with_the_reason(self):
        not_run, modules = peers.NotRun(), dict.fromkeys(["torch"])
        saved = sys.modules.get("torch")
        sys.modules.update(modules)  # None: importing it raises ImportError
        try:
            timed, found = peers.run_peers([gemm()], argparse.Namespace(device="cuda", seconds=1, points=0), not_run)
        finally:
            if saved is None:
                del sys.modules["torch"]
            else:
                sys.modules["torch"] = saved
        self.assertEqual((timed, found), ([], []))
        for name in ("PyTorch", "vLLM", "TransformerEngine", "SGLang"):
            self.assertRegex(not_run.text(), f"- {name}.*: .*torch")


class Signatures(unittest.TestCase):
    def test_releases_are_given_the_buffers_they_name(self):
        seen = {}

        def align(topk_ids, cumsum_buffer, pad=False):
            seen.update(topk_ids=topk_ids, cumsum_buffer=cumsum_buffer, pad=pad)

        moe_peers.call_with(align, {"topk_ids": 1, "cumsum_buffer": 2, "token_cnts_buffer": 3})()
        self.assertEqual(seen, {"topk_ids": 1, "cumsum_buffer": 2, "pad": False})
        with self.assertRaisesRegex(ratios.Unavailable, "cumsum_buffer"):
            moe_peers.call_with(align, {"topk_ids": 1})


class FakeTensor:
    """A shape."""

    def __init__(self, *shape):
        self.shape, self.device, self.dtype = shape, "cuda", "bf16"

    def numel(self):
        count = 1
        for size in self.shape:
            count *= size
        return count

    def to(self, _):
        return self

    def t(self):
        return FakeTensor(*reversed(self.shape))

    def chunk(self, count, dim):
        return [self] * count


FAKE_TORCH = types.SimpleNamespace(int32="int32", zeros=lambda count, dtype, device: FakeTensor(count), empty_like=lambda t: t,
                                   rand=lambda shape, device: FakeTensor(*shape))
FAKE_OPERANDS = types.SimpleNamespace(device="cuda", uniform=lambda shape, _: FakeTensor(*shape),
                                      choices=lambda o: FakeTensor(o["point"]["tokens"], o["point"]["top_k"]))


def fake_peer(kind, **functions):
    """A peer of moe_peers whose package is the functions."""
    peer = kind.__new__(kind)
    peer.torch, peer.operands, peer.name = FAKE_TORCH, FAKE_OPERANDS, "double"
    for name, function in functions.items():
        setattr(peer, name, function)
    return peer


class MoePeers(unittest.TestCase):
    """Doubles have the signatures that the packages' releases have."""

    point = {"tokens": 6, "hidden": 16, "experts": 4, "top_k": 2}

    def rows(self):
        seen = {}

        def moe_permute(hidden_states, a1q_scale, topk_ids, n_expert, n_local_expert=-1, expert_map=None,
                        permuted_hidden_states=None, scratch=None):
            seen.update(rows=hidden_states.shape, ids=topk_ids.shape, experts=n_expert, scale=a1q_scale)
            return "rows", None, "offsets", "places", "order"

        def moe_unpermute(out, permuted_hidden_states, topk_weights, inv_permuted_idx, expert_first_token_offset=None):
            seen.update(out=out.shape, weights=topk_weights.shape,
                        tables=(permuted_hidden_states, inv_permuted_idx, expert_first_token_offset))

        return types.SimpleNamespace(moe_permute=moe_permute, moe_unpermute=moe_unpermute), seen

    def test_vllm_permutes_and_unpermutes(self):
        rows, seen = self.rows()
        vllm = fake_peer(moe_peers.Vllm, rows=rows)
        vllm.make(observation("permute", self.point))()
        self.assertEqual(seen, {"rows": (6, 16), "ids": (6, 2), "experts": 4, "scale": None})
        vllm.make(observation("unpermute", self.point))()
        self.assertEqual((seen["out"], seen["weights"], seen["tables"]), ((6, 16), (6, 2), ("rows", "places", "offsets")))

    def test_vllms_earlier_release_took_its_output_first(self):
        seen = {}

        def moe_permute(permuted_hidden_states, hidden_states, a1q_scale, topk_ids, n_expert, align_block_size=None):
            seen.update(out=permuted_hidden_states, rows=hidden_states.shape)

        fake_peer(moe_peers.Vllm, rows=types.SimpleNamespace(moe_permute=moe_permute)).make(observation("permute", self.point))()
        self.assertEqual(seen, {"out": None, "rows": (6, 16)})

    def test_transformer_engine_is_given_indices(self):
        seen = {}

        def moe_permute(inp, routing_map, num_out_tokens, max_token_num=-1, map_type="mask"):
            seen.update(rows=inp.shape, ids=routing_map.shape, count=num_out_tokens, most=max_token_num, map=map_type)
            return "rows", "places"

        def moe_unpermute(inp, row_id_map, merging_probs=None, restore_shape=None, map_type="mask"):
            seen.update(tables=(inp, row_id_map), weights=merging_probs.shape, map=map_type)

        rows = types.SimpleNamespace(moe_permute=moe_permute, moe_unpermute=moe_unpermute)
        engine = fake_peer(moe_peers.TransformerEngine, rows=rows)
        engine.make(observation("permute", self.point))()
        self.assertEqual(seen, {"rows": (6, 16), "ids": (6, 2), "count": 12, "most": 6, "map": "index"})
        engine.make(observation("unpermute", self.point))()
        self.assertEqual((seen["tables"], seen["weights"], seen["map"]), (("rows", "places"), (6, 2), "index"))
        with self.assertRaisesRegex(ratios.Unavailable, "FP8"):
            engine.make(observation("permute", self.point, dtypes={"a": "fp8_e4m3", "c": "fp8_e4m3"}))

    def test_align_kernels_get_tables_of_their_experts(self):
        seen = {}

        def present(topk_ids, num_experts, block_size, sorted_token_ids, experts_ids, num_tokens_post_pad, cumsum_buffer,
                    pad_sorted_token_ids=False):
            seen.update(experts=num_experts, rows=sorted_token_ids.numel(), blocks=experts_ids.numel(),
                        sums=cumsum_buffer.numel(), pads=pad_sorted_token_ids)

        def vllms(topk_ids, num_experts, block_size, sorted_token_ids, experts_ids, num_tokens_post_pad, expert_map=None):
            seen.update(experts=num_experts, rows=sorted_token_ids.numel(), ids=topk_ids.shape)

        gate = observation("topk_gate", self.point, dtypes={"a": "f32"})
        fake_peer(moe_peers.Sglang, align=present).make(gate)()
        self.assertEqual(seen, {"experts": 5, "rows": 12 + 5 * 127, "blocks": 6, "sums": 6, "pads": True})
        seen.clear()
        fake_peer(moe_peers.Vllm, align=vllms).make(gate)()
        self.assertEqual(seen, {"experts": 4, "rows": 12 + 4 * 127, "ids": (6, 2)})

    def test_a_cast_is_not_theirs(self):
        with self.assertRaisesRegex(ratios.Unavailable, "does not cast"):
            fake_peer(moe_peers.Vllm).make(observation("permute", self.point, dtypes={"c": "fp8_e4m3"}))


class WithoutPyTorch(unittest.TestCase):
    """What PyTorch's operators are given."""

    def peer(self, **operators):
        peer = torch_peer.Torch.__new__(torch_peer.Torch)
        peer.torch, peer.operands = types.SimpleNamespace(**operators), torch_peer.Operands.__new__(torch_peer.Operands)
        peer.operands.torch = peer.torch
        self.shapes = []
        peer.operands.uniform = lambda shape, word: self.shapes.append((shape, word)) or FakeTensor(*shape)
        peer.to_fp8 = lambda values, word, by_tensor: ("cast", values, word, by_tensor)
        return peer

    def test_a_product_has_the_operands_of_its_layout(self):
        seen = []
        peer = self.peer(empty=lambda shape, dtype, device: shape, mm=lambda a, b, out: seen.append((a.shape, b.shape, out)))
        for layout in ("TN", "NN", "NT", "TT"):
            peer.make(gemm(layout))()
        self.assertEqual(self.shapes[0::2], [((6, 2), "bf16"), ((6, 2), "bf16"), ((2, 6), "bf16"), ((2, 6), "bf16")])
        self.assertEqual(self.shapes[1::2], [((4, 2), "bf16"), ((2, 4), "bf16"), ((2, 4), "bf16"), ((4, 2), "bf16")])
        self.assertEqual(seen, [((6, 2), (2, 4), (6, 4))] * 4)

    def test_an_fp8_product_of_another_layout_is_none_of_torchs(self):
        with self.assertRaisesRegex(ratios.Unavailable, "TN only"):
            self.peer().make(gemm(dtypes={"a": "fp8_e4m3", "b": "fp8_e4m3", "scale_mode": "tensor", "layout": "NN"}))

    def test_a_cast_follows_where_ours_has_one(self):
        peer = self.peer()
        self.assertEqual(peer.cast(observation("permute", {}), lambda: "rows")(), "rows")
        self.assertEqual(peer.cast(observation("permute", {}, dtypes={"c": "fp8_e4m3"}), lambda: "rows")(),
                         ("cast", "rows", "fp8_e4m3", False))

    def test_swiglu_reads_two_columns_for_one(self):
        silu = types.SimpleNamespace(functional=types.SimpleNamespace(silu=lambda gate: gate))
        self.peer(nn=silu).make(observation("swiglu", {"tokens": 3, "inner": 8}))
        self.assertEqual(self.shapes, [((3, 16), "bf16")])

    def test_a_capacity_is_not_left_out(self):
        for operation in ("permute", "unpermute", "topk_gate"):
            o = observation(operation, {"tokens": 5, "hidden": 16, "experts": 4, "top_k": 2}, routing={"capacity_factor": 1.2})
            with self.assertRaisesRegex(ratios.Unavailable, "capacity"):
                self.peer().make(o)


class FakeCuda:
    """The part of torch.cuda that batches are timed with: a call takes a second, of which a graph keeps a tenth."""

    def __init__(self, captures):
        self.captures, self.now, self.capturing, self.calls = captures, 0.0, None, 0
        cuda = types.SimpleNamespace(CUDAGraph=self.graph_type(), Event=self.event_type(), synchronize=lambda: None,
                                     graph=self.capture)
        self.torch = types.SimpleNamespace(cuda=cuda)

    def call(self):
        self.calls += 1
        if self.capturing is not None:
            self.capturing.length += 1
        else:
            self.now += 1e-6

    @contextlib.contextmanager
    def capture(self, graph):
        if not self.captures:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.capturing = graph
        yield
        self.capturing = None

    def graph_type(self):
        fake = self

        class Graph:
            length = 0

            def replay(self):
                fake.now += 1e-7 * self.length

        return Graph

    def event_type(self):
        fake = self

        class Event:
            def __init__(self, enable_timing):
                self.at = None

            def record(self):
                self.at = fake.now

            def synchronize(self):
                pass

            def elapsed_time(self, other):
                return 1e3 * (other.at - self.at)

        return Event


class Timing(unittest.TestCase):
    def test_a_batch_is_a_replayed_graph_of_whole_rotations(self):
        fake = FakeCuda(captures=True)
        timer = timing.Timer(fake.torch, "cuda")
        self.assertAlmostEqual(timer.seconds([fake.call] * 7), 1e-7)
        self.assertFalse(timer.is_eager)
        self.assertEqual(fake.calls % 7, 0, "a rotation was cut: its sets would not all be cold")
        self.assertGreaterEqual(fake.now, timing.WARM_UP_S)

    def test_what_cannot_be_captured_is_timed_call_by_call_and_says_so(self):
        fake = FakeCuda(captures=False)
        timer = timing.Timer(fake.torch, "cuda")
        self.assertAlmostEqual(timer.seconds([fake.call] * 3), 1e-6)
        self.assertTrue(timer.is_eager)

    def test_a_rotation_that_takes_too_long_is_given_up(self):
        with unittest.mock.patch.object(timing, "LONGEST_S", 0):
            with self.assertRaisesRegex(ratios.Unavailable, "its 3 buffer sets"):
                timing.Timer(None, "cpu").seconds([lambda: None] * 3)
            fewest = timing.Timer(None, "cpu").samples(lambda: None)
            self.assertEqual(len(fewest), timing.FEWEST)


@unittest.skipIf(torch is None, "PyTorch is not installed")
class PyTorch(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.peer = torch_peer.Torch(torch, "cpu")

    def test_products_have_the_layout_and_the_shape(self):
        calls = []
        for layout in ("TN", "NN", "NT", "TT"):
            mm = unittest.mock.patch.object(torch, "mm", wraps=torch.mm)
            with mm as seen:
                self.peer.make(gemm(layout))()
                a, b = seen.call_args.args
                calls.append((layout, tuple(a.shape), tuple(b.shape), a.is_contiguous(), b.is_contiguous()))
        self.assertEqual(calls, [("TN", (6, 2), (2, 4), True, False), ("NN", (6, 2), (2, 4), True, True),
                                 ("NT", (6, 2), (2, 4), False, True), ("TT", (6, 2), (2, 4), False, False)])

    def test_fp8_products_are_of_one_layout(self):
        types_of = {"a": "fp8_e4m3", "b": "fp8_e4m3", "c": "bf16", "scale_mode": "tensor", "layout": "NN"}
        with self.assertRaisesRegex(ratios.Unavailable, "TN only"):
            self.peer.make(gemm(dtypes=types_of))
        with self.assertRaisesRegex(ratios.Unavailable, "block_1x128"):
            self.peer.make(gemm(dtypes=types_of | {"layout": "TN", "scale_mode": "block_1x128"}))

    def test_a_fused_cast_is_appended(self):
        point = {"tokens": 5, "hidden": 256, "experts": 4, "top_k": 2, "inner": 128}
        for operation, shape in (("permute", (10, 2, 128)), ("swiglu", (5, 1, 128))):
            plain = self.peer.make(observation(operation, point))()
            self.assertEqual(plain.dtype, torch.bfloat16)
            cast, scales = self.peer.make(observation(operation, point, dtypes={"c": "fp8_e4m3"}))()
            self.assertEqual((cast.dtype, tuple(cast.shape)), (torch.float8_e4m3fn, shape))
            self.assertEqual(tuple(scales.shape), (*shape[:2], 1))

    def test_a_capacity_is_no_work_of_these_operators(self):
        point = {"tokens": 5, "hidden": 16, "experts": 4, "top_k": 2}
        for operation in ("permute", "unpermute", "topk_gate"):
            with self.assertRaisesRegex(ratios.Unavailable, "capacity"):
                self.peer.make(observation(operation, point, routing={"capacity_factor": 1.2, "distribution": "uniform"}))
        with self.assertRaisesRegex(ratios.Unavailable, "power_law"):
            self.peer.make(observation("permute", point, routing={"capacity_factor": 0, "distribution": "power_law"}))

    def test_a_gate_gives_what_moecals_gives(self):
        point = {"tokens": 50, "experts": 8, "top_k": 2}
        weights, experts, counts, ends, row_of = self.peer.make(observation("topk_gate", point))()
        self.assertTrue(torch.allclose(weights.sum(dim=1), torch.ones(50)))
        self.assertEqual((counts.sum().item(), ends[-1].item()), (100, 100))
        rows = torch.empty(100, dtype=experts.dtype)
        rows[row_of] = experts.flatten()
        self.assertTrue(torch.equal(rows, experts.flatten().sort().values))

    def test_swiglu_and_unpermute_give_their_rows(self):
        rows = self.peer.make(observation("swiglu", {"tokens": 3, "inner": 8}))()
        self.assertEqual(tuple(rows.shape), (3, 8))
        point = {"tokens": 5, "hidden": 16, "experts": 4, "top_k": 2}
        self.assertEqual(tuple(self.peer.make(observation("unpermute", point))().shape), (5, 1, 16))

    def test_quantize_is_by_tensor_or_by_block(self):
        point = {"tokens": 4, "hidden": 256}
        for mode, scales in (("tensor", ()), ("block_1x128", (4, 2, 1))):
            values, scale = self.peer.make(observation("quantize", point, dtypes={"c": "fp8_e4m3", "scale_mode": mode}))()
            self.assertEqual((values.dtype, tuple(scale.shape)), (torch.float8_e4m3fn, scales))

    def test_points_are_run_and_compared(self):
        swiglu = observation("swiglu", {"tokens": 3, "inner": 8}, 1e-6, backend="cpu")
        odd = observation("attention", {}, backend="cpu")
        not_run = peers.NotRun()
        timed, found = peers.run_peers([swiglu, odd], argparse.Namespace(device="cpu", seconds=60, points=0), not_run)
        self.assertEqual([o["operation"] for o, _, _ in timed], ["swiglu"])
        self.assertRegex(not_run.text(), "PyTorch .*, attention: .*1 points")
        self.assertIn("- vLLM (moe_permute, moe_unpermute, moe_align_block_size): its kernels are of GPUs", not_run.text())
        rows = peers.compare_with_peers([swiglu], timed, found, not_run)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            peers.section("Peers", rows, "peer", False, "none")
        self.assertIn("| swiglu | PyTorch", said.getvalue())


if __name__ == "__main__":
    unittest.main()
