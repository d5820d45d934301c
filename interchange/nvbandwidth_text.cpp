// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/nvbandwidth_tests.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

/// Words between runs of blanks.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (const auto word : split_at(line, ' '))
    if (!word.empty()) words.push_back(word);
  return words;
}

/// "0 1 2": the numbers of a matrix's columns.
bool is_column_head(const std::vector<std::string_view>& words) {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] != std::to_string(i)) return false;
  return true;
}

/// Reads the report line by line: "Running NAME.", a description, the columns' numbers, rows.
class Reader {
 public:
  NvbandwidthRun read(std::string_view text) {
    for (const auto whole : lines_of(text)) {
      ++line_;
      take(trimmed(whole));
    }
    return std::move(run_);
  }

 private:
  void take(std::string_view line) {
    if (line.empty()) return end_matrix();
    if (take_head(line)) return;
    if (line.starts_with("Running ") && line.ends_with('.')) return begin(line);
    if (line.starts_with("Waived:")) return without_result("Waived");
    if (line.starts_with("ERROR:") || line.starts_with("Error:")) return without_result("Error");
    if (line.starts_with("SUM ")) return take_sum(line);
    if (line.ends_with("(GB/s)") || line.ends_with("(ns)")) return begin_matrix(line);
    if (in_matrix_ && looks_like_row(line)) take_row(words_of(line));
  }

  bool take_head(std::string_view line) {
    const auto value = [&line](std::string_view key) -> std::optional<std::string> {
      if (!line.starts_with(key)) return std::nullopt;
      return std::string{trimmed(line.substr(key.size()))};
    };
    if (const auto version = value("nvbandwidth Version:"))
      run_.version = *version;
    else if (const auto driver = value("Driver Version:"))
      run_.driver = *driver;
    else if (line.starts_with("Device ") && line.find(": ") != line.npos)
      run_.devices.emplace_back(
          trimmed(line.substr(line.find(": ") + 2, line.rfind(" (") - line.find(": ") - 2)));
    else
      return false;
    return true;
  }

  void begin(std::string_view line) {
    name_ = line.substr(8, line.size() - 9);
    in_matrix_ = false;
    announced_ = line_;
  }

  /// A test that was not run names itself only in later releases.
  void without_result(const std::string& status) {
    run_.tests.push_back({line_, announced_ > 0 ? name_ : "without name", status, "", {}, {}});
    announced_ = 0;
  }

  void begin_matrix(std::string_view description) {
    run_.tests.push_back({line_, name_, "Passed", std::string{description}, {}, {}});
    in_matrix_ = true;
    columns_ = 0;
    announced_ = 0;
  }

  /// Lines of other programs are passed over: only a blank line ends a matrix.
  void take_row(const std::vector<std::string_view>& words) {
    auto& test = run_.tests.back();
    if (columns_ == 0 && test.damage.empty() && is_column_head(words)) {
      columns_ = words.size();
    } else if (columns_ == 0) {
      test.damage.push_back({line_, "the numbers of the matrix's columns are not understood"});
    } else if (words.size() != columns_ + 1) {
      test.damage.push_back({line_, "has " + std::to_string(words.size() - 1) +
                                        " cells where the matrix has " + std::to_string(columns_) +
                                        " columns"});
    } else {
      for (std::size_t i = 1; i < words.size(); ++i)
        test.cells.push_back({line_, std::string{words[i]}, printed_number(words[i])});
    }
  }

  void end_matrix() {
    if (columns_ > 0 || (in_matrix_ && !run_.tests.back().damage.empty())) in_matrix_ = false;
  }

  void take_sum(std::string_view line) {
    const auto words = words_of(line);
    if (words.size() != 3 || run_.tests.empty() || run_.tests.back().name != words[1]) return;
    run_.tests.back().sum = printed_number(words[2]);
  }

  NvbandwidthRun run_;
  std::string name_ = "without name";
  int line_ = 0;
  int announced_ = 0;  // the line of a "Running" whose result is still to come
  bool in_matrix_ = false;
  std::size_t columns_ = 0;
};

}  // namespace

NvbandwidthRun read_nvbandwidth_text(std::string_view text) { return Reader{}.read(text); }

}  // namespace moecal::interchange
