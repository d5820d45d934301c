# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/timing.py and held.py with a double of torch.cuda, by the clocks of its host and its device."""
import unittest
import unittest.mock
import weakref

from doubles import FakeCuda
import held
import observed
import timing


def timed(fake, sets=1, calls=None):
    """Seconds of a call, and the timer that took it."""
    timer = timing.Timer(fake.torch, "cuda")
    with unittest.mock.patch("time.perf_counter", lambda: fake.host):
        return timer.seconds(calls or [fake.call] * sets), timer


def pieces(fake):
    """Calls behind each hold, between its two events."""
    behind = " ".join(fake.order).split("hold event")[1:]
    return [piece.split("event")[0].count("call") for piece in behind]


class Held(unittest.TestCase):
    def check(self, fake, sets=1):
        took, timer = timed(fake, sets)
        self.assertAlmostEqual(took, fake.call_s, delta=1e-6 * fake.call_s)
        self.assertEqual((timer.method, timer.why_eager), ("held", ""))

    def test_dispatch_is_in_no_time_however_long_it_is(self):
        for enqueue_s in (1e-6, 8e-6, 100e-6, 10e-3):
            self.check(FakeCuda(enqueue_s=enqueue_s))

    def test_launches_are_a_streams_between_events_behind_a_hold(self):
        fake = FakeCuda(call_s=100e-6)  # three a batch
        self.check(fake)
        self.assertEqual(" ".join(fake.order[-12:]), "hold event call call call event hold event call call call event")

    def test_a_hold_is_twice_as_long_as_its_calls_took_to_be_enqueued(self):
        fake = FakeCuda(call_s=5e-6, enqueue_s=8e-6)
        self.check(fake)
        self.assertEqual(pieces(fake)[-1], 50 * 1.2)  # 0.25 ms, and a fifth more
        self.assertAlmostEqual(fake.holds[-1], 2 * 60 * 8e-6)
        self.assertEqual(len(set(pieces(fake)[-timing.SAMPLES:])), 1, "no sample was taken twice")

    def test_a_batch_is_long_beside_its_events_and_cut_into_pieces(self):
        fake = FakeCuda(call_s=0.2e-6)
        self.check(fake)
        self.assertEqual(max(pieces(fake)), 400)
        calls = sum(pieces(fake)[-4 * timing.SAMPLES:]) / timing.SAMPLES
        self.assertGreaterEqual(calls * 0.2e-6, timing.BATCH_S)

    def test_a_piece_is_enqueued_within_half_the_longest_hold(self):
        fake = FakeCuda(enqueue_s=1.01e-3)
        self.check(fake)
        self.assertEqual(max(pieces(fake)), 49)
        self.assertLessEqual(max(fake.holds), held.LONGEST_HOLD_S)

    def test_a_host_that_was_kept_from_its_work_is_waited_for(self):
        for delays in ({300: 3e-3, 450: 10e-3}, {2: 10e-3}):  # the second call tells how long the first hold is to be
            fake = FakeCuda(call_s=5e-6, enqueue_s=8e-6, delays=delays)
            self.check(fake)
            self.assertEqual(pieces(fake)[-1], 60)
            self.assertAlmostEqual(fake.holds[-1], 2 * 60 * 8e-6)

    def test_calls_of_many_kernels_do_not_fill_the_devices_queue(self):
        fake = FakeCuda(call_s=1e-6, kernels=20)
        self.check(fake)
        self.assertLessEqual(max(pieces(fake)[-timing.SAMPLES:]), fake.queue // 20)
        self.assertGreaterEqual(pieces(fake)[-1], 16, "no shorter than it needs to be")

    def test_the_device_is_warmed_up_by_the_point_itself(self):
        fake = FakeCuda()
        self.check(fake)
        self.assertGreaterEqual(fake.device - sum(fake.holds), timing.WARM_UP_S)


class Eager(unittest.TestCase):
    def test_a_call_that_waits_for_the_device_is_timed_with_its_dispatch_and_says_why(self):
        took, timer = timed(FakeCuda(call_s=5e-6, enqueue_s=8e-6, waits_after=0), 3)
        self.assertAlmostEqual(took, 13e-6)
        self.assertEqual(timer.method, "eager")
        self.assertIn("a call waits for the device", timer.why_eager)

    def test_what_takes_python_longer_than_a_hold_lasts_says_how_long(self):
        took, timer = timed(FakeCuda(call_s=5e-6, enqueue_s=0.06))
        self.assertAlmostEqual(took, 0.060005)
        self.assertIn("a call takes Python 0.06 s", timer.why_eager)

    def test_no_hold_is_longer_than_the_longest(self):
        fake = FakeCuda(enqueue_s=0.04, waits_after=0)
        self.assertEqual(timed(fake)[1].method, "eager")
        self.assertEqual([round(hold, 4) for hold in fake.holds], [0.08, held.LONGEST_HOLD_S])

    def test_samples_are_all_of_one_method(self):
        """Calls that begin to wait when some samples were taken held."""
        fake = FakeCuda(call_s=5e-6, enqueue_s=8e-6)
        timed(fake)
        took, timer = timed(FakeCuda(call_s=5e-6, enqueue_s=8e-6, waits_after=fake.calls - 100))  # 60 a sample
        self.assertAlmostEqual(took, 13e-6)
        self.assertEqual((timer.method, timer.why_eager), ("eager", "not every call is enqueued before its hold is over"))

    def test_the_next_point_is_held_again(self):
        fake, timer = FakeCuda(waits_after=0), timing.Timer(None, "cuda")
        timer.torch = fake.torch
        with unittest.mock.patch("time.perf_counter", lambda: fake.host):
            timer.seconds([fake.call])
            self.assertEqual(timer.method, "eager")
            fake.waits_after = None
            timer.seconds([fake.call])
        self.assertEqual((timer.method, timer.why_eager), ("held", ""))

    def test_what_fails_behind_a_hold_is_no_time_and_spoils_none(self):
        fake = FakeCuda()

        def fails():
            if fake.holds:
                raise RuntimeError("operation not supported")
            fake.call()

        with self.assertRaisesRegex(RuntimeError, "not supported"):
            timed(fake, calls=[fails])
        self.assertAlmostEqual(timed(fake)[0], fake.call_s, delta=1e-9)


class Result:
    """Of a call."""


class Sets(unittest.TestCase):
    def test_are_used_in_turn_from_batch_to_batch(self):
        fake, used = FakeCuda(), []

        def of(number):
            return lambda: (used.append(number), fake.call())

        timed(fake, calls=[of(number) for number in range(7)])
        after_first = used[7:]
        self.assertGreater(len(after_first), 100)
        self.assertTrue(all(number == i % 7 for i, number in enumerate(after_first)), after_first[:30])

    def test_are_all_in_the_samples(self):
        fake = FakeCuda(call_s=5e-6)
        timed(fake, 5000)
        self.assertGreaterEqual(sum(pieces(fake)[-2 * timing.SAMPLES:]), 5000)

    def test_results_live_for_a_rotation(self):
        for count in (1, 3):
            alive, most = weakref.WeakSet(), []

            def call():
                most.append(len(alive))
                result = Result()
                alive.add(result)
                return result

            rotation = held.Rotation([call] * count)
            for _ in range(4):
                rotation.run(5)
            self.assertEqual(max(most), 3 if count == 3 else 0)

    def test_take_too_long_and_are_given_up(self):
        with unittest.mock.patch.object(timing, "LONGEST_S", 0):
            with self.assertRaisesRegex(observed.Unavailable, "its 3 buffer sets"):
                timing.Timer(None, "cpu").seconds([lambda: None] * 3)
            fewest = timing.samples(held.HostBatches(held.Rotation([lambda: None])), 1)
            self.assertEqual(len(fewest), timing.FEWEST)

    def test_may_compile_at_the_first_call_for_longer(self):
        fake = FakeCuda(delays={1: 2 * timing.LONGEST_S})  # at the first
        took, timer = timed(fake, sets=3)
        self.assertAlmostEqual(took, fake.call_s, delta=1e-6 * fake.call_s)
        self.assertEqual(timer.method, "held")


class Devices(unittest.TestCase):
    def test_are_warmed_up_by_products_for_as_long_as_moecals(self):
        fake, clock = FakeCuda(), iter(i * 1.0 for i in range(100))
        with unittest.mock.patch("time.perf_counter", lambda: next(clock)):
            timing.Timer(fake.torch, "cuda").warm_device()
        self.assertEqual(fake.order, ["product"] * 2)
        timing.Timer(None, "cpu").warm_device()

    def test_a_host_is_timed_by_its_own_clock(self):
        fake = FakeCuda()

        def call():
            fake.host += 3e-6

        timer = timing.Timer(None, "cpu")
        with unittest.mock.patch("time.perf_counter", lambda: fake.host):
            self.assertAlmostEqual(timer.seconds([call]), 3e-6)
        self.assertEqual((timer.method, fake.order), ("host clock", []))


if __name__ == "__main__":
    unittest.main()
