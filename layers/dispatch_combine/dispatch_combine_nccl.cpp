// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "layers/dispatch_combine/dispatch_combine_steps.hpp"

namespace moecal::layers {

void dispatch_combine_nccl(const DispatchCombinePlan& plan, Step step,
                           const DispatchCombineTensors& tensors,
                           collectives::NcclCommunicator group, Stream stream) {
  const StepCalls calls{
      [&](const auto& shape, const auto& rows) { permute_cuda(shape, rows, stream); },
      [&](const auto& shape, const auto& buffers) {
        all_to_all_v_nccl(shape, buffers, group, stream);
      },
      [&](const auto& shape, const auto& rows) { unpermute_cuda(shape, rows, stream); }};
  calls.run(plan, step, tensors);
}

}  // namespace moecal::layers
