// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/error.hpp"

namespace moecal::bench {
namespace {

void describe(CLI::App& app, const std::string& program) {
  app.description(
      program +
      ": measures its operations point by point and records every sample.\n"
      "Each point is warmed up, sampled until its median is known to 1 % (or its time is "
      "used up), and verified against a plain reference afterwards.");
  app.footer(
      "Examples:\n"
      "  " +
      program +
      "                                      measure the quick suite, print the medians\n"
      "  " +
      program +
      " --out run.jsonl --run-id monday      the same, recorded; run it again to resume\n"
      "  " +
      program +
      " --suite planner --benchmark_filter=256\n"
      "Exit status: 0 all points measured or skipped with a reason, 1 some point failed, 2 the "
      "command line or a file is wrong, 3 every point was skipped, 4 the device is lost to this "
      "process (the same command with "
      "--run-id goes on), 130 interrupted.\n");
  app.set_help_flag("-h,--help", "Print this and exit");
  app.allow_extras();
}

void add_options_of_the_run(CLI::App& app, Options& options) {
  app.add_option("--out", options.out,
                 "Append the observations to this JSON Lines file; without it nothing is recorded");
  app.add_option("--run-id", options.run_id,
                 "Name of the run; the points a run has in --out are not measured again "
                 "(default: made from the time)");
  app.add_flag("--keep-failed", options.keep_failed,
               "Do not try again what failed in this run, as where a launch goes on for another");
  app.add_option("--plan", options.plan,
                 "Write what --out is to have in the end to this file before the first point, a "
                 "key a line");
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--suite", options.suite,
                 "Which points: quick (seconds), planner (what the planning documents need), "
                 "full, or a file of cases (JSON Lines)")
      ->capture_default_str();
  add_options_of_the_run(app, options);
  app.add_option("--device", options.device,
                 "What to measure: auto (a CUDA device if there is one), cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  app.add_option("--card", options.card,
                 "Name of the card, where the device's own name is not known to moecal");
  app.add_option("--implementation", options.implementation,
                 "Measure only this implementation (--list names them)");
  app.add_option("--order-seed", options.order_seed,
                 "Seed of the order of the points (default: from the run id)");
  app.add_option("--timeout", options.timeout_s,
                 "Seconds after which a rank that gives no sign of life, or a step without "
                 "progress, ends a launch of several ranks (default: $MOECAL_TIMEOUT_S, else 120)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--format", options.format,
                 "How results are printed: table, or nccl-tests (collectives alone, column for "
                 "column as nccl-tests prints them, in place too)")
      ->check(CLI::IsMember({"table", "nccl-tests"}))
      ->capture_default_str();
  app.add_option_function<double>(
         "--time-limit", [&options](double seconds) { options.time_limit = Seconds{seconds}; },
         "Seconds after which no point is begun any more: what is left is recorded as skipped, and "
         "measured by the same command with the same --run-id (default: no limit)")
      ->check(CLI::NonNegativeNumber);
  app.add_option_function<double>(
         "--clock-warm-up",
         [&options](double seconds) { options.clock_warm_up = Seconds{seconds}; },
         "Seconds of work before a GPU's first point: its clocks swing for about 3 s (default: 3)")
      ->check(CLI::NonNegativeNumber);
  app.add_flag(
      "--energy", options.energy,
      "Measure the energy of a launch too, over a loop of at least 1 s a point (GPUs whose "
      "driver counts it)");
  app.add_flag("--quiet", options.quiet, "Print no table of results, only how far the run is");
  app.add_flag("--list", options.list,
               "Print operations, implementations and what the points of --suite take on a GPU, "
               "about, as JSON and exit");
  app.add_option("--cuda-devices", options.cuda_devices,
                 "With --list: how many CUDA devices there are, where another program has counted "
                 "them (default: count them, which takes up to seconds)")
      ->check(CLI::NonNegativeNumber);
}

// "--benchmark_min_time=0.2" -> "0.2"; Google Benchmark 1.8 also writes "0.2s".
std::optional<std::string> value_of(const std::vector<std::string>& arguments,
                                    const std::string& flag) {
  std::optional<std::string> value;
  for (const auto& argument : arguments)
    if (argument.rfind(flag + "=", 0) == 0) value = argument.substr(flag.size() + 1);
  return value;
}

double positive_number(const std::string& flag, std::string text) {
  if (!text.empty() && text.back() == 's') text.pop_back();
  double number = 0;
  if (!CLI::detail::lexical_cast(text, number) || !(number > 0))
    throw InvalidInput{flag + "=" + text + " is not a positive number"};
  return number;
}

int positive_count(const std::string& flag, const std::string& text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size() || number < 1)
    throw InvalidInput{flag + "=" + text + " is not a whole number from 1 up"};
  return number;
}

void read_google_options(Options& options) {
  if (const auto text = value_of(options.remaining, "--benchmark_min_time"))
    options.min_time = Seconds{positive_number("--benchmark_min_time", *text)};
  if (const auto text = value_of(options.remaining, "--benchmark_repetitions"))
    options.repetitions = positive_count("--benchmark_repetitions", *text);
}

}  // namespace

Options parse_options(const std::string& program, int argc, char** argv) {
  Options options;
  CLI::App app{"", program};
  describe(app, program);
  add_options(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    options.help = true;
  } catch (const CLI::ParseError& error) {
    throw InvalidInput{std::string{error.what()} + " (" + program +
                       " --help explains the options)"};
  }
  options.remaining = app.remaining();
  options.remaining.insert(options.remaining.begin(), program);
  read_google_options(options);
  return options;
}

void refuse_own_order(const Options& options) {
  static const std::string kFlag = "--benchmark_enable_random_interleaving";
  const char* variable = std::getenv("BENCHMARK_ENABLE_RANDOM_INTERLEAVING");
  const bool named = std::count(options.remaining.begin(), options.remaining.end(), kFlag) > 0;
  const auto value =
      value_of(options.remaining, kFlag).value_or(variable == nullptr ? "false" : variable);
  const bool off = value == "false" || value == "0" || value == "no" || value == "off";
  if (named || !off)
    throw InvalidInput{kFlag +
                       " cannot be used with several ranks: each would choose an order of "
                       "its own. Points are measured in a random order anyway; "
                       "--order-seed chooses it"};
}

std::string help_text(const std::string& program) {
  Options unused;
  CLI::App app{"", program};
  describe(app, program);
  add_options(app, unused);
  return app.help();
}

}  // namespace moecal::bench
