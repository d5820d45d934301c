// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "cli/output_files.hpp"
#include "cli/verbs.hpp"
#include "cli/write_file.hpp"
#include "core/observation.hpp"
#include "interchange/importer.hpp"

namespace moecal::cli {
namespace {

constexpr char kDescription[] =
    "Read other tools' measurements as observations.\n\n"
    "Every row becomes an observation, is listed as refused with its line and reason, or is "
    "counted\n"
    "as not imported. What a file does not say (the card, the collective, the number of ranks) is\n"
    "given with an option. OBS.jsonl is appended to. Exit status 2 if nothing could be used.\n\n"
    "  moecal import all_reduce.log --out observations.jsonl\n"
    "  moecal import nccl_perf.csv gemm_perf.csv --out observations.jsonl --card b200-sxm";

struct Arguments {
  std::vector<std::string> files;
  std::string out;
  bool list_formats = false;
  interchange::ImportOptions options;
};

/// "12-14, 20" of the lines with one reason.
std::string line_ranges(const std::vector<int>& lines) {
  std::string text;
  for (std::size_t i = 0; i < lines.size();) {
    std::size_t last = i;
    while (last + 1 < lines.size() && lines[last + 1] <= lines[last] + 1) ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(lines[i]);
    if (lines[last] != lines[i]) text += "-" + std::to_string(lines[last]);
    i = last + 1;
  }
  return text;
}

void print_summary(const std::string& path, const interchange::Imported& imported) {
  std::cout << path << ": " << imported.format << ", " << imported.rows_read << " rows read, "
            << imported.observations.size() << " observations, " << imported.refused.size()
            << " refused\n";
  for (const auto& note : imported.notes) std::cout << "  " << note << "\n";
  for (const auto& [what, rows] : imported.not_imported)
    std::cout << "  not imported: " << what << " (" << rows << " rows)\n";
  std::map<std::string, std::vector<int>> lines_by_reason;
  for (const auto& row : imported.refused) lines_by_reason[row.reason].push_back(row.line);
  for (const auto& [reason, lines] : lines_by_reason)
    std::cout << "  refused, line " << line_ranges(lines) << ": " << reason << "\n";
  std::size_t failed = 0;
  for (const auto& o : imported.observations) failed += o.outcome == Outcome::failed ? 1 : 0;
  if (failed > 0) std::cout << "  " << failed << " observations are marked failed: wrong results\n";
}

/// Appends everything in one go: a file of observations is whole or not begun.
void append(const std::string& out, const std::vector<interchange::Imported>& files) {
  std::set<std::string> environments;
  std::string lines;
  for (const auto& file : files) {
    for (const auto& environment : file.environments)
      if (environments.insert(environment.id()).second) lines += to_json_line(environment);
    for (const auto& observation : file.observations) lines += to_json_line(observation);
  }
  make_folder_of(out);
  LineAppender{out}.append(lines);
}

void run_import(const Arguments& arguments) {
  if (arguments.list_formats) {
    std::cout << interchange::list_of_formats();
    return;
  }
  if (arguments.files.empty()) throw InvalidInput{"import: name at least one file"};
  if (arguments.out.empty()) throw InvalidInput{"import: say where to write with --out"};
  const std::array<OutputFile, 1> outputs{{{"--out", arguments.out, OutputKind::observations}}};
  check_outputs(outputs, arguments.files);
  std::vector<interchange::Imported> imported;
  std::size_t observations = 0;
  for (const auto& path : arguments.files) {
    imported.push_back(interchange::import_file(path, arguments.options));
    observations += imported.back().observations.size();
    print_summary(path, imported.back());
  }
  if (observations == 0) throw InvalidInput{"import: nothing could be used, nothing was written"};
  append(arguments.out, imported);
  std::cout << "wrote " << observations << " observations to " << arguments.out << "\n";
}

}  // namespace

void add_import(CLI::App& app) {
  auto* verb = app.add_subcommand("import", kDescription);
  auto arguments = std::make_shared<Arguments>();
  auto& options = arguments->options;
  verb->add_option("files", arguments->files, "Files to read")->type_name("FILE");
  verb->add_option("--out", arguments->out, "File to append observations to")
      ->type_name("OBS.jsonl");
  verb->add_option("--format", options.format, "Format of the files; default: told by content")
      ->type_name("NAME");
  verb->add_flag("--list-formats", arguments->list_formats, "List the formats and end");
  verb->add_option("--card", options.card, "The card, where the file does not say or is wrong")
      ->type_name("CARD");
  verb->add_flag("--unlisted", options.unlisted,
                 "Accept a --card without a spec sheet; its rates are not checked");
  verb->add_option("--system", options.system, "The system, e.g. b200-sxm-8; default: by the card")
      ->type_name("SYSTEM");
  verb->add_option("--operation", options.operation,
                   "The collective, where the file does not say, e.g. all_to_all")
      ->type_name("OPERATION");
  verb->add_option("--ranks", options.ranks, "Ranks of the group, where the file does not say")
      ->check(CLI::PositiveNumber);
  verb->add_option("--nodes", options.nodes, "Nodes the group spans, where the file does not say")
      ->check(CLI::PositiveNumber);
  verb->footer("Formats:\n" + interchange::list_of_formats());
  verb->callback([arguments] { run_import(*arguments); });
}

}  // namespace moecal::cli
