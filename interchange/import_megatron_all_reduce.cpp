// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "core/collective.hpp"
#include "interchange/collective_facts.hpp"
#include "interchange/collective_table.hpp"
#include "interchange/formats.hpp"
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

bool is_row(const std::string& line) {
  return words_of(line).size() > 1 && is_row_of_numbers(line);
}

class Importer final : public CollectiveTables {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : CollectiveTables{file,
                         options,
                         {"megatron-allreduce", "torch-nccl", "nccl", "all_reduce", is_head, is_row,
                          looks_like_row}} {}

 private:
  /// "torchrun --nproc_per_node 8 megatron-allreduce.py": on each of --nnodes.
  void take_context(const std::string& line) override {
    const auto processes = option_value(line, R"(--nproc[_-]per[_-]node[= ](\d{1,5}))");
    if (!processes) return;
    const int nodes = std::max(1, option_value(line, R"(--nnodes[= ](\d{1,4}))").value_or(1));
    auto launch = launch_of(std::int64_t{*processes} * nodes, "the launch command");
    launch.ranks.nodes = nodes;
    launch.nodes_known = true;
    begin_run_of(std::move(launch));
  }

  void note_run() override {
    collector().note("the type is not said: bf16 is assumed, sizes are in bytes");
  }

  void take_row(const TextLine& line) override {
    const auto words = words_of_row(line.text);
    const auto size = number(words, "size(MB)"), time = number(words, "tavg(usec)"),
               rate = number(words, "avgbw(GB/sec)");
    const auto bytes = static_cast<std::int64_t>(std::llround(size.value * 1e6));
    const auto seconds = time_of(time, 1e-6);
    const double factor = bus_factor(operation(), std::max(2, run().launch.ranks.group));
    if (!is_rate_of(rate, 1e9 / factor, bytes, seconds))
      throw InvalidInput{"avgbw is not " + std::to_string(factor) +
                         " size / tavg: are the ranks right?"};
    take_collective(collector(), run(),
                    {line.number, operation(), "bf16", bytes, seconds_within(seconds)});
  }

  /// @throws InvalidInput if it is not above 0.
  [[nodiscard]] PrintedNumber number(const std::vector<std::string>& words,
                                     const std::string& column) const {
    const auto word = field(words, column);
    const auto value = printed_number(word);
    if (!value || !(value->value > 0) || value->value > 1e12)
      throw InvalidInput{"column " + column + " is '" + word + "', no number above 0"};
    return *value;
  }
};

bool recognises(const std::string& text) { return any_line(text, is_head); }

}  // namespace

Format megatron_all_reduce_format() {
  return {"megatron", "tables of megatron-allreduce.py", recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
