// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/observation.hpp"
#include "core/periodic_bytes.hpp"
#include "kernels/unpermute/unpermute.hpp"
#include "runtime/memory.hpp"

namespace moecal::bench {

/// What an unpermute was given, and what it left.
struct Unpermuted {
  const PeriodicBytes& rows;
  const Memory& row_of;
  const Memory& weight_of;
  const Memory& tokens;
};
/// Compares some tokens (routed_rows_to_check) with the oracle's.
[[nodiscard]] VerificationResult check_unpermuted(const kernels::UnpermuteShape& shape,
                                                  const Unpermuted& unpermuted);

}  // namespace moecal::bench
