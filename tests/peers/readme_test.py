# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/readme.py: README's table of ratios is what the script prints, and one kernel hides no other."""
import pathlib
import unittest

from doubles import MIB, copy, gemm, observation
import compared
import promised
import readme
import running

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def measured(observations, timed=(), is_judged=True):
    """The third cells."""
    points = promised.Points(observations, [])
    found = compared.add_peers(compared.without_peers(points), points, running.Runner(None), timed)
    return [readme.measured_text(line.rows(found), line.aim, is_judged) for line in readme.LINES]


class Readme(unittest.TestCase):
    def test_readme_has_the_lines_that_the_script_prints(self):
        lines = README.read_text(encoding="utf-8").splitlines()
        first = lines.index("| " + " | ".join(readme.HEAD) + " |")
        found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first + 2 : first + 2 + len(readme.LINES)]]
        self.assertEqual([cells[:2] for cells in found], [[line.words, readme.aim_text(line.aim)] for line in readme.LINES])
        self.assertFalse(lines[first + 2 + len(readme.LINES)].startswith("|"), "README has a line that the script has not")

    def test_what_was_not_measured_is_not_a_figure(self):
        self.assertEqual(measured([observation("attention", {})]), ["not yet measured"] * len(readme.LINES))

    def test_a_kernel_below_its_aim_is_seen_behind_others(self):
        kernels = [observation("permute", {"tokens": i}, 0.26) for i in range(3)] + [observation("swiglu", {}, 0.32)]
        copies, *_ = measured([copy(64, 0.064), copy(2048, 2.048), *kernels])
        self.assertEqual(copies, "0.98 of 4 points; 2 kinds, the least 0.80 (swiglu): missed by 1 of them; not yet measured: "
                         "quantize, unpermute")
        copies, *_ = measured([copy(64, 0.064), copy(2048, 2.048), *kernels], is_judged=False)
        self.assertIn(": the aim is of GPUs; ", copies)

    def test_both_readings_of_a_quantize_have_their_own_line(self):
        work = {"read_bytes": 256 * MIB, "written_bytes": 128 * MIB}
        tensor = observation("quantize", {}, 0.8, work=work, dtypes={"c": "fp8_e4m3", "scale_mode": "tensor"})
        one, both, *_ = measured([copy(64, 0.064), copy(2048, 2.048), tensor])
        self.assertEqual((one, both), ("not yet measured", "0.80 of 1 point: missed"))

    def test_own_kernels_are_held_against_the_best_peer_and_products_against_theirs(self):
        swiglu, gate = observation("swiglu", {}, 1.0), observation("topk_gate", {"tokens": 1, "experts": 8}, 1.0, dtypes={"a": "f32"})
        product, half = gemm(seconds=1.0), gemm(seconds=1.0, dtypes={"layout": "TN", "a": "f16", "b": "f16"})
        timed = [(swiglu, "PyTorch", 1.5), (swiglu, "other", 1.2), (product, "PyTorch", 0.9), (half, "PyTorch", 1.1)]
        *_, own, torch, fastest = measured([swiglu, gate, product, half], timed)
        self.assertEqual(own, "1.20 of 1 point: met; not yet measured: permute, quantize, topk_gate f32, unpermute")
        self.assertEqual(torch, "1.00 of 2 points; 2 kinds, the least 0.90 (expert_gemm bf16): missed by 1 of them")
        self.assertEqual(fastest, "0.95 of 2 points; 2 kinds, the least 0.90 (expert_gemm bf16): missed by 1 of them")

    def test_the_section_says_of_which_run_it_is(self):
        text = readme.section(compared.Compared(), "2026-01-01, driver 580, `measure_card.sh`.", True)
        self.assertTrue(text.startswith("\n## For README\n\n2026-01-01, driver 580, `measure_card.sh`.\n\n| ratio, "))
        self.assertEqual(text.count(" | not yet measured |"), len(readme.LINES))


if __name__ == "__main__":
    unittest.main()
