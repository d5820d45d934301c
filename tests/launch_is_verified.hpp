// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include "bench/benchmark.hpp"

namespace moecal::tests {

/// Expects verify() to fail before anything was launched and to hold after a launch on the CPU.
/// Returns what it said then.
inline VerificationResult expect_launch_is_verified(bench::Trial& trial, int sets) {
  trial.prepare(sets);
  const auto before = trial.verify();
  EXPECT_GT(before.max_rel_error, before.tolerance);
  trial.launch(0, nullptr);
  const auto after = trial.verify();
  EXPECT_LE(after.max_rel_error, after.tolerance);
  return after;
}

}  // namespace moecal::tests
