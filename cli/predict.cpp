// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/predict.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/card_id.hpp"
#include "cli/verbs.hpp"
#include "core/error.hpp"

namespace moecal::cli {
namespace {

struct PredictArguments {
  std::string coefficients;
  std::vector<std::string> point;
  calibration::Query query;
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
  if (parsed.ec != std::errc{} || parsed.ptr != end || value < 0)
    throw InvalidInput{"--point takes name=number, e.g. bytes=1048576; '" + text + "' is not"};
  return {text.substr(0, equals), value};
}

void print_json(const calibration::Prediction& p) {
  const nlohmann::ordered_json json{{"seconds", p.seconds},
                                    {"interval_s", {p.lo, p.hi}},
                                    {"model", p.model_id},
                                    {"provenance", p.provenance},
                                    {"flags", p.flags}};
  std::cout << json.dump(1) << "\n";
}

void print_text(const calibration::Prediction& p) {
  std::printf("time        %.3f us\n", 1e6 * p.seconds);
  std::printf("interval    %.3f .. %.3f us (90 %%)\n", 1e6 * p.lo, 1e6 * p.hi);
  std::printf("provenance  %s\nmodel       %s\n", p.provenance.c_str(), p.model_id.c_str());
  for (const auto& flag : p.flags) std::printf("flag        %s\n", flag.c_str());
}

/// A word that no model has is more likely a slip than a wish.
void check_operation(const calibration::Coefficients& coefficients, const std::string& operation) {
  std::set<std::string> known;
  for (const auto& model : coefficients.models) known.insert(model.operation);
  if (known.contains(operation)) return;
  std::string text;
  for (const auto& name : known) text += (text.empty() ? "" : ", ") + name;
  throw InvalidInput{"the coefficients have no operation '" + operation + "'; they have: " + text};
}

void run_predict(PredictArguments arguments) {
  const auto coefficients = calibration::read_coefficients(arguments.coefficients);
  check_operation(coefficients, arguments.query.operation);
  for (const auto& text : arguments.point) arguments.query.point.insert(parse_number(text));
  arguments.query.card = card_id(arguments.query.card);
  const auto answer = calibration::predict(coefficients, arguments.query);
  if (answer.several_machines)
    throw InvalidInput{answer.missing + " (--card, or of a collective --system)"};
  if (!answer.prediction) throw Error{answer.missing};
  if (arguments.json)
    print_json(*answer.prediction);
  else
    print_text(*answer.prediction);
}

void add_conditions(CLI::App& verb, calibration::Query& query) {
  verb.add_option("--card", query.card,
                  "whose call it is, e.g. b200-sxm; needed where the coefficients are of several");
  verb.add_option("--system", query.system, "whose collective it is, e.g. b200-sxm-8; likewise");
  verb.add_option("--dtype", query.dtype, "element type, e.g. bf16; default: any");
  verb.add_option("--group", query.group, "ranks of a collective")->capture_default_str();
  verb.add_option("--tier", query.tier, "slowest link a group crosses: intra or inter")
      ->capture_default_str();
  verb.add_option("--nodes", query.nodes,
                  "nodes the group spans; default: as the measured groups are spread");
  verb.add_option("--placement", query.placement, "contiguous or strided; default: any");
  verb.add_option("--implementation", query.implementation, "e.g. nccl; default: the fastest");
  verb.add_option("--scale-mode", query.scale_mode, "of FP8, e.g. tensor; default: any");
  verb.add_option("--cache", query.cache, "cold or warm; default: cold where there is one");
  verb.add_option("--routing", query.routing,
                  "how tokens chose experts: uniform, balanced, power_law; default: uniform first");
  verb.add_option("--exponent", query.exponent, "of power_law; default: any, the least first");
  verb.add_option("--capacity", query.capacity_factor,
                  "rows an expert takes at most, over the mean; 0: no limit, and the default");
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
  add_conditions(*verb, arguments->query);
  verb->add_flag("--json", arguments->json, "print JSON; times in seconds");
  verb->callback([arguments] { run_predict(*arguments); });
}

}  // namespace moecal::cli
