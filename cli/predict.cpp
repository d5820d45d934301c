// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "calibration/deciding_settings.hpp"
#include "cli/card_id.hpp"
#include "cli/routing_options.hpp"
#include "cli/verbs.hpp"
#include "core/collective.hpp"
#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/join.hpp"
#include "planning/call_floor.hpp"

namespace moecal::cli {
namespace {

struct PredictArguments {
  std::string coefficients;
  std::vector<std::string> point, settings;
  calibration::Query query;
  std::optional<int> group;
  std::string release;
  std::string loads;  // the file of a recorded routing
  bool json = false;
};

/// "bytes=1048576" -> {"bytes", 1048576}
std::pair<std::string, std::int64_t> parse_number(const std::string& text) {
  const auto equals = text.find('=');
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = equals == std::string::npos
                          ? std::from_chars_result{end, std::errc::invalid_argument}
                          : std::from_chars(text.data() + equals + 1, end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || equals == 0)
    throw InvalidInput{"--point takes name=number, e.g. bytes=1048576; '" + text + "' is not"};
  if (value < 1)
    throw InvalidInput{"--point " + text + ": such a call does nothing; give 1 or more"};
  return {text.substr(0, equals), value};
}

using MaybeFloor = std::optional<planning::CallFloor>;

void print_json(const calibration::Prediction& p, const MaybeFloor& floor) {
  nlohmann::ordered_json json{{"seconds", p.seconds},
                              {"interval_s", {p.lo, p.hi}},
                              {"model", p.model_id},
                              {"provenance", p.provenance},
                              {"flags", p.flags}};
  if (floor) json["floor"] = {{"seconds", floor->seconds}, {"of", floor->of}};
  std::cout << json.dump(1) << "\n";
}

void print_text(const calibration::Prediction& p, const MaybeFloor& floor) {
  std::printf("time        %.3f us\n", 1e6 * p.seconds);
  std::printf("interval    %.3f .. %.3f us (90 %%)\n", 1e6 * p.lo, 1e6 * p.hi);
  if (floor) std::printf("floor       %.3f us (%s)\n", 1e6 * floor->seconds, floor->of.c_str());
  std::printf("provenance  %s\nmodel       %s\n", p.provenance.c_str(), p.model_id.c_str());
  for (const auto& flag : p.flags) std::printf("flag        %s\n", flag.c_str());
}

/// A word that no model has is more likely a slip than a wish.
void check_operation(const calibration::Coefficients& coefficients, const std::string& operation) {
  std::set<std::string> known;
  for (const auto& model : coefficients.models) known.insert(model.operation);
  if (known.contains(operation)) return;
  throw InvalidInput{"the coefficients have no operation '" + operation +
                     "'; they have: " + join(known)};
}

/// A word that is no dtype is better answered by those that models have.
void check_dtype(const calibration::Coefficients& coefficients, const calibration::Query& query) {
  std::set<std::string> known;
  for (const auto& model : coefficients.models)
    if (model.operation == query.operation && !model.conditions.dtype.empty())
      known.insert(model.conditions.dtype);
  try {
    if (!query.dtype.empty()) (void)parse_dtype(query.dtype);
  } catch (const InvalidInput& error) {
    throw InvalidInput{std::string{error.what()} + "; models of " + query.operation +
                       " have: " + join(known)};
  }
}

Point parse_point(const std::vector<std::string>& texts) {
  Point point;
  for (const auto& text : texts)
    if (const auto number = parse_number(text); !point.insert(number).second)
      throw InvalidInput{"--point names '" + number.first + "' twice"};
  return point;
}

calibration::Settings parse_settings(const std::vector<std::string>& texts) {
  calibration::Settings settings;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw InvalidInput{"--setting takes NAME=VALUE, e.g. NCCL_ALGO=Ring; '" + text + "' is not"};
    const auto setting = calibration::in_own_words(text.substr(0, equals), text.substr(equals + 1));
    if (!settings.insert(setting).second)
      throw InvalidInput{"--setting names '" + setting.first + "' twice"};
  }
  return settings;
}

/// A number that no model of the operation was measured over is a slip too.
void check_point(const calibration::Coefficients& coefficients, const calibration::Query& query) {
  std::set<std::string> known;
  for (const auto& model : coefficients.models)
    if (model.operation == query.operation)
      for (const auto& [name, range] : model.validity) known.insert(name);
  for (const auto& [name, value] : query.point)
    if (!known.contains(name))
      throw InvalidInput{"a call of " + query.operation + " has no number '" + name +
                         "'; it has: " + join(known)};
}

/// Whether some model is of the very group, so that it need not be worked out from others.
bool is_measured(const calibration::Coefficients& coefficients, const calibration::Query& query) {
  return std::any_of(
      coefficients.models.begin(), coefficients.models.end(), [&](const auto& model) {
        return model.operation == query.operation && model.conditions.group == query.group &&
               model.conditions.tier == query.tier;
      });
}

/// What the id of a model's system (h100-sxm-8) says of its nodes; 0: nothing.
int devices_per_node(const calibration::Model& model) {
  if (model.card.empty() || !model.system.starts_with(model.card + "-")) return 0;
  const char* end = model.system.data() + model.system.size();
  int devices = 0;
  const auto parsed = std::from_chars(model.system.data() + model.card.size() + 1, end, devices);
  return parsed.ec == std::errc{} && parsed.ptr == end ? devices : 0;
}

/// A group larger than a node crosses nodes, whatever a model of smaller groups would say of it.
void check_node(const calibration::Coefficients& coefficients, const calibration::Query& query) {
  int largest = 0;
  for (const auto& model : coefficients.models)
    if (model.operation == query.operation && (query.card.empty() || model.card == query.card) &&
        (query.system.empty() || model.system == query.system)) {
      const int devices = devices_per_node(model);
      if (devices == 0) return;  // nobody knows
      largest = std::max(largest, devices);
    }
  if (query.tier != "intra" || query.group <= largest || is_measured(coefficients, query)) return;
  throw InvalidInput{"a node has " + std::to_string(largest) + " devices: a group of " +
                     std::to_string(query.group) + " crosses nodes, which is --tier inter"};
}

void check_group(const calibration::Coefficients& coefficients, const calibration::Query& query) {
  const auto ranks = std::to_string(query.group), nodes = std::to_string(query.nodes);
  if (query.nodes > query.group)
    throw InvalidInput{"a group of " + ranks + " ranks does not span " + nodes + " nodes"};
  if (query.nodes > 1 && query.tier == "intra")
    throw InvalidInput{"a group on " + nodes + " nodes crosses their network: --tier inter"};
  check_node(coefficients, query);
}

/// Only models of that release, where one is named.
void keep_release(calibration::Coefficients& coefficients, const std::string& operation,
                  const std::string& release) {
  if (release.empty()) return;
  std::set<std::string> known;
  for (const auto& model : coefficients.models)
    if (model.operation == operation) known.insert(model.conditions.release);
  if (!known.contains(release))
    throw InvalidInput{"no model of " + operation + " is of release '" + release +
                       "'; there are: " + join(known)};
  std::erase_if(coefficients.models,
                [&](const auto& model) { return model.conditions.release != release; });
}

/// A collective, or what ranks do together with one: dispatch_combine, overlap.
bool is_over_a_group(const calibration::Coefficients& coefficients, const std::string& operation) {
  return is_collective(operation) ||
         std::any_of(coefficients.models.begin(), coefficients.models.end(), [&](const auto& m) {
           return m.operation == operation && m.conditions.group != 1;
         });
}

calibration::Prediction one_rank_prediction() {
  return {0, 0, 0, "none", "arithmetic", {"one rank sends nothing: 0 by arithmetic"}};
}

calibration::Prediction prediction_of(const calibration::Coefficients& coefficients,
                                      const calibration::Query& query) {
  const auto answer = calibration::predict(coefficients, query);
  if (answer.several_machines)
    throw InvalidInput{answer.missing + " (--card, or of a collective --system)"};
  if (answer.several_settings) throw InvalidInput{answer.missing + " (--setting NAME=VALUE)"};
  if (!answer.prediction) throw Error{answer.missing};
  return *answer.prediction;
}

/// The card's spec sheet, where it has one.
const Card* sheet_of(const std::string& id) {
  for (const auto& card : known_cards())
    if (card.id == id) return &card;
  return nullptr;
}

/// Of the model that answered; of several joined, the first.
MaybeFloor floor_of(const calibration::Coefficients& coefficients, const calibration::Query& query,
                    const calibration::Prediction& prediction) {
  const auto id = prediction.model_id.substr(0, prediction.model_id.find(" + "));
  for (const auto& model : coefficients.models)
    if (model.id == id)
      if (const auto* card = sheet_of(model.card))
        return planning::call_floor(*card, query, model.conditions);
  return std::nullopt;
}

/// Neither cut off nor moved: that one of the two is wrong is what it says.
void flag_below(const planning::CallFloor& floor, calibration::Prediction& prediction) {
  if (prediction.lo >= floor.seconds) return;
  const bool wholly = prediction.seconds < floor.seconds;
  prediction.flags.push_back(std::string{wholly ? "the time lies" : "the interval reaches"} +
                             " below the floor, " + floor.of);
}

void run_predict(PredictArguments arguments) {
  auto& query = arguments.query;
  auto coefficients = calibration::read_coefficients(arguments.coefficients);
  check_operation(coefficients, query.operation);
  check_dtype(coefficients, query);
  keep_release(coefficients, query.operation, arguments.release);
  query.point = parse_point(arguments.point);
  check_point(coefficients, query);
  const bool over_group = is_over_a_group(coefficients, query.operation);
  if (over_group && !arguments.group)
    throw InvalidInput{"a call of " + query.operation +
                       " is over a group: name its ranks with --group"};
  query.group = arguments.group.value_or(1);
  if (!over_group && query.group != 1)
    throw InvalidInput{query.operation + " is a call of one rank: it has no --group"};
  query.card = card_id(query.card);
  query.settings = parse_settings(arguments.settings);
  read_loads(query, arguments.loads);
  check_skew(query);
  if (over_group) check_group(coefficients, query);
  const bool collective = is_collective(query.operation);
  const bool alone = collective && query.group == 1 && !is_measured(coefficients, query);
  auto prediction = alone ? one_rank_prediction() : prediction_of(coefficients, query);
  const auto floor = floor_of(coefficients, query, prediction);
  if (floor) flag_below(*floor, prediction);
  if (arguments.json)
    print_json(prediction, floor);
  else
    print_text(prediction, floor);
}

void add_conditions(CLI::App& verb, calibration::Query& query) {
  verb.add_option("--card", query.card,
                  "whose call it is, e.g. b200-sxm; needed where the coefficients are of several");
  verb.add_option("--system", query.system, "whose collective it is, e.g. b200-sxm-8; likewise");
  verb.add_option("--dtype", query.dtype, "element type, e.g. bf16; default: any");
  verb.add_option("--tier", query.tier, "slowest link a group crosses")
      ->check(CLI::IsMember({"intra", "inter"}))
      ->capture_default_str();
  verb.add_option("--nodes", query.nodes,
                  "nodes the group spans; default: as the measured groups are spread")
      ->check(CLI::PositiveNumber);
  verb.add_option("--placement", query.placement, "of the group's ranks; default: any")
      ->check(CLI::IsMember({"contiguous", "strided"}));
  verb.add_option("--implementation", query.implementation, "e.g. nccl; default: the fastest");
  verb.add_option("--scale-mode", query.scale_mode, "of FP8, e.g. tensor; default: any");
  verb.add_option("--cache", query.cache, "cold or warm; default: cold where there is one");
  add_routing_options(verb, query);
}

/// What the numbers of a point count.
std::string number_conventions() {
  std::string text =
      "Numbers of a point:\n"
      "  m n k                    rows, columns and depth of a GEMM; of grouped_gemm m is the rows "
      "of "
      "one of its groups\n"
      "  tokens                   of one rank; of moe_layer those of all the ranks that share its "
      "experts (tensor_parallel x\n"
      "                           expert_parallel): what is timed is the rank with the most rows\n"
      "  hidden inter             elements of a token, and of an expert's inner layer over all its "
      "ranks\n"
      "  experts top_k            experts of the whole layer, and how many each token is given to\n"
      "  bytes                    memory_copy: what is copied, which is read once and written once";
  for (const auto& facts : collectives())
    if (!facts.bytes.empty())
      text += "\n                           " + std::string{facts.name} + ": " +
              std::string{facts.bytes};
  return text;
}

}  // namespace

void add_predict(CLI::App& app) {
  auto* verb = app.add_subcommand("predict", "the time of one call, with its 90 % interval");
  verb->description(
      "Predicts one call of an operation from coefficients, and says how far to trust it: a 90 %\n"
      "interval, the model, and a flag for whatever is not covered by measurements.\n\n"
      "Examples:\n"
      "  moecal predict c.json --operation all_reduce --group 8 --point bytes=1048576\n"
      "  moecal predict c.json --operation expert_gemm --dtype bf16 --point m=256 n=28672 k=4096");
  auto arguments = std::make_shared<PredictArguments>();
  verb->add_option("coefficients", arguments->coefficients, "file written by 'moecal fit'")
      ->required();
  verb->add_option("--operation", arguments->query.operation, "e.g. all_reduce, expert_gemm")
      ->required();
  verb->add_option("--point", arguments->point, "the call's numbers: name=number ...")->required();
  verb->add_option("--group", arguments->group, "ranks of a collective; it has no default")
      ->check(CLI::PositiveNumber);
  verb->add_option("--release", arguments->release,
                   "of the library, e.g. 2.29.2; default: the newest there is");
  verb->add_option("--setting", arguments->settings,
                   "NAME=VALUE ..., e.g. NCCL_ALGO=Ring or power_limit_w=700, where models differ "
                   "in it; default: unset")
      ->type_name("NAME=VALUE");
  verb->add_option(
      "--loads", arguments->loads,
      "file of what each expert was given in a recorded routing: a number a line, or a "
      "JSON array");
  verb->footer(number_conventions());
  add_conditions(*verb, arguments->query);
  add_skew_option(*verb, arguments->query);
  verb->add_flag("--json", arguments->json, "print JSON; times in seconds");
  verb->callback([arguments] { run_predict(*arguments); });
}

}  // namespace moecal::cli
