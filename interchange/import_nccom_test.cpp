// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/import_nccom_test.hpp"

#include <algorithm>
#include <regex>

#include "interchange/collective_facts.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// Tables of nccom-test, of AWS Neuron; its GB/s are GiB/s:
///   nccom-test -r 2 allr
///        size(B)    count(elems)     type    time(us)    algbw(GB/s)    busbw(GB/s)
///       33554432        33554432    uint8         800          39.06          39.06
namespace moecal::interchange {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

bool is_head(const std::string& line) {
  return line.find("size(B)") != std::string::npos &&
         line.find("count(elems)") != std::string::npos &&
         line.find("algbw(GB/s)") != std::string::npos;
}

std::string operation_of(const std::string& word) {
  static const std::map<std::string, std::string> kShort{
      {"allr", "all_reduce"}, {"allg", "all_gather"}, {"redsct", "reduce_scatter"}};
  const auto found = kShort.find(word);
  return found == kShort.end() ? collective_word(word) : found->second;
}

/// A number at its start alone does not make a row: "8 ranks are waiting".
bool is_row(const std::string& line) {
  auto rest = trimmed(line);
  rest = rest.substr(0, rest.find_first_of(" \t"));
  return printed_number(rest).has_value() && looks_like_row(line);
}

/// A row's words under the heads that matter.
struct Row {
  std::string size, type, time, algbw, busbw;
};

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : options_{options}, collector_{file, options, "nccom-test"} {
    operation_ = collective_word(options.operation);
    if (operation_.empty()) operation_ = collective_named_in(file.name);
  }

  Imported import() {
    for (const auto& line : numbered_lines(collector_.file().text)) {
      const auto words = words_of(line.text);
      if (is_head(line.text))
        take_head(words);
      else if (!heads_.empty() && words.size() >= 4 && is_row(line.text))
        take_row(words, line.number);
      else if (in_table_ && looks_like_row(line.text))
        collector_.refuse_damaged(line.number);
      else
        take_command(line.text, words);
    }
    return collector_.finish();
  }

 private:
  void take_head(const std::vector<std::string>& words) {
    heads_ = words;
    in_table_ = true;
  }

  void take_command(const std::string& line, const std::vector<std::string>& words) {
    if (ends_table(line)) in_table_ = false;
    if (line.find("nccom-test ") == std::string::npos) return;
    const auto ranks = option_value(line, R"( (?:-r|--nworkers) (\d+))");
    launch_.reset();
    if (ranks) launch_ = launch_of(*ranks, "the command line");
    for (const auto& word : words)
      if (const auto operation = operation_of(word);
          !operation.empty() && options_.operation.empty())
        operation_ = operation;
    run_.reset();
  }

  void begin(int line) {
    const FileLine where{collector_.file().path, line};
    if (operation_.empty())
      throw InvalidInput{where.str() +
                         ": nothing says which collective this is: name it with --operation"};
    CollectiveRun run;
    run.launch = require_launch(options_, launch_, where);
    run.card = collector_.card_of("", line);
    run.implementation = "nccom";
    run.backend = "neuron";
    run.library = {"neuron", "unknown", "unknown", 0};
    begin_run(collector_, run, operation_);
    run_ = std::move(run);
  }

  void take_row(const std::vector<std::string>& words, int line) {
    in_table_ = true;
    if (!run_) begin(line);
    collector_.row(line, [&] { take_fields(row_of(words), line); });
  }

  /// The word under the head that starts like that.
  [[nodiscard]] std::string field(const std::vector<std::string>& words,
                                  const std::string& start) const {
    for (std::size_t i = 0; i < heads_.size(); ++i)
      if (heads_[i].starts_with(start) && i < words.size()) return words[i];
    throw InvalidInput{"there is no column " + start};
  }

  [[nodiscard]] Row row_of(const std::vector<std::string>& words) const {
    if (words.size() != heads_.size())
      throw InvalidInput{"has " + std::to_string(words.size()) + " fields where the head has " +
                         std::to_string(heads_.size())};
    return {field(words, "size(B)"), field(words, "type"), field(words, "time"),
            field(words, "algbw"), field(words, "busbw")};
  }

  void take_fields(const Row& row, int line) {
    const auto dtype = short_dtype_word(row.type);
    if (!dtype) return collector_.leave_out("dtype " + row.type);
    const auto time = printed_number(row.time), algbw = printed_number(row.algbw),
               busbw = printed_number(row.busbw);
    if (!time || !(time->value > 0)) throw InvalidInput{"time(us) is '" + row.time + "'"};
    if (!algbw || !busbw) throw InvalidInput{"algbw or busbw is no number"};
    const auto bytes = bytes_of(row.size, "size(B)");
    const auto seconds = time_of(*time, 1e-6);
    if (!is_rate_of(*algbw, kGiB, bytes, seconds))
      throw InvalidInput{"algbw (in GiB/s) is not size / time"};
    require_bus_factor(operation_, run_->launch.ranks.group, *algbw, *busbw);
    take_collective(collector_, *run_, {line, operation_, *dtype, bytes, seconds_within(seconds)});
  }

  const ImportOptions& options_;
  Collector collector_;
  std::string operation_;
  std::vector<std::string> heads_;
  bool in_table_ = false;
  std::optional<Launch> launch_;
  std::optional<CollectiveRun> run_;
};

bool recognises(const std::string& text) { return any_line(text, is_head); }

}  // namespace

Format nccom_test_format() {
  return {"nccom-test", "tables of nccom-test (AWS Neuron)", recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
