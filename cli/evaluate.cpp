// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/verbs.hpp"
#include "evaluation/report.hpp"

namespace moecal::cli {
namespace {

struct EvaluateArguments {
  std::string data, glob = "*";
  bool json = false;
};

void run_evaluate(const EvaluateArguments& arguments) {
  const evaluation::TaskInput input{arguments.data, evaluation::read_splits()};
  const auto results = evaluation::run_tasks(input, arguments.glob);
  if (!arguments.json) {
    std::cout << evaluation::to_text(results, input.splits);
    return;
  }
  std::cout << evaluation::to_json(results);
  for (const auto& result : results)
    for (const auto& [what, rows] : result.not_scored)
      std::cerr << result.task << ": not scored: " << rows << " rows of " << what << "\n";
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto* verb = app.add_subcommand("evaluate", "how good predictions are on points no fit saw");
  verb->description(
      "Holds rows of the public tables out (evaluation/splits.json says which), fits the rest, "
      "predicts\n"
      "what was held out, and prints the errors and whether the 90 % intervals are true, beside "
      "plain\n"
      "baselines fitted to the same rows. DIR holds the tables: nccl/, gemm/, moe/, dispatch/.\n\n"
      "Example:\n  moecal evaluate --data DIR --task 'collective.*' --json");
  auto arguments = std::make_shared<EvaluateArguments>();
  verb->add_option("--data", arguments->data, "folder of the public tables")->required();
  verb->add_option("--task", arguments->glob, "only tasks whose name matches this glob");
  verb->add_flag("--json", arguments->json,
                 "print rows as a JSON array; errors and widths as fractions");
  verb->callback([arguments] { run_evaluate(*arguments); });
}

}  // namespace moecal::cli
