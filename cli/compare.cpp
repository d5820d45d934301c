// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <set>

#include "calibration/transfer.hpp"
#include "cli/committed_coefficients.hpp"
#include "cli/compare_output.hpp"
#include "cli/verbs.hpp"
#include "core/data_dir.hpp"
#include "core/error.hpp"
#include "core/join.hpp"

namespace moecal::cli {
namespace {

struct CompareArguments {
  std::vector<std::string> cards, coefficients;
  std::string operation;
  bool json = false;
};

using Files = std::vector<calibration::Coefficients>;

bool was_measured(const calibration::Model& model) { return model.provenance != "transferred"; }

/// What is in the files of the card; and for what they lack, a transfer from the other cards.
planning::ComparedCard compared_card(const std::string& name, const Files& files,
                                     const std::vector<calibration::Donor>& donors) {
  planning::ComparedCard card{find_card(name), {}};
  bool transferred = false;
  for (const auto& file : files)
    for (const auto& model : file.models) {
      if (model.card != card.card.id) continue;
      card.models.models.push_back(model);
      transferred = transferred || !was_measured(model);
    }
  const bool others = std::any_of(donors.begin(), donors.end(),
                                  [&](const auto& donor) { return donor.card.id != card.card.id; });
  if (transferred || !others) return card;
  try {
    auto transferred_models = calibration::transfer(donors, card.card);
    for (auto& model : transferred_models.coefficients.models)
      card.models.models.push_back(std::move(model));
    card.left_out = std::move(transferred_models.left_out);
    card.unmeasured = std::move(transferred_models.unmeasured);
  } catch (const InvalidInput& error) {
    if (card.models.models.empty()) throw;
    card.no_transfer = error.what();
  }
  return card;
}

std::vector<calibration::Query> wanted_calls(const std::string& operation) {
  auto calls = planning::planning_calls();
  if (operation.empty()) return calls;
  std::set<std::string> known;
  for (const auto& call : calls) known.insert(call.operation);
  std::erase_if(calls, [&](const auto& call) { return call.operation != operation; });
  if (calls.empty())
    throw InvalidInput{"no call of '" + operation + "' is compared; there are: " + join(known)};
  return calls;
}

void run_compare(const CompareArguments& arguments) {
  if (arguments.cards.size() < 2)
    throw InvalidInput{"a comparison needs two cards or more; see `moecal compare --help`"};
  Files files;
  for (const auto& path :
       arguments.coefficients.empty() ? committed_coefficients() : arguments.coefficients)
    files.push_back(calibration::read_coefficients(path));
  const auto donors = calibration::donors_of(files, known_cards());
  std::vector<planning::ComparedCard> cards;
  for (const auto& name : arguments.cards) cards.push_back(compared_card(name, files, donors));
  const auto calls = wanted_calls(arguments.operation);
  CompareReport report;
  report.demands = planning::memory_demands(planning::read_claims(data_path("claims")));
  for (std::size_t other = 1; other < cards.size(); ++other) {
    Comparison comparison{&cards[0], &cards[other], {}};
    for (const auto& call : calls)
      comparison.calls.push_back(planning::compare_call(cards[0], cards[other], call));
    report.comparisons.push_back(std::move(comparison));
  }
  std::cout << (arguments.json ? compare_json(report) : compare_text(report));
}

}  // namespace

void add_compare(CLI::App& app) {
  auto* verb = app.add_subcommand("compare", "one card against others, by operation and size");
  verb->description(
      "How many times as fast the first card is as each other, with a 90 % interval, for the "
      "calls\n"
      "that MoE planning asks for; and which of the planning documents' memory demands a card\n"
      "cannot hold. Times come from measurements of a card where there are any, else from a\n"
      "transfer to its spec sheet: the table says which. Errors that both sides share cancel.\n\n"
      "The first card is 'faster' or 'slower' where the whole interval says so, else "
      "'undecided'.\n\n"
      "Examples:\n"
      "  moecal compare b200-sxm a100-64 mi210 docs-64gb\n"
      "  moecal compare b200-sxm h200-sxm --operation all_to_all --json");
  auto arguments = std::make_shared<CompareArguments>();
  verb->add_option("cards", arguments->cards, "two cards or more: ids, aliases or device names")
      ->required()
      ->type_name("CARD");
  verb->add_option("--coefficients", arguments->coefficients,
                   "files that 'moecal fit' or 'moecal transfer' wrote; default: all of "
                   "results/coefficients")
      ->type_name("FILE");
  verb->add_option("--operation", arguments->operation, "only this one, e.g. expert_gemm");
  verb->add_flag("--json", arguments->json, "everything as JSON; times in seconds");
  verb->callback([arguments] { run_compare(*arguments); });
}

}  // namespace moecal::cli
