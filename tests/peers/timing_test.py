# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/timing.py with a double of torch.cuda."""
import contextlib
import types
import unittest
import unittest.mock
import weakref

import doubles  # noqa: F401  # it says where the modules are
import observed
import timing


class FakeCuda:
    """The part of torch.cuda that batches are timed with: the device takes a microsecond for a call, of which a graph keeps a
    tenth, and the host takes some for submitting a graph. `order` says what was enqueued, in its order."""

    def __init__(self, capture_error=None, submission_s=6e-6):
        self.capture_error, self.submission_s = capture_error, submission_s
        self.host, self.device, self.capturing, self.calls, self.order, self.cache_emptied = 0.0, 0.0, None, 0, [], False
        cuda = types.SimpleNamespace(CUDAGraph=self.graph_type(), Event=self.event_type(), synchronize=self.synchronize,
                                     graph=self.capture, _sleep=self.sleep, empty_cache=self.empty_cache)
        self.torch = types.SimpleNamespace(cuda=cuda, rand=lambda shape, device: self, bfloat16="bf16", mm=self.mm)

    def to(self, _):
        return self

    def mm(self, one, other):
        self.order.append("product")

    def empty_cache(self):
        self.cache_emptied = True

    def synchronize(self):
        self.host = max(self.host, self.device)

    def enqueue(self, what, seconds):
        """The device begins it when it's idle, and not before the host has said so."""
        self.order.append(what)
        self.device = max(self.device, self.host) + seconds

    def sleep(self, cycles):
        self.enqueue("hold", cycles / 2e9)

    def call(self):
        self.calls += 1
        if self.capturing is not None:
            self.capturing.length += 1
        else:
            self.enqueue("call", 1e-6)
            self.synchronize()

    @contextlib.contextmanager
    def capture(self, graph):
        if self.capture_error is not None:
            raise self.capture_error
        self.capturing = graph
        yield
        self.capturing = None

    def graph_type(self):
        fake = self

        class Graph:
            length = 0

            def replay(self):
                fake.host += fake.submission_s
                fake.enqueue("graph", 1e-7 * self.length)

        return Graph

    def event_type(self):
        fake = self

        class Event:
            def __init__(self, enable_timing):
                self.at = None

            def record(self):
                fake.enqueue("event", 0)
                self.at = fake.device

            def query(self):
                return fake.host >= self.at

            def synchronize(self):
                fake.host = max(fake.host, self.at)

            def elapsed_time(self, other):
                return 1e3 * (other.at - self.at)

        return Event


class Result:
    """Of a call."""


class Timing(unittest.TestCase):
    def test_a_batch_is_a_replayed_graph_of_whole_rotations(self):
        fake = FakeCuda()
        timer = timing.Timer(fake.torch, "cuda")
        self.assertAlmostEqual(timer.seconds([fake.call] * 7), 1e-7, delta=1e-12)
        self.assertEqual(timer.why_eager, "")
        self.assertEqual(fake.calls % 7, 0, "a rotation was cut: its sets would not all be cold")
        self.assertGreaterEqual(fake.device, timing.WARM_UP_S)

    def test_the_stream_is_held_until_the_graph_is_submitted(self):
        fake = FakeCuda()
        timing.Timer(fake.torch, "cuda").seconds([fake.call])
        order = fake.order[1:]  # the first call comes alone
        self.assertEqual(order, ["hold", "event", "graph", "event"] * (len(order) // 4))

    def test_a_submission_is_in_no_time_however_long_it_is(self):
        for submission_s in (1e-3, 0.02):
            fake = FakeCuda(submission_s=submission_s)
            self.assertAlmostEqual(timing.Timer(fake.torch, "cuda").seconds([fake.call] * 3), 1e-7, delta=1e-12)
        fake = FakeCuda(submission_s=0.3)
        with self.assertRaisesRegex(observed.Unavailable, "not submitted in 0.1 s"):
            timing.Timer(fake.torch, "cuda").seconds([fake.call])

    def test_a_batch_is_long_beside_its_events(self):
        fake = FakeCuda()
        timing.Timer(fake.torch, "cuda").seconds([fake.call])
        self.assertGreaterEqual(fake.calls, timing.BATCH_S / 1e-7)

    def test_a_device_is_warmed_up_by_products_for_as_long_as_moecal_does(self):
        fake, clock = FakeCuda(), iter(i * 1.0 for i in range(100))
        with unittest.mock.patch.object(timing.time, "perf_counter", lambda: next(clock)):
            timing.Timer(fake.torch, "cuda").warm_device()
        self.assertEqual(fake.order, ["product"] * 2)
        timing.Timer(None, "cpu").warm_device()

    def test_results_live_for_a_rotation_where_there_are_sets(self):
        for count in (1, 3):
            alive, most = weakref.WeakSet(), []

            def call():
                most.append(len(alive))
                result = Result()
                alive.add(result)
                return result

            timing.Timer(None, "cpu").batch([call] * count, 4)()
            self.assertEqual(max(most), 3 if count == 3 else 0)

    def test_what_cannot_be_captured_is_timed_call_by_call_and_says_why(self):
        fake = FakeCuda(RuntimeError("operation not permitted when stream is capturing"))
        timer = timing.Timer(fake.torch, "cuda")
        self.assertAlmostEqual(timer.seconds([fake.call] * 3), 1e-6)
        self.assertIn("not permitted", timer.why_eager)

    def test_what_has_no_memory_to_be_captured_is_not_timed_in_another_way(self):
        for said in ("CUDA out of memory. Tried to allocate 2 GiB", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"):
            fake = FakeCuda(RuntimeError(said))
            timer = timing.Timer(fake.torch, "cuda")
            with self.assertRaisesRegex(observed.Unavailable, "no memory to capture 3 buffer sets: CUDA"):
                timer.seconds([fake.call] * 3)
            self.assertTrue(fake.cache_emptied, "the next peer would find no memory either")

    def test_a_rotation_that_takes_too_long_is_given_up(self):
        with unittest.mock.patch.object(timing, "LONGEST_S", 0):
            with self.assertRaisesRegex(observed.Unavailable, "its 3 buffer sets"):
                timing.Timer(None, "cpu").seconds([lambda: None] * 3)
            fewest = timing.Timer(None, "cpu").samples(lambda: None)
            self.assertEqual(len(fewest), timing.FEWEST)


if __name__ == "__main__":
    unittest.main()
