// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "core/collective.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/formats.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

/// Markdown tables of all_reduce's bus bandwidth by number of GPUs, as it is and with in-switch
/// reduction (NVLS) switched off; the paragraph above gives node and payload:
///   Measured on an 8x H200 node at an 8GiB payload with `nccl-tests`, ...
///   | GPUs | algo NCCL picks | busbw | busbw, NVLS off | gain from SHARP |
namespace moecal::interchange {
namespace {

using Cells = std::vector<std::string_view>;

constexpr std::string_view kOff = "busbw, NVLS off";
constexpr std::size_t kColumns = 5;
constexpr int kDevices = 8;

bool is_head(const Cells& cells) {
  return cells.size() == kColumns && cells[0] == "GPUs" && cells[2] == "busbw" && cells[3] == kOff;
}

/// The number right before the unit: "at an 8GiB payload" -> 8.
std::optional<PrintedNumber> number_before(std::string_view text, std::string_view unit) {
  const auto at = text.find(unit);
  if (at == text.npos) return std::nullopt;
  const auto start = text.find_last_not_of("0123456789.", at == 0 ? 0 : at - 1);
  return printed_number(text.substr(start + 1, at - start - 1));
}

PrintedNumber rate_in(std::string_view cell) {
  const auto rate = take_number(cell);
  if (!rate || cell != "GBps") throw InvalidInput{"a busbw is no figure in GBps"};
  return *rate;
}

/// @throws InvalidInput if the gain is not the quotient of the two rates.
void require_gain(const Cells& cells, const PrintedNumber& on, const PrintedNumber& off) {
  auto cell = cells[4];
  const auto gain = take_number(cell);
  if (!gain || cell != "x") throw InvalidInput{"the gain is not like 1.25x"};
  if (!(gain->lo() <= on.hi() / off.lo() && on.lo() / off.hi() <= gain->hi()))
    throw InvalidInput{"the gain is not busbw over busbw with NVLS off: the row is damaged"};
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "nccl-tests"} {}

  Imported import() {
    for (const auto line : lines_of(collector_.file().text)) {
      ++line_;
      const auto cells = markdown_cells(line);
      if (ends_table(line)) {
        in_table_ = false;
        if (!trimmed(line).empty()) paragraph_ = line;
      } else if (!cells && in_table_ && looks_like_markdown_row(line)) {
        collector_.refuse_damaged(line_);
      } else if (!cells) {
        if (!in_table_) paragraph_ = line;
      } else if (is_head(*cells)) {
        in_table_ = true;
      } else if (in_table_ && !is_markdown_rule(*cells)) {
        const auto device = between(paragraph_, "8x ", " ");
        const auto card = collector_.card_of(device ? std::string{*device} : "", line_);
        collector_.row(line_, [&] { take(*cells, card); });
      }
    }
    return collector_.finish();
  }

 private:
  [[nodiscard]] std::int64_t payload() const {
    const auto gibibytes = number_before(paragraph_, "GiB");
    if (!gibibytes || !gibibytes->integer || !(gibibytes->value >= 1 && gibibytes->value < 1e4))
      throw InvalidInput{"the paragraph above the table names no payload in GiB"};
    return static_cast<std::int64_t>(gibibytes->value) << 30;
  }

  void take(const Cells& cells, const Card& card) {
    if (cells.size() != kColumns) throw InvalidInput{"the row lacks cells"};
    const auto ranks = count_of(cells[0], "GPUs");
    if (ranks > kDevices) throw InvalidInput{"more GPUs than the node's 8"};
    const auto on = rate_in(cells[2]), off = rate_in(cells[3]);
    require_gain(cells, on, off);
    const auto version = between(paragraph_, "nccl=", "`");
    const std::string algorithm{cells[1]}, release{version.value_or("unknown")};
    CollectiveRun run{.card = card,
                      .device_name = "",
                      .launch = launch_of(ranks, "the table"),
                      .implementation = "nccl",
                      .backend = "nccl",
                      .library = {"nccl", release, algorithm, 0}};
    run.launch.devices_per_node = kDevices;
    complete(run.launch, card, collector_.options());
    collector_.note(
        "all_reduce on one node of 8, elements f32: nccl-tests' default, the text does "
        "not say");
    take_rate(run, on);
    run.implementation = "nccl_nvls_off";
    run.library.algorithm = "Ring";
    take_rate(run, off);
  }

  void take_rate(const CollectiveRun& run, const PrintedNumber& rate) {
    const auto bytes = payload();
    const double carried =
        static_cast<double>(bytes) * bus_factor("all_reduce", run.launch.ranks.group);
    take_collective(collector_, run,
                    {.line = line_,
                     .operation = "all_reduce",
                     .dtype = "f32",
                     .bytes = bytes,
                     .seconds = seconds_within(time_of_rate(rate, 1e9, carried))});
  }

  Collector collector_;
  std::string_view paragraph_;
  bool in_table_ = false;
  int line_ = 0;
};

bool recognises(const std::string& text) { return any_markdown_row(text, is_head); }

}  // namespace

Format nvls_table_format() {
  return {"nvls-table", "all_reduce by number of GPUs, with and without NVLS (Markdown)",
          recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
