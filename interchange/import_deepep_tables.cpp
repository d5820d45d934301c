// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/line_format.hpp"
#include "interchange/moe_exchange.hpp"
#include "interchange/text_lines.hpp"

/// The tables of DeepEP's documentation (Markdown); the sentence above them gives card and shape:
///   ... on H800 with ... (128 tokens per batch, 7168 hidden, top-8 experts, FP8 dispatching and
///   BF16 combining).
///   | Dispatch #EP | Latency | RDMA bandwidth | Combine #EP | Latency | RDMA bandwidth |
namespace moecal::interchange {
namespace {

using Cells = std::vector<std::string_view>;

constexpr std::size_t kColumns = 6;
constexpr int kDevicesPerNode = 8;                // DeepEP's tests run on nodes of 8 only
constexpr std::int64_t kExpertsOfTheModel = 256;  // DeepSeek-V3 and R1

bool is_latency_head(const Cells& cells) {
  return cells.size() == kColumns && cells[0] == "Dispatch #EP" && cells[1] == "Latency" &&
         cells[3] == "Combine #EP" && cells[4] == "Latency";
}

bool is_rate_head(const Cells& cells) {
  return cells.size() >= 5 && cells[1] == "Dispatch #EP" && cells[2] == "Bottleneck bandwidth";
}

PrintedNumber figure(std::string_view cell, std::string_view unit) {
  const auto number = take_number(cell);
  if (!number || trimmed(cell).substr(0, unit.size()) != unit)
    throw InvalidInput{"a cell holds no figure in " + std::string{unit}};
  return *number;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "deepep"} {}

  Imported import() {
    for (const auto line : lines_of(collector_.file().text)) {
      ++line_;
      if (line.find(" tokens per batch") != line.npos) take_sentence(line);
      const auto cells = markdown_cells(line);
      if (ends_table(line)) {
        head_.clear();
      } else if (!cells) {
        if (!head_.empty() && looks_like_markdown_row(line)) take_damaged();
      } else if (head_.empty()) {
        head_ = *cells;
      } else if (!is_markdown_rule(*cells)) {
        take_row(*cells);
      }
    }
    return collector_.finish();
  }

 private:
  void take_sentence(std::string_view line) {
    shape_ = {};
    const auto card = between(line, " on ", " ");
    card_ = card ? *card : "";
    const auto before_tokens = line.substr(0, line.find(" tokens per batch"));
    const auto tokens = before_tokens.substr(before_tokens.rfind('(') + 1);  // the last of brackets
    const auto hidden = between(line, " tokens per batch, ", " hidden");
    const auto experts = line.find(" experts");
    const auto top = line.rfind("top-", experts);
    if (!hidden || experts == line.npos || top == line.npos) return;
    shape_ = {number_in(tokens), number_in(*hidden),
              line.find("DeepSeek-V3") == line.npos ? 0 : kExpertsOfTheModel,
              number_in(line.substr(top + 4, experts - top - 4))};
    fp8_to_bf16_ = line.find("FP8 dispatching and BF16 combining") != line.npos;
  }

  static std::int64_t number_in(std::string_view text) {
    const auto number = printed_number(text);
    const bool good = number && number->integer && number->value >= 1 && number->value < 1e6;
    return good ? static_cast<std::int64_t>(number->value) : 0;
  }

  /// Only of tables that are read: what stands in others is nobody's row.
  void take_damaged() {
    if (is_rate_head(head_) || is_latency_head(head_)) collector_.refuse_damaged(line_);
  }

  void take_row(const Cells& cells) {
    if (is_markdown_rule(head_))
      return collector_.row(line_,
                            [] { throw InvalidInput{"the table's head is not understood"}; });
    if (is_rate_head(head_))
      return collector_.row(line_, [&] {
        collector_.leave_out("bottleneck bandwidth without a time: its bytes are not known");
      });
    if (!is_latency_head(head_)) return;
    const auto device = collector_.device(card_, line_);
    collector_.row(line_, [&] {
      if (cells.size() != kColumns) throw InvalidInput{"the row lacks cells"};
      if (shape_.tokens == 0 || shape_.hidden == 0 || shape_.top_k == 0 || shape_.experts == 0 ||
          !fp8_to_bf16_)
        throw InvalidInput{"the sentence above the table gives no tokens, hidden, top-k and types"};
      take_side({cells.begin(), cells.begin() + 3}, "dispatch", device);
      take_side({cells.begin() + 3, cells.end()}, "combine", device);
    });
  }

  void take_side(const Cells& cells, const std::string& side, const Device& device) {
    const bool dispatch = side == "dispatch";
    const auto time = figure(cells[1], "us");
    const auto rows = static_cast<double>(shape_.tokens) * static_cast<double>(shape_.top_k);
    const double bytes =
        dispatch ? bytes_of_fp8_row(shape_.hidden) : bytes_of_bf16_row(shape_.hidden);
    if (!rows_moved(figure(cells[2], "GB/s"), time, bytes).meet({rows - kMaskedRows, rows}))
      throw InvalidInput{"the " + side + "'s rate times its latency is not the shape's rows"};
    const auto ranks = count_of(cells[0], "#EP");
    auto launch = launch_of(ranks, "#EP");
    launch.devices_per_node = kDevicesPerNode;
    complete(launch, device.card, collector_.options());
    collector_.note(
        "nodes are of 8 devices (DeepEP's tests run on no others), experts 256 (the "
        "model the table names): the table does not say");
    take_exchange(collector_, device,
                  {.line = line_,
                   .operation = "moe_" + side,
                   .implementation = "deepep-ll",
                   .dtype = dispatch ? "fp8_e4m3" : "bf16",
                   .seconds = time.value / 1e6,
                   .shape = shape_,
                   .launch = launch,
                   .library = {"deepep", "unknown", "unknown", 0}});
  }

  KernelCollector collector_;
  std::string card_;
  ExchangeShape shape_{};
  bool fp8_to_bf16_ = false;
  Cells head_;
  int line_ = 0;
};

bool recognises(const std::string& text) {
  return any_markdown_row(
      text, [](const Cells& cells) { return is_latency_head(cells) || is_rate_head(cells); });
}

}  // namespace

Format deepep_tables_format() {
  return {"deepep-tables", "tables of DeepEP's documentation (Markdown): the low-latency kernels",
          recognises, read_with<Importer>};
}

}  // namespace moecal::interchange
