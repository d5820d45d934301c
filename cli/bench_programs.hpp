// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

namespace moecal::cli {

/// A benchmark program as its --list describes it.
struct BenchProgram {
  std::string path;
  std::string name;
  std::vector<std::string> operations;
  std::vector<std::string> backends;  // of its implementations: cpu, cuda, mpi, nccl
  int cuda_devices = 0;               // of this machine, as the program sees them

  [[nodiscard]] bool has_backend(const std::string& backend) const;
  [[nodiscard]] bool has_operation(const std::string& operation) const;
};

/// The programs bench_* of a folder (empty: the folder of this program), by name.
/// @throws InvalidInput if it has none.
[[nodiscard]] std::vector<BenchProgram> find_programs(const std::string& folder);

}  // namespace moecal::cli
