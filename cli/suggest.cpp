// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/suggest.hpp"

#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/card_id.hpp"
#include "cli/measurable_wishes.hpp"
#include "cli/observation_files.hpp"
#include "cli/output_files.hpp"
#include "cli/program_operations.hpp"
#include "cli/routing_options.hpp"
#include "cli/size_ranges.hpp"
#include "cli/verbs.hpp"
#include "cli/write_file.hpp"
#include "core/collective.hpp"
#include "core/data_dir.hpp"
#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/join.hpp"
#include "planning/wishes.hpp"

namespace moecal::cli {
namespace {

struct Options {
  std::vector<std::string> observations, ranges;
  std::string card, document, claim, loads, out;
  std::string machine;  // the card, given or the observations' only one
  calibration::Query query;
  std::vector<int> groups;
  int count = 20;
};

bool can_be_measured(const std::string& operation) {
  return std::find(kProgramOperations.begin(), kProgramOperations.end(), operation) !=
         kProgramOperations.end();
}

void check_operation(const std::string& operation) {
  if (can_be_measured(operation)) return;
  throw InvalidInput{"no benchmark program measures '" + operation +
                     "'; they measure: " + join(kProgramOperations)};
}

void check_groups(const Options& options) {
  const auto& operation = options.query.operation;
  const bool collective = is_collective(operation);
  if (collective && options.groups.empty())
    throw InvalidInput{"a call of " + operation +
                       " is over a group: how many ranks has it? --group"};
  for (const int group : options.groups)
    if (group < (collective ? 2 : 1) || (!collective && group > 1))
      throw InvalidInput{"--group " + std::to_string(group) + ": " + operation +
                         (collective ? " is over two ranks or more" : " is a call of one rank")};
}

/// A point nobody would read: other numbers than a collective's, a routing of what is not routed.
void check_point(const Options& options, const Point& point) {
  const auto& query = options.query;
  const auto* collective = find_collective(query.operation);
  if (collective != nullptr && !collective->bytes.empty() &&
      (point.size() != 1 || !point.contains("bytes")))
    throw InvalidInput{"a call of " + query.operation +
                       " has one size: --range bytes=least:most and no other"};
  const bool says_routing = !query.routing.empty() || query.exponent || query.capacity_factor;
  if (says_routing && !point.contains("experts") && !calibration::takes_routing(query.operation))
    throw InvalidInput{
        query.operation +
        " without experts is not routed: leave --routing, --exponent and --capacity"};
}

std::vector<calibration::Wish> wishes_of_ranges(const Options& options) {
  check_operation(options.query.operation);
  if (options.ranges.empty())
    throw InvalidInput{"--operation wants the sizes you care about: --range bytes=1024:1073741824"};
  check_groups(options);
  if (!options.query.dtype.empty()) (void)parse_dtype(options.query.dtype);
  const auto points = points_of_ranges(options.ranges);
  check_point(options, points.front());
  std::vector<calibration::Wish> wishes;
  for (const int group : options.groups.empty() ? std::vector<int>{1} : options.groups)
    for (const auto& point : points) {
      wishes.push_back({options.query});
      wishes.back().query.group = group;
      wishes.back().query.point = point;
    }
  return wishes;
}

/// As in a shell, with or without the document's name in front: 'dp2-ep4.*' is that strategy.
bool matches(const std::string& pattern, const planning::Claim& claim) {
  const auto is = [&](const std::string& whole) {
    return ::fnmatch(whole.c_str(), claim.id.c_str(), 0) == 0;
  };
  return pattern.empty() || is(pattern) || is(claim.document + "." + pattern);
}

std::vector<calibration::Wish> wishes_of_documents(const Options& options) {
  const auto set = planning::read_claims(data_path("claims"));
  std::vector<calibration::Wish> wishes;
  std::size_t claims_taken = 0;
  for (const auto& document : set.documents) {
    if (!options.document.empty() && document.slug != options.document) continue;
    std::vector<const planning::Claim*> claims;
    for (const auto& claim : document.claims)
      if (matches(options.claim, claim)) claims.push_back(&claim);
    claims_taken += claims.size();
    const auto more = planning::wishes_of(set, document, claims);
    wishes.insert(wishes.end(), more.begin(), more.end());
  }
  if (claims_taken == 0)
    throw InvalidInput{"no document '" + options.document + "' with a claim '" + options.claim +
                       "'; `moecal check` lists them"};
  if (wishes.empty()) throw InvalidInput{"these claims need no measurement"};
  return wishes;
}

std::vector<calibration::Wish> wishes_of(const Options& options) {
  if (options.query.operation.empty() == (options.document.empty() && options.claim.empty()))
    throw InvalidInput{
        "say what you care about: either --document and --claim, or --operation and --range"};
  const bool of_ranges = !options.query.operation.empty();
  auto wishes = of_ranges ? wishes_of_ranges(options) : wishes_of_documents(options);
  const auto unknown = drop_unmeasurable(wishes, kProgramOperations);
  if (!unknown.empty())
    std::printf("wished for, but no benchmark program measures it: %s\n", unknown.c_str());
  for (const auto& [call, reason] : drop_what_does_not_fit(wishes, options.machine))
    std::printf("wished for, but not to be measured: %s: %s\n", call.c_str(), reason.c_str());
  return wishes;
}

/// A line of a suite file (bench/suite_file.hpp); what is empty or default is left out.
std::string suite_line(const calibration::Suggestion& s) {
  nlohmann::ordered_json line{{"operation", s.operation}, {"point", s.point}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) line["dtypes"][name] = value;
  };
  add("a", s.dtypes.a);
  add("b", s.dtypes.b);
  add("c", s.dtypes.c);
  add("accumulate", s.dtypes.accumulate);
  add("scale_mode", s.dtypes.scale_mode);
  add("layout", s.dtypes.layout);
  if (s.ranks.group > 1)
    line["ranks"] = {{"world", s.ranks.world},
                     {"group", s.ranks.group},
                     {"placement", s.ranks.placement},
                     {"nodes", s.ranks.nodes},
                     {"tier", s.ranks.tier}};
  if (s.routed) {
    line["routing"] = {{"distribution", s.routing.distribution},
                       {"exponent", s.routing.exponent},
                       {"capacity_factor", s.routing.capacity_factor}};
    if (!s.routing.loads.empty()) line["routing"]["loads"] = s.routing.loads;
  }
  return line.dump();
}

void write_suite(const std::string& path, const calibration::Suggestions& suggestions) {
  std::string lines;
  for (const auto& point : suggestions.points) lines += suite_line(point) + "\n";
  write_file(path, lines);
}

std::string point_text(const calibration::Suggestion& s) {
  std::string text = s.operation;
  for (const auto& [name, value] : s.point) text += " " + name + "=" + std::to_string(value);
  if (!s.dtypes.a.empty()) text += " " + s.dtypes.a;
  if (s.ranks.group > 1) text += " group " + std::to_string(s.ranks.group) + " " + s.ranks.tier;
  if (s.routed) text += " " + s.routing.distribution;
  return text;
}

void print(const calibration::Suggestions& suggestions) {
  for (const auto& left_out : suggestions.left_out)
    std::printf("not taken into account: %s: %s\n", left_out.series.c_str(),
                left_out.reason.c_str());
  std::printf("%d predictions wished for, %d measured points at hand", suggestions.wishes,
              suggestions.measured_points);
  if (suggestions.known_points < suggestions.measured_points)
    std::printf("; the %d most like them are taken into account", suggestions.known_points);
  std::printf("\n");
  std::printf("%4s  %-64s %12s  %s\n", "", "measure", "expected +-", "because");
  std::printf("%4s  %-64s %11.1f%%\n", "", "(nothing)", 100 * std::expm1(suggestions.half_width));
  int rank = 0;
  for (const auto& point : suggestions.points)
    std::printf("%4d  %-64s %11.1f%%  %s\n", ++rank, point_text(point).c_str(),
                100 * std::expm1(point.half_width), point.why.c_str());
  if (suggestions.points.empty())
    std::printf("no single point narrows them: what is measured already says what it can\n");
}

/// The card all observations are of; empty: there are none, or several.
std::string only_card(const std::vector<ObservationFile>& files) {
  std::set<std::string> cards;
  for (const auto& file : files)
    for (const auto& environment : file.environments) cards.insert(environment.card);
  return cards.size() == 1 ? *cards.begin() : "";
}

void run(Options options) {
  const std::array<OutputFile, 1> outputs{{{"--out", options.out, OutputKind::suite}}};
  check_outputs(outputs, options.observations);
  const auto files = read_observation_files(options.observations);
  options.card = card_id(options.card);
  read_loads(options.query, options.loads);
  if (options.query.routing == "recorded" && options.query.loads.empty())
    throw InvalidInput{"a suite needs the loads of a recorded routing: --loads FILE"};
  options.machine = options.card.empty() ? only_card(files) : options.card;
  const auto suggestions =
      calibration::suggest(files, {.wishes = wishes_of(options),
                                   .card = options.card,
                                   .count = static_cast<std::size_t>(options.count)});
  print(suggestions);
  if (options.out.empty()) return;
  if (suggestions.points.empty()) {
    std::printf("%s was not written: there is nothing to measure\n", options.out.c_str());
    return;
  }
  write_suite(options.out, suggestions);
  std::printf("wrote %s: measure it with 'moecal measure --suite %s'\n", options.out.c_str(),
              options.out.c_str());
}

}  // namespace

void add_suggest(CLI::App& app) {
  auto* verb = app.add_subcommand("suggest", "what to measure next");
  verb->description(
      "Ranks points that are not measured by how much they would narrow the predictions you care\n"
      "about: those of a document's claims, of one strategy's, or of a range of sizes. The width "
      "is\n"
      "the mean half-width of those predictions once a point and all before it are measured, as a\n"
      "model of how alike calls are expects it; 'moecal fit' calibrates it afterwards.\n\n"
      "Examples:\n"
      "  moecal suggest run.jsonl --document b200-8gpu --out next.jsonl\n"
      "  moecal suggest run.jsonl --claim 'dp2-ep4.*' --count 10\n"
      "  moecal suggest run.jsonl --operation all_reduce --group 2 4 8 --range "
      "bytes=1024:1073741824");
  auto options = std::make_shared<Options>();
  verb->add_option("observations", options->observations,
                   "what is measured so far: JSON Lines files; none: start from nothing");
  verb->add_option("--card", options->card, "whose measurements; default: the observations' only");
  verb->add_option("--document", options->document, "every measurement that its claims need");
  verb->add_option("--claim", options->claim, "only claims of this id, or pattern such as 'dp2-*'");
  verb->add_option("--operation", options->query.operation, "e.g. all_reduce, expert_gemm");
  verb->add_option("--range", options->ranges,
                   "sizes of --operation: name=least:most, in doublings; several make a grid");
  verb->add_option("--dtype", options->query.dtype, "element type; default: as measured");
  verb->add_option("--group", options->groups, "ranks of a collective");
  verb->add_option("--tier", options->query.tier, "slowest link a group crosses")
      ->check(CLI::IsMember({"intra", "inter"}))
      ->capture_default_str();
  add_routing_options(*verb, options->query);
  verb->add_option("--loads", options->loads, "file of a recorded routing's loads");
  verb->add_option("--count", options->count, "points at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--out", options->out, "suite file to write, for --suite of 'moecal measure'");
  verb->callback([options] { run(*options); });
}

}  // namespace moecal::cli
