// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <regex>

#include "core/collective.hpp"
#include "interchange/collective_facts.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/formats.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// Tables of ml-engineering's all_reduce_bench.py (payloads in KiB, rates in 10^9 bytes a second):
///   The average bandwidth of all_reduce over 8 ranks (5 warmups / 20 trials):
///   | payload |    busbw   |    algbw   |
///   |   64KiB |   2.80GBps |   1.60GBps |
/// and its author's summaries, of bus rates, with a column for each number of nodes:
///   | payload | 1 node     | 4 nodes    | slowdown |
namespace moecal::interchange {
namespace {

using Cells = std::vector<std::string_view>;

struct Column {
  enum Kind { payload, busbw, algbw, other } kind = other;
  int nodes = 0;  // of a summary's columns
};

/// The head of a table, and what was said before it.
struct Table {
  std::vector<Column> columns;
  std::vector<std::string> names;
};

Column read_column(const std::string& name) {
  static const std::regex kNodes{R"(^(\d{1,6}) nodes?$)"};
  std::smatch match;
  if (name == "payload") return {Column::payload};
  if (name == "busbw") return {Column::busbw};
  if (name == "algbw") return {Column::algbw};
  if (std::regex_match(name, match, kNodes)) return {Column::busbw, std::stoi(match[1])};
  return {};
}

std::optional<Table> read_head(const Cells& cells) {
  if (cells.size() < 2 || cells[0] != "payload") return std::nullopt;
  Table table;
  for (const auto cell : cells) {
    table.names.emplace_back(cell);
    table.columns.push_back(read_column(table.names.back()));
  }
  return table;
}

/// "32KiB" -> 32768.
std::int64_t payload_of(std::string_view cell) {
  static constexpr std::string_view kUnits = "BKMGT";
  auto rest = cell;
  const auto number = take_number(rest);
  if (rest.ends_with("iB")) rest.remove_suffix(2);
  const auto unit = rest.empty() ? 0 : rest == "B" ? 0 : kUnits.find(rest);
  if (!number || !number->integer || rest.size() > 1 || unit == kUnits.npos || number->value < 1 ||
      number->value > 1e6)
    throw InvalidInput{"payload '" + std::string{cell} + "' is no size like 32KiB"};
  return static_cast<std::int64_t>(number->value) << (10 * unit);
}

PrintedNumber rate_of(std::string_view cell, const std::string& column) {
  auto rest = cell;
  const auto number = take_number(rest);
  if (!number || trimmed(rest) != "GBps")
    throw InvalidInput{"column '" + column + "' is '" + std::string{cell} + "', no rate in GBps"};
  return *number;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : options_{options}, collector_{file, options, "all_reduce_bench"} {
    take_environment(file.text);
  }

  Imported import() {
    for (const auto& line : numbered_lines(collector_.file().text)) {
      const auto cells = markdown_cells(line.text);
      if (!cells && is_in_table() && looks_like_markdown_row(line.text))
        collector_.refuse_damaged(line.number);
      else if (!cells)
        take_context(line.text);
      else if (auto head = read_head(*cells))
        table_ = std::move(*head);
      else if (!table_.columns.empty() && !is_markdown_rule(*cells))
        take_row(*cells, line.number);
      after_blank_ = trimmed(line.text).empty();
    }
    return collector_.finish();
  }

 private:
  /// The program prints what it ran on below its table.
  void take_environment(const std::string& text) {
    static const std::regex kName{R"(DeviceProperties\(name='([^']{1,100})')"};
    static const std::regex kNccl{R"(nccl=\(?(\d+)[,.] ?(\d+)[,.] ?(\d+))"};
    for (const auto& line : numbered_lines(text)) {
      std::smatch match;
      if (std::regex_search(line.text, match, kName)) device_ = match[1];
      if (std::regex_search(line.text, match, kNccl))
        nccl_ = match[1].str() + "." + match[2].str() + "." + match[3].str();
    }
  }

  [[nodiscard]] bool is_in_table() const { return !table_.columns.empty() && !after_blank_; }

  /// A heading or a new paragraph ends a table. A line of another program's output does not, nor
  /// does a blank line alone: the rows after it are still the table's.
  void take_context(const std::string& line) {
    if (trimmed(line).starts_with('#') || (after_blank_ && !trimmed(line).empty())) table_ = {};
    if (line.find("all_reduce over ") == std::string::npos) return;
    if (const auto ranks = option_value(line, R"(all_reduce over (\d+) ranks)"))
      launch_ = launch_of(*ranks, "the text");
    warmups_ = option_value(line, R"(\((\d+) warmups)").value_or(0);
    trials_ = option_value(line, R"(/ (\d+) trials)").value_or(1);
  }

  /// A summary's rows are as many measurements as it has columns of nodes.
  void take_row(const Cells& cells, int line) {
    if (cells.size() != table_.columns.size()) {
      collector_.row(line, [&] {
        throw InvalidInput{"has " + std::to_string(cells.size()) + " cells where the head has " +
                           std::to_string(table_.columns.size())};
      });
      return;
    }
    bool taken = false;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (table_.columns[i].kind != Column::busbw) continue;
      taken = true;
      const auto& run = run_of(table_.columns[i].nodes, line);
      collector_.row(line, [&] { take_cell(cells, i, run, line); });
    }
    if (!taken)
      collector_.row(line, [&] {
        collector_.leave_out("table without a column busbw or of nodes, but '" + table_.names[1] +
                             "'");
      });
  }

  void take_cell(const Cells& cells, std::size_t at, const CollectiveRun& run, int line) {
    const auto bytes = payload_of(cells[0]);
    const int ranks = run.launch.ranks.group;
    const auto busbw = rate_of(cells[at], table_.names[at]);
    auto time =
        time_of_rate(busbw, 1e9, static_cast<double>(bytes) * bus_factor("all_reduce", ranks));
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (table_.columns[i].kind != Column::algbw) continue;
      const auto algbw = rate_of(cells[i], table_.names[i]);
      require_bus_factor("all_reduce", ranks, algbw, busbw);
      time = both(time, time_of_rate(algbw, 1e9, static_cast<double>(bytes)));
    }
    take_collective(collector_, run, {line, "all_reduce", "f32", bytes, seconds_within(time)});
  }

  const CollectiveRun& run_of(int nodes, int line) {
    const auto key = std::pair{nodes, nodes == 0 && launch_ ? launch_->ranks.group : 0};
    const auto known = runs_.find(key);
    if (known != runs_.end()) return known->second;
    CollectiveRun run;
    run.card = collector_.card_of(device_, line);
    run.device_name = device_;
    run.launch = nodes > 0 ? launch_of_nodes(nodes, run.card, line)
                           : require_launch(options_, launch_, {collector_.file().path, line});
    run.implementation = "torch-nccl";
    run.backend = "nccl";
    run.library = {"nccl", nccl_, "unknown", 0};
    run.warmup = warmups_;
    run.iterations = std::max(1, trials_);
    begin_run(collector_, run, "all_reduce");
    return runs_.emplace(key, std::move(run)).first->second;
  }

  [[nodiscard]] Launch launch_of_nodes(int nodes, const Card& card, int line) const {
    if (!card.devices_per_node)
      throw InvalidInput{collector_.file().path + ":" + std::to_string(line) +
                         ": how many devices a node of " + card.id + " has is not known"};
    auto launch = launch_of(std::int64_t{nodes} * card.devices_per_node->value,
                            "the column's nodes, full of " + card.id);
    launch.ranks.nodes = nodes;
    launch.nodes_known = true;
    if (const auto problem = why_no_launch(launch, options_); !problem.empty())
      throw InvalidInput{FileLine{collector_.file().path, line}.str() + ": " + problem};
    return launch;
  }

  const ImportOptions& options_;
  Collector collector_;
  std::string device_, nccl_ = "unknown";
  int warmups_ = 0, trials_ = 1;
  std::optional<Launch> launch_;
  Table table_;
  bool after_blank_ = true;
  std::map<std::pair<int, int>, CollectiveRun> runs_;  // by nodes and ranks
};

bool recognises(const std::string& text) {
  const auto lines = numbered_lines(text);
  return std::any_of(lines.begin(), lines.end(), [](const TextLine& line) {
    const auto cells = markdown_cells(line.text);
    const auto head = cells ? read_head(*cells) : std::nullopt;
    return head && std::any_of(head->columns.begin(), head->columns.end(),
                               [](const Column& c) { return c.kind == Column::busbw; });
  });
}

}  // namespace

Format torch_all_reduce_format() {
  return {"torch-allreduce", "tables of ml-engineering's all_reduce_bench.py", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
