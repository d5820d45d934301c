// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/collective_run.hpp"

#include <charconv>

#include "core/collective.hpp"
#include "interchange/collective_facts.hpp"

namespace moecal::interchange {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 60;  // bytes: more than any memory has

}  // namespace

Launch require_launch(const ImportOptions& options, const std::optional<Launch>& of_file,
                      const FileLine& where) {
  const bool is_set = of_file && of_file->of_program;
  const auto given = is_set ? std::nullopt : launch_of_options(options);
  const auto& launch = given ? given : of_file;
  if (!launch)
    throw InvalidInput{where.str() + ": nothing says how many ranks took part: give --ranks"};
  if (const auto problem = why_no_launch(*launch, options); !problem.empty())
    throw InvalidInput{where.str() + ": " + problem};
  return *launch;
}

void begin_run(Collector& collector, CollectiveRun& run, const std::string& operation) {
  complete(run.launch, run.card, collector.options());
  const auto& ranks = run.launch.ranks;
  const auto plural = [](int n) { return n == 1 ? "" : "s"; };
  const auto environment = collector.environment(run.card, run.launch.devices_per_node);
  collector.note(operation + " over " + std::to_string(ranks.group) + " rank" +
                 plural(ranks.group) + " (from " + run.launch.known_from + ") on " +
                 std::to_string(ranks.nodes) + " node" + plural(ranks.nodes) +
                 (run.launch.nodes_assumed ? " (assumed)" : "") + " of " + environment.system +
                 ", " + run.library.name + " " + run.library.runtime_version);
}

void take_collective(Collector& collector, const CollectiveRun& run, const CollectiveRow& row) {
  const auto& ranks = run.launch.ranks;
  if (ranks.group < 2) throw InvalidInput{"one rank: nothing crosses a link"};
  if (row.bytes <= 0) throw InvalidInput{"size 0: nothing is moved"};
  auto o = collector.start(row.line);
  o.operation = row.operation;
  o.implementation = run.implementation;
  o.backend = run.backend;
  o.dtypes = {row.dtype, "", "", "", "", ""};
  o.point = {{"bytes", row.bytes}};
  o.ranks = ranks;
  o.work = collective_work(row.operation, Bytes{static_cast<double>(row.bytes)}, ranks.group);
  o.sample.iterations_per_sample = run.iterations;
  o.samples_s = {row.seconds};
  o.policy.warmup = run.warmup;
  o.policy.stop_rule = "fixed number of iterations";
  o.library = run.library;
  if (!row.wrong.empty()) {
    o.outcome = Outcome::failed;
    o.reason = row.wrong;
  }
  auto e = collector.environment(run.card, run.launch.devices_per_node);
  e.device_name = run.device_name;
  e.libraries[run.library.name] = run.library.runtime_version;
  collector.take(std::move(o), e, run.card);
}

std::int64_t bytes_of(std::string_view field, const std::string& name) {
  std::int64_t bytes = 0;
  const auto [end, status] = std::from_chars(field.data(), field.data() + field.size(), bytes);
  const bool whole = end == field.data() + field.size() && !field.empty();
  if (whole && (status == std::errc::result_out_of_range || bytes > kMost))
    throw InvalidInput{"'" + name + "' is '" + std::string{field} + "', beyond any memory"};
  if (!whole || status != std::errc{} || bytes < 1)
    throw InvalidInput{"'" + name + "' is '" + std::string{field} +
                       "', not a whole number of bytes above 0"};
  return bytes;
}

std::int64_t bytes_of_all(std::int64_t per_rank, int ranks) {
  if (per_rank < 0 || per_rank > kMost / ranks)
    throw InvalidInput{"the size " + std::to_string(per_rank) + " is beyond any memory"};
  return per_rank * ranks;
}

bool is_rate_of(const PrintedNumber& rate, double unit, std::int64_t bytes, const TimeRange& time) {
  constexpr double kSlack = 1e-6;
  const double work = static_cast<double>(bytes) / unit;
  return rate.hi() * (1 + kSlack) * time.hi >= work && rate.lo() * (1 - kSlack) * time.lo <= work;
}

void require_bus_factor(const std::string& operation, int ranks, const PrintedNumber& algbw,
                        const PrintedNumber& busbw) {
  constexpr double kSlack = 1e-9;
  const double expected = bus_factor(operation, ranks);
  if (busbw.hi() + kSlack >= expected * algbw.lo() && busbw.lo() - kSlack <= expected * algbw.hi())
    return;
  throw InvalidInput{"busbw / algbw is " + std::to_string(busbw.value / algbw.value) + ", but " +
                     operation + " over " + std::to_string(ranks) + " ranks gives " +
                     std::to_string(expected)};
}

}  // namespace moecal::interchange
