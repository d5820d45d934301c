// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

/// What FlashInfer's benchmark prints with -vv. The shape stands in the arguments, the figures in a
/// line per backend:
///   [INFO] args = Namespace(routine='gemm_fp8_nt_groupwise', num_iters=30, m=1024, n=7168, ...)
///   [PERF] cutlass        :: median time 0.285 ms; std 0.001 ms; achieved tflops 13.180 TFLOPs/sec
namespace moecal::interchange {
namespace {

constexpr std::string_view kRow = "[PERF] ";
constexpr std::string_view kArguments = "args = Namespace(";

/// The arguments in force: name -> value, quotes taken off.
using Arguments = std::map<std::string, std::string>;

Arguments parse_arguments(std::string_view line) {
  Arguments arguments;
  auto inside = line.substr(line.find(kArguments) + kArguments.size());
  if (inside.ends_with(')')) inside.remove_suffix(1);
  for (const auto part : split_at(inside, ',')) {
    const auto equals = part.find('=');
    if (equals == part.npos) continue;
    auto value = part.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'')
      value = value.substr(1, value.size() - 2);
    arguments.emplace(part.substr(0, equals), value);
  }
  return arguments;
}

std::string text_of(const Arguments& arguments, const std::string& name) {
  const auto found = arguments.find(name);
  return found == arguments.end() ? "" : found->second;
}

std::int64_t count(const Arguments& arguments, const std::string& name) {
  const auto found = arguments.find(name);
  if (found == arguments.end())
    throw InvalidInput{"the arguments above the row do not say '" + name + "'"};
  return count_of(found->second, name);
}

/// routine -> operand types; scales are per 1x128 and 128x128.
std::optional<Dtypes> dtypes_of(const std::string& routine) {
  if (routine == "mm_bf16") return gemm_dtypes("bf16");
  auto types = gemm_dtypes("fp8");
  types->scale_mode = "block_1x128";
  if (routine == "gemm_fp8_nt_groupwise" || routine == "group_gemm_fp8_nt_groupwise") return types;
  return std::nullopt;
}

PrintedNumber figure(std::string_view row, std::string_view before, std::string_view after) {
  const auto text = between(row, before, after);
  const auto number = text ? printed_number(trimmed(*text)) : std::nullopt;
  if (!number)
    throw InvalidInput{"no number stands between '" + std::string{before} + "' and '" +
                       std::string{after} + "'"};
  return *number;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "flashinfer"} {}

  Imported import() {
    int number = 0;
    for (const auto line : lines_of(collector_.file().text)) {
      ++number;
      if (line.find(kArguments) != line.npos) arguments_ = parse_arguments(line);
      if (const auto name = between(line, "gpu_name = '", "'")) gpu_ = *name;
      const auto at = line.find(kRow);
      if (at == line.npos) continue;
      const auto device = collector_.device(gpu_, number);
      collector_.row(number, [&] { take(line.substr(at + kRow.size()), number, device); });
    }
    return collector_.finish();
  }

 private:
  void take(std::string_view row, int number, const Device& device) {
    const auto routine = text_of(arguments_, "routine");
    if (routine.empty())
      throw InvalidInput{"no '[INFO] args = ...' above the row gives its shape: run with -vv"};
    const auto dtypes = dtypes_of(routine);
    if (!dtypes) return collector_.leave_out("routine " + routine);
    const auto colons = row.find("::");
    if (colons == row.npos) throw InvalidInput{"no '::' follows the backend"};
    const bool grouped = routine.starts_with("group_");
    const std::int64_t groups = grouped ? count(arguments_, "group_size") : 1;
    const GemmShape shape{count(arguments_, "m"), count(arguments_, "n"), count(arguments_, "k")};
    const double flops = shape.flops() * static_cast<double>(groups);
    const auto range =
        both(time_of(figure(row, "median time", "ms;"), 1e-3),
             time_of_rate(figure(row, "achieved tflops", "TFLOPs/sec"), 1e12, flops));
    auto o = collector_.start(number, seconds_within(range));
    o.operation = grouped ? "grouped_gemm" : "expert_gemm";
    o.point = shape.point();
    if (grouped) o.point["groups"] = groups;
    o.dtypes = *dtypes;
    o.implementation = "flashinfer-" + slug(std::string{trimmed(row.substr(0, colons))});
    o.sample.statistic = "median";
    o.policy.graph = text_of(arguments_, "no_cuda_graph") == "False" ? "cuda_graph" : "none";
    o.library.algorithm = o.implementation;
    collector_.take(std::move(o), device);
  }

  KernelCollector collector_;
  Arguments arguments_;
  std::string gpu_;
};

bool recognises(const std::string& text) {
  return text.find(kRow) != std::string::npos && text.find("median time") != std::string::npos;
}

}  // namespace

Format flashinfer_format() {
  return {"flashinfer", "GEMM rows of FlashInfer's benchmark, printed with -vv", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
