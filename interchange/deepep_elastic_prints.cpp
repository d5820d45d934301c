// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/deepep_prints.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/text_lines.hpp"

///    > Ranks: 1 x 8
///    > Experts: 8/256
///    > Tokens: 8192 (max: 8192), hidden: 7168
///    > #SM: 24, #QPs: 17/129
///    > Testing with do_handle_copy=1, ..., use_fp8_dispatch=1, num_bias=0, ...
///     * EP:   0/8 | dispatch: 0 GB/s (SO), 300 GB/s (SU), 800.000 us, 240000000 bytes | copy: ...
/// SU is the faster of two domains of links, SO the slower. The mark before EP goes with the
/// kernel; a second one copies or reduces what the first has brought.
namespace moecal::interchange {
namespace {

constexpr std::string_view kRow = " EP: ";
constexpr std::int64_t kMost = 1 << 20;

/// What the words between the bars name.
struct Kernel {
  std::string operation, variant;
};

Kernel kernel_of(std::string_view words) {
  if (words == "dispatch") return {"moe_dispatch", ""};
  if (words == "expanded dispatch") return {"moe_dispatch", "-expanded"};
  if (words == "cached dispatch") return {"moe_dispatch", "-cached"};
  if (words == "combine") return {"moe_combine", ""};
  if (words == "reduced combine") return {"moe_combine", "-reduced"};
  throw InvalidInput{"'" + std::string{words} + "' is no kernel of DeepEP's that moecal knows"};
}

/// The whole number that follows these words, whatever stands behind it ("8/256", "1024)"); 0
/// without one.
std::int64_t count_after(std::string_view line, std::string_view words) {
  const auto at = line.find(words);
  if (at == line.npos) return 0;
  const auto rest = trimmed(line.substr(at + words.size()));
  const auto number = printed_number(rest.substr(0, rest.find_first_not_of("0123456789")));
  const bool good = number && number->value >= 1 && number->value <= kMost;
  return good ? static_cast<std::int64_t>(number->value) : 0;
}

/// One of the pieces "300 GB/s (SU)", "800.000 us", "240000000 bytes".
PrintedNumber figure(std::string_view text, std::string_view unit) {
  for (auto piece : split_at(text, ',')) {
    const auto colon = piece.find(':');
    if (colon != piece.npos) piece = trimmed(piece.substr(colon + 1));
    const auto number = take_number(piece);
    if (number && trimmed(piece) == unit) return *number;
  }
  throw InvalidInput{"no figure in '" + std::string{unit} + "' stands in the line"};
}

/// @throws InvalidInput if the printed rate is not the bytes over the time.
void require_rate(const PrintedNumber& rate, const PrintedNumber& time,
                  const PrintedNumber& bytes) {
  const auto moved = rows_moved(rate, time, 1);
  if (!moved.meet({bytes.lo(), bytes.hi()}))
    throw InvalidInput{"the rate (SU) times the time is " + std::to_string(moved.hi) +
                       " bytes, the line says " + std::to_string(bytes.value)};
}

}  // namespace

void DeepepElasticPrints::take_line(KernelCollector& collector, std::string_view line, int number) {
  const auto at = line.find(kRow);
  if (at == line.npos || line.find('|') == line.npos) return take_setting(line);
  const auto device = collector.device("", number);
  collector.row(number, [&] { take_row(collector, line.substr(at), number, device); });
}

void DeepepElasticPrints::take_setting(std::string_view line) {
  if (const auto domains = between(line, "> Ranks: ", " x ")) {
    domains_ = static_cast<int>(count_after(line, "> Ranks: "));
    domain_ranks_ = static_cast<int>(count_after(line, " x "));
  } else if (const auto top_k = between(line, "> Experts: ", "/")) {
    shape_.top_k = count_after(line, "> Experts: ");
    shape_.experts = count_after(line, "/");
  } else if (line.find("> Tokens: ") != line.npos) {
    shape_.tokens = count_after(line, "(max: ");
    shape_.hidden = count_after(line, "hidden: ");
  } else if (line.find("> #SM: ") != line.npos) {
    multiprocessors_ = static_cast<int>(count_after(line, "> #SM: "));
  } else if (line.find("> Testing with ") != line.npos) {
    fp8_ = line.find("use_fp8_dispatch=1") != line.npos;
    biases_ = static_cast<int>(count_after(line, "num_bias="));
  }
}

Launch DeepepElasticPrints::launch_of_file() const {
  auto launch = launch_of(std::int64_t{domains_} * domain_ranks_, "'Ranks: A x B'");
  launch.ranks.nodes = domains_;
  launch.nodes_known = true;
  launch.devices_per_node = domain_ranks_;
  return launch;
}

void DeepepElasticPrints::take_row(KernelCollector& collector, std::string_view line, int number,
                                   const Device& device) {
  const auto pieces = split_at(line, '|');
  if (pieces.size() != 3) throw InvalidInput{"the line has not the three parts of DeepEP's"};
  if (shape_.tokens < 1 || shape_.hidden < 1 || shape_.experts < 1 || shape_.top_k < 1 ||
      domains_ < 1 || domain_ranks_ < 1 || domains_ > kMost / domain_ranks_)
    throw InvalidInput{"no 'Config:' above the row gives ranks, experts, tokens and hidden"};
  if (count_after(pieces[0], "/") != std::int64_t{domains_} * domain_ranks_)
    throw InvalidInput{"the row's number of ranks is not the one of 'Config:'"};
  const auto kernel = kernel_of(trimmed(pieces[1].substr(0, pieces[1].find(':'))));
  const auto time = figure(pieces[1], "us");
  require_rate(figure(pieces[1], "GB/s (SU)"), time, figure(pieces[1], "bytes"));
  const auto launch = exchange_launch(collector, device, launch_of_file(), number);
  collector.note(
      "tokens are the most of any rank: rank r has up to r fewer. Each rank's own mean is an "
      "observation, of the kernel and of the copy or reduction behind it");
  const bool dispatch = kernel.operation == "moe_dispatch";
  const std::string biases = dispatch || biases_ == 0 ? "" : "-" + std::to_string(biases_) + "bias";
  take_exchange(collector, device,
                {.line = number,
                 .operation = kernel.operation,
                 .implementation = "deepep-v2-" + std::to_string(multiprocessors_) + "sms" +
                                   kernel.variant + biases,
                 .dtype = dispatch && fp8_ ? "fp8_e4m3" : "bf16",
                 .seconds = (time.value + figure(pieces[2], "us").value) / 1e6,
                 .shape = shape_,
                 .launch = launch,
                 .library = {"deepep", "2", "unknown", 0}});
}

}  // namespace moecal::interchange
