# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/peers.py: peers' times as tables, and what it says to bad input."""
import contextlib
import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

from doubles import gemm, grouped, observation
import comparing
import interrupts
import moe_peers
import observed
import peers
import ratios
import running
import tables

RECORD = gemm(outcome={"kind": "measured"}, ranks={"world": 1}, commit="abc")


def rows_of(observations, timed, found, not_run):
    held = comparing.hold(observations, timed, found, not_run)
    return comparing.rows_of_peers(observations, held) | comparing.of_several(comparing.best_peers(observations, held), held)


class PeersTimes(unittest.TestCase):
    def setUp(self):
        self.point = {"tokens": 8, "experts": 4, "top_k": 2}
        self.gate = observation("topk_gate", self.point, 5.0, dtypes={"a": "f32"}, parts_s={"choose_experts": [2.0]})
        self.permute = observation("permute", self.point | {"hidden": 16}, 4.0)
        self.peer = moe_peers.MoePeer.__new__(moe_peers.MoePeer)
        self.peer.name = "vLLM"

    def rows(self, observations, timed, not_run=None):
        return rows_of(observations, timed, [self.peer], not_run or running.NotRun())

    def test_a_permute_that_sorts_takes_what_permute_and_table_take(self):
        self.assertEqual(self.peer.own_seconds(self.permute, [self.permute, self.gate]), 7.0)
        self.assertEqual(self.peer.own_seconds(self.gate, []), 3.0)
        self.assertEqual(self.peer.own_seconds(observation("unpermute", self.point, 6.0), []), 6.0)
        self.gate["parts_s"]["sort"] = [2.5, 2.5]
        self.assertEqual(self.peer.own_seconds(self.gate, []), 2.5)
        with self.assertRaises(observed.Unavailable):
            self.peer.own_seconds(self.permute, [self.permute, observation("topk_gate", self.point)])

    def test_a_permute_that_sorts_is_held_against_permute_and_table(self):
        rows = self.rows([self.permute, self.gate], [(self.permute, "vLLM (eager)", 14.0), (self.gate, "vLLM", 3.0)])
        self.assertEqual({key: row.median() for key, row in rows.items()},
                         {("permute and the gate's table", "vLLM (eager)"): 2.0, ("topk_gate f32: the table alone", "vLLM"): 1.0})
        not_run = running.NotRun()
        self.assertFalse(self.rows([self.permute], [(self.permute, "vLLM", 14.0)], not_run))
        self.assertIn("vLLM, permute, timed but held against nothing", not_run.text())

    def test_the_best_peer_has_the_least_ratio(self):
        rows = self.rows([self.permute, self.gate], [(self.permute, "vLLM", 14.0), (self.permute, "PyTorch", 6.0)])
        self.assertEqual(rows["permute", comparing.BEST_PEER].entries[0][0], 1.5, "the least ratio, not the least time")

    def test_the_best_peer_is_of_every_point_that_one_was_timed_at(self):
        points = [observation("swiglu", {"tokens": i}, 1.0) for i in range(10)]
        timed = [(o, "PyTorch", 0.8 if i < 7 else 1.3) for i, o in enumerate(points)]
        alone = self.rows(points, timed)
        self.assertEqual(set(alone), {("swiglu", "PyTorch")}, "one peer is the best itself")
        best = self.rows(points, timed + [(o, "PyTorch, torch.compile", 1.2) for o in points[7:]])["swiglu", comparing.BEST_PEER]
        self.assertEqual(sorted(ratio for ratio, _ in best.entries), [0.8] * 7 + [1.2] * 3)
        self.assertEqual((best.verdict(True), best.short()), ("at least 1: missed", "7"))

    def test_what_was_not_held_is_the_best_of_nothing(self):
        o, timed = self.permute, [("vLLM", 14.0), ("PyTorch", 6.0), ("slow start (eager)", 5.0)]
        rows = self.rows([o, self.gate], [(o, name, took) for name, took in timed])
        self.assertEqual(rows["permute", comparing.BEST_PEER].entries[0][0], 1.5)
        self.assertEqual(rows["permute", "slow start (eager)"].entries[0][0], 1.25, "it is shown all the same")

    def test_tables_say_how_many_of_how_many(self):
        points = [gemm("TN", 1.0), gemm("TN", 2.0), gemm("NN", 1.0)]
        rows = rows_of(points, [(points[0], "PyTorch", 0.97)], [], running.NotRun())
        self.assertEqual(peers.arguments_of(["o.jsonl"]).points, 0, "all points, as far as the time goes")
        text = tables.table(rows, "peer", True)
        self.assertIn("| expert_gemm bf16 | PyTorch | 1 of 2 | 0.97 | at least 0.98: missed | 1 | 0.97 |", text)
        self.assertIn("| expert_gemm, all types | PyTorch | 1 of 3 |", text)

    def test_tables_say_why_points_were_not_timed(self):
        points = [gemm("TN", 1.0), gemm("TN", 2.0), gemm("TN", 3.0), self.permute, self.gate]
        rows = self.rows(points, [(points[0], "PyTorch", 0.97)])
        untimed = [(points[1], "PyTorch", "the 9 s were over"), (points[2], "PyTorch", "a|b"), (self.permute, "vLLM", "interrupted")]
        text = tables.table(comparing.add_untimed(rows, points, untimed, [self.peer]), "peer", True)
        head, line, *rest = text.splitlines()
        self.assertTrue(head.endswith("| at | points not timed |"))
        self.assertEqual(line.count("|"), head.count("|"))
        self.assertRegex(text, r"\| expert_gemm bf16 \| PyTorch \| 1 of 3 \| 0.97 .* \| 1: a/b; 1: the 9 s were over \|\n")
        self.assertIn("| permute and the gate's table | vLLM | 0 of 1 | - | at least 1: not yet measured | - | - | - | 1: interrupted |", text)
        for row in rest:
            self.assertEqual(row.count("|"), head.count("|"))

    def test_a_grouped_product_is_held_against_the_fastest_of_ours(self):
        slow, fast = grouped(2.0, implementation="cublaslt_streams"), grouped(1.0, implementation="cublas_grouped")
        other = observation("swiglu", {}, 9.0)
        self.assertEqual(ratios.once_each([slow, other, fast, other | {}]), [other, fast, other])
        point = {"batch": 1, "sequence": 512}
        stored, fused = (observation("attention", point, took, implementation=name)
                         for took, name in ((3.0, "cublaslt_unfused"), (1.0, "cudnn_fused")))
        self.assertEqual(ratios.once_each([stored, fused]), [fused])
        rows = ratios.compare_with_best([stored, fused], "attention", [(fused, "PyTorch", 1.5)])
        self.assertAlmostEqual(rows["attention", "moecal's fastest"].median(), 1.0)
        self.assertAlmostEqual(rows["attention", "cublaslt_unfused"].median(), 1 / 3)
        self.assertEqual(ratios.once_each([fast, slow]), [fast])
        rows = self.rows([fast], [(fast, "PyTorch", 0.5)])
        self.assertEqual(rows["grouped_gemm bf16", "PyTorch"].verdict(True), "not judged")


class Program(unittest.TestCase):
    """As it is called, with doubles of what runs peers."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "o.jsonl"
        self.addCleanup(sys.path.__setitem__, slice(None), list(sys.path))

    def main(self, *words):
        with unittest.mock.patch.object(sys, "argv", ["peers.py", *map(str, words)]), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            self.interrupts = unittest.mock.create_autospec(interrupts.Interrupts, instance=True)
            status = peers.main(self.interrupts)
        return status, said.getvalue()

    def refused(self, text):
        self.file.write_text(text)
        with self.assertRaises(SystemExit) as stopped:
            self.main(self.file)
        return str(stopped.exception)

    def test_bad_input_is_named_by_file_and_line(self):
        good = json.dumps(RECORD)
        self.assertRegex(self.refused(good + "\n{"), r"o\.jsonl:2: ")
        self.assertRegex(self.refused("[1]"), r"o\.jsonl:1: a record is an object")
        without = {name: value for name, value in RECORD.items() if name not in ("samples_s", "flags")}
        self.assertRegex(self.refused(json.dumps(without)), r"o\.jsonl:1: .* samples_s, flags")
        self.assertIn("holds no measured kernel", self.refused(""))
        self.assertIn("of a cuda backend", self.refused(json.dumps(RECORD | {"backend": "cpu"})))
        for path in (self.folder / "none.jsonl", self.folder):
            with self.assertRaisesRegex(SystemExit, f"{path} cannot be read: "):
                self.main(path)

    def test_a_folder_without_a_peer_is_refused(self):
        (self.folder / "vllm").mkdir()
        for folder in (self.folder, self.folder / "none"):
            with self.assertRaisesRegex(SystemExit, f"--peer-path {folder}: it holds no vllm, .*, deep_gemm or torch with"):
                self.main(self.file, "--peer-path", folder)

    def test_folders_of_peers_are_looked_into_first_in_their_order(self):
        folders = []
        for package in ("vllm", "deep_gemm"):
            folders.append(self.folder / ("of_" + package))
            (folders[-1] / package).mkdir(parents=True)
            (folders[-1] / package / "__init__.py").touch()
        peers.use_peer_paths([str(folder) for folder in folders])
        self.assertEqual(sys.path[:2], [str(folder) for folder in folders])

    def ran(self, *words, end=lambda runner: None):
        """With one peer that was timed at one point, and with what then happens."""
        self.file.write_text(json.dumps(RECORD))

        def run(observations, arguments, runner):
            runner.peers = [unittest.mock.Mock()]
            runner.peers[0].name = "PyTorch"
            runner.timed.append((observations[0], "PyTorch", 2e-3))
            runner.keep(runner.peers[0], observations[0], "held", 2e-3)
            end(arguments)

        with unittest.mock.patch.object(peers, "run_peers", run):
            return self.main(self.file, *words)

    def test_an_interrupted_run_prints_what_it_has(self):
        status, said = self.ran(end=lambda arguments: setattr(arguments, "is_interrupted", True))
        self.assertEqual(status, 130)
        self.assertIn("| expert_gemm bf16 | PyTorch | 1 of 1 | 2.00 |", said)
        self.interrupts.ignore.assert_called_once()  # before the tables

    def test_what_is_printed_is_added_to_a_file_and_times_to_another(self):
        out = self.folder / "made" / "run.md"
        status, said = self.ran("--out", out)
        self.assertEqual((status, out.read_text()), (0, said))
        self.assertIn("no further one was begun. Their calls are timed as moecal's launches are", said)
        heads = [line for line in said.splitlines() if line.startswith("#")]
        self.assertEqual(heads[-1], "## For README")
        self.assertIn("| expert_gemm: time of torch.mm or _scaled_mm over ours | >= 0.98 | 2.00 of 1 point: met |", said)
        self.assertIn("Each time of a peer is in run.csv as soon as it is taken.", said)
        self.ran("--out", out)
        self.assertEqual(out.read_text().count("# Ratios on"), 2, "what was there is lost")
        with open(self.folder / "made" / "run.csv", encoding="utf-8") as file:
            one, other = csv.DictReader(file)
        for row in (one, other):
            del row["taken"]
            self.assertEqual(row, {"peer": "PyTorch", "method": "held", "work": "expert_gemm bf16", "point": "m=6 n=4 k=2 bf16 cold",
                                   "peer_s": "0.002", "own_s": "0.001", "ratio": "2", "left_out": ""})

    def test_what_ends_the_program_leaves_what_was_finished(self):
        out = self.folder / "run.md"

        def killed(_):
            raise SystemError("as if killed")

        with self.assertRaises(SystemError):
            self.ran("--out", out, end=killed)
        self.assertIn("## Share of a copy's rate", out.read_text())
        self.assertIn("expert_gemm bf16", (self.folder / "run.csv").read_text())

    def test_a_result_the_card_cannot_have_is_marked_where_it_is_kept(self):
        sheet = self.folder / "hardware" / "made-up.toml"
        sheet.parent.mkdir()
        sheet.write_text('id = "made-up"\n[dense_peak_flops_per_second]\nbf16 = {value = 1e9, source = "a"}\n')
        environment = {"schema": "moecal.environment/1", "card": "made-up"}
        record = RECORD | {"work": RECORD["work"] | {"flops": 1e9}}  # a second at the peak
        self.file.write_text(json.dumps(environment) + "\n" + json.dumps(record))
        with unittest.mock.patch.dict(os.environ, {"MOECAL_DATA_DIR": str(self.folder)}):
            limits = peers.limits_or_none("made-up")
        if limits is None:
            self.skipTest("this python3 reads no TOML")
        times = peers.PeerTimes(self.folder / "o.csv", [record], limits)
        peer = unittest.mock.Mock()
        peer.name = "PyTorch"
        times.keep(peer, record, "held", 0.5)
        self.assertIn("is over the dense bf16 peak of made-up", (self.folder / "o.csv").read_text())

    def test_a_file_that_cannot_be_written_is_named_and_all_is_printed(self):
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            status, said = self.ran("--out", self.file / "run.md")
        self.assertEqual(status, 1)
        self.assertIn("| expert_gemm bf16 | PyTorch | 1 of 1 |", said)
        self.assertRegex(errors.getvalue(), f"peers.py: {self.file}/run.md cannot be written: .*\n.*run.csv cannot be written")
        self.assertEqual(len(errors.getvalue().splitlines()), 2, "said once each")
        with contextlib.redirect_stderr(io.StringIO()) as errors, self.assertRaises(SystemExit):
            self.main(self.file, "--out", self.folder / "o.csv")
        self.assertIn("the tables are Markdown", errors.getvalue())


class Process(unittest.TestCase):
    """With a package torch that ends the program as it is imported: when the first tables are finished."""

    def ended_by(self, number):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "torch").mkdir()
            (folder / "torch" / "__init__.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
            (folder / "o.jsonl").write_text(json.dumps(RECORD))
            words = [sys.executable, "-B", peers.__file__, folder / "o.jsonl", "--peer-path", folder, "--out", folder / "o.md"]
            status = subprocess.run(words, check=False, stdout=subprocess.PIPE).returncode
            return status, (folder / "o.md").read_text()

    def test_sigterm_is_like_ctrl_c(self):
        for number in interrupts.SIGNALS:
            status, said = self.ended_by(number)
            self.assertEqual(status, 130)
            self.assertIn("- all peers: interrupted before it was their turn", said)

    def test_a_kill_leaves_what_was_finished(self):
        status, said = self.ended_by(signal.SIGKILL)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertIn("## Softmax and top-k over one read of the logits", said)
        self.assertNotIn("## Peers' time", said)


if __name__ == "__main__":
    unittest.main()
