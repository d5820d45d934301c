// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "runtime/stream.hpp"

namespace moecal::cuda_on_cpu {

/// Who is given a grid that a stream is to run. Empty: it runs at once. A double of the CUDA
/// runtime may put it into a graph instead.
using Enqueue = std::function<void(Stream, const std::function<void()>& run)>;
inline Enqueue enqueue_with;

inline void enqueue(Stream stream, const std::function<void()>& run) {
  enqueue_with ? enqueue_with(stream, run) : run();
}

}  // namespace moecal::cuda_on_cpu
