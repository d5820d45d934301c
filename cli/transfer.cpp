// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/transfer.hpp"

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/committed_coefficients.hpp"
#include "cli/output_files.hpp"
#include "cli/verbs.hpp"
#include "cli/write_file.hpp"
#include "core/build.hpp"
#include "core/error.hpp"

namespace moecal::cli {
namespace {

struct TransferArguments {
  std::string to, out;
  std::vector<std::string> from;
  bool leave_one_out = false, json = false;
};

std::vector<calibration::Donor> read_donors(const TransferArguments& arguments) {
  const auto paths = arguments.from.empty() ? committed_coefficients() : arguments.from;
  const std::array<OutputFile, 1> outputs{{{"--out", arguments.out, OutputKind::coefficients}}};
  check_outputs(outputs, paths);
  std::vector<calibration::Coefficients> files;
  for (const auto& path : paths) files.push_back(calibration::read_coefficients(path));
  return calibration::donors_of(files, known_cards());
}

/// A 90 % band as factors of the prediction.
std::string band(double half_width) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "x%.2f..%.2f", std::exp(-half_width),
                std::exp(half_width));
  return text.data();
}

std::string regime(const calibration::TransferScore& score) {
  std::array<char, 48> text{};
  if (score.to == 0)
    std::snprintf(text.data(), text.size(), "%.0f and more", score.from);
  else
    std::snprintf(text.data(), text.size(), "%.0f to %.0f", score.from, score.to - 1);
  return text.data();
}

void print_scores(const std::vector<calibration::TransferScore>& scores) {
  std::printf("%-14s %-21s %-19s %-12s %5s %7s %7s %8s  %s\n", "operation", "dtype", "size", "to",
              "n", "median", "p90", "covered", "band");
  std::printf("%-14s %-21s %-19s %-12s %5s %7s %7s %8s  %s\n", "", "", "bytes or rows m", "", "",
              "%", "%", "%", "90 %, made without the card");
  for (const auto& s : scores) {
    const auto dtype = s.dtype + (s.scale_mode.empty() ? "" : " " + s.scale_mode);
    std::printf("%-14s %-21s %-19s %-12s %5d %7.1f %7.1f %8.1f  %s\n", s.operation.c_str(),
                dtype.c_str(), regime(s).c_str(), s.card.c_str(), s.n, 100 * s.median_ape,
                100 * s.p90_ape, 100 * s.coverage_90, band(s.half_width_median).c_str());
  }
}

void print_scores_json(const std::vector<calibration::TransferScore>& scores) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& s : scores)
    rows.push_back({{"task", "transfer." + s.operation},
                    {"card", s.card},
                    {"dtype", s.dtype},
                    {"scale_mode", s.scale_mode},
                    {"form", "transferred"},
                    {"from", s.from},
                    {"to", s.to},
                    {"n", s.n},
                    {"median_ape", s.median_ape},
                    {"p90_ape", s.p90_ape},
                    {"coverage_90", s.coverage_90},
                    {"half_width_median", s.half_width_median}});
  std::cout << rows.dump(1) << "\n";
}

void print_models(const calibration::TransferResult& result) {
  std::size_t width = 6;
  for (const auto& model : result.coefficients.models) width = std::max(width, model.id.size());
  const int column = static_cast<int>(width);
  std::printf("%-*s %7s %7s  %s\n", column, "model", "median", "p90", "90 % band");
  std::printf("%-*s %7s %7s  %s\n", column, "", "left out, %", "", "by size");
  for (const auto& model : result.coefficients.models) {
    if (model.quality.held_out_points > 0)
      std::printf("%-*s %7.1f %7.1f ", column, model.id.c_str(),
                  100 * model.quality.held_out_median_ape, 100 * model.quality.held_out_p90_ape);
    else
      std::printf("%-*s %7s %7s ", column, model.id.c_str(), "-", "-");
    for (const auto& regime : model.residual_quantiles)
      std::printf(" %s", band(regime.half_width_90).c_str());
    std::printf("\n");
  }
  for (const auto& left_out : result.left_out)
    std::printf("not transferred: %s: %s\n", left_out.series.c_str(), left_out.reason.c_str());
  for (const auto& one : result.unmeasured)
    std::printf("cannot: %s: %s\n", one.series.c_str(), one.reason.c_str());
}

/// Options that the other ones leave without a meaning are refused, not dropped.
void check_options(const TransferArguments& arguments) {
  const bool one_card = !arguments.to.empty() || !arguments.out.empty();
  if (arguments.leave_one_out && one_card)
    throw InvalidInput{
        "--leave-one-out transfers to each measured card and writes nothing: it takes neither --to "
        "nor --out"};
  if (arguments.json && !arguments.leave_one_out)
    throw InvalidInput{"--json is of --leave-one-out; a transfer writes its JSON to --out"};
  if (!arguments.leave_one_out && (arguments.to.empty() || arguments.out.empty()))
    throw InvalidInput{"a transfer needs --to CARD and --out FILE (or --leave-one-out)"};
}

void run_transfer(const TransferArguments& arguments) {
  check_options(arguments);
  const auto donors = read_donors(arguments);
  if (arguments.leave_one_out) {
    const auto scores = calibration::leave_one_card_out(donors);
    return arguments.json ? print_scores_json(scores) : print_scores(scores);
  }
  const auto target = find_card(arguments.to);
  auto result = calibration::transfer(donors, target);
  result.coefficients.commit = build::commit;
  write_file(arguments.out, calibration::to_json(result.coefficients));
  print_models(result);
  for (const auto& figure : target.unverified)
    std::printf("not verified: %s of %s\n", figure.c_str(), target.id.c_str());
  std::printf("wrote %s\n", arguments.out.c_str());
}

}  // namespace

void add_transfer(CLI::App& app) {
  auto* verb = app.add_subcommand("transfer", "coefficients of a card nobody measured");
  verb->description(
      "Makes coefficients of a card from its spec sheet (hardware/CARD.toml) and the shares of "
      "their\n"
      "own figures that measured cards reach. The intervals are as wide as leaving each measured "
      "card\n"
      "out shows the procedure to err; the models' provenance is 'transferred'.\n\n"
      "Examples:\n"
      "  moecal transfer --leave-one-out\n"
      "  moecal transfer --to a100-64 --out a100-64.json\n"
      "  moecal check --card a100-64 --coefficients a100-64.json");
  auto arguments = std::make_shared<TransferArguments>();
  verb->add_option("--to", arguments->to, "the card: an id, an alias or a device name")
      ->type_name("CARD");
  verb->add_option("--out", arguments->out, "coefficients file to write (JSON)")->type_name("FILE");
  verb->add_option("--from", arguments->from,
                   "coefficients of measured cards; default: all of results/coefficients")
      ->type_name("FILE");
  verb->add_flag("--leave-one-out", arguments->leave_one_out,
                 "transfer to each measured card from the others, and print the errors");
  verb->add_flag("--json", arguments->json, "of --leave-one-out: rows as JSON");
  verb->callback([arguments] { run_transfer(*arguments); });
}

}  // namespace moecal::cli
