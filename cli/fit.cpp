// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/fit.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "calibration/flat_csv.hpp"
#include "calibration/printed_widths.hpp"
#include "calibration/routing_conditions.hpp"
#include "cli/card_id.hpp"
#include "cli/observation_files.hpp"
#include "cli/output_files.hpp"
#include "cli/verbs.hpp"
#include "cli/write_file.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "core/join.hpp"

namespace moecal::cli {
namespace {

struct FitArguments {
  std::vector<std::string> observations;
  std::string out, csv, card, source;
  bool compact = false;
};

std::string csv_beside(const std::string& json) {
  return std::filesystem::path{json}.replace_extension(".csv").string();
}

std::string series_of(const calibration::Model& model) {
  return model.id.substr(0, model.id.rfind('/'));
}

/// Of log time: as a percentage, or past a doubling as the factor it is.
std::string half_width_text(double half_width) {
  std::array<char, 32> text{};
  if (half_width > std::log(2.0))
    std::snprintf(text.data(), text.size(), "x%.3g", std::exp(half_width));
  else
    std::snprintf(text.data(), text.size(), "%.1f", 100 * std::expm1(half_width));
  return text.data();
}

void print_row(const calibration::Model& model, int width) {
  const auto& q = model.quality;
  std::printf("%-*s %-27s %6d", width, series_of(model).c_str(), model.form.c_str(), q.points);
  if (q.held_out_points > 0)
    std::printf(" %7.1f %7.1f", 100 * q.held_out_median_ape, 100 * q.held_out_p90_ape);
  else
    std::printf(" %7s %7s", "-", "-");
  if (const auto range = calibration::half_width_range(model))
    std::printf("  %5s..%s", half_width_text(range->first).c_str(),
                half_width_text(range->second).c_str());
  else
    std::printf("  not calibrated");
  std::printf("\n");
}

/// Where repeats differ: from sample to sample of one run, and from run to run.
void print_repeatability(const calibration::Coefficients& coefficients) {
  std::set<std::string> seen;
  for (const auto& model : coefficients.models) {
    const auto& v = model.quality.variance;
    if (v.runs < 2 || !seen.insert(series_of(model)).second) continue;
    if (seen.size() == 1) std::printf("\nrepeats (standard deviations)\n");
    std::printf("  %s: %d runs, between them %.2f %%", series_of(model).c_str(), v.runs,
                100 * v.between_runs);
    if (v.samples_in_runs > 0)
      std::printf(", inside one %.2f %%\n", 100 * v.within_run);
    else
      std::printf(", what is inside one included: a run has one sample a point\n");
  }
}

/// Releases are models of their own; what changed from one to the next is only said.
void print_drift(const std::vector<calibration::ReleaseDrift>& drift) {
  if (drift.empty()) return;
  std::printf("\n%-16s %-14s %-12s %-22s %7s %15s %7s\n", "release drift", "machine", "library",
              "from -> to", "median", "p5 to p95", "points");
  for (const auto& row : drift)
    std::printf("%-16s %-14s %-12s %-22s %7.2f %7.2f %7.2f %7d\n", row.operation.c_str(),
                row.machine.c_str(), row.implementation.c_str(),
                (row.from + " -> " + row.to).c_str(), row.median, row.p5, row.p95, row.points);
}

void print_without_release(const std::vector<std::string>& series) {
  for (const auto& id : series)
    std::printf("not comparable between releases: %s: its release is not known\n", id.c_str());
}

void print_given_twice(const std::vector<calibration::GivenTwice>& all) {
  for (const auto& [series, duplicate] : all)
    if (duplicate.kept == duplicate.dropped)
      std::printf("given twice, counted once: %s: %d points of %s\n", series.c_str(),
                  duplicate.points, duplicate.kept.c_str());
    else
      std::printf(
          "conflicting provenance: %s: at %d points %s has the very figures of %s: counted once\n",
          series.c_str(), duplicate.points, duplicate.dropped.c_str(), duplicate.kept.c_str());
}

void print_disagreements(const std::vector<calibration::Disagreement>& all) {
  for (const auto& [series, spread] : all)
    std::printf(
        "repeats of one run or file disagree: %s: by %.0f %% (standard deviation, at the median "
        "point): were they measured under one setting of the machine?\n",
        series.c_str(), 100 * spread);
}

/// So many are named; of more the rest are counted.
constexpr std::size_t kNamed = 8;

std::string short_text(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

/// What tells a place from the others of its series.
std::string text_of(const calibration::RepeatPlace& place) {
  const auto& [point, routing, load] = place;
  std::string text;
  const auto add = [&](const std::string& name, const std::string& value) {
    text += name + "=" + value + " ";
  };
  for (const auto& [name, value] : point) add(name, std::to_string(value));
  if (!routing.distribution.empty()) add("routing", routing.distribution);
  if (!routing.loads.empty()) add("loads", calibration::name_of_loads(routing));
  if (routing.exponent != 0) add("exponent", short_text(routing.exponent));
  if (routing.capacity_factor != 0) add("capacity", short_text(routing.capacity_factor));
  if (load.mean_bytes != 0) add("mean_bytes", short_text(load.mean_bytes));
  if (load.skew != 1) add("skew", short_text(load.skew));
  return text;
}

std::string text_of(const calibration::RunException& exception) {
  std::array<char, 32> times{};
  std::snprintf(times.data(), times.size(), "(x%.3g)", exception.times);
  return text_of(exception.place) + times.data();
}

void print_differing_runs(const std::vector<calibration::DifferingRuns>& all) {
  for (const auto& [series, places, exceptions] : all) {
    const std::span named{exceptions.data(), std::min(exceptions.size(), kNamed)};
    auto names = join(named, ", ", [](const auto& exception) { return text_of(exception); });
    if (exceptions.size() > kNamed)
      names += " and " + std::to_string(exceptions.size() - kNamed) + " more";
    std::printf(
        "a run lies off where most agree: %s: at %zu of %d points and routings, where it is left "
        "out of what lies between runs: %s\n",
        series.c_str(), exceptions.size(), places, names.c_str());
  }
}

void print_conflicts(const std::vector<calibration::ConflictingClaim>& all) {
  for (const auto& [first, second, figures] : all)
    std::printf(
        "conflicting provenance: at %d points %s and %s have the same figures (%s): they cannot be "
        "of both; both are fitted, take the wrong one out\n",
        figures.points, first.c_str(), second.c_str(),
        figures.kept == figures.dropped ? figures.kept.c_str()
                                        : (figures.kept + "; " + figures.dropped).c_str());
}

void print_summary(const calibration::FitResult& result) {
  int width = 6;
  for (const auto& model : result.coefficients.models)
    width = std::max(width, static_cast<int>(series_of(model).size()));
  std::printf("%-*s %-27s %6s %7s %7s  %s\n", width, "series", "form", "points", "median", "p90",
              "interval");
  std::printf("%-*s %-27s %6s %7s %7s  %s\n", width, "", "", "", "held out, %", "",
              "+- % (or x), by size");
  for (const auto& model : result.coefficients.models) print_row(model, width);
  const auto& counts = result.report.counts;
  std::printf("\n%zu models of %d series: %d points, measured %d times",
              result.coefficients.models.size(), result.report.series, result.report.points,
              counts.measured - counts.other_cards - counts.unusable - counts.impossible -
                  counts.throttled - counts.launch_bound - counts.given_twice);
  std::printf("; %d skipped and %d failed points are not used", counts.skipped, counts.failed);
  std::printf("%s", calibration::left_out_text(counts).c_str());
  if (counts.power_limited > 0)
    std::printf("; of the points used %d were power-limited in every sample", counts.power_limited);
  std::printf("\n");
  for (const auto& left_out : result.report.left_out)
    std::printf("not fitted: %s: %s\n", left_out.series.c_str(), left_out.reason.c_str());
  print_given_twice(result.report.given_twice);
  print_conflicts(result.report.conflicts);
  print_disagreements(result.report.disagreements);
  print_differing_runs(result.report.differing_runs);
  print_repeatability(result.coefficients);
  print_drift(result.coefficients.drift);
  print_without_release(result.report.without_release);
}

void run_fit(const FitArguments& arguments) {
  const auto csv = arguments.csv.empty() ? csv_beside(arguments.out) : arguments.csv;
  const std::array<OutputFile, 2> outputs{
      {{"--out", arguments.out, OutputKind::coefficients},
       {arguments.csv.empty() ? "the flat table beside it (see --csv)" : "--csv", csv,
        OutputKind::flat_table}}};
  check_outputs(outputs, arguments.observations);
  const auto files = read_observation_files(arguments.observations);
  const auto result = calibration::fit(files, {arguments.compact, card_id(arguments.card),
                                               arguments.source, build::commit, known_cards()});
  write_file(arguments.out, calibration::to_json(result.coefficients));
  write_file(csv, calibration::to_flat_csv(result.coefficients, result.report.calls));
  print_summary(result);
  std::printf("wrote %s and %s\n", arguments.out.c_str(), csv.c_str());
}

}  // namespace

void add_fit(CLI::App& app) {
  auto* verb = app.add_subcommand("fit", "observations in, cost coefficients with intervals out");
  verb->description(
      "Fits every series of observations (one operation on one machine under one set of "
      "conditions)\n"
      "with the form that predicts held-out points best, calibrates its 90 % interval on points "
      "the\n"
      "fit did not see, and writes the coefficients. The same observations give the same bytes.\n\n"
      "Example:\n  moecal fit results/observations/*.jsonl --out coefficients.json");
  auto arguments = std::make_shared<FitArguments>();
  verb->add_option("observations", arguments->observations,
                   "JSON Lines files written by 'moecal measure' or 'moecal import'")
      ->required();
  verb->add_option("--out", arguments->out, "coefficients file to write (JSON)")->required();
  verb->add_option("--csv", arguments->csv,
                   "flat table to write; default: beside --out, ending in .csv");
  verb->add_flag("--compact", arguments->compact,
                 "compact forms only: no point tables, one digest for the observations");
  verb->add_option("--card", arguments->card,
                   "only observations of this card, e.g. b200-sxm; default: all");
  verb->add_option("--source", arguments->source,
                   "where the observations come from, and their licence; kept in the file");
  verb->callback([arguments] { run_fit(*arguments); });
}

}  // namespace moecal::cli
