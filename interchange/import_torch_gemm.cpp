// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/plausibility.hpp"
#include "interchange/text_lines.hpp"

/// Logs of square products in torch, under a heading per type:
///   BF16:
///     4096x4096: 120.55 TFLOPS (CV 0.1%, n=5x181)
namespace moecal::interchange {
namespace {

/// One line of the log, before anything is believed of it.
struct Row {
  int line = 0;
  std::string heading;
  std::string_view text;
};

/// What the rows and the remarks around them say.
struct Log {
  std::vector<Row> rows;
  std::string prose;
};

bool is_row(std::string_view line) {
  return !line.empty() && is_digit(line[0]) && line.find("TFLOPS") != line.npos;
}

Log read_log(std::string_view text) {
  Log log;
  std::string heading;
  int number = 0;
  for (const auto whole : lines_of(text)) {
    ++number;
    const auto line = trimmed(whole);
    if (is_row(line))
      log.rows.push_back({number, heading, line});
    else if (line.ends_with(':') && line.find(' ') == line.npos)
      heading = line.substr(0, line.size() - 1);
    else
      log.prose += std::string{line} + "\n";
  }
  return log;
}

/// The release behind "torch" or "PyTorch".
std::string torch_release(std::string_view prose) {
  for (auto at = prose.find("orch "); at != prose.npos; at = prose.find("orch ", at + 1)) {
    const auto rest = prose.substr(at + 5);
    const auto word = rest.substr(0, rest.find_first_of(" ,;\n"));
    if (!word.empty() && is_digit(word[0])) return std::string{word};
  }
  return "unknown";
}

struct Reading {
  GemmShape shape;
  double seconds = 0;
  std::string repeats;  // "CV 0.1%, n=5x181", where the log says so
  std::int64_t calls = 1;
};

/// Groups times calls of "n=5x181"; 1 where the log does not say.
std::int64_t calls_of(std::string_view repeats) {
  const auto at = repeats.find("n=");
  if (at == repeats.npos) return 1;
  const auto parts = split_at(repeats.substr(at + 2), 'x');
  return parts.size() == 2 ? count_of(parts[0], "n") * count_of(parts[1], "n") : 1;
}

Reading parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == text.npos) throw InvalidInput{"no ':' follows the shape"};
  Reading reading{parse_shape(trimmed(text.substr(0, colon))), 0, ""};
  auto rest = trimmed(text.substr(colon + 1));
  const auto rate = take_number(rest);
  if (!rate || !trimmed(rest).starts_with("TFLOPS"))
    throw InvalidInput{"no rate in TFLOPS follows the shape"};
  reading.seconds = seconds_within(time_of_rate(*rate, 1e12, reading.shape.flops()));
  if (const auto repeats = between(rest, "(", ")")) {
    reading.repeats = std::string{*repeats};
    reading.calls = calls_of(*repeats);
  }
  return reading;
}

/// Whether the clock saw the device at all: no product of 10^12 operations takes as long as one a
/// 64th of its size. (A time that does not wait for the device is the host's, and constant.)
bool clock_is_blind(std::vector<Reading> readings) {
  constexpr double kLarge = 1e12, kSmaller = 64, kLonger = 1.5;
  std::sort(readings.begin(), readings.end(),
            [](const Reading& a, const Reading& b) { return a.shape.flops() < b.shape.flops(); });
  double longest = 0;  // time of a product at least kSmaller times smaller
  auto small = readings.begin();
  for (const auto& large : readings) {
    const double flops = large.shape.flops();
    for (; small->shape.flops() * kSmaller <= flops; ++small)
      longest = std::max(longest, small->seconds);
    if (flops >= kLarge && large.seconds <= kLonger * longest) return true;
  }
  return false;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "torch"}, log_{read_log(file.text)} {}

  Imported import() {
    find_blind_clocks();
    std::optional<Device> device;
    for (const auto& row : log_.rows) {
      const bool blind = blind_.contains(row.heading);
      // A log of which nothing can be believed needs no card to be refused.
      if (!blind && !device) device = collector_.device(card_named_in(log_.prose), row.line);
      collector_.row(row.line, [&] {
        if (blind)
          throw InvalidInput{
              "under '" + row.heading +
              "' the time does not grow with the work, so the rate grows past what is possible: "
              "the clock did not wait for the device"};
        take(row, *device);
      });
    }
    return collector_.finish();
  }

 private:
  void find_blind_clocks() {
    std::map<std::string, std::vector<Reading>> readings;
    for (const auto& row : log_.rows) {
      try {
        readings[row.heading].push_back(parse(row.text));
      } catch (const InvalidInput&) {  // said when the row is taken
      }
    }
    for (const auto& [heading, rows] : readings)
      if (clock_is_blind(rows)) blind_.insert(heading);
  }

  void take(const Row& row, const Device& device) {
    if (row.heading.empty()) throw InvalidInput{"no heading above the row names its type"};
    const auto dtypes = gemm_dtypes(row.heading);
    if (!dtypes) return collector_.leave_out("dtype " + row.heading);
    const auto reading = parse(row.text);
    auto o = collector_.start(row.line, reading.seconds);
    o.operation = "expert_gemm";
    o.implementation = "torch";
    o.point = reading.shape.point();
    o.dtypes = *dtypes;
    o.sample.iterations_per_sample = reading.calls;
    o.library.runtime_version = torch_release(log_.prose);
    if (!reading.repeats.empty()) o.policy.stop_rule = "foreign: " + reading.repeats;
    collector_.take(std::move(o), device);
  }

  KernelCollector collector_;
  Log log_;
  std::set<std::string> blind_;
};

bool recognises(const std::string& text) {
  const auto log = read_log(text);
  for (const auto& row : log.rows)
    if (row.text.find('x') < row.text.find(':')) return true;
  return false;
}

}  // namespace

Format torch_gemm_format() {
  return {"torch-gemm", "logs of square products in torch ('4096x4096: 120.5 TFLOPS')", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
