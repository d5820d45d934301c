// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/import_megatron_all_reduce.hpp"

#include <algorithm>
#include <cmath>

#include "core/collective.hpp"
#include "interchange/collective_facts.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// Tables of megatron-allreduce.py: sizes in 10^6 bytes, bus rates in 10^9 bytes a second:
///   size(MB)   tavg(usec)    tmin(usec)    tmax(usec)  avgbw(GB/sec)  maxbw(GB/sec)  minbw(GB/sec)
///   1.00      125.0          120.0          150.0         14.00          14.58          11.67
namespace moecal::interchange {
namespace {

bool is_head(const std::string& line) {
  return line.find("size(MB)") != std::string::npos && line.find("tavg(usec)") != std::string::npos;
}

/// A number at its start alone does not make a row: "8 ranks are waiting".
bool is_row(const std::string& line) {
  auto rest = trimmed(line);
  rest = rest.substr(0, rest.find_first_of(" \t"));
  return printed_number(rest).has_value() && looks_like_row(line);
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : options_{options}, collector_{file, options, "megatron-allreduce"} {}

  Imported import() {
    for (const auto& line : numbered_lines(collector_.file().text)) {
      const auto words = words_of(line.text);
      if (is_head(line.text))
        take_head(words);
      else if (!heads_.empty() && words.size() > 1 && is_row(line.text))
        take_row(words, line.number);
      else if (in_table_ && looks_like_row(line.text))
        collector_.refuse_damaged(line.number);
      else
        take_context(line.text);
    }
    return collector_.finish();
  }

 private:
  void take_head(const std::vector<std::string>& words) {
    heads_ = words;
    in_table_ = true;
  }

  /// "torchrun --nproc_per_node 8 megatron-allreduce.py": on each of --nnodes.
  void take_context(const std::string& line) {
    if (ends_table(line)) in_table_ = false;
    const auto processes = option_value(line, R"(--nproc[_-]per[_-]node[= ](\d{1,5}))");
    if (!processes) return;
    const int nodes = std::max(1, option_value(line, R"(--nnodes[= ](\d{1,4}))").value_or(1));
    launch_ = launch_of(std::int64_t{*processes} * nodes, "the launch command");
    launch_->ranks.nodes = nodes;
    launch_->nodes_known = true;
    run_.reset();
  }

  void begin(int line) {
    CollectiveRun run;
    run.launch = require_launch(options_, launch_, {collector_.file().path, line});
    run.card = collector_.card_of("", line);
    run.implementation = "torch-nccl";
    run.backend = "nccl";
    run.library = {"nccl", "unknown", "unknown", 0};
    begin_run(collector_, run, "all_reduce");
    collector_.note("the type is not said: bf16 is assumed, sizes are in bytes");
    run_ = std::move(run);
  }

  void take_row(const std::vector<std::string>& words, int line) {
    in_table_ = true;
    if (!run_) begin(line);
    collector_.row(line, [&] { take_words(words, line); });
  }

  void take_words(const std::vector<std::string>& words, int line) {
    if (words.size() != heads_.size())
      throw InvalidInput{"has " + std::to_string(words.size()) + " fields where the head has " +
                         std::to_string(heads_.size())};
    const auto size = number(words, "size(MB)"), time = number(words, "tavg(usec)"),
               rate = number(words, "avgbw(GB/sec)");
    const auto bytes = static_cast<std::int64_t>(std::llround(size.value * 1e6));
    const auto seconds = time_of(time, 1e-6);
    const double factor = bus_factor("all_reduce", std::max(2, run_->launch.ranks.group));
    if (!is_rate_of(rate, 1e9 / factor, bytes, seconds))
      throw InvalidInput{"avgbw is not " + std::to_string(factor) +
                         " size / tavg: are the ranks right?"};
    take_collective(collector_, *run_,
                    {line, "all_reduce", "bf16", bytes, seconds_within(seconds)});
  }

  /// @throws InvalidInput if it is not above 0.
  [[nodiscard]] PrintedNumber number(const std::vector<std::string>& words,
                                     const std::string& column) const {
    const auto at = std::find(heads_.begin(), heads_.end(), column) - heads_.begin();
    if (at == static_cast<std::ptrdiff_t>(heads_.size()))
      throw InvalidInput{"there is no column " + column};
    const auto value = printed_number(words[static_cast<std::size_t>(at)]);
    if (!value || !(value->value > 0) || value->value > 1e12)
      throw InvalidInput{"column " + column + " is '" + words[static_cast<std::size_t>(at)] +
                         "', no number above 0"};
    return *value;
  }

  const ImportOptions& options_;
  Collector collector_;
  std::vector<std::string> heads_;
  bool in_table_ = false;
  std::optional<Launch> launch_;
  std::optional<CollectiveRun> run_;
};

bool recognises(const std::string& text) { return any_line(text, is_head); }

}  // namespace

Format megatron_all_reduce_format() {
  return {"megatron", "tables of megatron-allreduce.py", recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
