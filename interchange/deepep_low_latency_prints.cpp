// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/deepep_prints.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/text_lines.hpp"

///   [rank 3] Dispatch + combine bandwidth: 70.00 GB/s, avg_t=300.00 us, min_t=..., max_t=... us
///   [rank 3] Dispatch bandwidth: 90.00 GB/s, avg_t=83.00 us | Combine bandwidth: 120.00 GB/s, ...
///   [rank 3] Dispatch send/recv time: 20.00 + 9.00 us | Combine send/recv time: 21.00 + 8.00 us
namespace moecal::interchange {
namespace {

constexpr std::string_view kRank = "[rank ";
constexpr std::string_view kBoth = "Dispatch bandwidth:";

/// The test's defaults. It prints none of them: rate times time tells whether they were in force.
constexpr ExchangeShape kDefault{128, 7168, 288, 8};

struct Side {
  PrintedNumber gigabytes_per_second, microseconds;
};

Side parse_side(std::string_view text, std::string_view name) {
  const auto rate = number_after(text, std::string{name} + " bandwidth:");
  const auto time = number_after(text, "avg_t=");
  if (!rate || !time) throw InvalidInput{std::string{name} + "'s bandwidth or avg_t is missing"};
  return {*rate, *time};
}

/// True if the side moved the default shape's rows, of so many bytes each.
bool moved_default(const Side& side, double bytes) {
  const auto rows = static_cast<double>(kDefault.tokens * kDefault.top_k);
  return rows_moved(side.gigabytes_per_second, side.microseconds, bytes)
      .meet({rows - kMaskedRows, rows});
}

[[noreturn]] void refuse_shape(const std::string& name, const Side& side) {
  throw InvalidInput{
      name + " moved " +
      std::to_string(side.gigabytes_per_second.value * side.microseconds.value * 1e3) +
      " bytes, which is not the test's default shape (128 tokens of 7168, top-8), "
      "and it prints no other"};
}

}  // namespace

int ranks_printing(std::string_view text) {
  int ranks = 0;
  for (auto at = text.find(kRank); at != text.npos; at = text.find(kRank, at + 1)) {
    auto rest = text.substr(at + kRank.size(), 8);
    const auto rank = take_number(rest);
    if (rank && rank->integer && rank->value >= 0 && rank->value < kMostRanks)
      ranks = std::max(ranks, static_cast<int>(rank->value) + 1);
  }
  return ranks;
}

void DeepepLowLatencyPrints::take_line(KernelCollector& collector, std::string_view line,
                                       int number) {
  const auto at = line.find(kRank);
  if (at == line.npos) return;
  const auto text = line.substr(at);
  const auto leave_out = [&](const char* what) {
    collector.row(number, [&] { collector.leave_out(what); });
  };
  if (text.find("Dispatch + combine bandwidth:") != text.npos)
    return leave_out("dispatch and combine in one time");
  if (text.find("Dispatch send/recv time:") != text.npos)
    return leave_out("send and receive timed apart, with a product between them");
  if (text.find(kBoth) == text.npos) return;
  const auto device = collector.device("", number);
  collector.row(number, [&] { take_both(collector, text, number, device); });
}

void DeepepLowLatencyPrints::take_both(KernelCollector& collector, std::string_view line,
                                       int number, const Device& device) const {
  const auto bar = line.find('|');
  if (bar == line.npos) throw InvalidInput{"the line ends before '| Combine bandwidth'"};
  const auto dispatch = parse_side(line.substr(0, bar), "Dispatch");
  const auto combine = parse_side(line.substr(bar), "Combine");
  if (!moved_default(dispatch, bytes_of_fp8_row(kDefault.hidden)))
    refuse_shape("dispatch", dispatch);
  const double logfmt = static_cast<double>(kDefault.hidden) * (10.0 / 8 + 4.0 / 128);
  const bool compressed = moved_default(combine, logfmt);
  if (!compressed && !moved_default(combine, bytes_of_bf16_row(kDefault.hidden)))
    refuse_shape("combine", combine);
  const auto launch =
      exchange_launch(collector, device, launch_of(ranks_, "the ranks that print"), number);
  collector.note(
      "128 tokens of 7168, top-8: the test's default, which rate times time agrees with; 288 "
      "experts: its default, which it does not print. Each rank's own mean is an observation");
  ExchangeRow row{.line = number,
                  .operation = "moe_dispatch",
                  .implementation = "deepep-ll",
                  .dtype = "fp8_e4m3",
                  .seconds = dispatch.microseconds.value / 1e6,
                  .shape = kDefault,
                  .launch = launch,
                  .library = {"deepep", "unknown", "unknown", 0}};
  take_exchange(collector, device, row);
  if (compressed) return collector.leave_out("combine in logfmt10");
  row.operation = "moe_combine";
  row.dtype = "bf16";
  row.seconds = combine.microseconds.value / 1e6;
  take_exchange(collector, device, row);
}

}  // namespace moecal::interchange
