// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>

#include "core/units.hpp"
#include "runtime/stream.hpp"

/// Computation and communication of one rank started together, as a layer does that hides its
/// exchange behind its experts: how much slower each runs beside the other, and how much of the
/// shorter one is hidden, are what a plan needs to know.
namespace moecal::layers {

/// The two, as launches: on a device they enqueue on the stream they are given, on the host they
/// return when they are done.
struct OverlapWork {
  std::function<void(Stream)> compute;
  std::function<void(Stream)> communicate;
};

struct OverlapTimes {
  Seconds compute{0};
  Seconds communicate{0};
};

/// Runs them alone or together.
class Overlap {
 public:
  virtual ~Overlap() = default;
  /// Exactly where it runs in launch_both, but alone.
  virtual void launch_compute(Stream stream) = 0;
  virtual void launch_communicate(Stream stream) = 0;
  /// Both begin together; done when both are.
  virtual void launch_both(Stream stream) = 0;
  /// The same, and notes when each began and ended.
  virtual void launch_both_timed(Stream stream) = 0;
  /// Each one's own time in all timed launches since this was asked last. Asked when they ended.
  [[nodiscard]] virtual OverlapTimes take_times() = 0;
};

/// On the host: computation on a thread of its own, communication on the caller's (MPI wants it on
/// the thread that started MPI). What either throws, the launch throws.
[[nodiscard]] std::unique_ptr<Overlap> make_overlap_cpu(OverlapWork work);
/// On the current CUDA device: computation on a stream of its own, which waits for the caller's and
/// which the caller's waits for; communication on the caller's. Only in builds with CUDA.
[[nodiscard]] std::unique_ptr<Overlap> make_overlap_cuda(OverlapWork work);

}  // namespace moecal::layers
