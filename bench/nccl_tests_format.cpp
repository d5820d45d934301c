// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/nccl_tests_format.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <compare>
#include <cstdio>
#include <iterator>
#include <limits>
#include <map>
#include <optional>

#include "core/collective.hpp"
#include "core/dtype.hpp"

namespace moecal::bench {
namespace {

/// printf into a string: the columns are those of a program that prints with it.
template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 256> text{};
  const int length = std::snprintf(text.data(), text.size(), format, values...);
  return {text.data(), std::min(text.size() - 1, static_cast<std::size_t>(std::max(0, length)))};
}

/// What one run of nccl-tests is of; its implementation is without "_in_place".
struct Run {
  std::string operation, implementation, dtype, placement;
  int group = 1, concurrent = 1;
  auto operator<=>(const Run&) const = default;
};

/// One half of a row.
struct Half {
  double seconds = 0;
  bool wrong = false;
};

struct Row {
  std::optional<Half> out_of_place, in_place;
};

struct RunRows {
  LibraryInfo library;
  std::map<std::int64_t, Row> rows;  // by bytes
  bool graph = false;
  std::int64_t fewest_calls = std::numeric_limits<std::int64_t>::max();  // a sample of any row
  int least_warmup = std::numeric_limits<int>::max();
};

Run run_of(const Observation& o) {
  std::string implementation = o.implementation;
  if (is_in_place(implementation)) implementation.erase(implementation.size() - kInPlace.size());
  return {o.operation,       implementation, o.dtypes.a,
          o.ranks.placement, o.ranks.group,  o.ranks.concurrent_groups};
}

/// As nccl-tests calls it: all_reduce_perf, alltoall_perf, sendrecv_perf.
std::string program_of(const std::string& operation) {
  if (operation == "all_to_all") return "alltoall_perf";
  if (operation == "send_recv") return "sendrecv_perf";
  return operation + "_perf";
}

std::string type_of(const std::string& dtype) {
  static const std::map<std::string, std::string> kTypes{{"f32", "float"},
                                                         {"f16", "half"},
                                                         {"bf16", "bfloat16"},
                                                         {"fp8_e4m3", "f8e4m3"},
                                                         {"fp8_e5m2", "f8e5m2"}};
  const auto found = kTypes.find(dtype);
  return found == kTypes.end() ? dtype : found->second;
}

/// The word under "redop": sendrecv_perf runs over operations too and prints theirs.
std::string reduction_of(const std::string& operation) {
  return adds_elements(operation) || operation == "send_recv" ? "sum" : "none";
}

// "N/A" is what nccl-tests has under #wrong; of a time it would be no number to a reader, "nan" is.
std::string times(const Run& run, std::int64_t bytes, const std::optional<Half>& half) {
  if (!half) return formatted("  %7s  %6s  %6s  %5s", "nan", "nan", "nan", "N/A");
  const double microseconds = half->seconds * 1e6;
  const char* format = microseconds >= 10'000 ? "%7.0f" : microseconds >= 100 ? "%7.1f" : "%7.2f";
  const double rate = static_cast<double>(bytes) / half->seconds / 1e9;
  return formatted("  %7s  %6.2f  %6.2f  %5d", formatted(format, microseconds).c_str(), rate,
                   rate * bus_factor(run.operation, run.group), half->wrong ? 1 : 0);
}

std::string row_text(const Run& run, std::int64_t bytes, const Row& row) {
  const std::int64_t elements = bytes / size_of(parse_dtype(run.dtype));
  return formatted(
             "%12lld  %12lld  %8s  %6s  %6d", static_cast<long long>(bytes),
             static_cast<long long>(has_blocks(run.operation) ? elements / run.group : elements),
             type_of(run.dtype).c_str(), reduction_of(run.operation).c_str(),
             run.operation == "broadcast" ? 0 : -1) +
         times(run, bytes, row.out_of_place) + times(run, bytes, row.in_place) + "\n";
}

/// A device as nccl-tests names it, "0000:1b:00"; by its number where it has no PCI address.
std::string address_of(const RankPlace& place) {
  if (place.pci_bus_id.empty()) return formatted("0x%02x", place.device);
  std::string address = place.pci_bus_id.substr(0, place.pci_bus_id.rfind('.'));
  std::transform(address.begin(), address.end(), address.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return address;
}

/// The ranks of the groups that are measured; one group alone is a launch of its own.
std::string devices_text(const Run& run, std::span<const RankPlace> ranks,
                         const std::string& device) {
  const int groups = static_cast<int>(ranks.size()) / run.group;
  std::string text = "# Using devices\n";
  for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) {
    const bool contiguous = run.placement == "contiguous";
    const int group = contiguous ? rank / run.group : rank % groups;
    if (run.concurrent == 1 && group != 0) continue;
    const int shown = run.concurrent > 1 ? rank : contiguous ? rank : rank / groups;
    const RankPlace& place = ranks[rank];
    text += formatted("#  Rank %2d Group %2d Pid %6d on %10s device %2d [%s] ", shown, group,
                      place.process, place.host.c_str(), place.device, address_of(place).c_str()) +
            device + "\n";
  }
  return text;
}

/// How the sizes follow each other: "2(factor)" where each is twice the one before.
std::string step_of(const std::map<std::int64_t, Row>& rows) {
  std::int64_t factor = 0;
  for (auto next = std::next(rows.begin()); next != rows.end(); ++next) {
    const std::int64_t last = std::prev(next)->first;
    const bool same = next->first % last == 0 && (factor == 0 || next->first / last == factor);
    if (!same) return "0(bytes)";
    factor = next->first / last;
  }
  return factor == 0 ? "0(bytes)" : std::to_string(factor) + "(factor)";
}

std::string settings_text(const RunRows& rows) {
  return formatted(
      "# nThread 1 nGpus 1 minBytes %lld maxBytes %lld step: %s warmup iters: %d iters: %lld agg "
      "iters: 1 validation: 1 graph: %d\n#\n",
      static_cast<long long>(rows.rows.begin()->first),
      static_cast<long long>(rows.rows.rbegin()->first), step_of(rows.rows).c_str(),
      rows.least_warmup, static_cast<long long>(rows.fewest_calls), rows.graph ? 1 : 0);
}

std::string columns_text() {
  return formatted(
             "# %10s  %12s  %8s  %6s  %6s           out-of-place                       "
             "in-place          \n",
             "", "", "", "", "") +
         formatted("# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s %6s  %7s  %6s  %6s %6s\n", "size",
                   "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "time",
                   "algbw", "busbw", "#wrong") +
         formatted("# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %5s  %7s  %6s  %6s  %5s\n", "(B)",
                   "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(GB/s)",
                   "(GB/s)", "");
}

std::string heading(const Run& run, const RunRows& rows, std::span<const RankPlace> ranks,
                    const std::string& device) {
  return "# Collective test starting: " + program_of(run.operation) + "\n" + settings_text(rows) +
         devices_text(run, ranks, device) + "#\n# " + rows.library.name + " version " +
         rows.library.runtime_version + " (" + run.implementation +
         "), written by moecal: a time is the median of the slowest rank's; rows have at least "
         "the iterations above\n#\n" +
         columns_text();
}

/// The mean over all times of the run, as nccl-tests has it.
double mean_busbw(const Run& run, const RunRows& rows) {
  double sum = 0;
  int count = 0;
  for (const auto& [bytes, row] : rows.rows)
    for (const auto& half : {row.out_of_place, row.in_place})
      if (half) {
        const double rate = static_cast<double>(bytes) / half->seconds / 1e9;
        sum += rate * bus_factor(run.operation, run.group);
        ++count;
      }
  return sum / std::max(1, count);
}

int wrong_results(const RunRows& rows) {
  int wrong = 0;
  for (const auto& [bytes, row] : rows.rows)
    for (const auto& half : {row.out_of_place, row.in_place}) wrong += half && half->wrong ? 1 : 0;
  return wrong;
}

std::string run_text(const Run& run, const RunRows& rows, std::span<const RankPlace> ranks,
                     const std::string& device) {
  std::string text = heading(run, rows, ranks, device);
  for (const auto& [bytes, row] : rows.rows) text += row_text(run, bytes, row);
  const int wrong = wrong_results(rows);
  return text + formatted("# Out of bounds values : %d %s\n", wrong, wrong == 0 ? "OK" : "FAILED") +
         formatted("# Avg bus bandwidth    : %g \n#\n", mean_busbw(run, rows)) +
         "# Collective test concluded: " + program_of(run.operation) + "\n\n";
}

/// MPI knows a broadcast in one buffer only.
bool uses_one_buffer(const Observation& o) {
  return is_in_place(o.implementation) || (o.operation == "broadcast" && o.backend == "mpi");
}

/// It was timed, and then its result was found to be wrong.
bool is_wrong(const Observation& o) {
  return o.outcome == Outcome::failed && !o.samples_s.empty() &&
         o.verification.max_rel_error > o.verification.tolerance;
}

/// Why an observation is in no row; empty if it is in one.
std::string why_left_out(const Observation& o) {
  if (o.outcome != Outcome::measured && !is_wrong(o))
    return std::string{to_string(o.outcome)} + ": " + o.reason;
  if (!is_collective(o.operation) || !o.point.contains("bytes"))
    return "nccl-tests has no row for it";
  return "";
}

std::string name_of(const Observation& o) {
  std::string text = o.operation + " " + o.implementation + " " + o.dtypes.a;
  for (const auto& [name, value] : o.point) text += " " + name + "=" + std::to_string(value);
  return text;
}

}  // namespace

std::string to_nccl_tests(std::span<const Observation> observations,
                          std::span<const RankPlace> ranks, const std::string& devices) {
  std::map<Run, RunRows> runs;
  std::string left_out;
  for (const Observation& o : observations) {
    if (const std::string why = why_left_out(o); !why.empty()) {
      left_out += "# " + name_of(o) + ": " + why + "\n";
      continue;
    }
    RunRows& run = runs[run_of(o)];
    run.library = o.library;
    run.graph = o.policy.graph != "none";
    run.fewest_calls = std::min(run.fewest_calls, o.sample.iterations_per_sample);
    run.least_warmup = std::min(run.least_warmup, o.policy.warmup);
    Row& row = run.rows[o.point.at("bytes")];
    (uses_one_buffer(o) ? row.in_place : row.out_of_place) = Half{o.seconds(), is_wrong(o)};
  }
  std::string text;
  for (const auto& [run, rows] : runs) text += run_text(run, rows, ranks, devices);
  return text + left_out;
}

}  // namespace moecal::bench
