// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <regex>

#include "interchange/collective_facts.hpp"
#include "interchange/collective_table.hpp"
#include "interchange/formats.hpp"
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

class Importer final : public CollectiveTables {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : CollectiveTables{
            file, options, {"hccl_test", "hccl", "hccl", "", is_head, is_row, is_damaged_row}} {}

 private:
  /// "mpirun -n 8 ./bin/all_reduce_test -b 8K -e 64M -d fp32 -p 8"
  void take_context(const std::string& line) override {
    static const std::regex kProgram{R"(\b([a-z_]+)_test\b.* -)"};
    static const std::regex kType{R"( -d (\w+))"};
    std::smatch match;
    if (line.find("_test") == std::string::npos || !std::regex_search(line, match, kProgram))
      return;
    name_operation(collective_word(match[1].str()));
    if (std::regex_search(line, match, kType)) dtype_ = match[1];
    const auto processes = read_launch_line(line).processes;
    begin_run_of(processes ? launch_of(*processes, "the launch command") : launch());
  }

  void note_run() override {
    if (!dtype_.empty()) return;
    dtype_ = "fp32";
    collector().note("no command line says the type: f32, hccl_test's default, is assumed");
  }

  void take_row(const TextLine& line) override {
    if (operation() == "all_gather" || operation() == "reduce_scatter")
      return collector().leave_out("operation " + operation() +
                                   ": hccl_test does not say of which buffer its size is");
    const auto dtype = short_dtype_word(dtype_);
    if (!dtype) return collector().leave_out("dtype " + dtype_);
    const auto cells = cells_of(line.text);
    const auto time = printed_number(cells[1]), rate = printed_number(cells[2]);
    if (!time || !(time->value > 0)) throw InvalidInput{"aveg_time is '" + cells[1] + "'"};
    if (!rate) throw InvalidInput{"alg_bandwidth is '" + cells[2] + "'"};
    const auto bytes = bytes_of(cells[0], "data_size");
    const auto seconds = time_of(*time, 1e-6);
    if (!is_rate_of(*rate, 1e9, bytes, seconds))
      throw InvalidInput{"alg_bandwidth is not data_size / aveg_time"};
    const bool failed = cells.size() > 3 && cells[3] == "failed";
    take_collective(collector(), run(),
                    {line.number, operation(), *dtype, bytes, seconds_within(seconds),
                     failed ? "the check of the results failed" : ""});
  }

  std::string dtype_;  // the tool's word
};

bool recognises(const std::string& text) { return any_line(text, is_head); }

}  // namespace

Format hccl_test_format() {
  return {"hccl-test", "tables of hccl_test (Ascend)", recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
