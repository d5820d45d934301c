# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/peers share: made-up observations, and doubles of what is not installed."""
import collections
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts" / "peers"))

MIB = 2**20
MOE_POINT = {"tokens": 6, "hidden": 16, "experts": 4, "top_k": 2}


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


def grouped(seconds=1e-3, **more):
    return observation("grouped_gemm", {"groups": 4, "m": 8, "n": 16, "k": 32}, seconds, **more)


def gemm(layout="TN", seconds=1e-3, **more):
    point = {"m": 6, "n": 4, "k": 2}
    return observation("expert_gemm", point, seconds, **({"dtypes": {"layout": layout}, "implementation": "cublaslt"} | more))


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


    def transpose(self, one, other):
        shape = list(self.shape)
        shape[one], shape[other] = shape[other], shape[one]
        return FakeTensor(*shape)


FAKE_TORCH = types.SimpleNamespace(int32="int32", zeros=lambda count, dtype, device: FakeTensor(count), empty_like=lambda t: t,
                                   rand=lambda shape, device: FakeTensor(*shape), ones=lambda shape, device: FakeTensor(shape))
FAKE_OPERANDS = types.SimpleNamespace(device="cuda", uniform=lambda shape, _: FakeTensor(*shape),
                                      choices=lambda o: FakeTensor(o["point"]["tokens"], o["point"]["top_k"]))


def fake_peer(kind, **functions):
    """A peer of moe_peers whose package is the functions."""
    peer = kind.__new__(kind)
    peer.torch, peer.operands, peer.name = FAKE_TORCH, FAKE_OPERANDS, "double"
    for name, function in functions.items():
        setattr(peer, name, function)
    return peer


class FakeCuda:
    """The part of torch.cuda that batches are timed with, on a host and a device with clocks of their own. A call takes the
    host `enqueue_s`, more where `delays` has its number, and the device `call_s`, in so many kernels; from number
    `waits_after` on it waits for the device. A queue that is full has the host wait. `order` says what was enqueued, `holds`
    how long each hold is. Nothing of CUDA graphs is there."""

    queue = 1000

    def __init__(self, call_s=2e-6, enqueue_s=8e-6, kernels=1, waits_after=None, delays=None):
        self.call_s, self.enqueue_s, self.kernels, self.waits_after = call_s, enqueue_s, kernels, waits_after
        self.delays, self.calls, self.order, self.holds, self.queued = delays or {}, 0, [], [], collections.deque()
        self.host, self.device = 0.0, 0.0
        cuda = types.SimpleNamespace(Event=self.event_type(), synchronize=self.synchronize, _sleep=self.sleep)
        self.torch = types.SimpleNamespace(cuda=cuda, rand=lambda shape, device: self, bfloat16="bf16", mm=self.mm)

    def to(self, _):
        return self

    def mm(self, one, other):
        self.order.append("product")

    def synchronize(self):
        self.host = max(self.host, self.device)

    def enqueue(self, seconds):
        """The device begins it when it is idle, and not before the host has said so."""
        while self.queued and self.queued[0] <= self.host:
            self.queued.popleft()
        if len(self.queued) >= self.queue:
            self.host = self.queued.popleft()
        self.device = max(self.device, self.host) + seconds
        self.queued.append(self.device)

    def sleep(self, cycles):
        self.order.append("hold")
        self.holds.append(cycles / 2e9)
        self.enqueue(cycles / 2e9)

    def call(self):
        self.calls += 1
        self.order.append("call")
        self.host += self.enqueue_s + self.delays.get(self.calls, 0)
        for _ in range(self.kernels):
            self.enqueue(self.call_s / self.kernels)
        if self.waits_after is not None and self.calls > self.waits_after:
            self.synchronize()

    def event_type(self):
        fake = self

        class Event:
            def __init__(self, enable_timing):
                self.at = None

            def record(self):
                fake.order.append("event")
                fake.enqueue(0)
                self.at = fake.device

            def query(self):
                return fake.host >= self.at

            def synchronize(self):
                fake.host = max(fake.host, self.at)

            def elapsed_time(self, other):
                return 1e3 * (other.at - self.at)

        return Event
