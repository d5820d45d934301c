// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "interchange/gemm_row.hpp"
#include "interchange/import_collector.hpp"
#include "interchange/launch.hpp"

/// What the importers of collective benchmarks other than nccl-tests share.
namespace moecal::interchange {

/// What all rows of one run share.
struct CollectiveRun {
  Card card;
  std::string device_name;  // empty where the file has none
  Launch launch;
  std::string implementation;  // nccl, mpi-cuda, hccl, ...
  std::string backend;
  LibraryInfo library;
  int warmup = 0;
  std::int64_t iterations = 1;  // calls of which the time is the mean
};

/// One row in SI units. `bytes` is what moecal means by the operation's size.
struct CollectiveRow {
  int line = 0;
  std::string operation, dtype;
  std::int64_t bytes = 0;
  double seconds = 0;
  std::string wrong{};  // why its results were wrong; empty if they were not
};

/// What the program sets, else --ranks, else what the file says. @throws InvalidInput at `where` if
/// none of them says, or no launch can be so.
[[nodiscard]] Launch require_launch(const ImportOptions& options,
                                    const std::optional<Launch>& of_file, const FileLine& where);

/// Fills in nodes and tier of the run's launch, and notes what is known of it and from where.
void begin_run(Collector& collector, CollectiveRun& run, const std::string& operation);

/// Takes one row. @throws InvalidInput if it cannot be.
void take_collective(Collector& collector, const CollectiveRun& run, const CollectiveRow& row);

/// A size in bytes. @throws InvalidInput "'Size' is 'x', not a whole number of bytes above 0", or
/// beyond any memory.
[[nodiscard]] std::int64_t bytes_of(std::string_view field, const std::string& name);

/// The bytes of `per_rank` times the ranks. @throws InvalidInput if they are too many for a number.
[[nodiscard]] std::int64_t bytes_of_all(std::int64_t per_rank, int ranks);

/// True if the rate (bytes of `unit` each per second: 1e9 of GB/s, 2^30 of GiB/s) can be size over
/// time, as far as the digits printed can say.
[[nodiscard]] bool is_rate_of(const PrintedNumber& rate, double unit, std::int64_t bytes,
                              const TimeRange& time);

/// @throws InvalidInput if the printed bus rate over the other is not what the operation over so
/// many ranks gives.
void require_bus_factor(const std::string& operation, int ranks, const PrintedNumber& algbw,
                        const PrintedNumber& busbw);

}  // namespace moecal::interchange
