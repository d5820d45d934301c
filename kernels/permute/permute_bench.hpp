// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/observation.hpp"
#include "core/periodic_bytes.hpp"
#include "kernels/permute/permute.hpp"
#include "runtime/memory.hpp"

namespace moecal::bench {

/// What a permute was given, and what it left.
struct Permuted {
  const PeriodicBytes& tokens;
  const Memory& row_of;
  const Memory& rows;
  const Memory& scales;
};
/// Compares the rows of some tokens (routed_rows_to_check) with the oracle's. Rows that no choice
/// names may hold an earlier draw's.
[[nodiscard]] VerificationResult check_permuted(const kernels::PermuteShape& shape,
                                                const Permuted& permuted);

}  // namespace moecal::bench
