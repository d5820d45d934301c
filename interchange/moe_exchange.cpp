// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/moe_exchange.hpp"

#include "interchange/collective_run.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {

void take_exchange(KernelCollector& collector, const Device& device, const ExchangeRow& row) {
  if (row.launch.ranks.group < 2) throw InvalidInput{"one rank: nothing crosses a link"};
  if (row.shape.top_k > row.shape.experts)
    throw InvalidInput{"a token is sent to more experts than there are"};
  auto o = collector.start(row.line, row.seconds);
  o.operation = row.operation;
  o.implementation = row.implementation;
  o.dtypes = {row.dtype, "", "", "", "", ""};
  o.point = row.shape.point();
  o.ranks = row.launch.ranks;
  o.library = row.library;
  collector.take(std::move(o), device);
}

Launch exchange_launch(KernelCollector& collector, const Device& device,
                       const std::optional<Launch>& of_file, int line) {
  auto launch = require_launch(collector.options(), of_file, {collector.file().path, line});
  complete(launch, device.card, collector.options());
  collector.note(std::to_string(launch.ranks.group) + " ranks (from " + launch.known_from +
                 ") on " + std::to_string(launch.ranks.nodes) + " nodes" +
                 (launch.nodes_assumed ? " (assumed)" : ""));
  return launch;
}

RowsMoved rows_moved(const PrintedNumber& gigabytes_per_second, const PrintedNumber& microseconds,
                     double bytes_per_row) {
  constexpr double kBytes = 1e9 * 1e-6;
  constexpr double kRounding = 1e-9;
  return {gigabytes_per_second.lo() * microseconds.lo() * kBytes / bytes_per_row * (1 - kRounding),
          gigabytes_per_second.hi() * microseconds.hi() * kBytes / bytes_per_row * (1 + kRounding)};
}

std::optional<PrintedNumber> number_after(std::string_view line, std::string_view words) {
  const auto at = line.find(words);
  if (at == line.npos) return std::nullopt;
  auto rest = trimmed(line.substr(at + words.size()));
  return take_number(rest);
}

}  // namespace moecal::interchange
