// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/nccl_tests_import.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/collective.hpp"
#include "core/dtype.hpp"
#include "interchange/collective_facts.hpp"
#include "interchange/import_collector.hpp"
#include "interchange/nccl_tests_run.hpp"

namespace moecal::interchange {
namespace {

/// Whether the printed check failed: #wrong above 0, or (old) an error above the type's tolerance.
std::string why_wrong(const std::string& wrong, const std::string& type,
                      VerificationResult& result) {
  static const std::map<std::string, double> kTolerances{
      {"half", 1e-2}, {"float16", 1e-2}, {"bfloat16", 1e-2}, {"bf16", 1e-2}, {"float", 1e-5}};
  const auto number = printed_number(wrong);
  if (!number) {
    result.method = "none";
    return wrong.empty() || wrong == "N/A" ? "" : "the check of the results says " + wrong;
  }
  result.method = "full";
  if (number->integer)
    return number->value == 0 ? "" : wrong + " of the results were wrong (#wrong)";
  const auto tolerance = kTolerances.find(type);
  result.max_rel_error = number->value;
  result.tolerance = tolerance == kTolerances.end() ? 0 : tolerance->second;
  return number->value <= result.tolerance ? "" : "the results were off by " + wrong;
}

/// Turns the runs of one file into observations.
class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : file_{file}, options_{options}, collector_{file, options, "nccl-tests"} {}

  Imported import(const std::vector<NcclTable>& tables) {
    for (const auto& table : tables) take_table(table);
    return collector_.finish();
  }

 private:
  /// What all rows of a run share.
  struct Run {
    const NcclTable& table;
    const Card& card;
    Environment environment;
    std::string operation;
    Launch launch;
    bool has_halves;  // of some row both were measured: one of which one is there was cut
  };

  void take_table(const NcclTable& table) {
    collector_.begin_section();
    if (table.cpu_time)
      return refuse_all(table, "the times are of the CPU (option -C), not of the collective");
    if (const auto problem = why_mixed(table, options_); !problem.empty())
      return refuse_all(table, problem);
    const auto answer = find_operation(table, file_.name, options_);
    if (answer.operation.empty()) return refuse_all(table, unknown_operation(answer));
    auto launch = find_launch(table, answer.operation, options_);
    if (!launch)
      return refuse_all(table,
                        "no device line, launch command or unambiguous busbw says how many "
                        "ranks: give --ranks");
    if (const auto problem = why_refuted(table, answer.operation, *launch, options_);
        !problem.empty())
      return refuse_all(table, problem);
    if (const auto problem = why_no_launch(*launch, options_); !problem.empty())
      return refuse_all(table, problem);
    const auto& card = card_of(table);
    complete(*launch, card, options_);
    Run run{table,
            card,
            environment_of(table, card, *launch),
            answer.operation,
            *launch,
            has_halves(table)};
    note(run, answer);
    if (table.both_halves && !run.has_halves) note_half(table);
    for (const auto& row : table.rows) collector_.row(row.line, [&] { take_row(run, row); });
  }

  [[nodiscard]] std::string unknown_operation(const OperationAnswer& answer) const {
    if (!answer.foreign.empty()) return "'" + answer.foreign + "' is no operation of moecal's";
    return "nothing says which collective this is: name it with --operation";
  }

  const Card& card_of(const NcclTable& table) {
    std::set<std::string> names;
    for (const auto& device : table.devices) names.insert(device.name);
    if (names.size() > 1 && options_.card.empty())
      throw InvalidInput{file_.path + ": the run mixes devices ('" + *names.begin() + "' and '" +
                         *names.rbegin() + "'): name one with --card"};
    return collector_.card_of(names.empty() ? "" : *names.begin(), table.rows.front().line);
  }

  [[nodiscard]] Environment environment_of(const NcclTable& table, const Card& card,
                                           const Launch& launch) const {
    auto e = collector_.environment(card, launch.devices_per_node);
    if (!table.devices.empty()) e.device_name = table.devices.front().name;
    e.libraries[library_name(table, card)] = version_of(table);
    e.settings = table.settings;
    return e;
  }

  /// rccl-tests of old do not name their library; on AMD's cards there is only one.
  static std::string library_name(const NcclTable& table, const Card& card) {
    return card.name.starts_with("AMD") ? "rccl" : table.library_name;
  }
  static std::string library_name(const Run& run) { return library_name(run.table, run.card); }

  static std::string version_of(const NcclTable& table) {
    return table.library_version.empty() ? "unknown" : table.library_version;
  }

  void note(const Run& run, const OperationAnswer& answer) {
    const auto& ranks = run.launch.ranks;
    collector_.note(
        run.operation + " (from " + answer.known_from + ") over " + std::to_string(ranks.group) +
        (ranks.group == 1 ? " rank" : " ranks") + " (from " + run.launch.known_from + ") on " +
        std::to_string(ranks.nodes) + (ranks.nodes == 1 ? " node" : " nodes") +
        (run.launch.nodes_assumed ? " (assumed)" : "") + " of " + run.environment.system + ", " +
        library_name(run) + " " + version_of(run.table));
  }

  static bool is_measured(const NcclTiming& timing) {
    return !timing.absent && timing.problem.empty();
  }

  /// Whether any row has both measurements.
  static bool has_halves(const NcclTable& table) {
    return std::ranges::any_of(table.rows, [](const NcclRow& row) {
      return row.timings.size() == 2 && std::ranges::all_of(row.timings, is_measured);
    });
  }

  /// The columns are of two halves, the rows of one: measured so, or cut so.
  void note_half(const NcclTable& table) {
    const bool in_place = std::ranges::any_of(
        table.rows, [](const auto& row) { return !row.timings.empty() && row.timings[0].absent; });
    collector_.note(std::string{"the columns are of two halves, the rows of one: taken "} +
                    (in_place ? "as in-place, before which it is blank" : "as out-of-place"));
  }

  void take_row(const Run& run, const NcclRow& row) {
    if (!row.problem.empty()) return collector_.refuse(row.line, row.place + row.problem);
    if (row.bytes == 0) return collector_.refuse(row.line, row.place + "size 0: nothing is moved");
    const auto dtype = dtype_word(row.type);
    if (!dtype) return collector_.leave_out("dtype " + row.type);
    if (const auto problem = count_problem(run, row, *dtype); !problem.empty())
      return collector_.refuse(row.line, row.place + problem);
    for (std::size_t i = 0; i < row.timings.size(); ++i)
      if (!row.timings[i].absent)
        take_timing(run, row, row.timings[i], {*dtype, i == 0 ? "" : "_in_place"});
    if (run.table.both_halves && run.has_halves && row.timings.size() == 1)
      collector_.refuse(row.line, row.place + "in-place: no figures of it, which other rows have");
  }

  /// A count is of the whole size, or of one rank's part where ranks have parts.
  [[nodiscard]] static std::string count_problem(const Run& run, const NcclRow& row,
                                                 const std::string& dtype) {
    if (!row.count) return "";
    const double bytes = *row.count * static_cast<double>(size_of(parse_dtype(dtype)));
    const auto size = static_cast<double>(row.bytes);
    const auto ranks = static_cast<double>(run.launch.ranks.group);
    if (bytes == size || (has_blocks(run.operation) && bytes * ranks == size)) return "";
    const auto whole = [](double number) { return std::to_string(std::llround(number)); };
    return "count " + whole(*row.count) + " of " + row.type + " is " + whole(bytes) + " bytes" +
           (has_blocks(run.operation) ? " for each of " + whole(ranks) + " ranks" : "") +
           ", but the size is " + std::to_string(row.bytes);
  }

  struct Variant {
    std::string dtype;
    std::string suffix;  // of the implementation: an in-place call is another way to run it
  };

  void take_timing(const Run& run, const NcclRow& row, const NcclTiming& timing,
                   const Variant& variant) {
    const std::string where = variant.suffix.empty() ? "" : "in-place: ";
    try {
      require_sound(run, row, timing);
      collector_.take(observation(run, row, timing, variant), run.environment, run.card);
    } catch (const InvalidInput& error) {
      collector_.refuse(row.line, row.place + where + error.what());
    }
  }

  /// @throws InvalidInput saying why the measurement is none.
  static void require_sound(const Run& run, const NcclRow& row, const NcclTiming& timing) {
    if (!timing.problem.empty()) throw InvalidInput{timing.problem};
    if (!(timing.microseconds.value > 0)) throw InvalidInput{"the time is 0"};
    if (const auto problem = factor_problem(run, row, timing); !problem.empty())
      throw InvalidInput{problem};
  }

  [[nodiscard]] static std::string factor_problem(const Run& run, const NcclRow& row,
                                                  const NcclTiming& timing) {
    const int n = run.launch.ranks.group;
    if (n < 2)
      return timing.busbw.value > 0 ? "busbw is above 0, but only one rank is listed: give --ranks"
                                    : "one rank: nothing crosses a link";
    const double expected = bus_factor(run.operation, n);
    if (factor_range(row.bytes, timing).holds(expected)) return "";
    const double found =
        timing.busbw.value / (static_cast<double>(row.bytes) / timing.microseconds.value / 1e3);
    return "busbw / algbw is " + std::to_string(found) + ", but " + run.operation + " over " +
           std::to_string(n) + " ranks (from " + run.launch.known_from + ") gives " +
           std::to_string(expected);
  }

  [[nodiscard]] Observation observation(const Run& run, const NcclRow& row,
                                        const NcclTiming& timing, const Variant& variant) const {
    auto o = collector_.start(row.line);
    o.operation = run.operation;
    o.implementation = library_name(run) + variant.suffix;
    o.backend = "nccl";
    o.dtypes = {variant.dtype, "", "", "", "", ""};
    o.point = {{"bytes", row.bytes}};
    o.ranks = run.launch.ranks;
    o.work = collective_work(run.operation, Bytes{static_cast<double>(row.bytes)}, o.ranks.group);
    o.sample.iterations_per_sample = row.iterations.value_or(run.table.iterations.value_or(1));
    o.samples_s = {timing.microseconds.value / 1e6};
    if (!timing.samples_us.empty()) take_samples(timing, o);
    o.policy.graph = run.table.graph_launches.value_or(0) > 0 ? "cuda_graph" : "none";
    o.policy.warmup = run.table.warmup.value_or(0) + timing.skipped;
    o.policy.stop_rule = "fixed number of iterations";
    o.library = {library_name(run), version_of(run.table), "unknown", 0};
    o.source.tool = library_name(run) + "-tests";
    o.reason = why_wrong(timing.wrong, row.type, o.verification);
    if (!o.reason.empty()) o.outcome = Outcome::failed;
    return o;
  }

  /// Each iteration was timed by itself: those are the samples, not their mean.
  static void take_samples(const NcclTiming& timing, Observation& o) {
    o.sample = {"raw", 1, "foreign"};
    o.samples_s.clear();
    for (const double us : timing.samples_us) o.samples_s.push_back(us / 1e6);
  }

  void refuse_all(const NcclTable& table, const std::string& reason) {
    for (const auto& row : table.rows)
      collector_.row(row.line, [&] { collector_.refuse(row.line, reason); });
  }

  const ForeignFile& file_;
  const ImportOptions& options_;
  Collector collector_;
};

}  // namespace

Imported import_nccl_tables(const std::vector<NcclTable>& tables, const ForeignFile& file,
                            const ImportOptions& options) {
  return Importer{file, options}.import(tables);
}

}  // namespace moecal::interchange
