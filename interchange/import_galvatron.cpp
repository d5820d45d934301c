// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <regex>

#include "interchange/collective_run.hpp"
#include "interchange/formats.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// Hardware profiles of Galvatron. sp_time_1nodes_8gpus_per_node.json holds milliseconds for a bf16
/// buffer of so many MiB a rank (it says MB):
///   "allreduce_size_8_16MB_time": 0.25,
/// The bandwidth files hold a rate in MiB/ms without the size of the message: no time follows.
namespace moecal::interchange {
namespace {

const char kEntry[] =
    R"re("((?:allreduce|all2all|pp)_size_\d{1,5}\w{0,40}|overlap_coe)"\s*:\s*([^,}\s]{1,40}))re";

struct Shape {
  std::string operation;
  int ranks = 0;
  std::int64_t mebibytes = 0;
};

/// Nothing if the key is not that of a time.
std::optional<Shape> read_key(const std::string& key) {
  static const std::regex kTime{R"((allreduce|all2all)_size_(\d{1,5})_(\d{1,7})MB_time)"};
  std::smatch match;
  if (!std::regex_match(key, match, kTime)) return std::nullopt;
  return Shape{match[1] == "allreduce" ? "all_reduce" : "all_to_all", std::stoi(match[2]),
               std::stoll(match[3])};
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "galvatron"},
        per_node_{option_value(file.name, R"((\d{1,5})gpus_per_node)")},
        nodes_{option_value(file.name, R"((\d{1,5})nodes)")} {}

  Imported import() {
    for (const auto& line : numbered_lines(collector_.file().text)) take_line(line);
    return collector_.finish();
  }

 private:
  /// A line that starts with a key and gives no entry was damaged.
  void take_line(const TextLine& line) {
    static const std::regex kPattern{kEntry};
    std::sregex_iterator at{line.text.begin(), line.text.end(), kPattern};
    const std::sregex_iterator end;
    if (at == end && trimmed(line.text).starts_with('"')) collector_.refuse_damaged(line.number);
    for (; at != end; ++at) take_entry((*at)[1], (*at)[2], line.number);
  }

  void take_entry(const std::string& key, const std::string& value, int line) {
    const auto shape = read_key(key);
    if (!shape) {
      collector_.row(line, [&] {
        if (key == "overlap_coe") return collector_.leave_out("overlap coefficient");
        throw InvalidInput{"'" + key + "' is a rate without the size of its message"};
      });
      return;
    }
    const auto& card = collector_.card_of("", line);
    collector_.row(line, [&] { take_time(*shape, value, card, line); });
  }

  void take_time(const Shape& shape, const std::string& value, const Card& card, int line) {
    const auto milliseconds = printed_number(value);
    if (!milliseconds || !(milliseconds->value > 0))
      throw InvalidInput{"the time is '" + value + "', no number above 0"};
    if (shape.ranks < 2) throw InvalidInput{"one rank: nothing crosses a link"};
    CollectiveRun run;
    run.card = card;
    run.launch = launch_of(shape.ranks, "the keys");
    run.launch.devices_per_node = per_node_.value_or(0);
    place(run.launch);
    run.implementation = "torch-nccl";
    run.backend = "nccl";
    run.library = {"nccl", "unknown", "unknown", 0};
    begin_run(collector_, run, shape.operation);
    take_collective(
        collector_, run,
        {line, shape.operation, "bf16", shape.mebibytes << 20, milliseconds->value / 1e3});
  }

  /// The file's name says how many nodes the profile is of; a group that fits on one is on one.
  void place(Launch& launch) const {
    if (!nodes_ || !per_node_ || *per_node_ < 1) return;
    launch.ranks.nodes = std::min(*nodes_, (launch.ranks.group + *per_node_ - 1) / *per_node_);
    launch.nodes_known = launch.ranks.group <= std::int64_t{*nodes_} * *per_node_;
  }

  Collector collector_;
  std::optional<int> per_node_, nodes_;
};

bool recognises(const std::string& text) {
  static const std::regex kPattern{kEntry};
  for (const auto& line : numbered_lines(text))
    if (line.text.find("_size_") != std::string::npos ||
        line.text.find("overlap_coe") != std::string::npos)
      if (std::regex_search(line.text, kPattern)) return true;
  return false;
}

}  // namespace

Format galvatron_format() {
  return {"galvatron", "hardware profiles of Galvatron (sp_time_*.json)", recognises,
          read_with<Importer>, true};
}

}  // namespace moecal::interchange
