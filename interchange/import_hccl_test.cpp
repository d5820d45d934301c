// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/import_hccl_test.hpp"

#include <algorithm>
#include <regex>

#include "interchange/collective_facts.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// Tables of hccl_test, of Ascend:
///   data_size(Bytes): | aveg_time(us): | alg_bandwidth(GB/s): | check_result:
///   64                | 1000.00        | 0.00006              | success
namespace moecal::interchange {
namespace {

bool is_head(const std::string& line) {
  return line.find("data_size(Bytes)") != std::string::npos &&
         line.find("alg_bandwidth") != std::string::npos;
}

bool is_row(const std::string& line) {
  const auto cells = cells_of(line);
  return cells.size() >= 3 && printed_number(cells[0]).has_value();
}

/// Below the head: a row of which something is lost, or the size is no number.
bool is_damaged_row(const std::string& line) {
  const auto cells = cells_of(line);
  return looks_like_row(line) || (cells.size() >= 3 && printed_number(cells[1]).has_value());
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : options_{options}, collector_{file, options, "hccl_test"} {
    operation_ = collective_word(options.operation);
    if (operation_.empty()) operation_ = collective_named_in(file.name);
  }

  Imported import() {
    for (const auto& line : numbered_lines(collector_.file().text)) {
      if (is_head(line.text))
        below_head_ = in_table_ = true;
      else if (below_head_ && is_row(line.text))
        take_row(line);
      else if (in_table_ && is_damaged_row(line.text))
        collector_.refuse_damaged(line.number);
      else
        take_context(line.text);
    }
    return collector_.finish();
  }

 private:
  /// "mpirun -n 8 ./bin/all_reduce_test -b 8K -e 64M -d fp32 -p 8"
  void take_context(const std::string& line) {
    if (ends_table(line)) in_table_ = false;
    static const std::regex kProgram{R"(\b([a-z_]+)_test\b.* -)"};
    static const std::regex kType{R"( -d (\w+))"};
    std::smatch match;
    if (line.find("_test") == std::string::npos || !std::regex_search(line, match, kProgram))
      return;
    if (options_.operation.empty() && !collective_word(match[1].str()).empty())
      operation_ = collective_word(match[1].str());
    if (std::regex_search(line, match, kType)) dtype_ = match[1];
    const auto launch = read_launch_line(line);
    if (launch.processes) launch_ = launch_of(*launch.processes, "the launch command");
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
    run.implementation = "hccl";
    run.backend = "hccl";
    run.library = {"hccl", "unknown", "unknown", 0};
    begin_run(collector_, run, operation_);
    if (dtype_.empty()) {
      dtype_ = "fp32";
      collector_.note("no command line says the type: f32, hccl_test's default, is assumed");
    }
    run_ = std::move(run);
  }

  void take_row(const TextLine& line) {
    in_table_ = true;
    if (!run_) begin(line.number);
    collector_.row(line.number, [&] { take_cells(cells_of(line.text), line.number); });
  }

  void take_cells(const std::vector<std::string>& cells, int line) {
    if (operation_ == "all_gather" || operation_ == "reduce_scatter")
      return collector_.leave_out("operation " + operation_ +
                                  ": hccl_test does not say of which buffer its size is");
    const auto dtype = short_dtype_word(dtype_);
    if (!dtype) return collector_.leave_out("dtype " + dtype_);
    const auto time = printed_number(cells[1]), rate = printed_number(cells[2]);
    if (!time || !(time->value > 0)) throw InvalidInput{"aveg_time is '" + cells[1] + "'"};
    if (!rate) throw InvalidInput{"alg_bandwidth is '" + cells[2] + "'"};
    const auto bytes = bytes_of(cells[0], "data_size");
    const auto seconds = time_of(*time, 1e-6);
    if (!is_rate_of(*rate, 1e9, bytes, seconds))
      throw InvalidInput{"alg_bandwidth is not data_size / aveg_time"};
    const bool failed = cells.size() > 3 && cells[3] == "failed";
    take_collective(collector_, *run_,
                    {line, operation_, *dtype, bytes, seconds_within(seconds),
                     failed ? "the check of the results failed" : ""});
  }

  const ImportOptions& options_;
  Collector collector_;
  std::string operation_, dtype_;
  std::optional<Launch> launch_;
  std::optional<CollectiveRun> run_;
  bool below_head_ = false;  // rows may come, also after a pause
  bool in_table_ = false;    // and a line that looks like one is one
};

bool recognises(const std::string& text) { return any_line(text, is_head); }

}  // namespace

Format hccl_test_format() {
  return {"hccl-test", "tables of hccl_test (Ascend)", recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
