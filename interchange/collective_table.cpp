// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/collective_table.hpp"

#include <utility>

#include "interchange/collective_facts.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {

bool is_row_of_numbers(const std::string& line) {
  auto first = trimmed(line);
  first = first.substr(0, first.find_first_of(" \t"));
  return printed_number(first).has_value() && looks_like_row(line);
}

CollectiveTables::CollectiveTables(const ForeignFile& file, const ImportOptions& options,
                                   CollectiveTableKind kind)
    : options_{options},
      kind_{std::move(kind)},
      collector_{file, options, kind_.tool},
      operation_{kind_.operation.empty() ? collective_word(options.operation) : kind_.operation} {
  if (operation_.empty()) operation_ = collective_named_in(file.name);
}

Imported CollectiveTables::import() {
  for (const auto& line : numbered_lines(collector_.file().text)) {
    if (kind_.is_head(line.text)) {
      take_head(line.text);
    } else if (!heads_.empty() && kind_.is_row(line.text)) {
      begin_row(line);
    } else if (in_table_ && kind_.is_damaged(line.text)) {
      collector_.refuse_damaged(line.number);
    } else {
      if (ends_table(line.text)) in_table_ = false;
      take_context(line.text);
    }
  }
  return collector_.finish();
}

void CollectiveTables::take_head(const std::string& line) {
  heads_ = words_of(line);
  in_table_ = true;
}

void CollectiveTables::begin_row(const TextLine& line) {
  in_table_ = true;
  if (!run_) start_run(line.number);
  collector_.row(line.number, [&] { take_row(line); });
}

void CollectiveTables::start_run(int line) {
  const FileLine where{collector_.file().path, line};
  if (operation_.empty())
    throw InvalidInput{where.str() +
                       ": nothing says which collective this is: name it with --operation"};
  CollectiveRun run;
  run.launch = require_launch(options_, launch_, where);
  run.card = collector_.card_of("", line);
  run.implementation = kind_.implementation;
  run.backend = kind_.backend;
  run.library = {kind_.backend, "unknown", "unknown", 0};
  begin_run(collector_, run, operation_);
  note_run();
  run_ = std::move(run);
}

void CollectiveTables::name_operation(const std::string& operation) {
  if (options_.operation.empty() && !operation.empty()) operation_ = operation;
}

void CollectiveTables::begin_run_of(std::optional<Launch> launch) {
  launch_ = std::move(launch);
  run_.reset();
}

std::vector<std::string> CollectiveTables::words_of_row(const std::string& line) const {
  auto words = words_of(line);
  if (words.size() != heads_.size())
    throw InvalidInput{"has " + std::to_string(words.size()) + " fields where the head has " +
                       std::to_string(heads_.size())};
  return words;
}

std::string CollectiveTables::field(const std::vector<std::string>& words,
                                    const std::string& start) const {
  for (std::size_t i = 0; i < heads_.size(); ++i)
    if (heads_[i].starts_with(start) && i < words.size()) return words[i];
  throw InvalidInput{"there is no column " + start};
}

}  // namespace moecal::interchange
