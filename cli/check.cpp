// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "calibration/coefficients.hpp"
#include "calibration/predict.hpp"
#include "cli/check_output.hpp"
#include "cli/verbs.hpp"
#include "core/card.hpp"
#include "core/data_dir.hpp"
#include "core/error.hpp"
#include "planning/measured_source.hpp"

namespace moecal::cli {
namespace {

using calibration::Coefficients;

struct Options {
  std::string card, document, claim, claims_folder;
  std::vector<std::string> coefficients;
  bool json = false;
};

constexpr char kAbout[] =
    "Check the planning documents' claims: recompute their arithmetic, hold their figures against "
    "what the hardware can do, and predict the measured ones";

constexpr char kFooter[] =
    "Without --card only what needs no measurement is decided. With it, measured claims are "
    "predicted from that card's fitted coefficients.\n\n"
    "Verdicts: holds, unmeasured, ambiguous (readings disagree), refuted (outside the 90 % "
    "interval), contradicted (by the document's own arithmetic), below_floor, exceeds_hardware, "
    "unfalsifiable.\n\n"
    "Examples:\n"
    "  moecal check\n"
    "  moecal check --card b200-sxm --document b200-8gpu\n"
    "  moecal check --card b200-sxm --claim b200-8gpu.dp2-ep4.dp-comm-time\n"
    "  moecal check --card b200-sxm --json > findings.json";

std::string default_coefficients(const std::string& card) {
  try {
    return data_path("results/coefficients/" + card + ".json");
  } catch (const InvalidInput&) {
    throw InvalidInput{"there are no coefficients of card '" + card +
                       "' in results/coefficients; name a file that `moecal fit` wrote with "
                       "--coefficients, or make one from its spec sheet: `moecal transfer --to " +
                       card + " --out FILE`"};
  }
}

// The models of one card out of all files; a model without a card is of the machine that fitted it.
Coefficients read_models(const std::vector<std::string>& paths, const std::string& card) {
  Coefficients models;
  std::set<std::string> others;
  for (const auto& path : paths)
    for (auto& model : calibration::read_coefficients(path).models)
      if (model.card == card)
        models.models.push_back(std::move(model));
      else
        others.insert(model.card);
  if (!models.models.empty()) return models;
  std::string text = "the coefficients hold no model of card '" + card + "'";
  for (const auto& other : others)
    text += (other == *others.begin() ? "; they are of " : ", ") + other;
  throw InvalidInput{text};
}

// A chosen card with everything its predictions need.
struct Predictor {
  Predictor(const std::string& name, std::vector<std::string> paths) : files{std::move(paths)} {
    const Card card = find_card(name);
    if (files.empty()) files.push_back(default_coefficients(card.id));
    models = read_models(files, card.id);
    chosen = {card.id, &source, planning::hardware_of(card)};
  }
  Predictor(const Predictor&) = delete;

  std::vector<std::string> files;
  Coefficients models;
  planning::MeasuredSource source{
      [this](const calibration::Query& query) { return calibration::predict(models, query); }};
  planning::ChosenCard chosen;
};

bool names_claim(const planning::Claim& claim, const std::string& wanted) {
  return claim.id == wanted || claim.id == claim.document + "." + wanted;
}

bool is_wanted(const Options& options, const planning::Document& document) {
  return options.document.empty() || document.slug == options.document;
}

bool is_wanted(const Options& options, const planning::Claim& claim) {
  return options.claim.empty() || names_claim(claim, options.claim);
}

DocumentChecks check_document(const planning::ClaimSet& set, const planning::Document& document,
                              const Options& options, const planning::ChosenCard* card) {
  DocumentChecks checks;
  checks.document = &document;
  for (const auto& claim : document.claims)
    if (is_wanted(options, claim))
      checks.claims.push_back(planning::check_claim(set, document, claim, card));
  if (options.claim.empty())
    for (const auto& conclusion : document.conclusions)
      checks.conclusions.push_back(planning::check_conclusion(set, document, conclusion, card));
  return checks;
}

void require_known_document(const Options& options, const planning::ClaimSet& set) {
  std::string known;
  for (const auto& document : set.documents) {
    if (is_wanted(options, document)) return;
    known += " " + document.slug;
  }
  throw InvalidInput{"unknown document '" + options.document + "'; known:" + known};
}

// Without --card: the card of the coefficients that were named, if they are of one.
std::string chosen_card(const Options& options) {
  if (!options.card.empty() || options.coefficients.empty()) return options.card;
  std::set<std::string> cards;
  for (const auto& path : options.coefficients)
    for (const auto& model : calibration::read_coefficients(path).models) cards.insert(model.card);
  if (cards.size() == 1) return *cards.begin();
  std::string text =
      "the coefficients are of " + std::to_string(cards.size()) + " cards; choose one with --card:";
  for (const auto& card : cards) text += " " + card;
  throw InvalidInput{text};
}

CheckReport make_report(const Options& options, const planning::ClaimSet& set) {
  require_known_document(options, set);
  std::unique_ptr<Predictor> predictor;
  if (const auto card = chosen_card(options); !card.empty())
    predictor = std::make_unique<Predictor>(card, options.coefficients);
  CheckReport report;
  const planning::ChosenCard* card = predictor ? &predictor->chosen : nullptr;
  if (predictor) {
    report.card = card->id;
    for (const auto& file : predictor->files)
      report.coefficients.push_back(std::filesystem::path{file}.filename());
  }
  for (const auto& document : set.documents) {
    if (!is_wanted(options, document)) continue;
    auto checks = check_document(set, document, options, card);
    if (!checks.claims.empty()) report.documents.push_back(std::move(checks));
  }
  return report;
}

void require_claim(const Options& options, const CheckReport& report) {
  if (options.claim.empty() || report.documents.size() == 1) return;
  if (report.documents.empty())
    throw InvalidInput{"unknown claim '" + options.claim +
                       "'; `moecal check` lists them all by document"};
  throw InvalidInput{"claim '" + options.claim +
                     "' is in more than one document: write it as DOCUMENT.CLAIM"};
}

void run(const Options& options) {
  const auto folder = options.claims_folder.empty() ? data_path("claims") : options.claims_folder;
  const auto set = planning::read_claims(folder);
  const auto report = make_report(options, set);
  require_claim(options, report);
  if (options.json)
    std::cout << report_json(report);
  else if (options.claim.empty())
    std::cout << overview_text(report);
  else
    std::cout << claim_text(report.documents[0].claims[0], *report.documents[0].document);
}

}  // namespace

void add_check(CLI::App& app) {
  auto* verb = app.add_subcommand("check", kAbout);
  auto options = std::make_shared<Options>();
  verb->add_option("--card", options->card,
                   "Card to predict for: an id, an alias or a device name; default: the "
                   "one card of --coefficients")
      ->type_name("CARD");
  verb->add_option("--coefficients", options->coefficients,
                   "Files that `moecal fit` or `moecal transfer` wrote; default "
                   "results/coefficients/CARD.json")
      ->type_name("FILE");
  verb->add_option("--document", options->document, "Only this document, e.g. b200-8gpu")
      ->type_name("SLUG");
  verb->add_option("--claim", options->claim, "One claim in full, with its breakdown by operation")
      ->type_name("ID");
  verb->add_option("--claims", options->claims_folder,
                   "Folder of claims files; default moecal's own")
      ->type_name("DIR");
  verb->add_flag("--json", options->json, "Everything as JSON");
  verb->footer(kFooter);
  verb->callback([options] { run(*options); });
}

}  // namespace moecal::cli
