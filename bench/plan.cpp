// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/plan.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ranges>
#include <utility>

#include "bench/nccl_tests_format.hpp"
#include "bench/suite_file.hpp"
#include "core/collective.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/join.hpp"
#include "runtime/device_info.hpp"

namespace moecal::bench {
namespace {

constexpr std::pair<const char*, Suite> kSuites[]{
    {"quick", Suite::quick}, {"planner", Suite::planner}, {"full", Suite::full}};

/// A point must have the numbers of the example, all of them and no other.
void check_numbers(const std::string& operation, const SuiteCase& given, const Point& example) {
  const auto refuse = [&](const std::string& what, const std::string& name) {
    throw InvalidInput{given.where.str() + ": " + operation + what + " 'point." + name +
                       "'; its numbers are: " + join(std::views::keys(example))};
  };
  // A misspelt number is one too many and one too few: what the line does say is named.
  for (const auto& [name, value] : given.c.point)
    if (!example.contains(name)) refuse(" has no number", name);
  for (const auto& [name, value] : example)
    if (!given.c.point.contains(name)) refuse(" needs the number", name);
}

// What a line of a suite file leaves out or gets wrong is found before anything is measured.
void check_case(const Benchmark& benchmark, const SuiteCase& given, int world) {
  const auto examples = benchmark.sweep(Suite::quick, benchmark.implementations().front().backend,
                                        std::max(2, world));
  if (!examples.empty()) check_numbers(benchmark.operation(), given, examples.front().point);
  try {
    (void)benchmark.work(given.c);
  } catch (const std::exception& error) {
    throw InvalidInput{given.where.str() + ": " + error.what()};
  }
}

struct WantedCases {
  const std::string& suite;  // a name, or the path that `from_file` was read from
  const SuiteCases& from_file;
  int world = 1;
  bool implementation_is_named = false;
};

/// Of a sweep those that the implementation measures without being told to.
std::vector<Case> own_cases(const Benchmark& benchmark, const Implementation& implementation,
                            Suite suite, int world) {
  auto cases = benchmark.sweep(suite, implementation.backend, world);
  std::erase_if(cases,
                [&](const Case& c) { return !benchmark.measures(implementation, c, suite); });
  return cases;
}

std::vector<Case> cases_of(const Benchmark& benchmark, const Implementation& implementation,
                           const WantedCases& wanted) {
  for (const auto& [name, value] : kSuites)
    if (wanted.suite == name)
      return wanted.implementation_is_named
                 ? benchmark.sweep(value, implementation.backend, wanted.world)
                 : own_cases(benchmark, implementation, value, wanted.world);
  std::vector<Case> cases;
  if (const auto found = wanted.from_file.find(benchmark.operation());
      found != wanted.from_file.end())
    for (const auto& given : found->second) {
      check_case(benchmark, given, wanted.world);
      cases.push_back(given.c);
    }
  return cases;
}

/// A file of cases is as the planner's suite: what only `full` measures has to be named.
Suite suite_of(const Options& options) {
  for (const auto& [name, value] : kSuites)
    if (options.suite == name) return value;
  return Suite::planner;
}

bool is_named_suite(const std::string& suite) {
  for (const auto& [name, value] : kSuites)
    if (suite == name) return true;
  return false;
}

bool is_wanted(const Implementation& implementation, const Options& options,
               const Machine& machine) {
  if (!options.implementation.empty() && implementation.name != options.implementation)
    return false;
  const bool both_halves = options.format == "nccl-tests" && is_in_place(implementation.name);
  if (options.implementation.empty() && !both_halves && implementation.from > suite_of(options))
    return false;
  return implementation.of_host || is_cuda(implementation) == (machine.device >= 0);
}

// A collective is measured warm only: its buffers are what the step before it has just written, and
// its cost is quoted so everywhere.
bool is_warm_only(const Benchmark& benchmark, const Implementation& implementation) {
  return runs_over_ranks(implementation) || !benchmark.has_cold_form();
}

std::vector<CachePolicy> policies(const PlannedPoint& point, const Machine& machine) {
  if (is_warm_only(*point.benchmark, point.implementation)) return {CachePolicy::warm};
  return policies_for(point.work, measured_by(point.implementation, machine).last_level_cache);
}

// One for each cache policy.
std::vector<PlannedPoint> points_of(const Benchmark& benchmark,
                                    const Implementation& implementation, const Case& c,
                                    const Machine& machine) {
  PlannedPoint point{&benchmark, implementation, c};
  point.work = benchmark.work_by(implementation, c);
  std::vector<PlannedPoint> points;
  for (const auto cache : policies(point, machine)) {
    points.push_back(point);
    points.back().cache = cache;
  }
  return points;
}

/// About how many points the cases of a suite are: what fits the cache of a large GPU is measured
/// with a warm and a cold one.
std::size_t count_points(const Benchmark& benchmark, const Implementation& implementation,
                         Suite suite) {
  if (suite < implementation.from) return 0;
  const auto cases = own_cases(benchmark, implementation, suite, 1);
  if (is_warm_only(benchmark, implementation)) return cases.size();
  Machine machine;
  machine.last_level_cache = Bytes{50.0 * 1024 * 1024};
  std::size_t points = 0;
  for (const auto& c : cases) points += points_of(benchmark, implementation, c, machine).size();
  return points;
}

/// That the points of the suite take on a GPU, about, by its name.
nlohmann::ordered_json seconds_of(const Benchmark& benchmark, const Implementation& implementation,
                                  const std::string& suite) {
  auto seconds = nlohmann::ordered_json::object();
  for (const auto& [name, value] : kSuites)
    if (suite == name)
      seconds[name] = static_cast<double>(count_points(benchmark, implementation, value)) *
                      benchmark.point_times().of(value).count();
  return seconds;
}

void check_implementation(const Benchmarks& benchmarks, const std::string& wanted) {
  if (wanted.empty()) return;
  std::string known;
  for (const auto& benchmark : benchmarks)
    for (const auto& implementation : benchmark->implementations()) {
      if (implementation.name == wanted) return;
      known += " " + implementation.name;
    }
  throw InvalidInput{"no operation here has an implementation '" + wanted +
                     "'; there are:" + known};
}

// Why a plan is empty, and what to do about it.
[[noreturn]] void refuse_empty_plan(const Benchmarks& benchmarks, const Options& options,
                                    const Machine& machine, int world) {
  const std::string device = machine.device >= 0 ? "a CUDA device" : "a CPU";
  bool wanted = false;
  bool together = false;
  for (const auto& benchmark : benchmarks)
    for (const auto& implementation : benchmark->implementations()) {
      if (!is_wanted(implementation, options, machine)) continue;
      wanted = true;
      together = together || runs_over_ranks(implementation);
    }
  if (!wanted)
    throw InvalidInput{"nothing here runs on " + device + " in this build (--list says what does" +
                       "; --device chooses)"};
  if (!is_named_suite(options.suite))
    throw InvalidInput{"the suite '" + options.suite + "' holds no case of what is measured here"};
  if (together && world == 1)
    throw InvalidInput{
        "a collective needs at least 2 ranks, and this is one alone: start it with "
        "mpirun -n 2 and the same command"};
  throw InvalidInput{"the suite '" + options.suite + "' has no point here for " +
                     std::to_string(world) + " ranks"};
}

// Where van der Corput's sequence, in its nested random scrambling (Owen 1995), is after `step`
// steps: the bits of the step in reverse, each flipped or not by a coin of the bits before it.
std::size_t scrambled_place(std::size_t step, int levels, std::uint64_t seed) {
  std::size_t place = 0;
  for (int level = 0; level < levels; ++level) {
    const std::size_t block = std::size_t{1} << level;
    const std::size_t coin = mix(mix(seed) + (block | (step & (block - 1)))) & 1;
    place = 2 * place + (((step >> level) & 1) ^ coin);
  }
  return place;
}

}  // namespace

std::vector<PlannedPoint> make_plan(const Benchmarks& benchmarks, const Options& options,
                                    const Machine& machine, int world) {
  check_implementation(benchmarks, options.implementation);
  const auto from_file = is_named_suite(options.suite) ? SuiteCases{} : read_suite(options.suite);
  const WantedCases wanted{options.suite, from_file, world, !options.implementation.empty()};
  std::vector<PlannedPoint> plan;
  for (const auto& benchmark : benchmarks)
    for (const auto& implementation : benchmark->implementations()) {
      if (!is_wanted(implementation, options, machine)) continue;
      for (const auto& c : cases_of(*benchmark, implementation, wanted))
        for (auto& point : points_of(*benchmark, implementation, c, machine))
          plan.push_back(std::move(point));
    }
  if (plan.empty()) refuse_empty_plan(benchmarks, options, machine, world);
  return plan;
}

std::vector<PlannedPoint> spread_out(std::vector<PlannedPoint> plan, std::uint64_t seed) {
  int levels = 0;
  while (std::size_t{1} << levels < plan.size()) ++levels;
  std::vector<PlannedPoint> ordered;
  for (std::size_t step = 0; step < std::size_t{1} << levels; ++step) {
    const auto place = scrambled_place(step, levels, seed);
    if (place < plan.size()) ordered.push_back(std::move(plan[place]));
  }
  std::ranges::stable_partition(ordered, [](const PlannedPoint& point) {
    return point.benchmark != nullptr && point.benchmark->leads(point.c);
  });
  return ordered;
}

std::string list_as_json(const std::string& program, const Benchmarks& benchmarks,
                         const std::string& suite, std::optional<int> cuda_devices) {
  std::string why_no_cuda;
  if (!cuda_devices) {
    const auto found = find_cuda_devices();
    cuda_devices = static_cast<int>(found.devices.size());
    why_no_cuda = found.reason;
  }
  auto operations = nlohmann::ordered_json::array();
  for (const auto& benchmark : benchmarks) {
    nlohmann::ordered_json operation{{"operation", benchmark->operation()}};
    operation["implementations"] = nlohmann::ordered_json::array();
    for (const auto& known : benchmark->implementations()) {
      nlohmann::ordered_json implementation{{"name", known.name}, {"backend", known.backend}};
      if (known.of_host) implementation["of_host"] = true;
      implementation["seconds"] = seconds_of(*benchmark, known, suite);
      operation["implementations"].push_back(implementation);
    }
    operations.push_back(operation);
  }
  nlohmann::ordered_json list{{"program", program}, {"cuda_devices", *cuda_devices}};
  if (!why_no_cuda.empty()) list["why_no_cuda"] = why_no_cuda;
  list["operations"] = operations;
  return list.dump(2) + "\n";
}

}  // namespace moecal::bench
