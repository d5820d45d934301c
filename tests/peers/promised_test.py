# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/promised.py: an aim that nothing was held to is in the tables all the same, with the reason."""
import unittest
import unittest.mock

from doubles import MIB, copy, gemm, observation
import compared
import promised
import ratios
import running
import sections
import tables


def ended(kind, reason, o):
    return {name: o[name] for name in ("operation", "implementation", "backend", "point", "dtypes", "policy")} | {
        "outcome": {"kind": kind, "reason": reason}}


def of_peers(points, runner, timed=()):
    return sections.of_peers(compared.add_peers(compared.Compared(), points, runner, timed), points.measured, timed, True)


class Promised(unittest.TestCase):
    def setUp(self):
        self.copies = [copy(64, 0.064), copy(2048, 2.048)]
        self.swiglu = observation("swiglu", {"tokens": 1}, 0.256)

    def lines(self, points, *of):
        return [line for text in sections.without_peers(compared.without_peers(points), points, True) for line in text.splitlines() if line.startswith(of)]

    def test_a_kernel_whose_points_all_failed_keeps_its_row_and_says_why(self):
        failed = [ended("failed", "the results are wrong\nin row 3", observation("permute", {"tokens": i})) for i in range(2)]
        small = observation("quantize", {"tokens": 1}, work={"read_bytes": MIB, "written_bytes": MIB})
        points = promised.Points([*self.copies, self.swiglu, small], failed)
        self.assertEqual(
            self.lines(points, "| swiglu", "| permute", "| unpermute", "| quantize"),
            ["| permute | - | 0 of 0 | - | at least 0.92: not yet measured | - | - | - | 2: failed: the results are wrong in row 3 |",
             "| quantize | - | 0 of 1 | - | at least 0.92: not yet measured | - | - | - | "
             "1: not at 256 MiB moved and more, cold, beside a copy |",
             "| swiglu | own | 1 of 1 | 1.00 | at least 0.92: met | 0 | 1.00 | tokens=1 bf16 cold | - |",
             "| unpermute | - | 0 of 0 | - | at least 0.92: not yet measured | - | - | - | the file has no point of it |"])
        self.assertEqual(len(self.lines(points, "| topk_gate | - | 0 of 0 | - | at most 1.3: not yet measured |")), 1)

    def test_every_own_kernel_and_product_is_in_the_tables_of_peers(self):
        runner = running.Runner(None)
        points = promised.Points([self.swiglu, gemm()], [ended("skipped", "no FP8 here", gemm())])
        text = "\n".join(of_peers(points, runner))
        for operation in ("permute", "unpermute", "quantize", "topk_gate"):
            self.assertIn(f"| {operation} | - | 0 of 0 | - | at least 1: not yet measured | - | - | - | the file has no", text)
        self.assertIn("| swiglu | - | 0 of 1 | - | at least 1: not yet measured | - | - | - | 1: no peer was timed at it |", text)
        self.assertIn("| expert_gemm | - | 0 of 1 | - | at least 0.98: not yet measured | - | - | - | 1: no peer was timed at it; "
                      "1: skipped: no FP8 here |", text)
        for operation in ("expert_gemm", "grouped_gemm"):
            self.assertIn(f"| {operation} | - | ", text.split(f"## {operation}: the fastest's time")[1])

    def test_what_has_a_row_with_an_aim_needs_no_other(self):
        runner = running.Runner(None)
        runner.untimed = [(self.swiglu, "PyTorch", "the 9 s were over")]
        text = "\n".join(of_peers(promised.Points([self.swiglu], []), runner))
        self.assertIn("| swiglu | PyTorch | 0 of 1 | - | at least 1: not yet measured | - | - | - | 1: the 9 s were over |", text)
        self.assertNotIn("| swiglu | - |", text)
        eager = of_peers(promised.Points([self.swiglu], []), running.Runner(None), [(self.swiglu, "PyTorch (eager)", 1.0)])
        self.assertIn("| swiglu | - | 0 of 1 | - | at least 1: not yet measured |", eager[0], "no aim is held to what is eager")

    def test_of_a_point_the_last_record_counts(self):
        skipped, failed = (ended(kind, kind, self.swiglu) for kind in ("skipped", "failed"))
        measured = self.swiglu | {"outcome": {"kind": "measured"}}
        self.assertEqual(promised.unmeasured([skipped, {"outcome": "?"}, {}, failed]), [failed])
        self.assertEqual(promised.unmeasured([skipped, measured]), [], "the run went on")


class AllProducts(unittest.TestCase):
    def test_points_without_a_time_are_in_the_row_of_all_products_too(self):
        points = [gemm(), gemm("NT", dtypes={"layout": "NT", "a": "f16", "b": "f16"})]
        runner = running.Runner(None)
        runner.untimed = [(o, "PyTorch", "no memory") for o in points]
        text = of_peers(promised.Points(points, []), runner)[0]
        self.assertIn("| expert_gemm, all types | PyTorch | 0 of 2 | - | at least 0.98: not yet measured | - | - | - | 2: no memory |", text)

    def test_the_fastest_of_all_products_has_one_row(self):
        points = [gemm(), gemm("NT", dtypes={"layout": "NT", "a": "f16", "b": "f16"})]
        timed = [(points[0], "PyTorch", 1e-3), (points[1], "PyTorch", 0.9e-3)]
        rows = ratios.compare_with_best(points, "expert_gemm", timed)
        row = rows["expert_gemm, all types", "moecal's fastest"]
        self.assertEqual((len(row.entries), round(row.median(), 3)), (2, 0.95))
        self.assertEqual(row.aim, tables.OF_BEST)
        grouped = ratios.compare_with_best([points[0] | {"operation": "grouped_gemm"}], "grouped_gemm", [])
        self.assertFalse(grouped)


if __name__ == "__main__":
    unittest.main()
