// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/deepep_prints.hpp"
#include "interchange/formats.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

Imported read(const ForeignFile& file, const ImportOptions& options) {
  KernelCollector collector{file, options, "deepep"};
  DeepepNormalPrints normal;
  DeepepLowLatencyPrints low_latency{ranks_printing(file.text)};
  DeepepElasticPrints elastic;
  int number = 0;
  for (const auto line : lines_of(file.text)) {
    ++number;
    normal.take_line(collector, line, number);
    low_latency.take_line(collector, line, number);
    elastic.take_line(collector, line, number);
  }
  return collector.finish();
}

bool recognises(const std::string& text) {
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(), [](auto line) {
    const auto has = [line](std::string_view words) { return line.find(words) != line.npos; };
    return (has("[tuning] ") && has("GB/s (NVL)")) ||
           (has("[rank ") && has("Dispatch") && has("bandwidth:")) ||
           (has(" EP: ") && has("GB/s (SU)"));
  });
}

}  // namespace

Format deepep_format() {
  return {"deepep", "what DeepEP's tests print: normal, low-latency and release 2's", recognises,
          read, true};
}

}  // namespace moecal::interchange
