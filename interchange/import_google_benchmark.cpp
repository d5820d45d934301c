// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "interchange/foreign_benchmark.hpp"
#include "interchange/formats.hpp"
#include "interchange/json_rows.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

/// Parts of a name that say how it was run: "threads:4", "real_time", "min_time:2.000".
bool is_setting(std::string_view part) {
  static constexpr std::array<std::string_view, 8> kSettings{
      "threads", "real_time", "manual_time", "process_time",
      "repeats", "min_time",  "iterations",  "min_warmup_time"};
  const auto word = part.substr(0, part.find(':'));
  return std::find(kSettings.begin(), kSettings.end(), word) != kSettings.end();
}

/// "BM_Copy<float>/1024/m:16/real_time": a name, template arguments, and axes with or without name.
struct RunName {
  std::string name;
  std::vector<AxisValue> axes;
};

RunName parse_name(const std::string& text) {
  const auto parts = split_at(text, '/');
  RunName run{std::string{parts.front()}, {}};
  if (const auto bracket = run.name.find('<'); bracket != std::string::npos) {
    run.axes.push_back({"type", run.name.substr(bracket + 1, run.name.rfind('>') - bracket - 1)});
    run.name.resize(bracket);
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (is_setting(parts[i])) continue;
    const auto colon = parts[i].find(':');
    if (colon == parts[i].npos)
      run.axes.push_back({"argument_" + std::to_string(i), std::string{parts[i]}});
    else
      run.axes.push_back(
          {std::string{parts[i].substr(0, colon)}, std::string{parts[i].substr(colon + 1)}});
  }
  return run;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "google-benchmark"} {}

  Imported import() {
    const auto document = foreign_document(collector_.file());
    const JsonReader root{document, {collector_.file().path, line_of(document)}};
    const auto context = root.object("context");
    auto& shared = collector_.shared_environment();
    shared.host = text_in(context, "host_name");
    release_ = text_in(context, "library_version", "unknown");
    if (context.optional<bool>("cpu_scaling_enabled", false))
      collector_.note("the clock of this machine's CPU was not fixed");
    const auto rows = rows_of(root, "benchmarks");
    only_aggregates_ = std::none_of(rows.begin(), rows.end(), is_iteration);
    for (const auto& row : rows) {
      const auto device = collector_.device("", row.where().line);
      collector_.row(row.where().line, [&] { take(row, device); });
    }
    return collector_.finish();
  }

 private:
  /// Releases before 1.5 had no run_type.
  static bool is_iteration(const JsonReader& row) {
    return row.json().value("run_type", nlohmann::json("iteration")) == "iteration";
  }

  void take(const JsonReader& row, const Device& device) {
    if (!is_iteration(row) && !(only_aggregates_ && text_in(row, "aggregate_name") == "median"))
      return collector_.leave_out("aggregate " + text_in(row, "aggregate_name", "without name"));
    auto o = collector_.start(row.where().line, 1);
    const auto run = parse_name(text_in(row, "run_name", row.require<std::string>("name")));
    o.implementation = "google-benchmark";
    describe_benchmark(run.name, run.axes, o);
    if (!collector_.options().operation.empty()) o.operation = collector_.options().operation;
    o.backend = "cpu";
    o.library.runtime_version = release_;
    o.outcome = row.optional<bool>("error_occurred", false) ? Outcome::failed : Outcome::measured;
    o.reason = text_in(row, "error_message");
    take_time(row, o);
    collector_.take(std::move(o), device);
  }

  void take_time(const JsonReader& row, Observation& o) const {
    o.samples_s.clear();
    if (o.outcome == Outcome::failed) return;
    const double unit = seconds_per(text_in(row, "time_unit", "ns"));
    o.samples_s = {number_in(row, "real_time") * unit};
    if (only_aggregates_)
      o.sample.statistic = "median";
    else
      o.sample.iterations_per_sample = iterations(row);
    if (!row.has("bytes_per_second")) return;
    // The rate is over the time the benchmark asked for; SetBytesProcessed counts as the author
    // wishes, so it says what was moved only roughly: it is kept as read.
    const bool wall = row.require<std::string>("name").find("_time") != std::string::npos;
    const double over = wall ? o.samples_s[0] : number_in(row, "cpu_time") * unit;
    const double bytes = number_in(row, "bytes_per_second") * over;
    if (!(bytes >= 0 && bytes < 1e18)) row.fail("bytes_per_second", "is no rate");
    o.work.read = Bytes{bytes};
  }

  static std::int64_t iterations(const JsonReader& row) {
    const double count = number_in(row, "iterations");
    if (!(count >= 1 && count <= 9e15)) row.fail("iterations", "is not above 0");
    return static_cast<std::int64_t>(count);
  }

  KernelCollector collector_;
  std::string release_;
  bool only_aggregates_ = false;
};

bool recognises(const std::string& text) {
  return is_json_with(text, {"\"context\"", "\"benchmarks\"", "\"real_time\""});
}

}  // namespace

Format google_benchmark_format() {
  return {"gbenchmark", "JSON of Google Benchmark programs (--benchmark_out)", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
