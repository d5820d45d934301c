// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/deepep_prints.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/text_lines.hpp"

///   [config] num_tokens=4096, hidden=7168, num_topk_groups=2, num_topk=8
///   [tuning] SMs 24, NVL chunk 4, RDMA chunk 4: 40 + 500 us, 30.00 GB/s (RDMA), 60.00 GB/s (NVL)
///   [tuning] Best dispatch (FP8): SMs 24, NVL chunk 4, RDMA chunk 8: 40 + 480 us, ...
///   [tuning] Best combine: SMs 24, NVL chunk 3: 160.00 GB/s (NVL), t: 700.00 us
/// The first of two times is that of telling the counts; the rates are over the second alone.
namespace moecal::interchange {
namespace {

constexpr std::int64_t kDefaultExperts = 256;

/// A "Best ..." line.
struct Best {
  bool combine = false;
  bool fp8 = false;
  std::int64_t multiprocessors = 0;
  std::optional<PrintedNumber> notify, transmit, nvlink, network;
  [[nodiscard]] double seconds() const {
    return (transmit->value + (notify ? notify->value : 0)) / 1e6;
  }
};

/// "499.58 us", "40 + 480 us", "30.00 GB/s (RDMA)": `label` is what stands before the colon.
void take_figure(std::string_view piece, std::string_view label, Best& best) {
  auto number = take_number(piece);
  if (!number) return;
  auto unit = trimmed(piece);
  if (unit.starts_with('+')) {
    best.notify = number;
    unit = trimmed(unit.substr(1));
    number = take_number(unit);
    unit = trimmed(unit);
  }
  if (unit == "us") (label == "notify" ? best.notify : best.transmit) = number;
  if (unit == "GB/s (NVL)") best.nvlink = number;
  if (unit == "GB/s (RDMA)") best.network = number;
}

Best parse(std::string_view text) {
  Best best;
  best.combine = text.find("Best combine") != text.npos;
  best.fp8 = text.find("(FP8)") != text.npos;
  if (!best.combine && !best.fp8 && text.find("(BF16)") == text.npos)
    throw InvalidInput{"the line says neither FP8 nor BF16"};
  const auto multiprocessors = between(text, "SMs ", ",");
  if (!multiprocessors) throw InvalidInput{"the line does not say 'SMs'"};
  best.multiprocessors = count_of(*multiprocessors, "SMs");
  std::string_view label;
  for (const auto part : split_at(text, ','))
    for (const auto piece : split_at(part, ':')) {
      take_figure(piece, label, best);
      label = piece;
    }
  return best;
}

/// @throws InvalidInput if the rate over the time is not the rows that the block's others are.
void require_same_rows(const std::string& link, const PrintedNumber& rate, const Best& best,
                       const ExchangeShape& shape, std::optional<RowsMoved>& of_block) {
  const double bytes = best.fp8 ? bytes_of_fp8_row(shape.hidden) - 16  // no header in this mode
                                : bytes_of_bf16_row(shape.hidden);
  const auto rows = rows_moved(rate, *best.transmit, bytes);
  if (of_block && !of_block->meet(rows))
    throw InvalidInput{"the rate over " + link + " times the time is " + std::to_string(rows.hi) +
                       " rows, but the lines before it come to " + std::to_string(of_block->hi)};
  of_block =
      of_block ? RowsMoved{std::max(rows.lo, of_block->lo), std::min(rows.hi, of_block->hi)} : rows;
}

}  // namespace

void DeepepNormalPrints::take_line(KernelCollector& collector, std::string_view line, int number) {
  if (line.find("[config] num_tokens=") != line.npos) {
    const auto value = [line](std::string_view name) {
      const auto found = number_after(line, name);
      return found && found->integer ? static_cast<std::int64_t>(found->value) : 0;
    };
    shape_ = {value("num_tokens="), value("hidden="), value("num_experts="), value("num_topk=")};
    if (shape_.experts == 0) shape_.experts = kDefaultExperts;
    if (line.find("num_experts=") == line.npos)
      collector.note("experts are 256: the tests' default, which they do not print");
    over_nvlink_.reset();
    over_network_.reset();
  }
  const auto at = line.find("[tuning] ");
  if (at == line.npos) return;
  const auto text = line.substr(at);
  if (text.find("Best ") == text.npos)
    return collector.row(number, [&] {
      collector.leave_out("step of a sweep: the best of each sweep is a row of its own");
    });
  const auto device = collector.device("", number);
  collector.row(number, [&] { take_best(collector, text, number, device); });
}

void DeepepNormalPrints::take_best(KernelCollector& collector, std::string_view line, int number,
                                   const Device& device) {
  const auto best = parse(line);
  if (!best.transmit && line.find(" us") != line.npos)
    throw InvalidInput{"the time in us is no number"};
  if (!best.transmit)
    return collector.leave_out("rate without its time (older releases): its bytes are not known");
  if (!best.nvlink && !best.network) throw InvalidInput{"no rate in GB/s stands in the line"};
  if (shape_.tokens < 1 || shape_.hidden < 1 || shape_.top_k < 1)
    throw InvalidInput{"no '[config] num_tokens=, hidden=, num_topk=' above the row gives a shape"};
  if (best.nvlink) require_same_rows("NVLink", *best.nvlink, best, shape_, over_nvlink_);
  if (best.network) require_same_rows("RDMA", *best.network, best, shape_, over_network_);
  const auto launch = exchange_launch(collector, device, {}, number);
  const auto most = static_cast<double>(shape_.tokens) * launch.ranks.group;
  if (best.nvlink && over_nvlink_->lo > most)
    throw InvalidInput{"the rate times the time is more rows than all ranks' tokens"};
  const std::string side = best.combine ? "combine" : "dispatch";
  take_exchange(collector, device,
                {.line = number,
                 .operation = "moe_" + side,
                 .implementation = "deepep-normal-" + std::to_string(best.multiprocessors) + "sms",
                 .dtype = best.fp8 ? "fp8_e4m3" : "bf16",
                 .seconds = best.seconds(),
                 .shape = shape_,
                 .launch = launch,
                 .library = {"deepep", "unknown", "unknown", 0}});
}

}  // namespace moecal::interchange
