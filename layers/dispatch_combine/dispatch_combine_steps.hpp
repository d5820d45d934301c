// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/permute/permute.hpp"
#include "kernels/unpermute/unpermute.hpp"
#include "layers/dispatch_combine/dispatch_combine.hpp"

namespace moecal::layers {

/// A backend's three calls: permute(shape, tensors), exchange(shape, tensors), unpermute(shape,
/// tensors). What a step does with them is the same on all backends.
template <class Permute, class Exchange, class Unpermute>
struct StepCalls {
  Permute permute;
  Exchange exchange;
  Unpermute unpermute;

  void run(const DispatchCombinePlan& plan, Step step, const DispatchCombineTensors& t) const {
    const auto& [tokens, hidden, experts, top_k, group, dtype] = plan.shape;
    switch (step) {
      case Step::permute:
        return permute(kernels::PermuteShape{tokens, hidden, top_k, dtype},
                       kernels::PermuteTensors{t.tokens, t.row_of, t.rows});
      case Step::dispatch:
        return exchange(plan.exchange(step), collectives::CollectiveTensors{t.rows, t.received});
      case Step::combine:
        return exchange(plan.exchange(step), collectives::CollectiveTensors{t.received, t.rows});
      case Step::unpermute:
        return unpermute(kernels::UnpermuteShape{tokens, hidden, top_k, dtype},
                         kernels::UnpermuteTensors{t.rows, t.row_of, t.weight_of, t.combined});
    }
  }
};
template <class P, class E, class U>
StepCalls(P, E, U) -> StepCalls<P, E, U>;

}  // namespace moecal::layers
