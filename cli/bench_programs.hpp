// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

namespace moecal::cli {

struct ProgramImplementation {
  std::string backend;                      // cpu, cuda, mpi, nccl
  bool of_host = false;                     // measured whatever the device is
  std::map<std::string, double> seconds{};  // that points take on a GPU, about, by suite
};

/// A benchmark program as its --list describes it.
struct BenchProgram {
  std::string path;
  std::string name;
  std::vector<std::string> operations;
  std::vector<ProgramImplementation> implementations;
  int cuda_devices = 0;       // of this machine, as the program sees them
  std::string why_no_cuda{};  // a sentence where there are none

  [[nodiscard]] bool has_backend(const std::string& backend) const;
  /// Whether it measures the host itself, beside whatever device it has.
  [[nodiscard]] bool measures_host() const;
};

/// The program of that path and name, with what its --list printed.
/// @throws InvalidInput naming the program and the field, if it is not what --list prints.
[[nodiscard]] BenchProgram described(BenchProgram program, const std::string& list);

/// A program that cannot be used here, as where a library that it is linked with is missing.
struct UnusableProgram {
  std::string name;
  std::string why;      // "it cannot start: error while loading shared libraries: ..."
  bool broken = false;  // it did start, and failed: a host is not to blame
};

struct FoundPrograms {
  std::vector<BenchProgram> usable;
  std::vector<UnusableProgram> left_out;
  double to_start = 0;  // seconds that the first took to say so: it starts CUDA, to count devices
};

/// The programs bench_* of a folder (empty: the folder of this program), by name, with the times of
/// one suite.
/// @throws InvalidInput if it has none; Error, with the first one's reason, if none can be used,
/// and if one gives no answer for minutes.
[[nodiscard]] FoundPrograms find_programs(const std::string& folder, const std::string& suite);

}  // namespace moecal::cli
