// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <boost/context/fiber.hpp>
#include <functional>

#include "tests/cuda_on_cpu/sanitizer.hpp"

namespace moecal::cuda_on_cpu {

/// A function with a stack of its own that can stop in its middle and be taken up again, on the
/// thread that owns it. It stands for one CUDA thread, or for one after the other.
class Fiber {
 public:
  /// `body` first runs at the first resume(). It must have returned when the fiber is destroyed.
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Owner: runs the body until it suspends or returns.
  void resume();
  /// Body: stops here until the next resume().
  void suspend();

 private:
  boost::context::fiber run(boost::context::fiber&& owner);

  std::function<void()> body_;
  RaceDetectorFiber for_races_;
  StackBounds own_stack_;
  StackBounds owner_stack_;
  boost::context::fiber inside_;  // where the body stopped
  boost::context::fiber owner_;   // where resume() was called
};

}  // namespace moecal::cuda_on_cpu
