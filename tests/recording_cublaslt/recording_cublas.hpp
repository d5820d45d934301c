// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cublas_v2.h>

#include <vector>

/// A cuBLAS without a device, as recording_cublaslt.hpp: its grouped product is computed from the
/// arguments alone.
namespace moecal::tests {

struct RecordedGroup {
  int m = 0, n = 0, k = 0, size = 0;
};

struct FakeCublas {
  std::vector<std::vector<RecordedGroup>> grouped;  // of each call
  int live_handles = 0;
  cudaStream_t stream = nullptr;
  std::size_t workspace_bytes = 0;           // as given since the last stream; 0: its own
  std::vector<std::size_t> workspaces_used;  // of each call
};

/// The one fake library of the process.
FakeCublas& fake_cublas();

}  // namespace moecal::tests
