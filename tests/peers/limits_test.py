# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/limits.py: a peer's result that the card cannot have done is in no table."""
import os
import pathlib
import tempfile
import unittest
import unittest.mock

from doubles import MIB, gemm, observation
import limits
import running

try:
    import tomllib  # noqa: F401  # pylint: disable=unused-import
except ImportError:
    print("skipped: this python3 reads no TOML")
    raise SystemExit(77)

SHEET = """
id = "made-up"
memory_bytes_per_second = {value = 1e12, source = "a"}
last_level_cache_bytes = {value = 1e6, source = "a"}
[dense_peak_flops_per_second]
bf16 = {value = 1e14, source = "a"}
"""
PRODUCT = gemm(work={"flops": 1e12, "read_bytes": 0, "written_bytes": 0})  # 10 ms at the peak
MOVER = observation("permute", {"tokens": 1})                              # 256 MiB


class Impossible(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.sheet = pathlib.Path(folder.name) / "hardware" / "made-up.toml"
        self.sheet.parent.mkdir()
        self.sheet.write_text(SHEET)
        patch = unittest.mock.patch.dict(os.environ, {"MOECAL_DATA_DIR": folder.name})
        patch.start()
        self.addCleanup(patch.stop)

    def kept(self, timed, card="made-up"):
        not_run = running.NotRun()
        return [took for _, _, took in limits.without_impossible(timed, card, not_run)], not_run.text()

    def test_is_a_product_over_the_peak_and_its_tolerance(self):
        kept, said = self.kept([(PRODUCT, "PyTorch", took) for took in (10e-3, 9.81e-3, 9.79e-3, 0.0)])
        self.assertEqual(kept, [10e-3, 9.81e-3])
        self.assertIn("- PyTorch, expert_gemm m=6 n=4 k=2 bf16 cold: impossible, and in no table: 102.1 TFLOP/s is over the "
                      "dense bf16 peak of made-up, 100 TFLOP/s (1 points)", said)
        self.assertIn("infinitely many TFLOP/s", said)

    def test_is_a_kernel_that_moves_more_than_memory_does(self):
        least = 256 * MIB / 1.02e12
        kept, said = self.kept([(MOVER, "vLLM", least * 1.001), (MOVER, "vLLM", least * 0.999)])
        self.assertEqual(kept, [least * 1.001])
        self.assertIn("TB/s is over the memory bandwidth of made-up, 1 TB/s", said)

    def test_is_not_what_leaves_scores_out_of_memory(self):
        point = {"batch": 1, "sequence": 16384, "heads": 32, "kv_heads": 32, "head_size": 128, "causal": 1}
        unfused = observation("attention", point, work={"read_bytes": 40e9, "written_bytes": 20e9})
        least = 4 * 32 * 16384 * 128 * 2 / 1.02e12  # queries, keys, values and the result
        self.assertEqual(self.kept([(unfused, "PyTorch", took) for took in (1.01 * least, 0.99 * least)])[0], [1.01 * least])

    def test_is_nothing_that_a_cache_may_hold(self):
        small = observation("permute", {"tokens": 1}, work={"read_bytes": 2e6, "written_bytes": 1.9e6})
        self.assertEqual(self.kept([(small, "vLLM", 1e-9)]), ([1e-9], "None."))

    def test_is_nothing_known_of_a_card_without_figures_which_is_said(self):
        for card in ("unheard-of", ""):
            kept, said = self.kept([(PRODUCT, "PyTorch", 1e-9)], card)
            self.assertEqual(kept, [1e-9])
            self.assertRegex(said, f"not checked: there is no .*hardware/{card}.toml")
        self.sheet.write_text("id = 1\n[[")
        self.assertRegex(self.kept([(PRODUCT, "PyTorch", 1e-9)])[1], "not checked: .*made-up.toml is no spec sheet")

    def test_has_the_figures_of_this_projects_cards(self):
        with unittest.mock.patch.dict(os.environ):
            del os.environ["MOECAL_DATA_DIR"]
            h200 = limits.limits_of("h200-sxm")
        self.assertEqual((h200.peaks["bf16"], h200.memory_rate, h200.cache), (9.895e14, 4.8e12, 52428800.0))


if __name__ == "__main__":
    unittest.main()
