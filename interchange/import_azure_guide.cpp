// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "core/collective.hpp"
#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

/// A result page of Azure's AI benchmarking guide: Markdown, one table per benchmark. GEMM and
/// AllReduce have the size of every row; the rest is listed as not imported.
namespace moecal::interchange {
namespace {

using Cells = std::vector<std::string_view>;

/// The table that rows belong to: its heading, the remark above it, and its head.
struct Table {
  std::string heading;
  std::string remark;
  Cells head;
  [[nodiscard]] bool has(std::string_view text) const {
    return std::any_of(head.begin(), head.end(),
                       [text](auto cell) { return cell.find(text) != cell.npos; });
  }
};

bool is_gemm(const Table& table) {
  return table.head.size() == 4 && table.head[0] == "m" && table.head[1] == "n" &&
         table.head[2] == "k" && table.has("(TFLOPS)");
}

bool is_all_reduce(const Table& table) {
  return table.head.size() == 2 && table.head[0].starts_with("Message Size") &&
         table.has("(GB/s)") && table.remark.find("AllReduce") != std::string::npos;
}

/// "65K", "33M", "1G": powers of two, rounded to thousands by whoever wrote them down.
std::int64_t power_of_two(std::string_view text) {
  static const std::map<char, double> kUnits{{'K', 1e3}, {'M', 1e6}, {'G', 1e9}};
  constexpr double kFurthest = 0.08;  // 1 G is 7 % from 2^30
  const auto unit = text.empty() ? kUnits.end() : kUnits.find(text.back());
  const auto number = printed_number(unit == kUnits.end() ? text : text.substr(0, text.size() - 1));
  if (!number || !(number->value >= 1 && number->value < 1e4))
    throw InvalidInput{"the size is '" + std::string{text} + "', not like 64K"};
  const double stated = number->value * (unit == kUnits.end() ? 1 : unit->second);
  const double power = std::exp2(std::round(std::log2(stated)));
  if (std::abs(stated / power - 1) > kFurthest)
    throw InvalidInput{"the size '" + std::string{text} + "' is near no power of two"};
  return static_cast<std::int64_t>(power);
}

/// The type the remark above a table names.
std::string type_in(const std::string& remark) {
  for (const std::string type : {"FP8", "BF16", "FP16", "FP32"})
    if (remark.find(type) != std::string::npos) return type;
  return "without a type";
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "azure-ai-benchmarking-guide"} {}

  Imported import() {
    for (const auto whole : lines_of(collector_.file().text)) {
      ++line_;
      take_line(trimmed(whole));
    }
    return collector_.finish();
  }

 private:
  void take_line(std::string_view line) {
    if (line.starts_with('#')) {
      const auto marks = std::min(line.find_first_not_of('#'), line.size());  // or nothing else
      table_ = {std::string{trimmed(line.substr(marks))}, "", {}};
    }
    const auto cells = markdown_cells(line);
    if (ends_table(line)) {
      table_.head.clear();
    } else if (!cells && !table_.head.empty() && looks_like_markdown_row(line)) {
      collector_.refuse_damaged(line_);
    } else if (!cells) {
      if (table_.head.empty()) table_.remark = line;
    } else if (table_.heading == "System Specifications") {
      take_fact(*cells);
    } else if (table_.head.empty()) {
      table_.head = *cells;
    } else if (!is_markdown_rule(*cells)) {
      take_row(*cells);
    }
  }

  void take_fact(const Cells& cells) {
    if (cells.size() == 2) facts_.emplace(cells[0], cells[1]);
  }

  [[nodiscard]] std::string fact(const std::string& name) const {
    const auto found = facts_.find(name);
    return found == facts_.end() ? "" : found->second;
  }

  /// "NVIDIA H200 141GB" is the card "NVIDIA H200".
  [[nodiscard]] Device device() {
    auto name = fact("GPU");
    const auto last = name.rfind(' ');
    if (name.ends_with("GB") && last != std::string::npos) name.resize(last);
    return collector_.device(name, line_);
  }

  void take_row(const Cells& cells) {
    const bool gemm = is_gemm(table_), all_reduce = is_all_reduce(table_);
    if (!gemm && !all_reduce)
      return collector_.row(line_, [&] {
        collector_.leave_out("table '" + table_.heading + "': no size or no operation of moecal's");
      });
    const auto card = device();
    collector_.shared_environment().driver = fact("NVIDIA Driver");
    collector_.row(line_, [&] {
      if (cells.size() != table_.head.size()) throw InvalidInput{"the row lacks cells"};
      gemm ? take_gemm(cells, card) : take_all_reduce(cells, card);
    });
  }

  static PrintedNumber rate_in(std::string_view cell) {
    const auto rate = printed_number(cell);
    if (!rate) throw InvalidInput{"the rate is '" + std::string{cell} + "', not a number"};
    return *rate;
  }

  void take_gemm(const Cells& cells, const Device& device) {
    const auto type = type_in(table_.remark);
    const auto dtypes = gemm_dtypes(type);
    if (!dtypes) return collector_.leave_out("dtype " + type);
    const GemmShape shape{count_of(cells[0], "m"), count_of(cells[1], "n"),
                          count_of(cells[2], "k")};
    const auto range = time_of_rate(rate_in(cells[3]), 1e12, shape.flops());
    auto o = collector_.start(line_, seconds_within(range));
    o.operation = "expert_gemm";
    o.implementation = "cublaslt";
    o.point = shape.point();
    o.dtypes = *dtypes;
    o.library = {"cublaslt", "CUDA " + fact("CUDA"), "unknown", 0};
    collector_.take(std::move(o), device);
  }

  void take_all_reduce(const Cells& cells, const Device& device) {
    const auto bytes = power_of_two(cells[0]);
    const int ranks = ranks_of(device.card);
    const double carried = static_cast<double>(bytes) * bus_factor("all_reduce", ranks);
    const auto range = time_of_rate(rate_in(cells[1]), 1e9, carried);
    auto o = collector_.start(line_, seconds_within(range));
    o.operation = "all_reduce";
    o.backend = "nccl";
    const bool in_place = table_.remark.find("in-place") != std::string::npos;
    o.implementation = in_place ? "nccl_in_place" : "nccl";
    o.dtypes.a = "f32";
    o.point = {{"bytes", bytes}};
    o.ranks.world = o.ranks.group = ranks;
    const bool nvls = table_.remark.find("NVLS") != std::string::npos;
    o.library = {"nccl", fact("NCCL"), nvls ? "NVLS" : "unknown", 0};
    collector_.note("all_reduce over " + std::to_string(ranks) +
                    " ranks of f32: the page does not say, it is one node and nccl-tests' default");
    collector_.take(std::move(o), device);
  }

  [[nodiscard]] int ranks_of(const Card& card) const {
    if (collector_.options().ranks) return *collector_.options().ranks;
    if (!card.devices_per_node)
      throw InvalidInput{"the page does not say how many ranks: give --ranks"};
    return card.devices_per_node->value;
  }

  KernelCollector collector_;
  std::map<std::string, std::string> facts_;
  Table table_;
  int line_ = 0;
};

bool recognises(const std::string& text) {
  return text.find("Azure") != std::string::npos &&
         text.find("## System Specifications") != std::string::npos;
}

}  // namespace

Format azure_guide_format() {
  return {"azure-guide", "result pages (Markdown) of Azure's AI benchmarking guide", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
