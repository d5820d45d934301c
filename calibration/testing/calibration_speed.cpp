// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
//
// How fast observations are read and fitted, and calls predicted. A program of its own:
//   calibration_speed                                  everything, up to 1 000 000 observations
//   calibration_speed --benchmark_filter=Fit.*:200000  fits of one size, by one thread and by two
// Rates of fits are per second of the wall clock; predictions run on one core, and their rates are
// per second of its time.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <sys/resource.h>

#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "calibration/expert_exchange.hpp"
#include "calibration/fit.hpp"
#include "calibration/prepared_model.hpp"
#include "calibration/residual.hpp"
#include "calibration/roofline.hpp"
#include "calibration/saturating_roofline.hpp"
#include "calibration/testing/speed_mix.hpp"
#include "calibration/tile_wave.hpp"
#include "core/card.hpp"

namespace moecal::calibration {
namespace {

using synthetic::Mix;

/// A number of /proc/self/status in bytes, e.g. VmHWM: the most memory that was resident.
double status_bytes(const std::string& name) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) return 1024 * std::stod(line.substr(name.size() + 1));
  return 0;
}

/// Seconds of processor time of all threads so far: what another load on the machine lengthens
/// least.
double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec);
}

/// Gives freed memory back, and lets VmHWM start from what is resident now.
void forget_peak() {
  ::malloc_trim(0);
  std::ofstream{"/proc/self/clear_refs"} << "5";
}

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

/// Said to be of a card with a spec sheet: its multiprocessors are what tile_wave needs.
ObservationFile of_a_card(std::vector<Observation> observations) {
  auto environment = synthetic::environment();
  environment.card = find_card("h100-sxm").id;
  const auto id = environment.id();
  for (auto& o : observations) o.environment_id = id;
  return {{std::move(environment)}, std::move(observations)};
}

void BM_Fit(benchmark::State& state) {
  const std::vector<ObservationFile> files{
      of_a_card(Mix{static_cast<std::size_t>(state.range(0))}.observations())};
  forget_peak();
  const double before = status_bytes("VmRSS"), started = processor_seconds();
  for (auto _ : state)
    benchmark::DoNotOptimize(
        fit(files, {.cards = known_cards(), .threads = static_cast<int>(state.range(1))}));
  state.counters["user_s"] = processor_seconds() - started;
  const auto count = files.front().observations.size();
  report(state, count);
  state.counters["bytes_per_observation"] =
      (status_bytes("VmHWM") - before) / static_cast<double>(count);
}

/// As many repeats of each of 21 sizes as make up the number asked for, rounded as logs are: what
/// a loop over one benchmark leaves. Looking for duplicates must not compare all with all.
void BM_FitRepeats(benchmark::State& state) {
  constexpr int kSizes = 21;
  std::mt19937 engine{1};
  std::normal_distribution<double> normal{0, 0.02};
  std::vector<Observation> observations;
  for (int i = 0; i < state.range(0); ++i) {
    const std::int64_t bytes = std::int64_t{512} << (i % kSizes);
    const double seconds = (2e-5 + static_cast<double>(bytes) / 2e11) * std::exp(normal(engine));
    auto o =
        synthetic::observation("all_reduce", {{"bytes", bytes}}, 1e-8 * std::round(1e8 * seconds));
    o.ranks.group = o.ranks.world = 8;
    o.source = {"imported", "nccl-tests", "loop.log", i + 1, std::string(64, '0')};
    observations.push_back(std::move(o));
  }
  const std::vector<ObservationFile> files{synthetic::file(std::move(observations))};
  for (auto _ : state) benchmark::DoNotOptimize(fit(files, {.threads = 1}));
  report(state, files.front().observations.size());
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

/// Points of GEMMs of every extent from 32 to 16384, with a ripple that no compact form has.
std::vector<FitPoint> gemm_points() {
  const Dtypes dtypes{"bf16", "bf16", "bf16", "f32", "none", ""};
  std::vector<FitPoint> points;
  for (std::int64_t m = 32; m <= 16384; m = m * 3 / 2)
    for (std::int64_t n = 32; n <= 16384; n = n * 3 / 2)
      for (std::int64_t k = 32; k <= 16384; k = k * 3 / 2) {
        const auto inputs = inputs_of("expert_gemm", {{"m", m}, {"n", n}, {"k", k}}, dtypes);
        const double ripple = 1 + 0.1 * std::sin(static_cast<double>(n) / 700);
        points.push_back(
            {inputs, ripple * (3e-6 + std::hypot(inputs.flops / 700e12, inputs.bytes / 3e12))});
      }
  return points;
}

/// A form fitted to these points, as fit() would leave it; "+residual" in the name adds one of
/// trees, "+radial_basis of 200" one of so many centres.
Model gemm_model(const std::string& name) {
  const auto all = gemm_points();
  const std::string basis = "+radial_basis of ";
  const auto centres = name.find(basis);
  const auto points =
      centres == name.npos ? all : thin(all, std::stoul(name.substr(centres + basis.size())));
  const ReferenceRates rates{989e12, 3.35e12, true, 132};
  Model model = name.starts_with("roofline")    ? fit_roofline(points, rates)
                : name.starts_with("tile_wave") ? fit_tile_wave(points, rates)
                                                : fit_saturating_roofline(points, rates);
  if (name.find('+') != name.npos)
    model.residual =
        fit_residual(points, model, plan_residual(points, model, rates.multiprocessors));
  model.operation = "expert_gemm";
  model.conditions.dtype = "bf16";
  for (const char* extent : {"m", "n", "k"}) model.validity[extent] = {32, 12000};
  model.residual_quantiles = {{0, 65, 0.2, 30}, {65, 512, 0.15, 30}, {512, 0, 0.1, 30}};
  return model;
}

void BM_PredictGemm(benchmark::State& state, const std::string& name) {
  predict_all(state, gemm_model(name));
}

/// Grouped GEMMs of more than a thousand shapes, with a ripple that no compact form has.
std::vector<Observation> grouped_gemms() {
  std::vector<Observation> all;
  for (std::int64_t groups = 4; groups <= 64; groups *= 2)
    for (std::int64_t m = 1; m <= 4096; m *= 2)
      for (const std::int64_t n : {1024, 1536, 2048, 3072, 4096, 7168})
        for (const std::int64_t k : {1024, 2048, 4096}) {
          const double flops = 2.0 * static_cast<double>(groups * m * n * k);
          const double bytes = 2.0 * static_cast<double>(groups * n * k);
          const double ripple = 1 + 0.1 * std::sin(static_cast<double>(n) / 700);
          all.push_back(synthetic::observation(
              "grouped_gemm", {{"groups", groups}, {"m", m}, {"n", n}, {"k", k}},
              ripple * (4e-6 + std::hypot(flops / 6e14, bytes / 3e12))));
        }
  return all;
}

/// A grouped GEMM's form: each call's experts and their rows are worked out on the way.
void BM_PredictGrouped(benchmark::State& state, bool residual) {
  const std::vector<ObservationFile> files{synthetic::file(grouped_gemms())};
  FitOptions options;
  options.compact = !residual;
  const auto model = fit(files, options).coefficients.models.front();
  if (model.residual.has_value() != residual)
    return state.SkipWithError("the fit kept no residual of the grouped GEMMs");
  predict_all(state, model);
}

/// Tokens sent to their experts over eight ranks.
void BM_PredictExchange(benchmark::State& state, Copies copies) {
  const ExchangeSystem system{8, 132, copies};
  std::vector<FitPoint> points;
  for (double tokens = 1; tokens <= 4096; tokens *= 2)
    for (const double hidden : {2048.0, 4096.0, 7168.0})
      for (const double top_k : {2.0, 4.0, 8.0}) {
        Inputs inputs{.size = tokens, .exchange = {tokens, 256, top_k, 2 * hidden}};
        points.push_back({inputs, 2e-5 + tokens * (1e-9 + top_k * hidden / 2e11)});
      }
  auto model = fit_expert_exchange(points, system);
  model.operation = "moe_dispatch";
  model.conditions.dtype = "bf16";
  model.conditions.group = 8;
  model.validity = {
      {"tokens", {1, 4096}}, {"hidden", {2048, 7168}}, {"experts", {64, 256}}, {"top_k", {1, 8}}};
  model.residual_quantiles = {{0, 65, 0.2, 30}, {65, 512, 0.15, 30}, {512, 0, 0.1, 30}};
  predict_all(state, model);
}

/// The form in which sparse curves lend one another their shape: a table's equation.
void BM_PredictPooled(benchmark::State& state) {
  Model model;
  model.id = "pooled";
  model.operation = "all_reduce";
  model.form = "pooled_curve";
  model.conditions.dtype = "f16";
  for (int i = 0; i <= 20; ++i)
    model.table.emplace_back(std::ldexp(512.0, i), 8e-6 + std::ldexp(512.0, i) / 1e11);
  model.validity["bytes"] = {512, 536870912};
  model.residual_quantiles = {
      {0, 65537, 0.2, 30}, {65537, 4194305, 0.15, 30}, {4194305, 0, 0.1, 30}};
  predict_all(state, model);
}

/// The model of a form among those that a mix gives.
void BM_PredictCurve(benchmark::State& state, const std::string& form) {
  static const auto kModels = [] {
    const std::vector<ObservationFile> files{synthetic::file(Mix{5000}.observations())};
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
  for (const int size : {8400, 84000})
    benchmark::RegisterBenchmark("FitRepeats", BM_FitRepeats)
        ->Arg(size)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->Iterations(1);
  // latency_bandwidth is of permutes: calls of four numbers.
  for (const std::string form :
       {"log_log_table", "segmented_latency_bandwidth", "latency_bandwidth"})
    benchmark::RegisterBenchmark(("Predict/" + form).c_str(),
                                 [form](benchmark::State& state) { BM_PredictCurve(state, form); });
  benchmark::RegisterBenchmark("Predict/pooled_curve", BM_PredictPooled);
  for (const bool residual : {false, true})
    benchmark::RegisterBenchmark(
        residual ? "Predict/grouped_gemms+residual" : "Predict/grouped_gemms",
        [residual](benchmark::State& state) { BM_PredictGrouped(state, residual); });
  benchmark::RegisterBenchmark("Predict/expert_exchange", [](benchmark::State& state) {
    BM_PredictExchange(state, Copies::per_rank);
  });
  benchmark::RegisterBenchmark(
      "Predict/expert_exchange, a copy per expert",
      [](benchmark::State& state) { BM_PredictExchange(state, Copies::per_expert); });
  // 200 points are what accuracy is shown for; past 799 there are trees.
  static_assert(kTreePoints == 800);
  for (const std::string form :
       {"roofline", "saturating_roofline", "saturating_roofline+residual", "tile_wave",
        "tile_wave+residual", "tile_wave+radial_basis of 200", "tile_wave+radial_basis of 799"})
    benchmark::RegisterBenchmark(("Predict/" + form).c_str(),
                                 [form](benchmark::State& state) { BM_PredictGemm(state, form); });
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
