// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
//
// How fast observations are read and fitted, and calls predicted. A program of its own:
//   bench_calibration                               everything up to 200 000 observations
//   bench_calibration --benchmark_filter=Fit/1000000
// Rates are per second of the wall clock; predictions run on one core.
#include <benchmark/benchmark.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "calibration/fit.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/roofline.hpp"
#include "calibration/saturating_roofline.hpp"
#include "calibration/synthetic.hpp"
#include "core/hash.hpp"

namespace moecal::calibration {
namespace {

constexpr int kRuns = 5;  // of every point

/// Shares of the observations: a tenth on collectives, four fifths on GEMMs, a tenth on kernels
/// bound by memory. A curve has 21 sizes; of GEMMs there are at most 8 series; a memory-bound
/// series has 100 points. Times follow known laws, disturbed by 3 %, one in twenty by a spike.
class Mix {
 public:
  explicit Mix(std::size_t count) : points_{std::max<std::size_t>(count / kRuns, 40)} {}

  /// With their digests, as a file is read.
  std::vector<Observation> observations() {
    const std::size_t curve_points = points_ / 10, memory_points = points_ / 10;
    for (std::size_t i = 0; i < curve_points; ++i) add_collective(i);
    for (std::size_t i = 0; i < memory_points; ++i) add_permute(i);
    for (std::size_t i = 0; i + curve_points + memory_points < points_; ++i) add_gemm(i);
    for (auto& o : all_) o.digest = sha256(to_json_line(o)).substr(0, 12);
    return std::move(all_);
  }

 private:
  void add(Observation o, double seconds) {
    for (int run = 0; run < kRuns; ++run) {
      o.run_id = "run-" + std::to_string(run);
      o.samples_s = {disturb_(seconds), disturb_(seconds), disturb_(seconds)};
      all_.push_back(o);
    }
  }

  void add_collective(std::size_t i) {
    static const std::array<std::string, 4> kNames{"all_reduce", "all_to_all", "all_gather",
                                                   "reduce_scatter"};
    const std::size_t curve = i / 21, size = i % 21;
    const std::int64_t bytes = std::int64_t{512} << size;
    const auto s = static_cast<double>(bytes);
    auto o = synthetic::observation(kNames[curve % 4], {{"bytes", bytes}}, 1);
    o.ranks.group = o.ranks.world = 2 << (curve / 4 % 3);
    o.dtypes = {curve / 12 % 2 == 0 ? "f16" : "int8", "", "", "", "none", ""};
    o.library.runtime_version = "2." + std::to_string(curve / 24);
    add(o, 8e-6 * o.ranks.group + std::min(s, 65536.0) / 5e9 + std::max(s - 65536, 0.0) / 100e9);
  }

  void add_permute(std::size_t i) {
    const auto tokens = static_cast<std::int64_t>(16 * (1 + i % 100));
    auto o = synthetic::observation(
        "permute", {{"tokens", tokens}, {"hidden", 4096}, {"experts", 64}, {"top_k", 4}}, 1);
    o.implementation = "own-" + std::to_string(i / 100);
    add(o, 3e-6 + static_cast<double>(tokens) * 4096 * 4 * 5 / 2e12);
  }

  void add_gemm(std::size_t i) {
    static const std::array<Dtypes, 4> kDtypes{
        {{"bf16", "bf16", "bf16", "f32", "none", ""},
         {"f16", "f16", "f16", "f32", "none", ""},
         {"fp8_e4m3", "fp8_e4m3", "bf16", "f32", "tensor", ""},
         {"f32", "f32", "f32", "f32", "none", ""}}};
    const std::size_t shape = i / 8;
    const auto m = static_cast<std::int64_t>(1) << (shape % 15);
    const auto n = static_cast<std::int64_t>(512 * (1 + shape / 15 % 24));
    const auto k = static_cast<std::int64_t>(512 * (1 + shape / 360));
    auto o = synthetic::observation("expert_gemm", {{"m", m}, {"n", n}, {"k", k}}, 1);
    o.dtypes = kDtypes[i % 4];
    o.implementation = i % 8 < 4 ? "one" : "other";
    const double rows = static_cast<double>(m), flops = 2 * rows * static_cast<double>(n * k);
    const double bytes = 2 * (rows * static_cast<double>(k + n) + static_cast<double>(n * k));
    add(o, 3e-6 + std::hypot(flops / 1e15 * (1 + 80 / rows), bytes / 3e12));
  }

  std::size_t points_;
  synthetic::Disturbance disturb_{{.spread = 0.03, .spike_share = 0.05, .seed = 1}};
  std::vector<Observation> all_;
};

/// A number of /proc/self/status in bytes, e.g. VmHWM: the most memory that was resident.
double status_bytes(const std::string& name) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) return 1024 * std::stod(line.substr(name.size() + 1));
  return 0;
}

/// Lets VmHWM start from what is resident now.
void forget_peak() { std::ofstream{"/proc/self/clear_refs"} << "5"; }

void report(benchmark::State& state, std::size_t observations) {
  const auto count = static_cast<double>(observations);
  state.counters["observations"] = count;
  state.counters["per_second"] = benchmark::Counter(count * static_cast<double>(state.iterations()),
                                                    benchmark::Counter::kIsRate);
}

void BM_Read(benchmark::State& state) {
  const auto observations = Mix{static_cast<std::size_t>(state.range(0))}.observations();
  std::string text;
  for (const auto& o : observations) text += to_json_line(o);
  for (auto _ : state) {
    std::istringstream stream{text};
    benchmark::DoNotOptimize(read_observations(stream, "mix.jsonl"));
  }
  report(state, observations.size());
}

void BM_Fit(benchmark::State& state) {
  const std::vector<ObservationFile> files{
      synthetic::file(Mix{static_cast<std::size_t>(state.range(0))}.observations())};
  forget_peak();
  const double before = status_bytes("VmRSS");
  for (auto _ : state)
    benchmark::DoNotOptimize(fit(files, {.threads = static_cast<int>(state.range(1))}));
  const auto count = files.front().observations.size();
  report(state, count);
  state.counters["bytes_per_observation"] =
      (status_bytes("VmHWM") - before) / static_cast<double>(count);
}

/// Calls whose numbers lie in a model's validity, spread evenly over their logarithms.
std::vector<std::int64_t> numbers_between(double low, double high, unsigned seed) {
  std::mt19937 engine{seed};
  std::uniform_real_distribution<double> log_value{std::log(low), std::log(high)};
  std::vector<std::int64_t> numbers(65536);
  for (auto& number : numbers) number = static_cast<std::int64_t>(std::exp(log_value(engine)));
  return numbers;
}

void predict_all(benchmark::State& state, const Model& model) {
  const PreparedModel prepared{model};
  std::vector<std::vector<std::int64_t>> numbers;
  std::vector<CallColumn> columns;
  for (const auto& [name, range] : model.validity)
    numbers.push_back(
        numbers_between(range.first + 1, range.second, static_cast<unsigned>(numbers.size() + 1)));
  for (const auto& [name, range] : model.validity)
    columns.push_back({name, numbers[columns.size()]});
  std::vector<double> seconds(numbers.front().size()), half_widths(seconds.size());
  for (auto _ : state) {
    prepared.predict(columns, {seconds, half_widths});
    benchmark::DoNotOptimize(seconds.data());
  }
  report(state, seconds.size());
}

/// The model of a form among those that a mix gives.
void BM_Predict(benchmark::State& state, const std::string& form) {
  static const auto kModels = [] {
    const std::vector<ObservationFile> files{synthetic::file(Mix{20000}.observations())};
    return fit(files, {}).coefficients.models;
  }();
  for (const auto& model : kModels)
    if (model.form == form) return predict_all(state, model);
  state.SkipWithError(("no series of the mix was fitted by " + form).c_str());
}

constexpr auto kSizes = {1000, 10000, 100000, 200000, 1000000};

void register_all() {
  for (const int size : kSizes) {
    if (size <= 200000)
      benchmark::RegisterBenchmark("Read", BM_Read)
          ->Arg(size)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime()
          ->Iterations(1);
    for (const int threads : {1, 2})
      benchmark::RegisterBenchmark("Fit", BM_Fit)
          ->Args({size, threads})
          ->ArgNames({"observations", "threads"})
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime()
          ->Iterations(1);
  }
  for (const char* form : {"log_log_table", "segmented_latency_bandwidth", "latency_bandwidth",
                           "roofline", "saturating_roofline", "tile_wave"})
    benchmark::RegisterBenchmark(("Predict/" + std::string{form}).c_str(),
                                 [form](benchmark::State& state) { BM_Predict(state, form); });
}

}  // namespace
}  // namespace moecal::calibration

int main(int argc, char** argv) {
  moecal::calibration::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
