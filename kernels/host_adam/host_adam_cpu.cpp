// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/host_adam/host_adam.hpp"

namespace moecal::kernels {

Work host_adam_work(const HostAdamShape& shape) {
  const auto parameters = static_cast<double>(shape.parameters);
  return {.flops = Flops{13 * parameters},
          .read = Bytes{4 * sizeof(float) * parameters},
          .written = Bytes{(3 * sizeof(float) + sizeof(BFloat16)) * parameters}};
}

void host_adam_cpu(const HostAdamShape& shape, const HostAdamTensors& t, const HostAdamStep& step) {
  const float mean_scale = 1 / (1 - std::pow(step.beta1, static_cast<float>(step.number)));
  const float variance_scale = 1 / (1 - std::pow(step.beta2, static_cast<float>(step.number)));
  for (std::int64_t i = 0; i < shape.parameters; ++i) {
    const float gradient = t.gradient[i];
    const float mean = step.beta1 * t.mean[i] + (1 - step.beta1) * gradient;
    const float variance = step.beta2 * t.variance[i] + (1 - step.beta2) * (gradient * gradient);
    const float root = std::sqrt(variance * variance_scale) + step.epsilon;
    const float parameter = t.parameter[i] - step.learning_rate * (mean * mean_scale) / root;
    t.mean[i] = mean;
    t.variance[i] = variance;
    t.parameter[i] = parameter;
    t.rounded[i] = from_float<BFloat16>(parameter);
  }
}

}  // namespace moecal::kernels
