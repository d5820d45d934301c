// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/nccl_tests_text.hpp"

#include <algorithm>
#include <cctype>
#include <regex>
#include <utility>

#include "interchange/collective_facts.hpp"
#include "interchange/launch.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

namespace moecal::interchange {
namespace {

constexpr std::size_t kMostFields = 17;  // after the type, with -I

/// As wide as what is printed for an out-of-place half that was not measured. A redop and a root
/// that are left out leave less.
constexpr std::size_t kBlankHalf = 32;

/// Behind a number: it is the first of a date or a time of day.
bool is_stamp(std::string_view rest) {
  return !rest.empty() && std::string_view{"-:/"}.find(rest[0]) != std::string_view::npos;
}

/// The fields a piece of a row starts with: numbers and their stand-ins, up to the first other
/// word, which may be glued to the last of them ("0node7:12:34 [0] NCCL INFO").
std::vector<std::string> leading_fields(const std::vector<std::string>& words, std::size_t from) {
  std::vector<std::string> fields;
  for (std::size_t i = from; i < words.size(); ++i) {
    std::string_view rest = words[i];
    if (rest == "N/A" || rest == "nan" || rest == "-nan" || rest == "inf") {
      fields.emplace_back(rest);
      continue;
    }
    if (!take_number(rest) || is_stamp(rest)) break;
    fields.push_back(words[i].substr(0, words[i].size() - rest.size()));
    if (!rest.empty()) break;
  }
  return fields;
}

/// The digits a word ends with: "12", and of "<span>12" too.
std::optional<std::int64_t> trailing_integer(const std::string& word) {
  std::size_t from = word.size();
  while (from > 0 && is_digit(word[from - 1])) --from;
  if (from == word.size() || word.size() - from > 18) return std::nullopt;
  if (from > 0 && (word[from - 1] == '.' || word[from - 1] == '-')) return std::nullopt;
  return std::stoll(word.substr(from));
}

/// A row as far as one line holds it.
struct RowStart {
  NcclRow row;
  std::vector<std::string> fields;
  std::pair<std::size_t, std::size_t> before_times;  // words of the line, without and with a root
  bool blank_half = false;  // before the times, where those out of place stand
};

/// Words before the blanks that stand for a half; 0 where there are none.
std::size_t words_before_blank_half(const std::string& line) {
  const auto first = line.find_first_not_of(' ');
  const auto gap = line.find(std::string(kBlankHalf, ' '), first);
  return first == std::string::npos || gap == std::string::npos
             ? 0
             : words_of(line.substr(0, gap)).size();
}

/// Size, count and type, wherever in the line they stand.
std::optional<RowStart> row_start(const std::vector<std::string>& words, int line) {
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (!is_nccl_type(words[i])) continue;
    const auto bytes = trailing_integer(words[i - 2]);
    const auto count = printed_number(words[i - 1]);
    if (!bytes || !count || !count->integer) continue;
    RowStart start;
    start.row.line = line;
    start.row.bytes = *bytes;
    start.row.count = count->value;
    start.row.type = words[i];
    std::size_t next = i + 1;
    if (next < words.size() && leading_fields(words, next).empty() &&
        std::isalpha(static_cast<unsigned char>(words[next][0])) != 0)
      start.row.redop = words[next++];
    start.fields = leading_fields(words, next);
    start.before_times = {next, next + 1};
    return start;
  }
  return std::nullopt;
}

/// A size and a count are whole. Of a row's other neighbours only a root, or #wrong, and a long
/// time are: adds_measurement() tells those.
bool starts_with_size(const std::vector<std::string>& fields) {
  const auto whole = [&fields](std::size_t i) {
    const auto number = i < fields.size() ? printed_number(fields[i]) : std::nullopt;
    return number && number->integer ? number->value : 0.0;
  };
  return whole(0) > 0 && whole(1) > 0;
}

/// The measurements of a row with these fields; none if any of them contradicts itself.
std::size_t sound_measurements(NcclRow row, const std::vector<std::string>& fields) {
  interpret_nccl_fields(fields, row);
  const bool sound =
      row.problem.empty() && std::all_of(row.timings.begin(), row.timings.end(),
                                         [](const auto& timing) { return timing.problem.empty(); });
  return sound ? row.timings.size() : 0;
}

/// Whether the fields, behind those the row has, are figures of its own: their rates agree with its
/// size.
bool adds_measurement(const RowStart& start, const std::vector<std::string>& fields) {
  auto all = start.fields;
  all.insert(all.end(), fields.begin(), fields.end());
  return sound_measurements(start.row, all) > sound_measurements(start.row, start.fields);
}

/// "#       size         count      type   redop    root     time   algbw   busbw #wrong ..."
bool is_column_head(const std::vector<std::string>& words) {
  const auto has = [&words](const char* word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  return has("size") && has("count") && has("type") && has("algbw");
}

/// Reads the text line by line; holds the run being read and the row not yet complete.
class TextReader {
 public:
  void take_line(const std::string& raw, int number) {
    const auto line = without_prefixes(raw);
    const auto words = words_of(line);
    if (auto start = row_start(words, number)) {
      finish_row();
      const auto gap = words_before_blank_half(line);
      start->blank_half = gap == start->before_times.first || gap == start->before_times.second;
      row_ = std::move(start);
      in_rows_ = true;
    } else if (continue_row(words)) {
      return;
    } else if (in_rows_ && looks_like_row(line)) {
      take_damaged(number);
    } else {
      const bool is_head = is_column_head(words);
      in_rows_ = is_head || (in_rows_ && !ends_rows(line));
      take_context(line);
      if (is_head) spoken_of().both_halves = std::ranges::count(words, "algbw") == 2;
    }
  }

  std::vector<NcclTable> finish() {
    finish_row();
    finish_table();
    return std::move(tables_);
  }

 private:
  void finish_row() {
    if (!row_) return;
    auto& timings = row_->row.timings;
    interpret_nccl_fields(row_->fields, row_->row);
    if (row_->blank_half && timings.size() == 1) timings.insert(timings.begin(), absent_timing());
    table_.rows.push_back(std::move(row_->row));
    row_.reset();
  }

  void finish_table() {
    if (!table_.rows.empty()) tables_.push_back(std::move(table_));
    table_ = std::move(next_);
    next_ = {};
  }

  /// What a line between rows says is about the rows that follow it, once the run's own have begun.
  NcclTable& spoken_of() { return row_ || !table_.rows.empty() ? next_ : table_; }

  /// A line that holds nothing but the next numbers of the row begun above.
  bool continue_row(const std::vector<std::string>& words) {
    const auto fields = leading_fields(words, 0);
    if (!row_ || fields.size() < 3 || row_->fields.size() + fields.size() > kMostFields ||
        (starts_with_size(fields) && !adds_measurement(*row_, fields)))
      return false;
    row_->fields.insert(row_->fields.end(), fields.begin(), fields.end());
    return true;
  }

  /// The units stand in a second line below the columns' names.
  static bool ends_rows(const std::string& line) {
    return ends_table(line) && !contains(line, "(us)");
  }

  /// A line among rows that starts like one and is none. It ends the row before, unless that one
  /// still waits for its numbers.
  void take_damaged(int number) {
    if (row_ && row_->fields.size() >= 3) finish_row();
    NcclRow row;
    row.line = number;
    row.problem = "the line is among rows and not understood as one";
    table_.rows.push_back(std::move(row));
  }

  /// A line that is no row: it may say what the rows that follow are.
  void take_context(const std::string& line) {
    if (take_end(line)) return;
    const auto heading = section_heading(line);
    const bool starts_run = contains(line, "nThread ") ||
                            contains(line, "Collective test starting") || !heading.empty();
    if (starts_run && &spoken_of() == &next_) {
      finish_row();
      finish_table();
    }
    if (!heading.empty()) table_.header_operation = heading;
    auto& table = spoken_of();
    if (starts_run) table.devices.clear();  // of a run that ended before its first row
    take_operation(line, table);
    take_device(line, table);
    take_library(line, table);
    take_settings(line, table);
    take_launcher(line, table);
  }

  /// "# Collective test concluded: all_reduce_perf": what follows is of another run.
  bool take_end(const std::string& line) {
    static const std::regex kEnd{R"(Collective test concluded:\s*(\w+?)(_perf)?\s*$)"};
    std::smatch match;
    if (!contains(line, "Collective test concluded") || !std::regex_search(line, match, kEnd))
      return false;
    finish_row();
    if (table_.header_operation.empty()) table_.header_operation = match[1];
    finish_table();
    return true;
  }

  /// The program a line names that holds nothing else, as scripts print between runs:
  /// "===== broadcast_perf =====".
  static std::string section_heading(const std::string& line) {
    static const std::regex kHeading{R"(^[\s#=*:-]*([A-Za-z_]+)_perf[\s#=*:-]*$)"};
    std::smatch match;
    if (!contains(line, "_perf") || !std::regex_match(line, match, kHeading)) return "";
    return match[1];
  }

  static bool contains(const std::string& line, const char* word) {
    return line.find(word) != std::string::npos;
  }

  static void take_operation(const std::string& line, NcclTable& table) {
    static const std::regex kHeader{R"(Collective test starting:\s*(\w+?)(_perf)?\s*$)"};
    static const std::regex kProgram{R"(\b([A-Za-z_]+)_perf\b)"};
    static const std::regex kOption{R"(\s-t\s+([A-Za-z_]+))"};
    std::smatch match;
    if (contains(line, "Collective test starting") && std::regex_search(line, match, kHeader)) {
      table.header_operation = match[1];
      return;
    }
    const bool program = contains(line, "_perf") && std::regex_search(line, match, kProgram);
    const bool option = !program && contains(line, " -t ") &&
                        std::regex_search(line, match, kOption) &&
                        !collective_word(match[1].str()).empty();
    if (!program && !option) return;
    table.named.insert(match[1]);
    if (contains(line, " -b") || contains(line, " -e ") || contains(line, " -g"))
      table.command_operation = match[1];
  }

  static void take_device(const std::string& line, NcclTable& table) {
    static const std::regex kDevice{
        R"(#?\s*Rank\s+(\d{1,8})\s+(?:Group\s+(\d{1,8})\s+)?Pid\s+(\d{1,8})\s+(?:on\s+(\S+)\s+)?device\s+(\d{1,8})\s+\[[^\]]*\]\s*(.*?)\s*$)"};
    static const std::regex kBareDevice{
        R"(#?\s*Rank\s+(\d{1,8})\s+(?:Group\s+(\d{1,8})\s+)?Pid\s+(\d{1,8})\s+(?:on\s+(\S+)\s+)?device\s+(\d{1,8})\s+(.*?)\s*$)"};
    if (!contains(line, "Rank") || !contains(line, "device")) return;
    std::smatch m;
    if (!std::regex_search(line, m, kDevice) && !std::regex_search(line, m, kBareDevice)) return;
    table.devices.push_back({std::stoi(m[1]), m[2].matched ? std::stoi(m[2]) : 0, std::stoi(m[3]),
                             m[4], std::stoi(m[5]), m[6]});
  }

  static void take_library(const std::string& line, NcclTable& table) {
    static const std::regex kVersion{R"(\b([NR]CCL)(?: version)?[ :=]+v?(\d+\.\d+(?:\.\d+)?))"};
    static const std::regex kCode{R"(nccl-library=(\d{1,4})(\d\d)(\d\d)\b)"};
    std::smatch match;
    if (contains(line, "rccl-tests")) table.library_name = "rccl";
    if (contains(line, "CCL") && std::regex_search(line, match, kVersion)) {
      table.library_name = match[1] == "RCCL" ? "rccl" : table.library_name;
      table.library_version = match[2];
    } else if (contains(line, "nccl-library=") && std::regex_search(line, match, kCode)) {
      table.library_version = std::to_string(std::stoi(match[1])) + "." +
                              std::to_string(std::stoi(match[2])) + "." +
                              std::to_string(std::stoi(match[3]));
    }
  }

  static void take_settings(const std::string& line, NcclTable& table) {
    if (contains(line, "cputime")) table.cpu_time = true;
    if (!contains(line, "nThread ")) return;
    table.threads = option_value(line, R"(nThread (\d+))");
    table.gpus_per_thread = option_value(line, R"(nGpus (\d+))");
    table.warmup = option_value(line, R"(warmup iters: (\d+))");
    table.iterations = option_value(line, R"((?:^|[^p]) iters: (\d+))");
    table.graph_launches = option_value(line, R"(graph: (\d+))");
  }

  static void take_launcher(const std::string& line, NcclTable& table) {
    const auto launch = read_launch_line(line);
    if (launch.processes) table.launched_processes = launch.processes;
    if (launch.nodes) table.launched_nodes = launch.nodes;
  }

  std::vector<NcclTable> tables_;
  NcclTable table_;  // the run being read
  NcclTable next_;   // what was said since its rows began
  std::optional<RowStart> row_;
  bool in_rows_ = false;  // since the columns' names, or a row
};

}  // namespace

std::vector<NcclTable> read_nccl_tests_text(const std::string& text) {
  TextReader reader;
  for (const auto& line : numbered_lines(text)) reader.take_line(line.text, line.number);
  return reader.finish();
}

}  // namespace moecal::interchange
