# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/running.py: one peer's failure ends no other's run, and each one that is not run is named with why."""
import argparse
import contextlib
import pathlib
import signal
import sys
import tempfile
import textwrap
import types
import unittest
import unittest.mock

from doubles import FAKE_TORCH, observation
import interrupts
import moe_peers
import observed
import running
import torch_peer


def arguments(**changed):
    given = {"device": "cuda", "seconds": 60, "compile_seconds": 60, "points": 0, "is_interrupted": False}
    return argparse.Namespace(**given | changed)


@contextlib.contextmanager
def modules_as_they_were():
    """Also those of the packages that a test makes."""
    modules, path = dict(sys.modules), list(sys.path)
    try:
        yield
    finally:
        sys.modules.clear()
        sys.modules.update(modules)
        sys.path[:] = path


class Peer:
    names_gaps = False

    def __init__(self, name, make, operation="swiglu"):
        self.name, self.make, self.operation = name, make, operation

    def does(self, operation):
        return operation == self.operation


class Timer:
    method, why_eager = "held", ""

    def __init__(self):
        self.warmed = 0

    def warm_device(self):
        self.warmed += 1

    def seconds(self, sets):
        return sum(call() for call in sets)


def failing(error):
    def make(_):
        raise error
    return make


class Running(unittest.TestCase):
    def setUp(self):
        self.kept = []
        self.runner = running.Runner(interrupts.Interrupts(), lambda *told: self.kept.append(told))
        self.runner.timer, self.not_run = Timer(), self.runner.not_run
        self.points = [observation("swiglu", {}), observation("swiglu", {}, 2e-3)]

    def test_what_fails_in_one_ends_no_other(self):
        errors = [RuntimeError("backend='inductor' raised:\nCppCompileError: no g++\n\nstack"), FileNotFoundError("gcc"),
                  KeyError()]
        peers = [Peer(f"bad {i}", failing(error)) for i, error in enumerate(errors)] + [Peer("good", lambda _: lambda: 1.5)]
        self.runner.run(peers, self.points, 60)
        self.assertEqual([(name, took) for _, name, took in self.runner.timed], [("good", 3.0)] * 2)
        self.assertEqual(self.not_run.text().splitlines(), [
            "- bad 0, swiglu: backend='inductor' raised: CppCompileError: no g++ (2 points)",
            "- bad 1, swiglu: gcc (2 points)", "- bad 2, swiglu: KeyError (2 points)"])

    def test_a_reason_is_a_sentence_not_a_page(self):
        self.assertEqual(len(running.one_line(RuntimeError("x" * 5000))), running.LONGEST_REASON + 4)

    def test_what_the_time_was_not_enough_for_is_counted(self):
        self.runner.run([Peer("late", lambda _: lambda: 1.0)], self.points, -1)
        self.assertEqual(self.runner.timed, [])
        said = "the -1 s that peers share were over"
        self.assertIn(f"- late, swiglu: {said} (2 points)", self.not_run.text())
        self.assertEqual(self.runner.untimed, [(o, "late", said) for o in self.points])

    def test_operations_that_pytorch_has_not_are_named_and_of_others_are_not(self):
        torch = Peer("PyTorch", None, "swiglu")
        torch.names_gaps = True
        self.runner.run([torch, Peer("SGLang", None, "topk_gate")], [observation("launch", {})], 60)
        self.assertEqual(self.not_run.text(), "- PyTorch, launch: it has no operators for just that work (1 points)")

    def test_what_was_timed_is_told_at_once(self):
        peer = Peer("one", lambda _: lambda: 1.0)
        self.runner.run([peer, Peer("bad", failing(RuntimeError("no")))], self.points[:1], 60)
        self.assertEqual(self.kept, [(peer, self.points[0], "held", 2.0)])

    def test_what_could_not_be_held_says_so_beside_its_name_and_among_what_is_in_no_best(self):
        self.runner.timer.why_eager = "operation not permitted\nstack"
        self.runner.run([Peer("slow", lambda _: lambda: 1.5)], self.points[:1], 60)
        self.assertEqual(self.runner.timed[0][1:], ("slow (eager)", 3.0))
        self.assertEqual(self.not_run.text(), "- slow, swiglu: timed with Python's dispatch, and so in no best: "
                                              "operation not permitted (1 points)")

    def test_the_device_is_warmed_up_once_and_before_any_peer(self):
        timer, warmed = Timer(), []
        peers = [Peer(name, lambda _: warmed.append(timer.warmed) or (lambda: 1.0)) for name in ("one", "two")]
        points = [observation("swiglu", {}, cache="warm")] * 2
        with unittest.mock.patch.object(running, "available", lambda *_: (timer, peers)):
            running.run_peers(points, arguments(), self.runner)
        self.assertEqual(warmed, [1] * 4)

    def interrupted(self, second):
        """Two points of two peers; `second` is the second call."""
        taken = iter([lambda: 1.0, second])
        self.points = [observation("swiglu", {}, cache="warm"), observation("swiglu", {}, 2e-3, cache="warm")]
        told, peers = arguments(), [Peer("one", lambda _: lambda: next(taken)()), Peer("two", lambda _: lambda: next(taken)())]
        with unittest.mock.patch.object(running, "available", lambda *_: (Timer(), peers)):
            running.run_peers(self.points, told, self.runner)
        self.assertTrue(told.is_interrupted)

    def test_what_was_timed_before_an_interrupt_stays_and_the_rest_is_named(self):
        self.interrupted(lambda: failing(KeyboardInterrupt())(None))
        slower, faster = self.points[1], self.points[0]
        self.assertEqual(self.runner.timed, [(slower, "one", 1.0)])
        said = "interrupted before it was their turn"
        self.assertEqual(self.runner.untimed, [(slower, "two", said), (faster, "one", said), (faster, "two", said)])
        self.assertIn(f"- two, swiglu: {said} (2 points)", self.not_run.text())
        self.assertIn(f"- all peers: {said}", self.not_run.text())

    def test_an_interrupt_that_a_library_keeps_to_itself_ends_them_all_the_same(self):
        def swallowed():
            with contextlib.suppress(KeyboardInterrupt):
                self.runner.interrupts.end()
            return 2.0

        with unittest.mock.patch.object(interrupts.signal, "signal"):
            self.interrupted(swallowed)
        self.assertEqual([took for _, _, took in self.runner.timed], [1.0, 2.0])
        self.assertEqual(len(self.runner.untimed), 2)


class Signals(unittest.TestCase):
    def setUp(self):
        for number in interrupts.SIGNALS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def test_ctrl_c_and_sigterm_interrupt_once(self):
        for first, then in (interrupts.SIGNALS, interrupts.SIGNALS[::-1]):
            caught = interrupts.Interrupts()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell has it for what it puts into the background
            caught.catch()
            caught.check()
            with self.assertRaises(KeyboardInterrupt):
                signal.raise_signal(first)
            signal.raise_signal(then)
            signal.raise_signal(first)
            with self.assertRaises(KeyboardInterrupt):
                caught.check()


class Available(unittest.TestCase):
    def found(self, torch, **changed):
        not_run = running.NotRun()
        with unittest.mock.patch.dict(sys.modules, {"torch": torch}):
            _, peers = running.available(arguments(**changed), not_run)
        return [type(peer) for peer in peers], not_run.text()

    def test_each_peer_is_named_where_there_is_no_pytorch(self):
        found, said = self.found(None)  # None: importing it raises ImportError
        self.assertEqual(found, [])
        for name in ("PyTorch \\(", "PyTorch's torch.compile", "vLLM", "TransformerEngine", "SGLang", "DeepGEMM"):
            self.assertRegex(said, f"- {name}.*: this python3 has no PyTorch .*torch.* MOECAL_PYTHON")

    def test_each_peer_is_named_where_there_is_no_gpu(self):
        blind = types.SimpleNamespace(__version__="9", cuda=types.SimpleNamespace(is_available=lambda: False))
        self.assertEqual(self.found(blind)[1].count("PyTorch 9 sees no CUDA device here"), 6)

    def test_a_compiler_that_cannot_work_is_named_once_and_the_operators_are_run(self):
        torch = types.SimpleNamespace(
            __version__="9", device=str, backends=types.SimpleNamespace(cuda=types.SimpleNamespace(matmul=types.SimpleNamespace())),
            compiler=types.SimpleNamespace(reset=lambda: None), compile=failing_compile, ones=lambda *_, **__: None)
        found, said = self.found(torch, device="cpu")
        self.assertEqual(found, [torch_peer.Torch])
        self.assertIn("- PyTorch's torch.compile (permute, unpermute, quantize, swiglu, topk_gate): no C compiler", said)
        self.assertIn("not asked for (--compile-seconds 0)", self.found(torch, device="cpu", compile_seconds=0)[1])
        found, said = self.found(torch, device="cpu", seconds=0)
        self.assertEqual((found, said.count("not asked for (--seconds 0)")), ([], 5))


def failing_compile(_, fullgraph, dynamic):
    return failing(RuntimeError("no C compiler"))


class Packages(unittest.TestCase):
    """Found as Python finds them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        context = modules_as_they_were()
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        for package in ("vllm", "transformer_engine", "sgl_kernel"):
            sys.modules.pop(package, None)
        sys.path.insert(0, str(self.folder))

    def package(self, **modules):
        for name, text in modules.items():
            place = self.folder.joinpath(*name.split("__"))
            place.mkdir(parents=True, exist_ok=True)
            (place / "__init__.py").write_text(textwrap.dedent(text))

    def test_a_missing_one_says_what_was_looked_for_and_how_to_point_to_it(self):
        (self.folder / "moecal_no_such_peer").mkdir()  # a clone's root is no package
        for name in ("moecal_no_such_peer", "moecal_nor_this"):
            said = f"has no package {name}; .* --peer-path DIR names the folder that holds {name}/"
            with self.assertRaisesRegex(observed.Unavailable, said):
                moe_peers.imported(name + ".kernels")

    def test_one_that_was_built_for_another_pytorch_says_so(self):
        self.package(sgl_kernel="raise ImportError('undefined symbol: _ZN3c10')")
        said = f"sgl_kernel of {self.folder}/.* cannot be imported: ImportError: undefined"
        with self.assertRaisesRegex(observed.Unavailable, said):
            moe_peers.Sglang(FAKE_TORCH, "cuda")

    def test_one_beside_is_run(self):
        self.package(vllm="__version__ = 'dev'", vllm__model_executor="", vllm__model_executor__layers="",
                     vllm___custom_ops="def moe_align_block_size(topk_ids, num_experts): return num_experts",
                     vllm__model_executor__layers__fused_moe="", vllm__model_executor__layers__fused_moe__moe_permute_unpermute="")
        kernels = types.SimpleNamespace(moe_align_block_size=None)
        torch = types.SimpleNamespace(device=str, ops=types.SimpleNamespace(_moe_C=kernels), **vars(FAKE_TORCH))
        self.assertEqual(moe_peers.Vllm(torch, "cuda").name, "vLLM dev")
        torch.ops._moe_C = types.SimpleNamespace()
        with self.assertRaisesRegex(observed.Unavailable, "vLLM dev has no compiled kernels"):
            moe_peers.Vllm(torch, "cuda")


if __name__ == "__main__":
    unittest.main()
