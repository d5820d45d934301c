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
      "Leaves rows of the public tables out of a fit (evaluation/splits.json says which), predicts "
      "them,\n"
      "and prints how far off the predictions are and how often the 90 % intervals hold, beside "
      "plain\n"
      "baselines fitted to the same rows. DIR has the folders nccl/, gemm/, moe/ and dispatch/.\n\n"
      "Example:\n  moecal evaluate --data DIR --task 'collective.*' --json");
  auto arguments = std::make_shared<EvaluateArguments>();
  verb->add_option("--data", arguments->data, "folder of the public tables (needed)")->required();
  verb->add_option("--task", arguments->glob,
                   "only tasks whose name matches this glob, e.g. 'gemm.*'; default: all");
  verb->add_flag("--json", arguments->json,
                 "print rows as a JSON array; errors and widths as fractions");
  verb->callback([arguments] { run_evaluate(*arguments); });
}

}  // namespace moecal::cli
