# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/peers share: made-up observations, and doubles of what is not installed."""
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
