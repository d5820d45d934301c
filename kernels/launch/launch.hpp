// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/units.hpp"
#include "core/work.hpp"
#include "runtime/stream.hpp"

/// What it costs to start work that does nothing: the floor under every small kernel.
namespace moecal::kernels {

struct LaunchShape {
  std::int64_t launches = 0;  // per call
};

/// Nothing is computed and nothing is moved.
[[nodiscard]] Work launch_work(const LaunchShape& shape);

/// On the CPU: starts one thread after the other and waits for each. Returns how many ran.
[[nodiscard]] std::int64_t launch_cpu(const LaunchShape& shape);

/// Ways to start nothing on a device.
enum class LaunchKind {
  empty_kernel,  // launches of a kernel of one thread
  graph_node,    // one graph of that many such kernels, each after the other
  event_record,  // events on the stream
  stream_sync,   // launches, each waited for on the host
};

/// The work of a case on the current device, made before it is timed.
class EmptyLaunches {
 public:
  virtual ~EmptyLaunches() = default;
  /// Enqueues all launches on `stream`; of stream_sync, returns when they are done.
  virtual void run(Stream stream) = 0;
  /// Makes the same launches once more, of a kernel that counts itself (the empty one leaves no
  /// trace, so that nothing but the launch is timed), and waits for all. @returns how many ran.
  [[nodiscard]] virtual std::int64_t count() = 0;
};

/// Only in builds with CUDA. @throws Error.
[[nodiscard]] std::unique_ptr<EmptyLaunches> make_empty_launches(LaunchKind kind,
                                                                 const LaunchShape& shape);
/// The smallest difference between two of the readings that differ; infinite where none do.
[[nodiscard]] Seconds smallest_step(std::vector<Seconds> readings);
/// The step of the clock that events of the current device read, of many pairs with more or fewer
/// others between them: what a batch has to be far longer than. What recording one takes is another
/// thing, the operation's event_record. Only in builds with CUDA.
[[nodiscard]] Seconds event_resolution();

}  // namespace moecal::kernels
