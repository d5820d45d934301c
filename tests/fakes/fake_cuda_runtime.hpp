// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "runtime/hold_words.hpp"

/// A CUDA runtime without a device, linked in place of the real one: device memory is host memory,
/// a stream runs its work at once (or, while it is captured, when the graph is launched), and time
/// passes only when a fake library says so. A stream that is held goes on at once too, but the host
/// costs its work no time. Defines the
/// entry points that runtime/ and the library backends use; another one is a link error. Ranks that
/// are threads may share it.
namespace moecal::tests {

/// A capture under way. As CUDA demands, another stream takes part from when it waits for an event
/// of a stream that does, and has to be waited for again before the capture ends.
struct FakeCapture {
  cudaStream_t origin = nullptr;
  std::set<cudaStream_t> joined;    // streams that take part
  std::set<cudaStream_t> unjoined;  // of those: had work that the origin has not waited for
  std::vector<std::function<void()>> work;
};

struct FakeHold {
  const HoldWords* words = nullptr;
  std::uint32_t number = 0;
};

/// What was done on a stream, by a thread whose device was `device`.
struct FakeEnqueued {
  enum class Kind { copy, record, wait } kind;
  int device = 0;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;                // of a record or a wait
  const void *to = nullptr, *from = nullptr;  // of a copy
};

struct FakeCudaDevice {
  int devices = 1;
  int driver = 13'000;  // the newest CUDA that it is for; one of before 13 is of no use
  int compute_major = 9;
  int compute_minor = 0;
  bool stuck = false;             // events never happen
  int faults = 0;                 // so many of the next waits for the device fail
  bool graphs_are_empty = false;  // a launch of any computes nothing
  double clock_ms = 0;            // what events read
  double launch_ms = 0;           // that the host takes to launch something
  int holds_lapse = 0;            // so many of the next end by themselves
  int holds = 0;                  // of streams, since the start
  FakeHold last_hold;
  std::map<const std::byte*, std::size_t> buffers;  // live allocations: start and bytes
  std::map<const std::byte*, int> devices_of;       // of those: which one's memory they are
  std::map<cudaStream_t, int> streams;              // live ones, and whose
  std::size_t memory = std::size_t{1} << 30;        // a larger allocation fails
  std::vector<std::byte> left_behind;               // what new allocations hold, from their start
  mutable std::mutex buffers_mutex;
  // Of the calling thread, as in the capture mode that moecal uses.
  static thread_local inline bool capturing = false;
  static thread_local inline FakeCapture capture;
  static thread_local inline int current = 0;  // device
  bool logs = false;                           // copies and events, into `enqueued`; of one thread
  std::vector<FakeEnqueued> enqueued;
  std::atomic<std::size_t> bytes_from_outside = 0;  // of cudaMemcpy, into live allocations
  std::atomic<int> copies_on_device = 0;            // cudaMemcpyAsync's
  // Set by cudaMemcpy and cudaMemset, whose bytes may not have arrived; cleared by waiting for the
  // default stream.
  std::atomic<bool> copy_under_way = false;
  std::atomic<int> graph_launches = 0;
  std::atomic<int> live_graphs = 0;  // instantiated and not destroyed

  /// A kernel that takes so long: the device waits for the host's next launch unless it is held.
  void pass(double kernel_ms) { clock_ms += held() ? kernel_ms : std::max(kernel_ms, launch_ms); }
  [[nodiscard]] bool held() const;

  /// What a fake library does on a stream: now, or when the graph is launched. False if the stream
  /// is not part of the capture under way: CUDA would run it at once, in the middle of the
  /// recording.
  [[nodiscard]] bool run(cudaStream_t stream, const std::function<void()>& work);

  void log(const FakeEnqueued& what) {
    if (logs) enqueued.push_back(what);
  }

  /// True if [start, start + bytes) lies inside one live allocation.
  [[nodiscard]] bool owns(const void* start, std::size_t bytes) const;
};

/// The one fake device of the process.
FakeCudaDevice& fake_cuda();

}  // namespace moecal::tests
