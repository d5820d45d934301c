// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

/// The Markdown tables of the highest matmul rates ("MAMF") of many accelerators: the best of many
/// shapes, so an implementation of its own that no other is mixed with.
///   | NVIDIA H100 SXM |  794.5 |    989 |      80.3% |  2048x2048x13312 | 2.7.0+cu126 | |
namespace moecal::interchange {
namespace {

/// Where the columns stand in a row.
enum Column { kAccelerator, kRate, kTheory, kEfficiency, kShape, kRelease, kNeeded };

bool is_head(const std::vector<std::string_view>& cells) {
  return cells.size() >= kNeeded && cells[kAccelerator] == "Accelerator" && cells[kRate] == "MAMF";
}

/// "**FP8 (`float8_e4m3fn`)**:" -> "FP8".
std::string heading_of(std::string_view line) {
  const auto bold = between(line, "**", "**");
  return bold ? std::string{trimmed(bold->substr(0, bold->find('(')))} : "";
}

/// The name as it stands, or without the vendor: cards are known by both.
std::string known_name(const std::string& accelerator) {
  for (const std::string& name : {accelerator, accelerator.substr(accelerator.find(' ') + 1)}) {
    try {
      return find_card(name).id;
    } catch (const InvalidInput&) {  // the next spelling
    }
  }
  return "";
}

/// The efficiency is the rate over the theoretical one.
void check_efficiency(const std::vector<std::string_view>& cells, const PrintedNumber& rate) {
  const auto theory = printed_number(cells[kTheory]);
  auto percent = cells[kEfficiency];
  if (percent.ends_with('%')) percent.remove_suffix(1);
  const auto efficiency = printed_number(percent);
  if (!theory || !efficiency) throw InvalidInput{"theory or efficiency is not a number"};
  const double slack = efficiency->half_step + 100 * rate.half_step / theory->value + 1e-9;
  if (!(std::abs(100 * rate.value / theory->value - efficiency->value) <= slack))
    throw InvalidInput{"the efficiency is not MAMF over theory: the row is damaged"};
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "mamf-finder"} {}

  Imported import() {
    if (!collector_.options().card.empty())
      throw InvalidInput{collector_.file().path +
                         ": each row names its card, --card would stand for all of them"};
    int number = 0;
    for (const auto line : lines_of(collector_.file().text)) {
      ++number;
      const auto cells = markdown_cells(line);
      if (const auto heading = heading_of(line); !cells && !heading.empty()) type_ = heading;
      if (ends_table(line))
        in_table_ = false;
      else if (!cells && in_table_ && looks_like_markdown_row(line))
        collector_.refuse_damaged(number);
      else if (!cells)
        continue;
      else if (is_head(*cells))
        in_table_ = true;
      else if (in_table_ && !is_markdown_rule(*cells) && !is_blank(*cells))
        collector_.row(number, [&] { take(*cells, number); });
    }
    return collector_.finish();
  }

 private:
  static bool is_blank(const std::vector<std::string_view>& cells) {
    return std::all_of(cells.begin(), cells.end(), [](auto cell) { return cell.empty(); });
  }

  void take(const std::vector<std::string_view>& cells, int line) {
    if (cells.size() < kNeeded)
      throw InvalidInput{"has " + std::to_string(cells.size()) + " cells where the head has more"};
    const std::string accelerator{cells[kAccelerator]};
    if (cells[kRate].empty()) throw InvalidInput{"MAMF is empty"};
    const auto rate = printed_number(cells[kRate]);
    if (!rate) throw InvalidInput{"MAMF is '" + std::string{cells[kRate]} + "', not a number"};
    check_efficiency(cells, *rate);
    const auto dtypes = gemm_dtypes(type_);
    if (!dtypes) return collector_.leave_out("dtype " + type_);
    const auto card = known_name(accelerator);
    if (card.empty()) return collector_.leave_out("card " + accelerator + " (no spec sheet)");
    const auto shape = parse_shape(cells[kShape]);
    auto o = collector_.start(line, seconds_within(time_of_rate(*rate, 1e12, shape.flops())));
    o.operation = "expert_gemm";
    o.point = shape.point();
    o.dtypes = *dtypes;
    o.implementation = "torch-best-shape";
    o.library = {"torch", std::string{cells[kRelease]}, "unknown", 0};
    auto device = collector_.device(card, line);
    device.name = accelerator;
    collector_.take(std::move(o), device);
  }

  KernelCollector collector_;
  std::string type_;
  bool in_table_ = false;
};

bool recognises(const std::string& text) { return any_markdown_row(text, is_head); }

}  // namespace

Format mamf_format() {
  return {"mamf", "Markdown tables of the highest matmul rates, one accelerator a row", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
