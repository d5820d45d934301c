// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/dispatch_combine/dispatch_combine_steps.hpp"

namespace moecal::layers {

void dispatch_combine_check_mpi(const DispatchCombinePlan& plan) {
  all_to_all_v_check_mpi(plan.exchange(Step::dispatch));
}

void dispatch_combine_mpi(const DispatchCombinePlan& plan, Step step,
                          const DispatchCombineTensors& tensors, ControlPlane& group) {
  const StepCalls calls{
      kernels::permute_cpu,
      [&](const auto& shape, const auto& buffers) { all_to_all_v_mpi(shape, buffers, group); },
      kernels::unpermute_cpu};
  calls.run(plan, step, tensors);
}

}  // namespace moecal::layers
