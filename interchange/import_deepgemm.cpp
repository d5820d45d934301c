// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/dtype.hpp"
#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

/// Lines of DeepGEMM's tests, in the wordings of its releases:
///   > Perf (m=  128, n= 4096, k= 7168):   20 us | throughput:  376 TFLOPS, 1566 GB/s
///   > Perf (m=  128, n= 4096, k= 7168, 1D2D, layout=NT, BF16, acc=0): launch 60 us | 20 us | ...
///   > Perf (num_groups=4, m_per_group=8192, n=4096, k=7168): ...
namespace moecal::interchange {
namespace {

constexpr std::string_view kStart = "> Perf (";
// Scales are moved too, and not in every release counted: 4 bytes for 128 values and some rounding.
constexpr double kBytesSlack = 0.06;

/// What stands between the parentheses and behind them.
struct PerfLine {
  std::map<std::string, std::string> values;  // "m" -> "128"
  std::vector<std::string> words;             // "1D2D", "BF16"
  std::optional<PrintedNumber> microseconds, teraflops, gigabytes;
};

void take_figure(std::string_view part, PerfLine& line) {
  if (part.starts_with("launch")) return;  // the host's time to launch, before the kernel's own
  if (part.starts_with("throughput:")) part = trimmed(part.substr(part.find(':') + 1));
  const auto number = take_number(part);
  if (!number) return;
  const auto unit = trimmed(part);
  if (unit == "us") line.microseconds = number;
  if (unit == "TFLOPS") line.teraflops = number;
  if (unit == "GB/s") line.gigabytes = number;
}

PerfLine parse(std::string_view text) {
  const auto inside = between(text, kStart, "):");
  if (!inside) throw InvalidInput{"the line ends inside '> Perf (...):'"};
  PerfLine line;
  for (const auto part : split_at(*inside, ',')) {
    const auto equals = part.find('=');
    if (equals == part.npos)
      line.words.emplace_back(part);
    else
      line.values.emplace(trimmed(part.substr(0, equals)), trimmed(part.substr(equals + 1)));
  }
  for (const auto piece : split_at(text.substr(text.find("):") + 2), '|'))
    for (const auto part : split_at(piece, ',')) take_figure(part, line);
  return line;
}

std::int64_t count(const PerfLine& line, const std::string& name) {
  const auto found = line.values.find(name);
  if (found == line.values.end()) throw InvalidInput{"'" + name + "' is missing"};
  return count_of(found->second, name);
}

bool has_word(const PerfLine& line, std::string_view word) {
  for (const auto& own : line.words)
    if (own == word) return true;
  return false;
}

/// A number moecal does not know makes it another test: split-K, masked groups, ...
std::string unknown_test(const PerfLine& line) {
  for (const auto& [name, value] : line.values) {
    static const std::set<std::string> kKnown{"m",   "n",          "k",          "layout",
                                              "acc", "num_groups", "m_per_group"};
    if (!kKnown.contains(name)) return "test with " + name;
  }
  return "";
}

double bytes_moved(const GemmShape& s, double groups, double operand, double result) {
  const auto m = static_cast<double>(s.m), n = static_cast<double>(s.n),
             k = static_cast<double>(s.k);
  return groups * ((m * k + k * n) * operand + m * n * result);
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "deepgemm"} {}

  Imported import() {
    const auto lines = lines_of(collector_.file().text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].find(kStart) == std::string_view::npos) continue;
      const int line = static_cast<int>(i) + 1;
      const auto device = collector_.device("", line);
      collector_.row(line, [&] { take(parse(lines[i]), device, line); });
    }
    return collector_.finish();
  }

 private:
  void take(const PerfLine& line, const Device& device, int number) {
    if (const auto other = unknown_test(line); !other.empty()) return collector_.leave_out(other);
    const bool grouped = line.values.contains("num_groups");
    const std::int64_t groups = grouped ? count(line, "num_groups") : 1;
    const GemmShape shape{rows_per_group(line, groups), count(line, "n"), count(line, "k")};
    if (!line.microseconds || !line.teraflops)
      throw InvalidInput{"the time in us or the rate in TFLOPS is missing"};
    const double flops = shape.flops() * static_cast<double>(groups);
    const auto range =
        both(time_of(*line.microseconds, 1e-6), time_of_rate(*line.teraflops, 1e12, flops));
    auto o = collector_.start(number, seconds_within(range));
    o.operation = grouped ? "grouped_gemm" : "expert_gemm";
    o.point = shape.point();
    if (grouped) o.point["groups"] = groups;
    o.implementation = "deepgemm";
    for (const auto& word : line.words)
      if (word.starts_with("1D")) o.implementation += "-" + slug(word);
    o.dtypes = dtypes_of(line, bytes_by_rate(line, range), {shape, static_cast<double>(groups)});
    o.library.algorithm = o.implementation;
    collector_.take(std::move(o), device);
  }

  static std::int64_t rows_per_group(const PerfLine& line, std::int64_t groups) {
    if (line.values.contains("m_per_group")) return count(line, "m_per_group");
    const auto rows = count(line, "m");
    if (rows % groups != 0)
      throw InvalidInput{"m is not a multiple of num_groups: the groups' sizes are not known"};
    return rows / groups;
  }

  struct Groups {
    GemmShape shape;
    double count;
  };

  static TimeRange bytes_by_rate(const PerfLine& line, const TimeRange& seconds) {
    if (!line.gigabytes) throw InvalidInput{"the rate in GB/s is missing"};
    return {line.gigabytes->lo() * 1e9 * seconds.lo, line.gigabytes->hi() * 1e9 * seconds.hi};
  }

  /// The tests of FP8 and of BF16 print the same line: the bytes tell which it was.
  Dtypes dtypes_of(const PerfLine& line, const TimeRange& moved, const Groups& groups) {
    const bool wide = has_word(line, "FP32");
    const auto acc = line.values.find("acc");
    const double passes = acc != line.values.end() && acc->second != "0" ? 2 : 1;
    for (const double operand : {1.0, 2.0}) {
      const double bytes =
          bytes_moved(groups.shape, groups.count, operand, passes * (wide ? 4.0 : 2.0));
      if (moved.hi < bytes * (1 - kBytesSlack) || moved.lo > bytes * (1 + kBytesSlack)) continue;
      const std::string type = operand == 1 ? "fp8_e4m3" : "bf16";
      collector_.note("operands are " + type + " (from the bytes moved)");
      return {type, type, wide ? "f32" : "bf16", "f32", operand == 1 ? "block_1x128" : "none", ""};
    }
    throw InvalidInput{
        "GB/s times the time is neither the bytes of FP8 nor of BF16 operands: the row is damaged"};
  }

  KernelCollector collector_;
};

bool recognises(const std::string& text) { return text.find(kStart) != std::string::npos; }

}  // namespace

Format deepgemm_format() {
  return {"deepgemm", "what DeepGEMM's tests print ('> Perf (m=, n=, k=)')", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
