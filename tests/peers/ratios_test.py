# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/ratios.py: what is held against what, on made-up observations."""
import unittest

from doubles import MIB, copy, gemm, observation, reading
import observed
import ratios
import running


class Observations(unittest.TestCase):
    def test_a_throttled_sample_does_not_count(self):
        o = observation("permute", {}) | {"samples_s": [1.0, 3.0, 9.0], "flags": {"throttled": [False, False, True]}}
        self.assertEqual(observed.seconds(o), 2.0)
        o["flags"]["throttled"] = [True, True, True]
        self.assertEqual(observed.seconds(o), 3.0)

    def test_what_was_not_held_and_took_its_host_as_long_is_launch_bound(self):
        o = observation("permute", {}, 10e-6, sample={"timer": "cuda_event_led"}, host_s=[9e-6, 9e-6, 1e-6])
        self.assertTrue(observed.is_launch_bound(o))
        self.assertFalse(observed.is_launch_bound(o | {"host_s": [7e-6]}))
        self.assertFalse(observed.is_launch_bound(o | {"sample": {"timer": "cuda_event"}}))
        self.assertFalse(observed.is_launch_bound(observation("permute", {})))

    def test_a_kind_is_a_piece_of_work(self):
        kinds = [observed.kind(observation("quantize", {}, dtypes={"c": "fp8_e4m3", "scale_mode": mode}))
                 for mode in ("tensor", "block_1x128")]
        self.assertEqual(kinds, ["quantize tensor", "quantize block_1x128"])
        self.assertEqual(observed.kind(gemm("NT")), "expert_gemm bf16 NT")
        self.assertEqual(observed.kind(gemm("TN")), "expert_gemm bf16")
        fused = observation("swiglu", {}, dtypes={"c": "fp8_e4m3", "scale_mode": "block_1x128"})
        self.assertEqual(observed.kind(fused), "swiglu block_1x128 to fp8_e4m3")
        limited = observation("permute", {}, routing={"capacity_factor": 1.2})
        self.assertEqual(observed.kind(limited), "permute with a capacity")
        gates = [observed.kind(observation("topk_gate", {}, dtypes={"a": dtype}, implementation=implementation))
                 for dtype, implementation in (("f32", "own"), ("bf16", "own"), ("bf16", "own_sigmoid"))]
        self.assertEqual(gates, ["topk_gate f32", "topk_gate bf16", "topk_gate bf16 sigmoid"], "a read of another size")

    def test_operands_lie_as_the_layout_says(self):
        point = {"m": 6, "n": 4, "k": 2}
        self.assertEqual(observed.stored_shapes(point, "TN"), ((6, 2, False), (4, 2, True)))
        self.assertEqual(observed.stored_shapes(point, ""), ((6, 2, False), (4, 2, True)))
        self.assertEqual(observed.stored_shapes(point, "NN"), ((6, 2, False), (2, 4, False)))
        self.assertEqual(observed.stored_shapes(point, "NT"), ((2, 6, True), (2, 4, False)))

    def test_a_cold_peer_goes_through_as_many_sets_as_moecal_did(self):
        self.assertEqual(observed.buffer_sets(observation("swiglu", {}, sample={"buffer_sets": 3000})), 3000)
        self.assertEqual(observed.buffer_sets(observation("permute", {}, sample={"buffer_sets": 1})), 1)
        self.assertEqual(observed.buffer_sets(observation("swiglu", {}, cache="warm", sample={"buffer_sets": 3000})), 1)
        with self.assertRaises(observed.Unavailable):
            observed.buffer_sets(observation("swiglu", {}, sample={}))


class Comparisons(unittest.TestCase):
    def test_times_are_interpolated_in_bytes_and_never_guessed_below(self):
        copies = ratios.copy_times([copy(100, 1.0), copy(400, 2.0), copy(400, 4.0)])
        self.assertAlmostEqual(copies.at(100 * MIB), 1.0)
        self.assertAlmostEqual(copies.at(200 * MIB), 1.0 + 1.0 / 3)  # a third of the way from 100 to 400
        self.assertAlmostEqual(copies.at(400 * MIB), 2.0)
        self.assertAlmostEqual(copies.at(4000 * MIB), 20.0, msg="at the rate of the largest")
        with self.assertRaises(observed.Unavailable):
            copies.at(99 * MIB)

    def test_a_machine_that_takes_a_time_of_its_own_and_a_rate_is_interpolated_exactly(self):
        def took(mib):
            return 2e-6 + mib * MIB / 4.4e12

        reads = ratios.read_times([reading(mib, took(mib)) for mib in (1, 16, 256)])
        # 134,217,728 bytes at 4.4 TB/s are 30.504 us, and 2 us before them.
        self.assertAlmostEqual(reads.at(128 * MIB), 32.504e-6, delta=1e-9)
        for mib in (1, 3, 16, 128, 255, 256):
            self.assertAlmostEqual(reads.at(mib * MIB), took(mib), delta=1e-15)
        gate = observation("topk_gate", {"tokens": 131072, "experts": 256, "top_k": 8}, 1e-3, dtypes={"a": "f32"},
                           parts_s={"choose_experts": [1.35 * took(128)]}, parts_cache={"choose_experts": "cold"})
        row, = ratios.compare_gate_with_reading([*(reading(mib, took(mib)) for mib in (1, 16, 256)), gate]).values()
        self.assertAlmostEqual(row.median(), 1.35)
        self.assertEqual(row.verdict(True), "at most 1.3: missed")

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
        twice = rows["quantize tensor, both reads counted", "own"]
        self.assertEqual((twice.verdict(True), twice.verdict(False)), ("at least 0.92: missed", "at least 0.92: of GPUs"))
        self.assertEqual(rows["quantize tensor", "own"].verdict(True), "at least 0.92: out of reach, 0.60 at most")

    def test_what_crosses_no_memory_is_not_held_against_a_copy(self):
        transfer = observation("host_transfer", {"bytes": 1})
        self.assertFalse(ratios.compare_with_copy([copy(64, 1.0), copy(2048, 1.0), transfer]))

    def test_the_choice_is_held_against_reading_the_logits(self):
        point = {"tokens": 131072, "experts": 256, "top_k": 8}
        reads = [reading(64, 64e-6), reading(1024, 1024e-6)]
        whole = observation("topk_gate", point, 400e-6, dtypes={"a": "f32"})
        parts = whole | {"parts_s": {"choose_experts": [150e-6, 160e-6, 170e-6], "table": [200e-6]},
                         "parts_cache": {"choose_experts": "cold", "table": "warm"}}
        rows = ratios.compare_gate_with_reading([*reads, parts])
        (key, row), = rows.items()
        self.assertEqual(key, ("topk_gate f32: scores and top-k", "own"))
        self.assertAlmostEqual(row.median(), 1.25)
        self.assertEqual(row.verdict(True), "at most 1.3: met")
        warm = parts | {"parts_cache": {"choose_experts": "warm", "table": "warm"}}
        for o in (whole, warm):
            (key, row), = ratios.compare_gate_with_reading([*reads, o]).items()
            self.assertIn("whole gate", key[0])
        self.assertEqual(row.verdict(True), "at most 1.3: missed")
        small = observation("topk_gate", point | {"tokens": 4096}, dtypes={"a": "f32"})
        self.assertFalse(ratios.compare_gate_with_reading([*reads, small]))
        self.assertFalse(ratios.compare_gate_with_reading([whole]), "there is nothing to compare with")

    def test_the_best_of_a_run_is_the_best_of_all_implementations_and_peers(self):
        alone, contested = gemm("NN", 1.0), gemm("TN", 1.0)
        rows = ratios.compare_with_best([alone, contested], "expert_gemm", [(contested, "PyTorch", 0.9)])
        self.assertEqual(rows["expert_gemm bf16", "moecal's fastest"].verdict(True), "at least 0.95: missed")
        self.assertEqual(rows["expert_gemm bf16", "PyTorch"].entries[0][0], 1.0)
        self.assertEqual({name for name, _ in rows}, {"expert_gemm bf16", ratios.ALL_GEMMS}, "one implementation is no comparison")

    def test_what_was_not_held_is_not_among_the_fastest(self):
        o = gemm("TN", 1.0)
        self.assertFalse(ratios.compare_with_best([o], "expert_gemm", [(o, "PyTorch" + ratios.EAGER, 0.9)]))
        rows = ratios.compare_with_best([o], "expert_gemm", [(o, "PyTorch (eager)", 0.5), (o, "other", 0.8)])
        self.assertAlmostEqual(rows["expert_gemm bf16", "moecal's fastest"].median(), 0.8)

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
            self.assertEqual(sorted(running.spread(count)), list(range(count)))
        self.assertEqual(running.spread(8)[:3], [4, 2, 6])

    def test_kinds_take_turns_and_none_is_left_out(self):
        points = [gemm("TN", i + 1.0) for i in range(40)] + [observation("swiglu", {}, i + 1.0) for i in range(2)]
        order = running.in_turn(points)
        self.assertEqual(len(order), 42)
        self.assertEqual([o["operation"] for o in order[:4]], ["expert_gemm", "swiglu"] * 2)
        self.assertEqual(len(running.in_turn(points, most=3)), 5)


if __name__ == "__main__":
    unittest.main()
