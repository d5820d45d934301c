// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "core/narrow_float.hpp"
#include "core/work.hpp"

/// One step of Adam (Kingma and Ba, algorithm 1, with bias correction) on states that live in host
/// memory, as when the optimizer is offloaded: f32 states in, bf16 parameters for the device out.
namespace moecal::kernels {

struct HostAdamShape {
  std::int64_t parameters = 0;
};

struct HostAdamStep {
  float learning_rate = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  int number = 1;  // from 1: the bias correction
};

/// Host memory, each [parameters].
struct HostAdamTensors {
  const float* gradient = nullptr;
  float* parameter = nullptr;   // updated
  float* mean = nullptr;        // updated
  float* variance = nullptr;    // updated
  BFloat16* rounded = nullptr;  // the parameter, rounded: what goes back to the device
};

/// Four arrays read, three updated, one written; 13 operations a parameter, root and division
/// counted as one each.
[[nodiscard]] Work host_adam_work(const HostAdamShape& shape);

/// The oracle: one thread.
void host_adam_cpu(const HostAdamShape& shape, const HostAdamTensors& tensors,
                   const HostAdamStep& step);

/// The same on `threads` threads (0: one a core), which are started for the step. The result does
/// not depend on their number.
void host_adam_threads(const HostAdamShape& shape, const HostAdamTensors& tensors,
                       const HostAdamStep& step, int threads);

}  // namespace moecal::kernels
