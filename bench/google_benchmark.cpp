// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/google_benchmark.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <regex>

#include "core/call_statistics.hpp"
#include "core/part_statistics.hpp"
#include "core/statistics.hpp"

namespace moecal::bench {
namespace {

// Reports through Google Benchmark's own reporter (--benchmark_format chooses it) until the run is
// stopped; without a table there is no inner reporter.
class Reporter final : public ::benchmark::BenchmarkReporter {
 public:
  Reporter(const Session& session, Report report)
      : session_{session},
        inner_{report == Report::progress_and_table ? ::benchmark::CreateDefaultDisplayReporter()
                                                    : nullptr} {}
  bool ReportContext(const Context& context) override {
    return inner_ == nullptr || inner_->ReportContext(context);
  }
  void ReportRuns(const std::vector<Run>& runs) override {
    if (inner_ != nullptr && !session_.stopped()) inner_->ReportRuns(runs);
  }
  void Finalize() override {
    if (inner_ != nullptr) inner_->Finalize();
  }

 private:
  const Session& session_;
  ::benchmark::BenchmarkReporter* inner_;  // Google Benchmark's, never deleted by it either
};

void add_counters(const Observation& observation, ::benchmark::State& state) {
  const Seconds time{observation.seconds()};
  const auto& work = observation.work;
  if (work.flops.value() > 0) state.counters["flop/s"] = (work.flops / time).value();
  if (!collective_rates(observation))
    state.counters["bytes/s"] = ((work.read + work.written) / time).value();
  for (const auto& [name, figure] : observation.figures) state.counters[name] = figure;
  state.counters["samples"] = static_cast<double>(observation.samples_s.size());
  state.counters["half_width_%"] = 100 * relative_median_half_width(observation.samples_s, 0.95);
}

double in_microseconds(double seconds) { return 1e6 * seconds; }

// What a collective's row says beside its time. The rank that was late most often is the label.
void add_collective(const Observation& observation, const Session& session,
                    ::benchmark::State& state) {
  if (const auto rates = collective_rates(observation)) {
    state.counters["algbw_GB/s"] = rates->algbw.value() / 1e9;
    state.counters["busbw_GB/s"] = rates->busbw.value() / 1e9;
  }
  if (const auto calls = call_percentiles(observation)) {
    state.counters["p50_us"] = in_microseconds(calls->p50);
    if (calls->p95) state.counters["p95_us"] = in_microseconds(*calls->p95);
    if (calls->p99) state.counters["p99_us"] = in_microseconds(*calls->p99);
  }
  if (!observation.skew_s.empty())
    state.counters["skew_us"] = in_microseconds(median(observation.skew_s));
  if (const auto late = most_often_late(observation))
    state.SetLabel("late: rank " + std::to_string(late->rank) + " on " + session.host(late->rank) +
                   " in " + std::to_string(late->calls) + " of " +
                   std::to_string(observation.late_rank.size()) + " calls");
}

// What the row of an operation made of others says beside its time.
void add_parts(const Observation& observation, ::benchmark::State& state) {
  if (const auto ratio = parts_over_whole(observation)) state.counters["parts/whole"] = *ratio;
  if (const auto overlap = overlap_figures(observation)) {
    state.counters["gemm_slowdown"] = overlap->gemm_slowdown;
    state.counters["exchange_slowdown"] = overlap->all_to_all_slowdown;
    state.counters["hidden_%"] = 100 * overlap->hidden_fraction;
  }
}

void run_entry(Session& session, Session::Entry& entry, Report report, ::benchmark::State& state) {
  if (session.stopped()) return state.SkipWithError("skipped: the run was stopped");
  if (report != Report::nothing) session.progress().point(entry.point.name());
  const Observation observation = session.measure_next(entry);
  if (report != Report::nothing) session.progress().point_done();
  if (session.stopped()) return state.SkipWithError("skipped: the run was stopped");
  if (observation.outcome != Outcome::measured) {
    const std::string text =
        std::string{to_string(observation.outcome)} + ": " + observation.reason;
    return state.SkipWithError(text.c_str());
  }
  for (auto _ : state) state.SetIterationTime(observation.seconds());
  add_counters(observation, state);
  add_collective(observation, session, state);
  add_parts(observation, state);
}

// What --benchmark_filter chooses points by.
std::function<bool(const std::string& name)> chosen_by_filter() {
  auto filter = ::benchmark::GetBenchmarkFilter();
  const bool negative = !filter.empty() && filter.front() == '-';
  if (negative) filter.erase(0, 1);
  if (filter.empty() || filter == "all") return [](const std::string&) { return true; };
  return [pattern = std::regex{filter}, negative](const std::string& name) {
    return std::regex_search(name, pattern) != negative;
  };
}

std::size_t count_if_chosen(const std::vector<Session::Entry>& entries,
                            const std::function<bool(const std::string& name)>& chosen) {
  return static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(),
                    [&](const Session::Entry& entry) { return chosen(entry.point.name()); }));
}

void register_entry(Session& session, Session::Entry& entry, Report report) {
  auto* registered = ::benchmark::RegisterBenchmark(
      entry.point.name().c_str(), [&session, &entry, report](::benchmark::State& state) {
        run_entry(session, entry, report, state);
      });
  registered->Iterations(1)->UseManualTime()->Unit(::benchmark::kMicrosecond);
  // Those left of --benchmark_repetitions; said only where it differs, since it shows in the name.
  const auto left = std::count(entry.done.begin(), entry.done.end(), 0);
  if (left != static_cast<std::ptrdiff_t>(entry.done.size()))
    registered->Repetitions(static_cast<int>(left));
}

}  // namespace

void print_google_help() { ::benchmark::PrintDefaultHelp(); }

void initialize_google(std::vector<std::string>& arguments, bool reports) {
  if (!reports)
    std::erase_if(arguments, [](const std::string& argument) {
      return argument.rfind("--benchmark_out", 0) == 0;
    });
  std::vector<char*> raw;
  for (auto& argument : arguments) raw.push_back(argument.data());
  int count = static_cast<int>(raw.size());
  raw.push_back(nullptr);
  ::benchmark::Initialize(&count, raw.data());
  if (count > 1)
    throw InvalidInput{"the option '" + std::string{raw[1]} + "' is not known (" + arguments[0] +
                       " --help explains the options)"};
}

void run_under_google(Session& session, Report report) {
  for (auto& entry : session.entries()) register_entry(session, entry, report);
  const auto chosen = chosen_by_filter();
  session.write_plan(chosen);
  session.progress().start(count_if_chosen(session.entries(), chosen));
  Reporter reporter{session, report};
  if (!session.entries().empty()) ::benchmark::RunSpecifiedBenchmarks(&reporter);
}

}  // namespace moecal::bench
