# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/timing.py with a double of torch.cuda."""
import contextlib
import types
import unittest
import unittest.mock
import weakref

import doubles  # noqa: F401  # it says where the modules are
import ratios
import timing


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


class Result:
    """Of a call."""


class Timing(unittest.TestCase):
    def test_a_batch_is_a_replayed_graph_of_whole_rotations(self):
        fake = FakeCuda(captures=True)
        timer = timing.Timer(fake.torch, "cuda")
        self.assertAlmostEqual(timer.seconds([fake.call] * 7), 1e-7)
        self.assertFalse(timer.is_eager)
        self.assertEqual(fake.calls % 7, 0, "a rotation was cut: its sets would not all be cold")
        self.assertGreaterEqual(fake.now, timing.WARM_UP_S)

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


if __name__ == "__main__":
    unittest.main()
